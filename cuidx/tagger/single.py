"""The tagger as one file, `python cuidx-tag.py`: a zip archive that Python runs (zipapp).

    python -m cuidx.tagger.single dist/cuidx-tag.py

It has the sources, and their bytecode for the Python that built it: the archive can't have a cache
beside it, and compiling at each start would take longer than the start itself. Same sources, same
bytes.
"""

from __future__ import annotations

import importlib.util
import marshal
import os
import sys
import zipfile
from pathlib import Path

PACKAGE = Path(__file__).parent
LEFT_OUT = {"single.py", "manifest.py", "kinds.py"}  # not needed where it runs
MAIN = "import sys\n\nfrom cuidx.tagger.app import main\n\nsys.exit(main())\n"
WHEN = (1980, 1, 1, 0, 0, 0)  # zip's own beginning of time


def build(target: Path) -> None:
    """Write the tagger to TARGET, whole or not at all."""
    files = {
        "__main__.py": MAIN,
        "cuidx/__init__.py": "",
        "cuidx/suffix.py": (PACKAGE.parent / "suffix.py").read_text("utf-8"),
    }
    for path in sorted(PACKAGE.glob("*.py")):
        if path.name not in LEFT_OUT:
            files[f"cuidx/tagger/{path.name}"] = path.read_text("utf-8")
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(target.name + ".new")
    with new.open("wb") as file:
        file.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, text in files.items():
                archive.writestr(zipfile.ZipInfo(name, WHEN), text)
                archive.writestr(zipfile.ZipInfo(name + "c", WHEN), _bytecode(name, text))
    new.chmod(0o755)
    os.replace(new, target)


def _bytecode(name: str, text: str) -> bytes:
    """A .pyc that is not compared with its source: flags 1, a hash (PEP 552)."""
    code = compile(text, name, "exec", dont_inherit=True)
    header = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little")
    return header + importlib.util.source_hash(text.encode()) + marshal.dumps(code)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m cuidx.tagger.single FILE")
    build(Path(sys.argv[1]))
