"""From lines in memory to the files of a story, and the truth beside them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from cuidx.simulation import evidence, figure5, truth
from cuidx.simulation.clock import stamp
from cuidx.simulation.cluster import Instance
from cuidx.simulation.settings import Settings
from cuidx.simulation.shapes import LIFECYCLE, SHAPES, node, pod_folder, tag
from cuidx.simulation.traffic import Line
from cuidx.suffix import LIFECYCLE_KEY

_WAITING: Final = 4_096  # lines of a file that wait to be written together


class Files:
    """Files below a folder, written many lines at a time: there may be thousands of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: dict[str, list[str]] = {}
        self.lines: dict[str, int] = {}

    def add(self, name: str, line: str) -> int:
        """Write LINE, with its newline, to the file NAME; its number there, from 1."""
        waiting = self._waiting.get(name)
        if waiting is None:
            waiting = self._waiting[name] = []
            self.lines.setdefault(name, 0)
            (self._folder / name).parent.mkdir(parents=True, exist_ok=True)
        waiting.append(line)
        number = self.lines[name] = self.lines[name] + 1
        if len(waiting) >= _WAITING:
            self._append(name)
        return number

    def _append(self, name: str) -> None:
        with (self._folder / name).open("a", encoding="utf-8", newline="\n") as file:
            file.write("".join(self._waiting[name]))
        self._waiting[name].clear()

    def close(self) -> None:
        """Write what waits."""
        for name in self._waiting:
            self._append(name)

    def whole(self, name: str, text: str) -> None:
        """Write a file at once."""
        (self._folder / name).write_text(text, encoding="utf-8", newline="\n")
        self.lines[name] = text.count("\n")


def story(folder: Path, settings: Settings, lines: Iterable[Line], instances: list[Instance],
          lost: int, clocks: list[int]) -> dict[str, Any]:  # fmt: skip
    """Write LINES of INSTANCES into FOLDER in the shape that SETTINGS name; the truth."""
    shape = SHAPES[settings.shape]
    rung = shape.rung(settings.identity, settings.shape)
    files, held = Files(folder), truth.Held(instances)
    pens: list[tuple[str, Callable[[Line], str]]] = [
        (shape.path(one), shape.pen(one, rung)) for one in instances
    ]
    counts: list[int] = [0] * len(instances)
    spans: dict[int, list[int]] = {}
    add = files.add
    rows: list[str] = []
    mentions = 0
    with (folder / truth.MENTIONS).open("w", encoding="utf-8", newline="\n") as file:
        for line in lines:
            who, moment = line.who, line.moment
            name, pen = pens[who]
            number = add(name, pen(line))
            if line.source:
                rows.append(truth.mention(held, instances, name, number, line.source,
                                          line.source_who, moment))  # fmt: skip
            if line.text:
                rows.append(truth.mention(held, instances, name, number, line.text,
                                          line.text_who, moment))  # fmt: skip
            if len(rows) > _WAITING:
                mentions += len(rows)
                file.write("".join(rows))
                rows.clear()
            # A writer's lines come in order, by its clock as by the true one.
            counts[who] += 1
            if who in spans:
                spans[who][1] = moment
            else:
                spans[who] = [moment, moment]
        mentions += len(rows)
        file.write("".join(rows))
    if not shape.addressed and rung == 0:
        _lifecycle(files, settings, instances, clocks)
    files.close()
    pods = list(dict.fromkeys(one.pod for one in instances))
    for kind in settings.evidence:
        said = evidence.evidence(kind, pods, settings)
        files.whole(f"{kind}.json", json.dumps(said, separators=(",", ":")) + "\n")
    return _truth(folder, settings, files, {
        "lines": sum(counts), "lines_lost": lost, "mentions": mentions,
        "containers": len({one.cuid for one in instances}),
        "containers_with_lines": len({instances[who].cuid for who in spans}),
        "pods": len(pods),
    }, {
        **truth.CONTEXT, "clocks": truth.clocks(clocks),
        "containers": truth.containers(instances, counts, spans, held),
        "leases": truth.leases(instances, held),
    })  # fmt: skip


def figure(folder: Path, settings: Settings) -> dict[str, Any]:
    """Write figure 5 into FOLDER; the truth."""
    files = Files(folder)
    files.whole(figure5.NAME, figure5.lines())
    (folder / truth.MENTIONS).write_text("")
    rows = len(figure5.ROWS)
    totals = {"lines": rows, "lines_lost": 0, "mentions": 0, "containers": 8,
              "containers_with_lines": 8, "pods": 8}  # fmt: skip
    return _truth(folder, settings, files, totals, figure5.truth())


def _truth(folder: Path, settings: Settings, files: Files, totals: dict[str, int],
           rest: dict[str, Any]) -> dict[str, Any]:  # fmt: skip
    asked = {name: getattr(settings, name) for name in settings.__slots__}
    said = {
        "simulated": {**asked, "pool": settings.addresses, "evidence": list(settings.evidence)},
        "totals": totals, "files": dict(sorted(files.lines.items())), **rest,
    }  # fmt: skip
    text = json.dumps(said, separators=(",", ":"), ensure_ascii=False)
    # A row a line where there are many, so that it can be read and compared.
    text = text.replace("},{", "},\n{")
    (folder / truth.NAME).write_text(text + "\n", encoding="utf-8", newline="\n")
    return said


def _lifecycle(files: Files, settings: Settings, instances: list[Instance],
               clocks: list[int]) -> None:  # fmt: skip
    """The tagger's records: it starts a little before its Pod's application, and ends after it."""
    known: set[str] = set()
    found: list[tuple[int, int, str, Instance]] = []
    for one in instances:
        skew = clocks[one.pod.node]
        if one.cuid not in known:
            known.add(one.cuid)
            found.append((one.started - 300 + skew, len(found), "start", one))
        if one.end == "stopped":
            found.append((one.ended + 10 + skew, len(found), "stop", one))
    for at, _, event, one in sorted(found, key=lambda row: row[:2]):
        if at >= settings.length:
            continue
        record = {LIFECYCLE_KEY: event, "time": stamp(at), "pod": one.pod.name,
                  "namespace": truth.CONTEXT["namespace"], "pod_uid": one.pod.uid,
                  "ip": one.pod.ip, "node": node(one)}  # fmt: skip
        folder = f"{pod_folder(one)}/" if settings.shape == "text" else ""
        files.add(f"{folder}{LIFECYCLE}",
                  json.dumps(record, separators=(",", ":")) + tag(one) + "\n")  # fmt: skip
