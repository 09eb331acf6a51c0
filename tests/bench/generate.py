"""Writes a made-up log of a cluster in which addresses are really reused, always the same one.

    python tests/bench/generate.py --events 3700000 --seed 1 --shape flat -o big.jsonl

Same events, seed, shape and shares: same bytes. 3.7 million flat events are about 1 GB. It is plain
Python and string templates, because the tests need it and numpy is no dependency: what is the same
for all lines of a container is rendered once, so that a line is one f-string or two.

The story: 64 addresses, each held by one container after the other with holes between, over six
hours; requests cross two to five containers. Lifetimes start and end on the borders of `EPOCH_MS`,
and a line's time never leaves its epoch: so all lines of a container lie within its lifetime, and
its address's next holder comes later, without any check per line.
"""

import argparse
import itertools
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

SHAPES = ("flat", "text", "cri", "elasticdump")

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
EPOCH_MS = 10_000
EPOCHS = 2_160  # six hours, whatever the number of events
ADDRESSES = 64
LANES = 8  # requests under way at the same time, so that their lines alternate

# Service, its share of the containers.
SERVICES = {"gateway": 3, "store": 4, "payment": 3, "db": 2, "mail": 2, "search": 2}
MESSAGES = 2_000  # for each service and kind; more would only cost time at the start

# Chosen by one random number for each line: INFO, DEBUG, WARN, ERROR (0.2 %), and a FATAL or two
# in a million lines. `bisect` over five bounds costs more than comparing, as most are INFO.
DEBUG_FROM, WARN_FROM, ERROR_FROM, FATAL_FROM = 0.90, 0.96, 0.998, 0.999_998


@dataclass
class Made:
    """What was written; `lines` are lines of the file, `bad_lines` their 1-based numbers."""

    lines: int = 0
    events: int = 0
    fragments: int = 0
    duplicates: int = 0
    blank: int = 0
    unreadable: int = 0
    tagged: int = 0
    untagged: int = 0
    bad_lines: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Container:
    """One holder of an address; it lives over whole epochs, [first, last)."""

    service: str
    pod: str
    uid: str
    container_id: str
    cuid: str
    ip: str
    node: str
    first: int
    last: int

    @property
    def svc(self) -> str:
        return f"{self.service}.shop.lab"

    @property
    def suffix(self) -> str:
        return f'{{"ikontainer_CUID":"{self.cuid}","svc":"{self.svc}"}}'


# (time, its milliseconds, level, message, request id or "", client address or "") -> one or two
# lines with their newlines.
Write = Callable[[str, str, str, str, str], str]


def uuid4(rng: random.Random) -> str:
    """A UUID of version 4; `uuid.UUID` would take four times as long."""
    h = f"{rng.getrandbits(128):032x}"
    return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-a{h[17:20]}-{h[20:]}"


def containers(rng: random.Random) -> list[Container]:
    """Every holder of every address, one after the other, with holes between."""
    names, weights = list(SERVICES), list(SERVICES.values())
    found: list[Container] = []
    for slot in range(ADDRESSES):
        # Two digits and one beside each other, so that sorting as text would be seen.
        ip = f"10.42.{slot % 4}.{7 + 3 * (slot // 4)}"
        service = rng.choices(names, weights)[0]
        # All start somewhere in a life: a cluster is never born as a whole.
        epoch = rng.randrange(3) if slot % 4 else 0
        while epoch < EPOCHS - 6:
            last = min(epoch + rng.randint(60, 480), EPOCHS)
            digits = f"{rng.getrandbits(40):010x}"
            found.append(
                Container(
                    service=service,
                    pod=f"{service}-{digits[:5]}-{digits[5:]}",
                    uid=uuid4(rng),
                    container_id=f"{rng.getrandbits(256):064x}",
                    cuid=uuid4(rng),
                    ip=ip,
                    node=f"node-{slot % 4 + 1}",
                    first=epoch,
                    last=last,
                )
            )
            epoch = last + rng.randint(1, 12)
            if rng.random() < 0.7:  # mostly another workload gets the address
                service = rng.choices(names, weights)[0]
    return found


