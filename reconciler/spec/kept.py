"""Documents that were found right before: kept by their file's content, and not read as YAML again.

What is kept of a file depends on its name, its text, the kinds and this program, and all four are part of its key.
Only files without any fault are kept, so that every fault is found anew, with its place. A kept document is its plain
data as JSON; its typed spec is made from it without checking, and its places by reading the text again, each when it is
first asked for.

A file that was not touched since it was read (``cache.state``) is not opened either.
"""

from __future__ import annotations

import hashlib
import json
import os
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from reconciler import errors
from reconciler.ports import cache
from reconciler.spec import folder
from reconciler.spec.document import Document
from reconciler.spec.kind import Kind
from reconciler.spec.marks import Marks
from reconciler.spec.source import Source

NAME: Final = "specs"
_LONGEST: Final = 256 * 1024  # bytes of a document; longer ones are few, and cost the others their speed
_OWN: Final = "reconciler."

_KEY, _FILE, _STATE, _LINE, _COLUMN, _KIND, _NAME, _DIGEST, _WRITTEN = range(9)
"""The parts of a line."""


class Kept(Document):
    """A document of a file that is as it was when all of it was right."""

    __slots__ = ("_entry", "_number", "_place", "_source", "_typed")
    _entry: Sequence[bytes]
    _number: int
    _place: Path
    _source: Source | None
    _typed: Any

    def __init__(self, place: Path, source: Source | None, definition: Kind, number: int, entry: list[bytes]) -> None:
        """``source`` is the text where it was read in this run; else it is read below ``place`` when it is needed."""
        put = object.__setattr__  # the class is frozen
        put(self, "definition", definition)
        put(self, "name", entry[_NAME].decode())
        put(self, "_source", source)
        put(self, "_place", place)
        put(self, "_number", number)
        put(self, "_entry", entry)
        put(self, "_typed", None)

    @property
    def content(self) -> str:
        """What tells the content of its file, for this program."""
        return self._entry[_KEY].decode()

    @property
    def file(self) -> str:
        """As everywhere."""
        return self._entry[_FILE].decode()

    @property
    def source(self) -> Source:
        """The text, if it still stands there; else none."""
        if self._source is None:
            object.__setattr__(self, "_source", self._read())
        found: Source = self._source  # type: ignore[assignment]
        return found

    @property
    def kind(self) -> str:
        """The kind's name."""
        return self._kind.name

    @property
    def where(self) -> errors.Where:
        """Where the document begins."""
        return errors.Where(self.file, int(self._entry[_LINE]), int(self._entry[_COLUMN]))

    @property
    def spec(self) -> Any:
        """The typed spec."""
        if self._typed is None:
            object.__setattr__(self, "_typed", self._kind.restorer(json.loads(self._entry[_WRITTEN])["spec"]))
        return self._typed

    @property
    def valid(self) -> bool:
        """It was, so it is."""
        return True

    @property
    def data(self) -> Mapping[str, Any]:
        """The whole document as plain data, made anew every time."""
        found: dict[str, Any] = json.loads(self._entry[_WRITTEN])
        return found

    @property
    def labels(self) -> Mapping[str, str]:
        """As written."""
        found: dict[str, str] = self._described("labels")
        return found

    @property
    def annotations(self) -> Mapping[str, Any]:
        """As written."""
        return self._described("annotations")

    @property
    def marks(self) -> Marks:
        """The places, from the text that was right. Where another one stands there by now, only the beginning."""
        if self.source.text:
            from reconciler.spec import reader  # YAML, which is seldom read again

            return reader.read(self.source).documents[self._number].marks
        where = self.where
        return Marks(self.file, None, array("I", (where.line - 1, where.column - 1)))

    @property
    def digest(self) -> str:
        """As it was when it was read."""
        return self._entry[_DIGEST].decode()

    @property
    def _kind(self) -> Kind:
        if self.definition is None:
            raise TypeError("a kept document has a kind")
        return self.definition

    def _read(self) -> Source:
        file = self.file
        try:
            found = folder.decode(file, folder.content(str(self._place / file)))
        except (OSError, ValueError):
            found = Source(file, "")
        return found if isinstance(found, Source) and _key(found) == self._entry[_KEY] else Source(file, "")

    def _described(self, key: str) -> dict[str, Any]:
        if f'"{key}":'.encode() not in self._entry[_WRITTEN]:
            return {}
        found: dict[str, Any] = json.loads(self._entry[_WRITTEN])["metadata"].get(key, {})
        return found


