"""The JSON Schema files of a repository: one a kind, written from the dataclasses, for editors and CI.

Run as ``python -m reconciler.spec.schemas DIR`` it writes the platform's own kinds. The products' kinds
are handed in by a caller that knows them.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from reconciler.spec import platform
from reconciler.spec.kind import Kind

SUFFIX: Final = ".schema.json"


def file_name(kind: Kind) -> str:
    """``DatabaseServer`` → ``database-server.schema.json``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", kind.name).lower() + SUFFIX


def text(kind: Kind) -> str:
    """The file's content, always the same octets for the same kind."""
    return json.dumps(kind.schema(), indent=2, ensure_ascii=False) + "\n"


def write(kinds: Iterable[Kind], directory: Path) -> list[str]:
    """Write the files that are missing or differ; their names. Raises ``OSError``."""
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for kind in kinds:
        path = directory / file_name(kind)
        if not path.exists() or path.read_text(encoding="utf-8") != text(kind):
            path.write_text(text(kind), encoding="utf-8")
            written.append(path.name)
    return written


def stale(kinds: Sequence[Kind], directory: Path) -> list[str]:
    """The names of files that are missing, differ, or belong to no kind."""
    wanted = {file_name(kind): text(kind) for kind in kinds}
    there = {path.name: path.read_text(encoding="utf-8") for path in directory.glob(f"*{SUFFIX}")}
    return sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))


def main(arguments: Sequence[str]) -> int:
    """Write the platform's schemas into the folder that is named; 64 for any other call."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m reconciler.spec.schemas DIR\n")
        return 64
    for name in write(platform.KINDS, Path(arguments[0])):
        sys.stdout.write(f"{name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
