"""Which files a story becomes, and how a line of a container is written in them.

    flat         ECS names in flat JSON lines, the tagger's keys among them, in one file
    merged       a program's own short names, and the tagger's two keys
    json-suffix  JSON with the tagger's suffix after it, in a folder for each Pod
    text         text with the suffix, in a folder for each Pod
    cri          text with the suffix in /var/log/pods' files, as a container runtime writes them
    fluentd, filebeat, elasticdump, loki, otlp   documents of collectors, in one file

What says whose a line is goes down from `Settings.identity`: with `pod_uid` no CUID, no container
id and no restart count is written. Shapes without a field for a Pod's address have the tagger's
lifecycle records beside them, where there is a tagger.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cuidx.errors import UsageError
from cuidx.simulation.clock import START, stamp
from cuidx.simulation.cluster import Instance
from cuidx.simulation.settings import IDENTITIES
from cuidx.simulation.traffic import Line
from cuidx.suffix import CUID_KEY, SVC_KEY

NAMESPACE: Final = "shop"
CLUSTER: Final = "sim"
CONTAINER: Final = "app"
LIFECYCLE: Final = "ikontainer.lifecycle.log"

Pen = Callable[[Line], str]  # a line as it stands in its file, with its newline


@dataclass(frozen=True, slots=True)
class Shape:
    """`pen` makes the writer of a container's lines, `path` names its file."""

    pen: Callable[[Instance, int], Pen]
    path: Callable[[Instance], str]
    identities: tuple[str, ...] = IDENTITIES
    addressed: bool = True  # its lines have their Pod's address in a field

    def rung(self, identity: str, name: str) -> int:
        """The place of IDENTITY on the ladder.

        Raises:
            UsageError: lines of this shape always say more, or have no place for it.
        """
        if identity not in self.identities:
            raise UsageError(
                f"--shape {name} has no lines whose identity is {identity}",
                do=f"name another shape, or --identity {' or '.join(self.identities)}",
            )
        return IDENTITIES.index(identity)


def svc(one: Instance) -> str:
    """What the tagger is told its service is."""
    return f"{one.pod.service}.{NAMESPACE}.{CLUSTER}"


def tag(one: Instance) -> str:
    """The suffix."""
    return f'{{"{CUID_KEY}":"{one.cuid}","{SVC_KEY}":"{svc(one)}"}}'


def node(one: Instance) -> str:
    """Its node's name."""
    return f"node-{one.pod.node + 1}"


def _keys(one: Instance, rung: int, names: tuple[str, str, str, str, str, str, str]) -> str:
    """The members, each with a comma before it, that say whose a line is; NAMES best first."""
    container_id, restart, uid, container, pod, namespace, ip = names
    said: list[tuple[str, str | int]] = []
    if rung <= 1:
        said += [(container_id, one.container_id), (restart, one.restart)]
    if rung <= 2:
        said += [(uid, one.pod.uid), (container, CONTAINER)]
    if rung <= 3:
        said += [(pod, one.pod.name), (namespace, NAMESPACE)]
    said.append((ip, one.pod.ip))
    text = "".join(
        f',"{key}":{value}' if isinstance(value, int) else f',"{key}":"{value}"'
        for key, value in said if key
    )  # fmt: skip
    return text + (f',"{CUID_KEY}":"{one.cuid}","{SVC_KEY}":"{svc(one)}"' if rung == 0 else "")


def _flat(one: Instance, rung: int) -> Pen:
    head = f'","service.name":"{one.pod.service}","message":"'
    tail = f',"kubernetes.node.name":"{node(one)}"' + _keys(one, rung, (
        "container.id", "kubernetes.container.restart_count", "kubernetes.pod.uid",
        "kubernetes.container.name", "kubernetes.pod.name", "kubernetes.namespace",
        "kubernetes.pod.ip")) + "}\n"  # fmt: skip

    def pen(line: Line) -> str:
        more = f',"http.request.id":"{line.request}"' if line.request else ""
        if line.source:
            more += f',"source.ip":"{line.source}"'
        return (
            f'{{"@timestamp":"{stamp(line.at)}","log.level":"{line.level}{head}{line.message}"'
            f"{more}{tail}"
        )

    return pen