class Shelf:
    """What is kept of a repository's files, as it was found, and as it is to be kept now."""

    def __init__(self, root: Path, kinds: Sequence[Kind], name: str = NAME) -> None:
        self._root, self._name = root, name
        self._kinds = {kind.name.encode(): kind for kind in kinds}
        self._stamp = cache.program(*map(_told, kinds))
        self._settled = cache.settled()
        self._states: dict[str, bytes] = {}
        self._lines: list[list[bytes]] | None = []
        self._changed = False
        self._at: dict[bytes, list[list[bytes]]] = {}
        body = cache.read(root, name, self._stamp)
        for line in body.split(b"\n") if body else ():
            entry = line.split(b"\t", _WRITTEN)
            if len(entry) > _WRITTEN and entry[_KIND] in self._kinds:
                self._at.setdefault(entry[_FILE], []).append(entry)

    @property
    def stamp(self) -> str:
        """What tells these kinds and this program."""
        return self._stamp

    def unchanged(self, file: str, state: os.stat_result) -> tuple[Document, ...] | None:
        """The documents of a file that is as it was, by its lstat; None where it has to be opened."""
        told = cache.state(state, self._settled)
        entries = self._at.get(file.encode())
        if entries is not None and told and all(entry[_STATE] == told for entry in entries):
            return self._taken(None, entries)
        self._states[file] = told
        return None

    def documents(self, source: Source) -> tuple[Document, ...] | None:
        """The documents of a file, in their order; None where it has to be read."""
        entries = self._at.get(source.file.encode())
        if entries is None or entries[0][_KEY] != _key(source):
            return None
        told = self._states.get(source.file, b"")
        if entries[0][_STATE] != told:
            self._changed = True
            entries = [[*entry[:_STATE], told, *entry[_STATE + 1 :]] for entry in entries]
        return self._taken(source, entries)

    def keep(self, source: Source, documents: tuple[Document, ...]) -> tuple[Document, ...]:
        """Keep the documents of a file in which nothing is wrong; the same, as they are kept: they are smaller."""
        file = source.file.encode()
        if b"\t" in file or b"\n" in file or b"\\" in file:  # a backslash may stand for octets of another file
            return documents
        key, told, lines = _key(source), self._states.get(source.file, b""), []
        for document in documents:
            written = json.dumps(document.data, separators=(",", ":"), ensure_ascii=False).encode()
            if document.spec is None or len(written) > _LONGEST:
                return documents
            where = document.where
            head = f"{where.line}\t{where.column}\t{document.kind}\t{document.name}\t{document.digest}".encode()
            lines.append([key, file, told, *head.split(b"\t"), written])
        self._changed = True
        return self._taken(None if told else source, lines, documents)

    def save(self) -> None:
        """Write down what is kept now, if that is not what was found. What comes later is not written any more."""
        lines, found = self._lines, sum(map(len, self._at.values()))
        self._lines, self._at = None, {}
        if lines is not None and (self._changed or len(lines) != found):
            cache.write(self._root, self._name, self._stamp, _joined(lines))

    def _taken(
        self, source: Source | None, entries: list[list[bytes]], read: Sequence[Document] = ()
    ) -> tuple[Document, ...]:
        if self._lines is not None:
            self._lines += entries
        kinds, root = self._kinds, self._root
        found = tuple([Kept(root, source, kinds[entry[_KIND]], at, entry) for at, entry in enumerate(entries)])
        for kept, document in zip(found, read, strict=False):
            object.__setattr__(kept, "_typed", document.spec)
        return found


def _joined(lines: list[list[bytes]]) -> Iterator[bytes]:
    for number, entry in enumerate(lines):
        yield (b"\n" if number else b"") + b"\t".join(entry)


def _key(source: Source) -> bytes:
    return hashlib.sha256(f"{source.file}\0{source.text}".encode()).hexdigest().encode()


def _told(kind: Kind) -> str:
    """What a kind makes of a document. Those in this program are part of its digest already."""
    own = kind.spec.__module__.startswith(_OWN)
    schema = "" if own else json.dumps(kind.schema(), sort_keys=True)
    return f"{kind.name} {kind.folder} {kind.spec.__module__}.{kind.spec.__qualname__} {schema}"