def messages(rng: random.Random, service: str) -> tuple[list[str], list[str]]:
    """Texts for lines of a request, and for lines of no request."""

    def ip() -> str:
        return f"10.42.{rng.randrange(4)}.{7 + 3 * rng.randrange(16)}"

    def below(limit: int) -> int:
        return rng.randrange(limit)

    makers: list[Callable[[], str]] = [
        lambda: f"{service} took order={below(10**6)} items={below(9)} in {below(900)} ms",
        lambda: f"POST /{service}/{below(10**5)} from={ip()} status=200 bytes={below(9000)}",
        lambda: f"calling upstream http://{ip()}:8080/{service} attempt={1 + below(3)}",
        lambda: f'query "select * from {service}_items where id = {below(10**6)}" rows={below(50)}',
        lambda: f'user "u{below(9999)}" agent="shop-web/1.4 (build {below(999)})" accepted',
        lambda: f"cache hit key={service}:{rng.getrandbits(48):012x} ttl={below(600)}",
        lambda: (
            f"Lieferung an Käufer {below(9999)} bestätigt, Betrag {below(90)},{below(90):02d} €"
        ),
        lambda: f"path C:\\spool\\{service}\\{below(10**5)}.tmp written\tby worker {below(16)}",
    ]
    weights = [30, 20, 12, 10, 10, 12, 2, 4]
    of_requests = [m() for m in rng.choices(makers, weights, k=MESSAGES)]
    others: list[Callable[[], str]] = [
        lambda: f"health probe ok, goroutines={20 + below(380)} heap={below(900)}MB",
        lambda: f"connection pool size={below(32)} idle={below(32)} peer={ip()}:5432",
        lambda: f"config reload: nothing changed, version={below(99)}",
    ]
    return of_requests, [m() for m in rng.choices(others, k=MESSAGES)]


def quoted(text: str) -> str:
    """The text as it stands between the quotes of JSON."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


# --- shapes: what a container's lines look like ---------------------------------------------------


def flat(box: Container, rng: random.Random) -> Write:
    """A flat JSON object a line, the tagger's keys merged in at its end."""
    head = f'","service":"{box.service}","msg":"'
    tail = f'","pod_ip":"{box.ip}",{box.suffix[1:]}\n'

    def write(time: str, level: str, message: str, request: str, client: str) -> str:
        if request:
            message = f'{message}","request_id":"{request}'
        if client:
            message = f'{message}","client_ip":"{client}'
        return f'{{"ts":"{time}","level":"{level}{head}{message}{tail}'

    return write


def varied(box: Container, rng: random.Random) -> Write:
    """Flat, in the spellings that real programs mix: what a careless reader would get wrong."""
    number = rng.getrandbits(24)
    spaced = box.service == "store"  # Python's json.dumps writes a blank after : and ,
    east = timezone(timedelta(hours=2))
    calls = itertools.count(number)

    def write(time: str, level: str, message: str, request: str, client: str) -> str:
        n = next(calls)
        if box.service == "mail":  # another zone
            moment = datetime.fromisoformat(time).astimezone(east)
            time = moment.isoformat(timespec="milliseconds")
        elif box.service == "db":  # more digits, or none: 0, 3, 6 and 9 in one container
            time = (time, time[:-1] + "123Z", time[:-1] + f"{n % 1000:03d}456Z", time[:19] + "Z")[
                n % 4
            ]
        if box.service in ("payment", "store"):
            level = level.lower()
        row: dict[str, object] = {"ts": time, "level": level, "service": box.service}
        row["msg"] = json.loads(f'"{message}"')
        if n % 37 == 0 and n % 97:  # a look-alike in the text; the tagger's keys come after it
            row["msg"] = f"{row['msg']} body={box.suffix.replace(box.cuid, 'f' * 36)}"
        if n % 41 == 0:  # keys of the same names, further down
            row["peer"] = {"level": "ERROR", "request_id": "not-this-one", "pod_ip": "192.0.2.1"}
        if request:
            request = (request, request.replace("-", ""), request.upper())[n % 3]
            row["trace_id" if n % 5 == 0 else "request_id"] = request
            if n % 25 == 0:  # both: request_id counts
                row["request_id"], row["trace_id"] = request, f"{n:032x}"
        if client:
            row["client_ip"] = client
        if n % 29:
            # Some have a second address; as text 10.42.0.7 would come before 10.5.0.7.
            second = box.service == "search" and n % 10 == 0
            row["pod_ip"] = box.ip.replace(".42.", ".5.") if second else box.ip
        row |= {"ikontainer_CUID": box.cuid, "svc": box.svc}
        if n % 97 == 0:  # nobody's line: the tagger was not there
            for key in ("pod_ip", "ikontainer_CUID", "svc"):
                row.pop(key, None)
        separators = (", ", ": ") if spaced else (",", ":")
        return json.dumps(row, ensure_ascii=n % 2 == 0, separators=separators) + "\n"

    return write


def text(box: Container, rng: random.Random) -> Write:
    """A text line with the tagger's suffix, no blank before it."""
    tail = box.suffix + "\n"

    def write(time: str, level: str, message: str, request: str, client: str) -> str:
        if client:
            message = f"{message} client={client}"
        if request:
            return f"{time} {level} {message} request_id={request}{tail}"
        return f"{time} {level} {message}{tail}"

    return write


