"""What is logged: requests that cross the services, and what containers say of themselves.

A request comes to the balancer, goes to a replica of the entry service, from there to some of the
backends, and from some of those to the database. Who is called is anyone that counts as ready,
which a replica does for a moment after it has died: then the call is refused, or closed, and the
line says so. A line about a call is written when the answer is there, and some lines about a
request come up to a minute after it: the address may be somebody else's by then.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from cuidx.errors import UsageError
from cuidx.simulation.chance import Chance
from cuidx.simulation.cluster import NODES, OPEN, Cluster, Instance
from cuidx.simulation.scenarios import BALANCER, Plan

NOBODY: Final = -1  # who has an address that is no container's
REQUESTS: Final = 0.86  # of the lines; the rest is what containers say without a request
PROBING: Final = 30_000  # the nodes' agents look at Pods from then on


class Line(NamedTuple):
    """One line. `at` is the writer's clock, `moment` the true time; `who` wrote it."""

    at: int
    order: int
    who: int
    level: str
    message: str
    request: str
    source: str  # the address in the field for the peer
    source_who: int
    text: str  # the address in the message
    text_who: int
    moment: int


VERBS: Final = {
    "gateway": "checkout", "store": "reserve", "payment": "charge", "mail": "receipt",
    "search": "query", "db": "select",
}  # fmt: skip
IDLE: Final = (
    "health ok, heap={} MB", "connection pool idle={}", "config unchanged, version={}",
    "gc pause {} us", "cache evicted {} entries",
)  # fmt: skip


