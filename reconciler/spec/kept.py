"""Documents that were found right before: kept by their file's content, and not read as YAML again.

What is kept of a file depends on its name, its text, the kinds and this program, and all four are part of its key.
Only files without any fault are kept, so that every fault is found anew, with its place. A kept document is its plain
data as JSON; its typed spec is made from it without checking, and its places by reading the text again, each when it is
first asked for.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from reconciler import errors
from reconciler.ports import cache
from reconciler.spec import reader
from reconciler.spec.document import Document
from reconciler.spec.kind import Kind
from reconciler.spec.marks import Marks
from reconciler.spec.source import Source

NAME: Final = "specs"
_LONGEST: Final = 256 * 1024  # bytes of a document; longer ones are few, and cost the others their speed

_LINE, _COLUMN, _KIND, _NAME, _DIGEST, _WRITTEN = range(1, 7)
"""The parts of a line, behind the key of its file."""


class Kept(Document):
    """A document of a file that is as it was when all of it was right."""

    __slots__ = ("_entry", "_number", "_typed")
    _entry: Sequence[bytes]
    _number: int
    _typed: Any

    def __init__(self, source: Source, definition: Kind, number: int, entry: Sequence[bytes]) -> None:
        put = object.__setattr__  # the class is frozen
        put(self, "source", source)
        put(self, "definition", definition)
        put(self, "name", entry[_NAME].decode())
        put(self, "_number", number)
        put(self, "_entry", entry)
        put(self, "_typed", None)

    @property
    def kind(self) -> str:
        """The kind's name."""
        return self._kind.name

    @property
    def where(self) -> errors.Where:
        """Where the document begins."""
        return errors.Where(self.source.file, int(self._entry[_LINE]), int(self._entry[_COLUMN]))

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
        """The places, from the text that is kept beside: it is the one that was right."""
        return reader.read(self.source).documents[self._number].marks

    @property
    def digest(self) -> str:
        """As it was when it was read."""
        return self._entry[_DIGEST].decode()

    @property
    def _kind(self) -> Kind:
        if self.definition is None:
            raise TypeError("a kept document has a kind")
        return self.definition

    def _described(self, key: str) -> dict[str, Any]:
        if f'"{key}":'.encode() not in self._entry[_WRITTEN]:
            return {}
        found: dict[str, Any] = json.loads(self._entry[_WRITTEN])["metadata"].get(key, {})
        return found


class Shelf:
    """What is kept of a repository's files, as it was found, and as it is to be kept now."""

    def __init__(self, root: Path, kinds: Sequence[Kind]) -> None:
        self._root = root
        self._kinds = {kind.name.encode(): kind for kind in kinds}
        schemas = [f"{kind.folder} {json.dumps(kind.schema(), sort_keys=True)}" for kind in kinds]
        self._stamp = cache.program(*schemas)
        self._before: dict[bytes, list[bytes]] = defaultdict(list)
        body = cache.read(root, NAME, self._stamp)
        for line in body.split(b"\n") if body else ():
            self._before[line[:64]].append(line)
        self._lines: list[bytes] = []
        self._changed = False

    def documents(self, source: Source) -> tuple[Document, ...] | None:
        """The documents of a file, in their order; None where it has to be read."""
        lines = self._before.get(_key(source))
        if lines is None:
            return None
        entries = [line.split(b"\t", _WRITTEN) for line in lines]
        if any(len(entry) <= _WRITTEN or entry[_KIND] not in self._kinds for entry in entries):
            return None
        self._lines += lines
        return tuple(Kept(source, self._kinds[entry[_KIND]], number, entry) for number, entry in enumerate(entries))

    def keep(self, source: Source, documents: Sequence[Document]) -> None:
        """Keep the documents of a file in which nothing is wrong."""
        key, lines = _key(source), []
        for document in documents:
            written = json.dumps(document.data, separators=(",", ":"), ensure_ascii=False).encode()
            if document.spec is None or len(written) > _LONGEST:
                return
            where = document.where
            head = f"{where.line}\t{where.column}\t{document.kind}\t{document.name}\t{document.digest}\t".encode()
            lines.append(key + b"\t" + head + written)
        self._lines += lines
        self._changed = True

    @property
    def count(self) -> int:
        """How many documents are kept now."""
        return len(self._lines)

    def digest(self) -> str:
        """Over the names and contents of all files of which everything was kept, in their order."""
        found = hashlib.sha256(self._stamp.encode())
        for line in self._lines:
            found.update(line[:64])
        return found.hexdigest()

    def save(self) -> None:
        """Write down what is kept now, if that is not what was found."""
        if self._changed or len(self._lines) != sum(map(len, self._before.values())):
            cache.write(self._root, NAME, self._stamp, [b"\n".join(self._lines)])


def _key(source: Source) -> bytes:
    return hashlib.sha256(f"{source.file}\0{source.text}".encode()).hexdigest().encode()
