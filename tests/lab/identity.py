"""What an identity costs at the start of a container: making a CUID, or asking for the Pod's uid.

    python tests/lab/identity.py [--rounds N] [--write]

Each way runs many times in a process that is there already, and as a whole in a fresh interpreter,
beside one that does nothing. All ways take turns, round by round. Asking the API server is a TLS
server on 127.0.0.1 that sends a Pod object and does nothing else: a lower bound, with no network, no
authentication, no store behind it. A real Pod's start, podman's, is the yardstick. With --write the table is kept in RESULTS-identity.md and
docs/overhead.md.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE.parent), str(ROOT)]

from lab.compare import percentile  # noqa: E402
from lab.page import MINUS, between, table  # noqa: E402
from lab.parts import free_port  # noqa: E402
from lab.pod import started_and_asked  # noqa: E402
from lab.processes import LabError, Processes, end_on_signals  # noqa: E402

from cuidx.tagger import options  # noqa: E402

RESULTS, DOC = HERE / "RESULTS-identity.md", ROOT / "docs" / "overhead.md"
PODS = ROOT / "fixtures" / "dev" / "pods.json"  # real Pod objects

# What stands in a file of its own and is run as `python -I -S FILE`. SETUP is done once, `ask` often.
MAKE = f"""\
from __future__ import annotations
import os, time
{inspect.getsource(options.new_uuid)}
{inspect.getsource(options._dashed)}
def ask():
    return new_uuid(sortable=%s)
"""
ENVIRONMENT = "import os\ndef ask():\n    return os.environ['POD_UID']\n"
FILE = """\
def ask():
    with open({path!r}) as file:
        return file.read()
"""
FOLDER = """\
import os
def ask():
    (name,) = os.listdir({path!r})
    return name.rsplit('_', 1)[1]
"""
SERVER = """\
import http.client, json, ssl
trust = ssl.create_default_context(cafile={ca!r})
def connect():
    return http.client.HTTPSConnection('127.0.0.1', {port}, context=trust, timeout=10)
line = connect()
def ask():
    {new}line.request('GET', '/api/v1/namespaces/shop/pods/payment-0',
                 headers=dict(Authorization='Bearer ' + 'x' * 900))
    return json.loads(line.getresponse().read())['metadata']['uid']
"""


@dataclass
class Way:
    """A way to an identity: `code` defines `ask()`, `needs` is for the table."""

    name: str
    code: str
    needs: str
    often: int
    asked: list[float] = field(default_factory=list)  # seconds of each `ask()`
    fresh: list[float] = field(default_factory=list)  # CPU seconds of a whole interpreter
    peak: list[float] = field(default_factory=list)  # its VmHWM, MB


def ways(at: Path, port: int, uid: str) -> list[Way]:
    """All ways; what they read is laid out in AT."""
    podinfo, pods = at / "podinfo", at / "pods"
    podinfo.mkdir()
    (podinfo / "uid").write_text(uid)
    (pods / f"shop_payment-0_{uid}").mkdir(parents=True)
    ca = str(at / "server.crt")
    return [
        Way("making a CUID, uuid4", MAKE % False, "nothing", 20_000),
        Way("making a CUID, uuid7", MAKE % True, "nothing", 20_000),
        Way("the Pod's uid, from the environment", ENVIRONMENT, "Downward API in the manifest", 20_000),
        Way(
            "the Pod's uid, from a mounted file", FILE.format(path=str(podinfo / "uid")),
            "a downwardAPI volume in the manifest", 5_000,
        ),
        Way(
            "the Pod's uid, from the log folder's name", FOLDER.format(path=str(pods)),
            "a hostPath on /var/log/pods", 5_000,
        ),
        Way(
            "the Pod's uid, from a server over TLS, connection kept",
            SERVER.format(ca=ca, port=port, new=""), "a token and the right to get Pods", 300,
        ),
        Way(
            "the Pod's uid, from a server over TLS, new connection",
            SERVER.format(ca=ca, port=port, new="line = connect(); "),
            "a token and the right to get Pods", 100,
        ),
    ]  # fmt: skip


RUNNER = """
import sys, time
often = int(sys.argv[1])
took = []
for _ in range(often):
    begin = time.perf_counter_ns()
    its = ask()
    took.append(time.perf_counter_ns() - begin)
status = dict(l.split(':', 1) for l in open('/proc/self/status'))
print(its, int(status['VmHWM'].split()[0]), time.process_time())
if often > 1:
    print(' '.join(map(str, took)))