def cri(box: Container, rng: random.Random) -> Write:
    """CRI lines whose payload is the tagged text line; one in a hundred comes in two pieces."""
    plain = text(box, rng)
    chance = rng.random

    def write(time: str, level: str, message: str, request: str, client: str) -> str:
        line = plain(time, level, message, request, client)
        stream = "stderr" if level in ("ERROR", "FATAL") else "stdout"
        # The runtime's clock: the program's millisecond and six digits more.
        stamp = f"{time[:-1]}{int(chance() * 1_000_000):06d}Z {stream}"
        if chance() < 0.01:
            cut = 40 + int(chance() * 20)
            return f"{stamp} P {line[:cut]}\n{stamp} F {line[cut:]}"
        return f"{stamp} F {line}"

    return write


def elasticdump(box: Container, rng: random.Random) -> Write:
    """A search hit a line: a document as Fluentd with the Kubernetes plug-in stores it."""
    bits = rng.getrandbits
    head = '{"_index":"logstash-2026.11.02","_id":"'
    tail = (
        f'","ikontainer_CUID":"{box.cuid}","svc":"{box.svc}",'
        f'"docker":{{"container_id":"{box.container_id}"}},'
        f'"kubernetes":{{"container_name":"app","namespace_name":"shop","pod_name":"{box.pod}",'
        f'"pod_id":"{box.uid}","pod_ip":"{box.ip}","host":"{box.node}",'
        f'"labels":{{"app":"{box.service}"}}}}}}}}\n'
    )

    def write(time: str, level: str, message: str, request: str, client: str) -> str:
        if client:
            message = f"{message} client={client}"
        if request:
            level = f'{level}","request_id":"{request}'
        return (
            f'{head}{bits(80):020x}","_score":1,"_source":{{"@timestamp":"{time}","stream":"stdout",'
            f'"log":"{time} {message}\\n","level":"{level}{tail}'
        )

    return write


WRITERS: dict[str, Callable[[Container, random.Random], Write]] = {
    "flat": flat,
    "text": text,
    "cri": cri,
    "elasticdump": elasticdump,
}


# --- the story ------------------------------------------------------------------------------------


