"""A product's SQL files: read once, examined, and remembered as long as they do not change on disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import BinaryIO

from reconciler import errors
from reconciler.sql import examine, firewall, included, outgoing, script

_Stamp = tuple[str, int, int]
"""A file, when it was changed (ns), and its size in bytes; both -1 if it is not there."""

_KEPT_BYTES = 1024 * 1024
_KEPT_STATEMENTS = 50_000
"""What is kept of a schema that was examined, so that it is not read again for every tenant: of rows only the place."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """An INSERT of literals in a file: where its text is, in bytes, and its place for people."""

    offset: int
    length: int
    where: errors.Where
    size: int


@dataclass(frozen=True, slots=True)
class Script:
    """One file that is run, as a session of its own. ``label`` is its path below the repository's root, for messages.

    ``sums`` are the SHA-256 of the file and of those that it reads by ``source``, each by its name below the schema's
    folder. ``tidy`` says that its session is the same afterwards. ``size`` is in bytes, without what it reads.
    """

    path: Path
    label: str
    sums: tuple[tuple[str, str], ...]
    size: int
    modified: int
    tidy: bool


@dataclass(frozen=True, slots=True)
class Scripts:
    """The files of a schema in their order, the names of what they make, and everything that is refused in them.

    ``root`` is what labels are below, ``folder`` what the names of files are below. ``mapping`` is the database that
    the tenant's one stands for (empty: none). ``awake`` are the events that are meant to run. ``longest`` is the
    longest statement in bytes, ``longest_at`` its place. ``kinds`` counts statements by kind, ``refused`` all refusals,
    of which ``refusals`` has the first ones; ``databases`` are those that are named by USE, CREATE, ALTER or DROP
    DATABASE. ``asked_for`` are the files that ``source`` named, as they were then. ``ready`` are each file's statements
    as they are sent, kept where that takes little memory.
    """

    root: Path
    folder: Path
    files: tuple[Script, ...]
    mapping: str
    tables: tuple[str, ...]
    views: tuple[str, ...]
    triggers: tuple[str, ...]
    routines: tuple[str, ...]
    events: tuple[str, ...]
    sequences: tuple[str, ...]
    awake: tuple[str, ...]
    kinds: tuple[tuple[str, int], ...]
    databases: tuple[str, ...]
    refusals: tuple[errors.Fault, ...]
    refused: int
    skipped: int
    longest: int
    longest_at: errors.Where
    asked_for: tuple[_Stamp, ...]
    ready: tuple[tuple[outgoing.Outgoing | _Rows, ...], ...] | None

    @property
    def counts(self) -> dict[str, int]:
        """How many of each kind of object."""
        return {
            "tables": len(self.tables),
            "views": len(self.views),
            "triggers": len(self.triggers),
            "routines": len(self.routines),
            "events": len(self.events),
            "sequences": len(self.sequences),
        }

    @property
    def sums(self) -> Mapping[str, str]:
        """The SHA-256 of every file by its name."""
        return {name: digest for file in self.files for name, digest in file.sums}

    @property
    def size(self) -> int:
        """Bytes of the files that are run."""
        return sum(file.size for file in self.files)


def load(root: Path, location: str, mapping: str = "") -> Scripts:
    """The scripts at ``location`` below ``root``: a folder of ``.sql`` files in the order of their names, or one file.

    ``mapping`` is the database that the files were made of, whose name is taken out.

    Errors: ``PlatformMisconfigured`` if there are none, or one can't be read.
    """
    place = root / location
    try:
        try:
            folder, stamps = place, _listed(place)
        except NotADirectoryError:
            folder, stamps = place.parent, _stamps([place])
        if not stamps:
            raise errors.PlatformMisconfigured(f"the schema folder {location} holds no .sql file")
        given = root, folder, mapping, stamps
        found = _examined(*given, ())
        now = _stamps(Path(name) for name, _, _ in found.asked_for)
        return found if now == found.asked_for else _examined(*given, now)
    except OSError as error:
        raise errors.PlatformMisconfigured(f"the schema {location} can't be read: {error}") from error


def statements(source: Scripts) -> Iterator[tuple[Script, Iterable[outgoing.Outgoing]]]:
    """Each file with its statements as they are sent: without a definer, an event asleep.

    A file's statements have to be taken before the next file is asked for.

    Errors: ``ScriptRefused`` for what would leave the tenant, and for a file that changed since it was examined.
    """
    for one in source.files:
        state = one.path.stat()
        if (state.st_mtime_ns, state.st_size) != (one.modified, one.size):
            raise _changed(one)
    if source.ready is not None:
        for one, kept in zip(source.files, source.ready, strict=True):
            yield one, _filled(one, kept)
        return
    wall = firewall.Firewall(mapping=source.mapping or None)
    for one in source.files:
        yield one, _statements(one, wall, _Folder(source.folder, source.root, _resolved(source.files)))


def _filled(one: Script, kept: tuple[outgoing.Outgoing | _Rows, ...]) -> Iterator[outgoing.Outgoing]:
    """What was kept, with rows read from the file. Errors: ``ScriptRefused`` if it is not what was examined."""
    whole = [entry for entry in kept if not isinstance(entry, _Rows)]
    if len(whole) == len(kept):  # what was examined is what is sent, whatever is in the file by now
        yield from whole
        return
    with one.path.open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != one.sums[0][1]:
            raise _changed(one)
        for entry in kept:
            if isinstance(entry, _Rows):
                stream.seek(entry.offset)
                yield outgoing.rows(stream.read(entry.length), entry.where, entry.size)
            else:
                yield entry


def _changed(one: Script) -> errors.ScriptRefused:
    where = errors.Where(one.label)
    return errors.ScriptRefused("the file changed since it was examined", where=where, advice="Plan again.")


def _statements(one: Script, wall: firewall.Firewall, folder: _Folder) -> Iterator[outgoing.Outgoing]:
    with one.path.open("rb") as stream:
        yield from outgoing.outgoing(stream, file=one.label, wall=wall, opener=folder.opened)


@lru_cache(maxsize=32)
def _examined(
    root: Path,
    folder: Path,
    mapping: str,
    stamps: tuple[_Stamp, ...],
    _asked_for: tuple[_Stamp, ...],
) -> Scripts:
    files, reports, asked_for = [], [], dict[Path, None]()
    wall = firewall.Firewall(mapping=mapping or None)
    paths = [Path(name) for name, _, _ in stamps]
    alone = frozenset(path.resolve() for path in paths)
    keeper = _Keeper(wall)
    for path, (_, modified, size) in zip(paths, stamps, strict=True):
        label = path.relative_to(root).as_posix()
        around = _Folder(folder, root, alone)
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            stream.seek(0)
            report = examine.examine(stream, label, wall, around.opened, keeper.of(label))
        sums = ((path.name, digest), *sorted(around.read.items()))
        files.append(Script(path, label, sums, size, modified, report.tidy))
        reports.append(report)
        asked_for |= around.asked_for
    kinds: dict[str, int] = {}
    for report in reports:
        for kind, count in report.kinds.items():
            kinds[kind] = kinds.get(kind, 0) + count
    longest = max(reports, key=lambda report: report.longest)
    return Scripts(
        root=root,
        folder=folder,
        files=tuple(files),
        mapping=mapping,
        tables=tuple(name for report in reports for name in report.tables),
        views=tuple(name for report in reports for name in report.views),
        triggers=tuple(name for report in reports for name in report.triggers),
        routines=tuple(name for report in reports for name in report.routines),
        events=tuple(name for report in reports for name in report.events),
        sequences=tuple(name for report in reports for name in report.sequences),
        awake=tuple(name for report in reports for name in report.awake),
        kinds=tuple(sorted(kinds.items())),
        databases=tuple(dict.fromkeys(name for report in reports for name in report.databases)),
        refusals=tuple(fault for report in reports for fault in report.refusals),
        refused=sum(report.refused for report in reports),
        skipped=sum(report.skipped for report in reports),
        longest=longest.longest,
        longest_at=longest.longest_at,
        asked_for=_stamps(asked_for),
        ready=tuple(map(tuple, keeper.files)) if keeper.fits else None,
    )


@dataclass(slots=True)
class _Keeper:
    """Keeps what will be sent, as long as that takes little memory."""

    wall: firewall.Firewall
    files: list[list[outgoing.Outgoing | _Rows]] = field(default_factory=list)
    bytes: int = 0
    count: int = 0
    fits: bool = True

    def of(self, label: str) -> Callable[[script.Item, firewall.Verdict], None]:
        """What takes the items of the next file."""
        self.files.append([])
        return partial(self._take, label)

    def _take(self, label: str, item: script.Item, verdict: firewall.Verdict) -> None:
        if not self.fits:
            return
        if isinstance(item, script.Statement) and verdict.parsed is None and not verdict.skipped:
            rows = _Rows(item.offset, len(item.text), item.where, item.end - item.offset)
            self.files[-1].append(rows)
            self.fits = item.where.file == label  # rows of another file would have to be found there
        else:
            sent = outgoing.ready(item, verdict, self.wall)
            if sent is None:
                return
            self.files[-1].append(sent)
            self.bytes += len(sent.text)
        self.count += 1
        if self.count > _KEPT_STATEMENTS or self.bytes > _KEPT_BYTES:
            self.fits = False
        if not self.fits:
            self.files = [[]]


def _listed(folder: Path) -> tuple[_Stamp, ...]:
    """The ``.sql`` files in ``folder``, in the order of their names."""
    with os.scandir(folder) as entries:
        found = [(entry.path, entry.stat()) for entry in entries if entry.name.endswith(".sql")]
    return tuple(sorted((path, state.st_mtime_ns, state.st_size) for path, state in found))


def _stamps(paths: Iterable[Path]) -> tuple[_Stamp, ...]:
    stamps = []
    for path in paths:
        state = path.stat() if path.exists() else None
        stamps.append((str(path), state.st_mtime_ns if state else -1, state.st_size if state else -1))
    return tuple(stamps)


def _resolved(files: Iterable[Script]) -> frozenset[Path]:
    return frozenset(entry.path.resolve() for entry in files)


@dataclass(slots=True)
class _Folder:
    """The files that one script may read by ``source``: those below its folder that are not run by themselves."""

    folder: Path
    root: Path
    alone: frozenset[Path]
    read: dict[str, str] = field(default_factory=dict)
    asked_for: dict[Path, None] = field(default_factory=dict)

    @contextmanager
    def opened(self, argument: bytes) -> Iterator[tuple[BinaryIO, str]]:
        """The file that ``source`` names, as ``included.Opener``."""
        name = argument.decode("utf-8", "backslashreplace")
        path, folder = (self.folder / name).resolve(), self.folder.resolve()
        if not path.is_relative_to(folder):
            raise included.Unopened("names a file outside of the script's folder")
        self.asked_for[path] = None
        if path in self.alone:
            raise included.Unopened("names a file that is run by itself, so it would run twice")
        if not path.is_file():
            raise included.Unopened("names a file that is not there")
        below = path.relative_to(folder)
        with path.open("rb") as stream:
            self.read[below.as_posix()] = hashlib.file_digest(stream, "sha256").hexdigest()
            stream.seek(0)
            yield stream, (self.folder / below).relative_to(self.root).as_posix()
