"""The cluster, as discrete events: Pods come and go, and addresses go from one to the next.

Nothing is logged here; what comes out is who was there when, and with which address. Times are
milliseconds from the story's start; what was there before it has times below 0.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from cuidx.simulation.addresses import Pool
from cuidx.simulation.chance import Chance
from cuidx.simulation.settings import Settings

CAPACITY: Final = 500  # requests a second that one replica stands
NODES: Final = 4
OPEN: Final = 1 << 60  # it still runs at the end


@dataclass(slots=True)
class Service:
    """A workload: its replicas, whether they keep their names, and its load at a time."""

    name: str
    replicas: int
    stateful: bool = False
    load: Callable[[int], float] | None = None  # requests a second, over all replicas
    scales: bool = False


@dataclass(slots=True, eq=False)
class Pod:
    """One Pod; `ip` is its node's where it is on its node's network."""

    name: str
    uid: str
    service: str
    node: int
    host_network: bool = False
    ip: str = ""
    created: int = 0
    leased: int = OPEN  # from when, and until when, it has its address
    released: int = OPEN
    instances: list[Instance] = field(default_factory=list)
    busy: bool = False  # on its way up or down; nothing else happens to it


@dataclass(slots=True, eq=False)
class Instance:
    """One run of a Pod's application: a container. A restart in place keeps its Pod's CUID."""

    number: int
    pod: Pod
    cuid: str
    container_id: str
    restart: int
    started: int
    ready: int
    removed: int = OPEN  # from then on nobody is sent to it any more
    ended: int = OPEN
    end: str = "open"  # stopped, killed or restarted
    drained: int = OPEN  # when it was asked to stop
    said: str = ""  # its last words, where it dies with some


@dataclass(frozen=True, slots=True)
class Churn:
    """What happens to whom is decided at its time; `kind` says what."""

    at: int
    kind: str  # replace, crash, restart, reboot, roll
    service: str | None = None


class Cluster:
    """Runs a story. `instances` are all containers, in the order in which they start."""

    def __init__(self, settings: Settings, services: list[Service], churn: list[Churn],
                 bursts: list[tuple[int, int, str]], deaths: int = 2) -> None:  # fmt: skip
        self.settings = settings
        self.services = {service.name: service for service in services}
        self.pods: list[Pod] = []
        self.instances: list[Instance] = []
        self._chance = Chance(settings.seed, 1)
        self._names = Chance(settings.seed, 2)
        self._pool = Pool(settings.ipam, settings.addresses, settings.cooldown)
        self._heap: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = 0
        self._bursts, self._deaths = bursts, deaths
        self._sets = {name: self._names.letters(10) for name in self.services}
        self._next_node = 0
        for node in range(NODES):
            for name in ("node-agent", "log-shipper"):
                self._on_the_node(name, node)
        for service in services:
            for at in range(service.replicas):
                self._already_there(service, at)
        for one in churn:
            self._plan(one.at, self._happen, one)
        for burst in bursts:
            for at in range(burst[0], burst[1], 1_000):
                self._plan(at, self._overload, burst)
        for at in range(15_000, settings.length, 15_000):
            self._plan(at, self._scale)

    def run(self) -> None:
        """Let it all happen, until the story's end."""
        while self._heap and self._heap[0][0] < self.settings.length:
            at, _, happens, what = heapq.heappop(self._heap)
            happens(at, *what)
        self.pods = [pod for pod in self.pods if pod.instances]
        self.instances = sorted(
            (one for pod in self.pods for one in pod.instances),
            key=lambda one: (one.started, one.number),
        )
        for number, one in enumerate(self.instances):
            one.number = number

    def _plan(self, at: int, happens: Callable[..., None], *what: Any) -> None:
        self._order += 1
        heapq.heappush(self._heap, (at, self._order, happens, what))

    # -- coming up --------------------------------------------------------------------------------

    def _pod(self, service: str, at: int, name: str = "") -> Pod:
        self._next_node += 1
        name = name or f"{service}-{self._sets[service]}-{self._names.letters(5)}"
        pod = Pod(name, self._names.uuid(), service, self._next_node % NODES, created=at, busy=True)
        self.pods.append(pod)
        return pod

    def _on_the_node(self, name: str, node: int) -> None:
        pod = Pod(f"{name}-{self._names.letters(5)}", self._names.uuid(), name, node, True,
                  f"10.10.1.{11 + node}", -900_000, -900_000, busy=True)  # fmt: skip
        self.pods.append(pod)
        self._run(pod, -890_000 + len(self.pods), self._names.uuid())

    def _already_there(self, service: Service, at: int) -> None:
        since = -self._chance.between(20_000, 600_000)
        pod = self._pod(service.name, since, f"{service.name}-{at}" if service.stateful else "")
        pod.ip = self._pool.take(0) or ""
        if not pod.ip:
            self._plan(0, self._assign, pod)  # there are fewer addresses than Pods
            return
        pod.leased = since + 200
        self._run(pod, pod.leased + self.settings.boot, self._names.uuid())
        pod.busy = False

    def _create(self, at: int, service: str, name: str = "") -> None:
        pod = self._pod(service, at, name)
        self._plan(at + self._chance.between(50, 300), self._assign, pod)

    def _assign(self, at: int, pod: Pod) -> None:
        ip = self._pool.take(at)
        if ip is None:  # it waits, as Pods do while there is no address
            self._plan(at + 1_000, self._assign, pod)
            return
        pod.ip, pod.leased = ip, at
        start = at + self.settings.boot + self._chance.between(0, 2_000)
        self._plan(start, self._start, pod, self._names.uuid())

    def _start(self, at: int, pod: Pod, cuid: str) -> None:
        self._run(pod, at, cuid)
        self._plan(pod.instances[-1].ready, self._up, pod)

    def _up(self, _: int, pod: Pod) -> None:
        pod.busy = False

    def _run(self, pod: Pod, at: int, cuid: str) -> None:
        ready = at + self._chance.between(200, 800)
        one = Instance(len(self.instances), pod, cuid, self._names.hexes(64), len(pod.instances),
                       at, ready)  # fmt: skip
        self.instances.append(one)
        pod.instances.append(one)

    # -- going down -------------------------------------------------------------------------------

    def _stop(self, at: int, pod: Pod) -> int:
        """End POD as Kubernetes does; when its address is given back."""
        one = pod.instances[-1]
        pod.busy = True
        one.drained, one.removed = at, at + self._chance.between(100, 900)
        one.ended, one.end = at + self._chance.between(2_000, 4_000), "stopped"
        return self._release(pod, one.ended)

    def _kill(self, at: int, pod: Pod, said: str = "") -> int:
        """End POD at once: no goodbye, and others still call it for a moment."""
        one = pod.instances[-1]
        pod.busy = True
        one.ended, one.removed, one.end = at, at + self._chance.between(300, 1_500), "killed"
        one.said = said
        return self._release(pod, at)

    def _release(self, pod: Pod, ended: int) -> int:
        pod.released = ended + self._chance.between(50, 400)
        self._plan(pod.released, self._give_back, pod)
        return pod.released

    def _give_back(self, at: int, pod: Pod) -> None:
        self._pool.give(pod.ip, at)

    # -- what happens -----------------------------------------------------------------------------

    def _up_and_running(self, service: str | None) -> list[Pod]:
        return [pod for pod in self.pods
                if not pod.busy and (service is None or pod.service == service)]  # fmt: skip

    def _happen(self, at: int, what: Churn) -> None:
        there = self._up_and_running(what.service)
        if not there:
            return
        pod = self._chance.pick(there)
        if what.kind == "roll":
            for place, old in enumerate(self._up_and_running(pod.service)):
                self._plan(at + place * 8_000, self._roll, old)
        elif what.kind in ("restart", "reboot"):
            self._again(at, pod, new_tagger=what.kind == "reboot")
        else:
            self._replace(at, pod, crash=what.kind == "crash")

    def _roll(self, at: int, pod: Pod) -> None:
        if not pod.busy:
            self._replace(at, pod, crash=False)

    def _again(self, at: int, pod: Pod, *, new_tagger: bool) -> None:
        """The application ends and starts anew in its Pod; with a new tagger, so does the CUID."""
        one = pod.instances[-1]
        pod.busy = True
        one.ended, one.removed, one.end = at, at + self._chance.between(100, 700), "restarted"
        start = at + self.settings.boot + self._chance.between(300, 2_500)
        self._plan(start, self._start, pod, self._names.uuid() if new_tagger else one.cuid)

    def _replace(self, at: int, pod: Pod, *, crash: bool, said: str = "") -> None:
        released = self._kill(at, pod, said) if crash else self._stop(at, pod)
        if self.services[pod.service].stateful:  # its name is free only when it has gone
            self._plan(released + 100, self._create, pod.service, pod.name)
        else:
            self._plan(at + (self._chance.between(400, 1_000) if crash else 0), self._create,
                       pod.service)  # fmt: skip

    def _overload(self, at: int, burst: tuple[int, int, str]) -> None:
        """A replica with more than it stands dies; those left have the more to do, and so on."""
        service = self.services[burst[2]]
        there = self._up_and_running(service.name)
        each = (service.load(at) if service.load else 0) / max(len(there), 1)
        if there and each > CAPACITY and self._dead(burst) < self._deaths:
            said = f"out of memory: {int(each)} requests/s, capacity {CAPACITY}"
            self._replace(at, self._chance.pick(there), crash=True, said=said)

    def _dead(self, burst: tuple[int, int, str]) -> int:
        return sum(
            one.said != "" and burst[0] <= one.ended < burst[1] and one.pod.service == burst[2]
            for one in self.instances
        )

    def _scale(self, at: int) -> None:
        for service in self.services.values():
            if not service.scales or service.load is None:
                continue
            alive = [pod for pod in self.pods if pod.service == service.name
                     and (not pod.instances or pod.instances[-1].ended == OPEN)]  # fmt: skip
            wanted = -int(-service.load(at) // (0.75 * CAPACITY))
            wanted = min(max(wanted, 1), 2 * service.replicas)
            for _ in range(wanted - len(alive)):
                self._create(at, service.name)
            running = [pod for pod in alive if not pod.busy]
            if wanted < len(alive) and len(running) > 1:  # down one by one, the newest first
                self._stop(at, running[-1])