def story(events: int, rng: random.Random, shape: str, variants: bool) -> Iterator[list[str]]:
    """The events of one epoch after the other, in the order of the file."""
    boxes = containers(rng)
    writer = varied if variants else WRITERS[shape]
    escape = quoted if shape in ("flat", "elasticdump") else str
    texts = {}
    for service in SERVICES:
        of_requests, others = messages(rng, service)
        # Outside JSON a tab stays a tab; a line break is in none of them.
        texts[service] = [escape(m) for m in of_requests], [escape(m) for m in others]
    # All that a step needs of its container, found with one look.
    pens = [(writer(b, random.Random(rng.getrandbits(64))), *texts[b.service]) for b in boxes]
    clients = [f"203.0.113.{n}" for n in range(1, 255)]
    # An epoch is ten seconds: its times differ from the last digit of the seconds on.
    clock = [f"{n // 1000}.{n % 1000:03d}Z" for n in range(EPOCH_MS)]
    chance = rng.random

    for epoch in range(EPOCHS):
        wanted = (epoch + 1) * events // EPOCHS - epoch * events // EPOCHS
        if not wanted:
            continue
        alive: dict[str, list[int]] = {}
        for n, box in enumerate(boxes):
            if box.first <= epoch < box.last:
                alive.setdefault(box.service, []).append(n)
        steps = list(itertools.islice(walk(alive, rng), wanted))
        width = -(-wanted // LANES)
        lanes = itertools.zip_longest(*(steps[k * width : (k + 1) * width] for k in range(LANES)))
        begin = START + timedelta(milliseconds=epoch * EPOCH_MS)
        upto = begin.strftime("%Y-%m-%dT%H:%M:%S")[:-1]
        step_ms = (EPOCH_MS - 1) / wanted
        order = [step for step in itertools.chain.from_iterable(lanes) if step]
        lines: list[str] = []
        for place, (n, request) in enumerate(order):
            now = int(place * step_ms)
            dice = chance()
            level, client = "INFO", ""
            if dice >= DEBUG_FROM:
                level = "DEBUG" if dice < WARN_FROM else "WARN" if dice < ERROR_FROM else "ERROR"
                if dice >= FATAL_FROM:
                    level = "FATAL"
            elif dice < 0.03:  # an access line: its time is the request's start
                now = max(0, now - int(dice * 50_000))
            elif dice < 0.28 and request:
                client = clients[int(dice * 1000) % 254]
            write, of_requests, others = pens[n]
            message = (of_requests if request else others)[int(chance() * MESSAGES)]
            lines.append(write(upto + clock[now], level, message, request, client))
        yield lines


def walk(alive: dict[str, list[int]], rng: random.Random) -> Iterator[tuple[int, str]]:
    """Steps without end: (container, request id), a request's steps one after the other."""
    everyone = [n for group in alive.values() for n in group]
    gates = alive.get("gateway") or everyone
    rest = [n for name, group in alive.items() if name != "gateway" for n in group] or everyone
    chance = rng.random
    while True:
        request = uuid4(rng)
        gate = gates[int(chance() * len(gates))]
        yield gate, request
        for _ in range(1 + int(chance() * 4)):
            n = rest[int(chance() * len(rest))]
            yield n, request
            if chance() < 0.35:
                yield n, request
        yield gate, request
        if chance() < 0.55:  # 10 % of the lines belong to no request
            yield everyone[int(chance() * len(everyone))], ""


def generate(
    events: int,
    seed: int,
    shape: str,
    path: str | Path,
    *,
    bad: float = 0.0001,
    variants: bool = False,
) -> Made:
    """Write EVENTS events to PATH; besides them the share BAD of cut lines, and of blank ones.

    A cut line is what a crash leaves: the beginning of a record. In the JSON shapes it is no valid
    JSON, in `cri` it ends within the time; both are unreadable. In `text` nothing is: there it
    is one more event, without a suffix.

    VARIANTS (flat only) mixes spellings, zones and precisions, nested keys, look-alikes, lines
    without identity and lines of text, at a third of the speed.
    """
    if shape not in SHAPES:
        raise ValueError(f"shape is {shape!r}; known are {', '.join(SHAPES)}")
    if variants and shape != "flat":
        raise ValueError("variants exist in the flat shape only")
    odd = random.Random(seed + 1)  # its own numbers: the events are the same at every share
    # Before which event an odd line goes; more than one may go before the same.
    spots: dict[int, list[str]] = {}
    for kind in ("cut", "blank", "stray") if variants else ("cut", "blank"):
        for _ in range(round(events * bad)):
            spots.setdefault(odd.randrange(events), []).append(kind)
    waiting = sorted(spots, reverse=True)
    made = Made(events=events)
    late: list[str] = []
    begin = 0
    with Path(path).open("wb") as out:

        def put(lines: list[str]) -> None:
            # One by one: a letter beyond Latin-1 would make a joined block two bytes a letter.
            block = b"".join(map(str.encode, lines))
            made.lines += block.count(b"\n")
            out.write(block)

        for lines in story(events, random.Random(seed), shape, variants):
            done = 0
            while waiting and waiting[-1] < begin + len(lines):
                spot = waiting.pop()
                put(lines[done : spot - begin])
                done = spot - begin
                for kind in spots[spot]:
                    put([oddity(kind, lines[done], shape, odd, made)])
            put(lines[done:])
            if shape == "elasticdump":
                # An export in overlapping windows repeats documents a good while later.
                put(late)
                made.duplicates += len(late)
                late = [line for n, line in enumerate(lines, begin) if n % 100 == 50]
            elif variants:
                # The look-alikes in messages have a backslash before their last quote.
                made.untagged += sum(not line.endswith('.shop.lab"}\n') for line in lines)
            begin += len(lines)
        put(late)
        made.duplicates += len(late)
    if shape == "cri":
        made.fragments = made.lines - made.events - made.blank - made.unreadable
    made.tagged = made.events - made.untagged
    return made


def oddity(kind: str, line: str, shape: str, rng: random.Random, made: Made) -> str:
    """One blank, cut or stray line, made from the line that follows it and counted in MADE."""
    if kind == "blank":
        made.blank += 1
        return rng.choice(("\n", "\n", "\n", "   \n", "\t\n"))
    if kind == "stray" or shape == "text":
        made.events += 1
        made.untagged += 1
        if kind == "stray":
            return rng.choice(("panic: runtime error\n", "goroutine 17 [running]:\n", "OK\n"))
        return line[: rng.randint(30, 60)] + "\n"
    made.unreadable += 1
    made.bad_lines.append(made.lines + 1)
    # The last two characters are the closing brace and the newline.
    return line[: rng.randint(1, 19 if shape == "cri" else len(line) - 2)] + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shape", choices=SHAPES, default="flat")
    parser.add_argument("--bad", type=float, default=0.0001, metavar="SHARE")
    parser.add_argument("--variants", action="store_true", help="mix spellings (flat only)")
    parser.add_argument("-o", "--output", required=True, type=Path)
    args = parser.parse_args()
    made = generate(
        args.events, args.seed, args.shape, args.output, bad=args.bad, variants=args.variants
    )
    counts = asdict(made)
    counts["bad_lines"] = made.bad_lines[:10]
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