class Traffic:
    """The lines of CLUSTER, which has run; `lost` is how many were written and never arrived."""

    def __init__(self, plan: Plan, cluster: Cluster) -> None:
        self.settings = settings = plan.settings
        self._plan = plan
        self._all = cluster.instances
        self._chance = Chance(settings.seed, 4)
        clocks = Chance(settings.seed, 5)
        self.clocks = [clocks.between(-settings.skew, settings.skew) for _ in range(NODES)]
        self._skews = [self.clocks[one.pod.node] for one in self._all]
        self._lines: list[Line] = []
        self._lost_lines = [0]
        self._ready: dict[str, list[Instance]] = {}
        self._turn: dict[str, int] = {}

    @property
    def lost(self) -> int:
        """How many lines were written and are in no file."""
        return self._lost_lines[0]

    def lines(self) -> list[Line]:
        """As many as asked for, in the order of their writers' clocks."""
        wanted = self.settings.events
        self._of_themselves()
        if len(self._lines) > wanted:
            raise UsageError(
                f"--events {wanted}: {len(self._all)} containers write {len(self._lines)} lines "
                "about their start and end alone",
                do="ask for more events, fewer Pods, less churn or a shorter length",
            )
        self._requests(len(self._lines) + int(REQUESTS * (wanted - len(self._lines))))
        self._idle(wanted - len(self._lines))
        self._lines.sort()
        return self._lines

    def _write(self, moment: int, who: int, level: str, message: str, request: str = "",
               source: str = "", source_who: int = NOBODY, text: str = "",
               text_who: int = NOBODY) -> None:  # fmt: skip
        """Add a line, if its writer lives, within the story; it may be lost."""
        one = self._all[who]
        if not 0 <= moment < self.settings.length or moment < one.started or moment >= one.ended:
            return
        if self.settings.lost and self._chance.random() < self.settings.lost:
            self._lost_lines[0] += 1
            return
        lines = self._lines
        lines.append(
            Line(moment + self._skews[who], len(lines), who, level, message, request, source,
                 source_who, text, text_who, moment)
        )  # fmt: skip

    # -- lines about a container's own start and end ----------------------------------------------

    def _of_themselves(self) -> None:
        for one in self._all:
            service, pod = one.pod.service, one.pod
            self._write(one.started, one.number, "INFO",
                        f"starting {service} pod={pod.name} version=1.4.2")  # fmt: skip
            self._write(min(one.started + 40, one.ready), one.number, "INFO",
                        f"listening on {pod.ip}:8080",
                        text=pod.ip, text_who=one.number)  # fmt: skip
            if one.end == "stopped":
                self._write(one.drained, one.number, "INFO", "signal TERM, draining")
                self._write(one.ended - 20, one.number, "INFO", "bye")
            elif one.end == "restarted":
                self._write(one.ended - 15, one.number, "WARN", "worker exits, code 1")
            if one.said:
                self._write(one.ended - 1, one.number, "ERROR", one.said)

    # -- requests ---------------------------------------------------------------------------------

    def _requests(self, upto: int) -> None:
        plan, chance = self._plan, self._chance
        room = upto - len(self._lines)
        if room <= 0:
            return
        calls = self.settings.fanout * (3 + (1 if plan.database else 0)) if plan.backends else 0
        count = max(1, int(room / ((2 + calls) * (1 - self.settings.lost))))
        whole = sum(plan.level)
        done, second = 0.0, 0
        changes = self._changes()
        for n in range(count):
            place = (n + chance.random()) / count * whole
            while second < len(plan.level) - 1 and done + plan.level[second] <= place:
                done += plan.level[second]
                second += 1
            at = int((second + (place - done) / plan.level[second]) * 1_000)
            self._until(at, changes)
            self._request(at)
            if len(self._lines) >= upto:
                break

    def _changes(self) -> Iterator[tuple[int, bool, Instance]]:
        """Who becomes ready when, and who is taken out: (at, in or out, who), in order."""
        found = [(one.ready, True, one.number) for one in self._all if one.ready < one.removed]
        found += [(one.removed, False, one.number) for one in self._all
                  if one.ready < one.removed < OPEN]  # fmt: skip
        return iter([(at, comes, self._all[who]) for at, comes, who in sorted(found)])

    _next: tuple[int, bool, Instance] | None = None

    def _until(self, at: int, changes: Iterator[tuple[int, bool, Instance]]) -> None:
        while True:
            change = self._next or next(changes, None)
            if change is None or change[0] > at:
                self._next = change
                return
            self._next = None
            there = self._ready.setdefault(change[2].pod.service, [])
            if change[1]:
                there.append(change[2])
            else:
                there.remove(change[2])

    def _someone(self, service: str) -> Instance | None:
        """Who is next in turn."""
        there = self._ready.get(service)
        if not there:
            return None
        turn = self._turn[service] = self._turn.get(service, 0) + 1
        return there[turn % len(there)]

    def _request(self, at: int) -> None:
        chance = self._chance
        random = chance.random
        balancer = self._someone(BALANCER)
        if balancer is None:
            return
        h = f"{int(random() * (1 << 44)):011x}{int(random() * (1 << 44)):011x}"
        h += f"{int(random() * (1 << 40)):010x}"
        request = f"{h[:8]}-{h[8:12]}-4{h[13:16]}-a{h[17:20]}-{h[20:]}"
        client = f"203.0.113.{1 + int(random() * 254)}"
        first = self._someone(self._plan.entry)
        path = f"POST /{VERBS[self._plan.entry]}"
        if first is None:
            self._write(at + 1, balancer.number, "ERROR",
                        f"{path} 503 no healthy upstream for {self._plan.entry}", request,
                        client)  # fmt: skip
            return
        answered, status = self._call(at + 1, balancer, first, request, 0)
        level = "INFO" if status == 200 else "ERROR"
        self._write(answered, balancer.number, level,
                    f"{path} {status} upstream {first.pod.ip}:8080 in {answered - at} ms", request,
                    client, NOBODY, first.pod.ip, first.number)  # fmt: skip

    def _call(self, at: int, caller: Instance, callee: Instance, request: str,
              depth: int) -> tuple[int, int]:  # fmt: skip
        """CALLER calls CALLEE at a time: when it has its answer, and the status."""
        random = self._chance.random
        if at >= callee.ended or at < callee.started:
            return at + 1 + int(random() * 30), 503  # nobody listens at that address
        service, mine = callee.pod.service, callee.number
        order = 1000 + int(random() * 9000)
        self._write(at + 1, mine, "INFO", f"{VERBS[service]} order={order}", request,
                    caller.pod.ip, caller.number)  # fmt: skip
        now, status = at + 2 + int(random() * 12), 200
        names: tuple[str, ...] = ()
        if depth == 0 and self._plan.backends:
            count = int(self.settings.fanout + random())
            names = self._plan.backends
            turn = int(random() * len(names))
            names = tuple(names[(turn + n) % len(names)] for n in range(count))
        elif depth == 1 and self._plan.database and random() < 0.5:
            names = (self._plan.database,)
        for name in names:
            other = self._someone(name)
            if other is None:
                self._write(now, mine, "ERROR", f"no healthy upstream for {name}", request)
                status = 502
                continue
            before = now
            now, answer = self._call(now + 1, callee, other, request, depth + 1)
            level = "INFO" if answer == 200 else "WARN" if answer == 500 else "ERROR"
            self._write(now, mine, level,
                        f"{name} {other.pod.ip}:8080 {ANSWERS[answer]} in {now - before} ms",
                        request, "", NOBODY, other.pod.ip, other.number)  # fmt: skip
            if answer != 200:
                status = 502
        dice = random()
        if dice < 0.005:  # it takes its time
            now += 2_000 + int(random() * 15_000)
        elif dice < 0.01 and status == 200 and depth:
            status = 500
        if now >= callee.ended:  # it did not live to answer
            return callee.ended + 1 + int(random() * 2_000), 504
        if depth:
            if status == 200:
                self._write(now, mine, "INFO", f"{VERBS[service]} order={order} done", request)
            else:
                self._write(now, mine, "ERROR", f"{VERBS[service]} order={order} failed", request)
            if dice > 0.98:  # what is still to be done, later
                self._write(now + 500 + int(random() * 60_000), mine, "INFO",
                            f"order={order} settled, asked for by {caller.pod.ip}", request,
                            "", NOBODY, caller.pod.ip, caller.number)  # fmt: skip
        return now + 1, status

    # -- lines about nothing in particular --------------------------------------------------------

    def _idle(self, count: int) -> None:
        """COUNT lines of whoever lives: on the whole alike over time."""
        chance, length = self._chance, self.settings.length
        births = sorted(self._all, key=lambda one: (one.started, one.number))
        agents = {one.pod.node: one for one in self._all if one.pod.service == "node-agent"}
        alive: list[Instance] = []
        place, upto = 0, len(self._lines) + count
        while len(self._lines) < upto:
            missing = upto - len(self._lines)
            place, alive = 0, []
            for n in range(missing):
                at = int((n + chance.random()) / missing * length)
                while place < len(births) and births[place].started <= at:
                    alive.append(births[place])
                    place += 1
                one = chance.pick(alive)
                while one.ended <= at:  # whoever has gone goes from the list when met
                    alive.remove(one)
                    one = chance.pick(alive)
                dice = chance.random()
                if dice > 0.25 or one.pod.host_network or at < PROBING:
                    self._write(at, one.number, "DEBUG",
                                chance.pick(IDLE).format(chance.below(900)))  # fmt: skip
                elif dice > 0.1:
                    agent = agents[one.pod.node]
                    self._write(at, agent.number, "INFO", f"probe {one.pod.ip}:8080/healthz 200",
                                "", "", NOBODY, one.pod.ip, one.number)  # fmt: skip
                else:
                    agent = agents[one.pod.node]
                    self._write(at, one.number, "DEBUG", "GET /healthz 200", "", agent.pod.ip,
                                agent.number)  # fmt: skip


ANSWERS: Final = {
    200: "answered 200", 500: "answered 500", 502: "answered 502",
    503: "refused the connection", 504: "closed the connection",
}  # fmt: skip
