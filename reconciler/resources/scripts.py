"""A product's SQL files: read once, examined, and remembered as long as they do not change on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from reconciler import errors
from reconciler.sql import examine, outgoing

_KEPT_BYTES = 512 * 1024
"""Files up to this size are read once a process; larger ones are streamed for every tenant."""


@dataclass(frozen=True, slots=True)
class Script:
    """One file. ``label`` is its path below the repository's root, for messages."""

    path: Path
    label: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Scripts:
    """The files of a schema in their order, the names of what they make, and everything that is refused in them.

    ``awake`` are the events that are meant to run. ``longest`` is the longest statement in bytes.
    """

    files: tuple[Script, ...]
    tables: tuple[str, ...]
    views: tuple[str, ...]
    triggers: tuple[str, ...]
    routines: tuple[str, ...]
    events: tuple[str, ...]
    awake: tuple[str, ...]
    refusals: tuple[errors.Fault, ...]
    longest: int

    @property
    def counts(self) -> dict[str, int]:
        """How many of each kind of object."""
        return {
            "tables": len(self.tables),
            "views": len(self.views),
            "triggers": len(self.triggers),
            "routines": len(self.routines),
            "events": len(self.events),
        }


def load(root: Path, location: str) -> Scripts:
    """The scripts at ``location`` below ``root``: a folder of ``.sql`` files in the order of their names, or one file.

    Errors: ``PlatformMisconfigured`` if there are none, or one can't be read.
    """
    place = root / location
    try:
        paths = sorted(place.glob("*.sql")) if place.is_dir() else [place]
        signature = tuple((str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in paths)
        if not paths:
            raise errors.PlatformMisconfigured(f"the schema folder {location} holds no .sql file")
        return _examined(root, signature)
    except OSError as error:
        raise errors.PlatformMisconfigured(f"the schema {location} can't be read: {error}") from error


def statements(source: Script) -> Iterator[outgoing.Outgoing]:
    """Each statement of a file with what is sent for it: without a definer, an event asleep.

    Errors: ``ScriptRefused`` for what would leave the tenant; the file may have changed since it was examined.
    """
    state = source.path.stat()
    if state.st_size <= _KEPT_BYTES:
        yield from _kept(source, state.st_mtime_ns, state.st_size)
    else:
        yield from _read(source)


def _read(source: Script) -> Iterator[outgoing.Outgoing]:
    with source.path.open("rb") as stream:
        yield from outgoing.outgoing(stream, file=source.label)


@lru_cache(maxsize=64)
def _kept(source: Script, _modified: int, _size: int) -> tuple[outgoing.Outgoing, ...]:
    # Reading a script takes longer than the server needs for it, and every tenant of a product gets the same.
    return tuple(_read(source))


@lru_cache(maxsize=32)
def _examined(root: Path, signature: tuple[tuple[str, int, int], ...]) -> Scripts:
    files, reports, awake = [], [], list[str]()
    for name, _, _ in signature:
        path = Path(name)
        label = path.relative_to(root).as_posix()
        with path.open("rb") as stream:
            files.append(Script(path, label, hashlib.file_digest(stream, "sha256").hexdigest()))
            stream.seek(0)
            report = examine.examine(stream, label)
        reports.append(report)
        if report.events and not report.refusals:
            awake += _awake(files[-1])
    return Scripts(
        files=tuple(files),
        tables=tuple(name for report in reports for name in report.tables),
        views=tuple(name for report in reports for name in report.views),
        triggers=tuple(name for report in reports for name in report.triggers),
        routines=tuple(name for report in reports for name in report.routines),
        events=tuple(name for report in reports for name in report.events),
        awake=tuple(awake),
        refusals=tuple(fault for report in reports for fault in report.refusals),
        longest=max(report.longest for report in reports),
    )


def _awake(source: Script) -> Iterator[str]:
    return (sent.event for sent in statements(source) if sent.enable)