"""


def run(way: Way, file: Path, env: dict[str, str], *, fresh: bool) -> str:
    """`ask()` of WAY, once in a FRESH interpreter or often; what it gave."""
    file.write_text(way.code + RUNNER)
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(file), "1" if fresh else str(way.often)],
        env=env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if done.returncode:
        raise LabError(f"{way.name} did not work:\n{done.stderr[-400:]}")
    facts, *took = done.stdout.splitlines()
    identity, peak, spent = facts.split()
    if fresh:
        way.fresh.append(float(spent))
        way.peak.append(int(peak) / 1024)
    else:
        way.asked += [int(one) / 1e9 for one in took[0].split()]
    return identity


def serve(port: int, at: Path) -> None:
    """Answers each request with one Pod, over TLS; as little else as can be."""
    import socket
    import ssl
    import threading

    body = (at / "pod.json").read_bytes()
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    answer = head.encode() + body
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(at / "server.crt", at / "server.key")

    def talk(plain: socket.socket) -> None:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with tls.wrap_socket(plain, server_side=True) as line:
            heard = b""
            while piece := line.recv(65536):
                heard += piece
                if heard.endswith(b"\r\n\r\n"):
                    line.sendall(answer)
                    heard = b""

    with socket.create_server(("127.0.0.1", port), backlog=64) as listening:
        (at / "serving").touch()
        while True:
            threading.Thread(target=talk, args=(listening.accept()[0],), daemon=True).start()


def certificate(at: Path) -> None:
    """A key and a certificate for 127.0.0.1, as an API server's: elliptic, P-256."""
    if shutil.which("openssl") is None:
        raise LabError(
            "openssl is not installed\nas root, tests/install-tools has Debian install it"
        )
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=lab", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(at / "server.key"), "-out", str(at / "server.crt")),
        ],
        check=True,
        capture_output=True,
    )


def measure(rounds: int, seed: int, scale: float = 1.0) -> tuple[list[Way], Way]:
    """All ways and the bare interpreter, ROUNDS times, in an order drawn for each round."""
    with (
        tempfile.TemporaryDirectory(prefix="cuidx-lab-") as name,
        Processes(Path(name), 60 + 30 * rounds) as processes,
    ):
        at = Path(name)
        pod = json.loads(PODS.read_text("utf-8"))["items"][0]
        uid = pod["metadata"]["uid"]
        (at / "pod.json").write_text(json.dumps(pod))
        certificate(at)
        port = free_port()
        processes.start("server", [sys.executable, __file__, "--serve", str(port), name])
        processes.until((at / "serving").exists, "server")
        found = ways(at, port, uid)
        for way in found:
            way.often = max(int(way.often * scale), 10)
        bare = Way("a bare interpreter", "def ask():\n    return 'x' * 36\n", "", 10)
        env = {"POD_UID": uid, "PATH": os.environ["PATH"]}
        chance = random.Random(seed)
        for _ in range(rounds):
            for way in chance.sample([*found, bare], len(found) + 1):
                for fresh in (True, False):
                    gave = run(way, at / "ask.py", env, fresh=fresh)
                    if "uid" in way.name.split() and gave != uid:
                        raise LabError(f"{way.name}: {gave} instead of {uid}")
    return found, bare


def markdown(found: list[Way], bare: Way, pods: tuple[list[float], list[float]]) -> str:
    """The table, what ran, and how long the start of a Pod takes."""
    rows = [
        [
            way.name,
            _duration(median(way.asked)),
            _duration(percentile(way.asked, 0.99)),
            _more(1000 * (median(way.fresh) - median(bare.fresh))),
            _more(median(way.peak) - median(bare.peak)),
            way.needs,
        ]
        for way in found
    ]
    head = [
        "identity", "median", "p99", "in a fresh interpreter: CPU ms more", "MB more", "needs",
    ]  # fmt: skip
    said = (
        f"{os.cpu_count()} CPUs, Python {platform.python_version()}, {len(bare.fresh)} rounds. A bare "
        f"interpreter (`python -I -S`) takes {1000 * median(bare.fresh):.1f} ms of CPU and "
        f"{median(bare.peak):.1f} MB."
    )
    start, ask = (_duration(median(each)) for each in pods)
    yardstick = (
        f"Beside that: a real Pod of podman's, with no network and nothing in it but its infra "
        f"container, takes {start} to be created and started, and asking podman for its id {ask}."
    )
    return f"{table(head, rows)}\n\n{said}\n\n{yardstick}\n"


def _more(value: float) -> str:
    return f"{round(value, 1) + 0:+.1f}".replace("-", MINUS)


def _duration(seconds: float) -> str:
    if seconds >= 0.1:
        return f"{seconds * 1e3:.0f} ms"
    if seconds < 1e-3:
        return f"{seconds * 1e6:.2f} µs" if seconds < 1e-4 else f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1e3:.2f} ms"


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        serve(int(sys.argv[2]), Path(sys.argv[3]))
        return
    about, _, more = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        description=about, epilog=more, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seed", type=int, default=20261102)
    parser.add_argument("--write", action="store_true", help="keep the table")
    chosen = parser.parse_args()
    end_on_signals()
    try:
        found, bare = measure(chosen.rounds, chosen.seed)
        pods = started_and_asked(chosen.rounds)
    except LabError as error:
        print(f"identity: {error}", file=sys.stderr)
        sys.exit(3)
    except KeyboardInterrupt:
        sys.exit(130)
    made = markdown(found, bare, pods)
    print(made, end="")
    if chosen.write:
        title = "# What an identity costs\n\nMade by `python tests/lab/identity.py --write`.\n\n"
        RESULTS.write_text(title + made, "utf-8")
        between(DOC, "identity", made)


if __name__ == "__main__":
    main()