def _short(one: Instance, rung: int, tail: str) -> Pen:
    def pen(line: Line) -> str:
        more = f',"request_id":"{line.request}"' if line.request else ""
        if line.source:
            more += f',"client_ip":"{line.source}"'
        return (
            f'{{"ts":"{stamp(line.at)}","level":"{line.level.lower()}","msg":"{line.message}"'
            f"{more}{tail}"
        )

    return pen


def _merged(one: Instance, rung: int) -> Pen:
    tail = f',"service":"{one.pod.service}","node":"{node(one)}"' + _keys(one, rung, (
        "container_id", "restart_count", "pod_uid", "container_name", "pod", "namespace",
        "pod_ip"))  # fmt: skip
    return _short(one, rung, tail + "}\n")


def _json_suffix(one: Instance, rung: int) -> Pen:
    return _short(one, rung, f',"node":"{node(one)}","pod_ip":"{one.pod.ip}"}}{tag(one)}\n')


def _words(line: Line) -> str:
    peer = f" from={line.source}" if line.source else ""
    request = f" request_id={line.request}" if line.request else ""
    return f"{stamp(line.at)} {line.level} {line.message}{peer}{request}"


def _text(one: Instance, rung: int) -> Pen:
    tail = (tag(one) if rung == 0 else "") + "\n"
    return lambda line: f"{_words(line)}{tail}"


def _cri(one: Instance, rung: int) -> Pen:
    tail = (tag(one) if rung == 0 else "") + "\n"

    def pen(line: Line) -> str:
        stream = "stderr" if line.level == "ERROR" else "stdout"
        return f"{_nanos(line)} {stream} F {_words(line)}{tail}"

    return pen


def _nanos(line: Line) -> str:
    """The runtime's time of a line: to the nanosecond, in the order of the lines."""
    return f"{stamp(line.at)[:-1]}{line.order % 1_000_000:06d}Z"


def _quoted_tag(one: Instance, rung: int) -> str:
    return tag(one).replace('"', '\\"') if rung == 0 else ""


def _kubernetes(one: Instance, rung: int) -> str:
    inner = _keys(one, max(rung, 1), ("", "", "pod_id", "container_name", "pod_name",
                                     "namespace_name", "pod_ip"))  # fmt: skip
    docker = f'"docker":{{"container_id":"{one.container_id}"}},' if rung <= 1 else ""
    return (
        f'{docker}"kubernetes":{{"host":"{node(one)}","labels":{{"app":"{one.pod.service}"}}'
        f"{inner}}}"
    )


def _fluentd(one: Instance, rung: int) -> Pen:
    tail = f'{_quoted_tag(one, rung)}\\n","stream":"stdout",{_kubernetes(one, rung)}}}'

    def pen(line: Line) -> str:
        request = f',"request_id":"{line.request}"' if line.request else ""
        return (
            f'{{"@timestamp":"{_nanos(line)}","level":"{line.level}"{request},'
            f'"log":"{_words(line)}{tail}\n'
        )

    return pen


def _elasticdump(one: Instance, rung: int) -> Pen:
    inner = _fluentd(one, rung)

    def pen(line: Line) -> str:
        key = f"{(line.order + 1) * 0x9E3779B97F4A7C15 % (1 << 64):016x}{line.order:08x}"
        return (
            f'{{"_index":"{CLUSTER}-2026.11.02","_id":"{key}","_score":null,'
            f'"_source":{inner(line)[:-1]}}}\n'
        )

    return pen


def _filebeat(one: Instance, rung: int) -> Pen:
    ids = f'"container":{{"id":"{one.container_id}"}},' if rung <= 1 else ""
    uid = f'"uid":"{one.pod.uid}",' if rung <= 2 else ""
    name = f'"name":"{one.pod.name}",' if rung <= 3 else ""
    space = f'"namespace":"{NAMESPACE}",' if rung <= 3 else ""
    box = f'"container":{{"name":"{CONTAINER}"}},' if rung <= 2 else ""
    tail = (
        f'{_quoted_tag(one, rung)}","stream":"stdout",{ids}'
        f'"kubernetes":{{{space}"pod":{{{uid}{name}"ip":"{one.pod.ip}"}},{box}'
        f'"labels":{{"app":"{one.pod.service}"}},"node":{{"name":"{node(one)}"}}}},'
        f'"orchestrator":{{"cluster":{{"name":"{CLUSTER}"}}}},'
        '"agent":{"type":"filebeat","version":"8.15.3"},"ecs":{"version":"8.0.0"},'
        '"input":{"type":"container"}}\n'
    )

    def pen(line: Line) -> str:
        return f'{{"@timestamp":"{stamp(line.at)}","message":"{_words(line)}{tail}'

    return pen


def _loki(one: Instance, rung: int) -> Pen:
    head = (
        f'{{"labels":{{"app":"{one.pod.service}","cluster":"{CLUSTER}","container":"{CONTAINER}",'
        f'"filename":"/var/log/{_pod_file(one)}","namespace":"{NAMESPACE}",'
        f'"node_name":"{node(one)}","pod":"{one.pod.name}","stream":"stdout"}},"line":"'
    )
    tail = f'{_quoted_tag(one, rung)}","timestamp":"'
    return lambda line: f'{head}{_words(line)}{tail}{_nanos(line)}"}}\n'


def _otlp(one: Instance, rung: int) -> Pen:
    def attribute(key: str, value: str) -> str:
        return f'{{"key":"{key}","value":{{"stringValue":"{value}"}}}}'

    said = [("service.name", one.pod.service), ("k8s.node.name", node(one))]
    if rung <= 1:
        said += [("container.id", one.container_id),
                 ("k8s.container.restart_count", str(one.restart))]  # fmt: skip
    if rung <= 2:
        said += [("k8s.pod.uid", one.pod.uid), ("k8s.container.name", CONTAINER)]
    if rung <= 3:
        said += [("k8s.pod.name", one.pod.name), ("k8s.namespace.name", NAMESPACE)]
    said.append(("k8s.pod.ip", one.pod.ip))
    head = (
        f'{{"resourceLogs":[{{"resource":{{"attributes":['
        f"{','.join(attribute(*pair) for pair in said)}]}},"
        '"scopeLogs":[{"scope":{},"logRecords":[{"timeUnixNano":"'
    )
    tail = f'{_quoted_tag(one, rung)}"}},"attributes":['

    def pen(line: Line) -> str:
        request = attribute("http.request.id", line.request) if line.request else ""
        return (
            f'{head}{START * 1_000 + line.at}000000","severityText":"{line.level}",'
            f'"body":{{"stringValue":"{_words(line)}{tail}{request}]}}]}}]}}]}}\n'
        )

    return pen


def _pod_file(one: Instance) -> str:
    pod = one.pod
    return f"pods/{NAMESPACE}_{pod.name}_{pod.uid}/{CONTAINER}/{one.restart}.log"


def pod_folder(one: Instance) -> str:
    """The folder of its Pod. Pods of one name one after the other have one volume, and one file."""
    return f"logs/{one.pod.name}"


def _app_log(one: Instance) -> str:
    return f"{pod_folder(one)}/app.log"


def _one(name: str) -> Callable[[Instance], str]:
    return lambda _: name


SHAPES: Final[dict[str, Shape]] = {
    "flat": Shape(_flat, _one("events.jsonl")),
    "merged": Shape(_merged, _one("events.jsonl")),
    "json-suffix": Shape(_json_suffix, _app_log, ("cuid",)),
    "text": Shape(_text, _app_log, ("cuid",), addressed=False),
    "cri": Shape(_cri, _pod_file, ("cuid", "pod_uid"), addressed=False),
    "fluentd": Shape(_fluentd, _one("events.jsonl")),
    "filebeat": Shape(_filebeat, _one("events.jsonl")),
    "elasticdump": Shape(_elasticdump, _one("events.jsonl")),
    "loki": Shape(_loki, _one("events.jsonl"), ("cuid", "pod_uid"), addressed=False),
    "otlp": Shape(_otlp, _one("events.jsonl")),
}
