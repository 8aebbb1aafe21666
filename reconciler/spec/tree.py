"""Everything that a specs repository says, and everything that is wrong with how it says it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler import errors
from reconciler.spec.document import Document
from reconciler.spec.kind import Kind


@dataclass(frozen=True, eq=False)
class Tree:
    """The documents of a repository, in the order of files and places, and the faults of reading them.

    ``unread`` names the files and folders of which not everything could be read: documents may be hidden
    there, so an absence proves nothing. ``digest`` is one over everything that was read, by these kinds and this
    program; empty where something of it was not right.
    """

    root: Path
    documents: tuple[Document, ...]
    faults: tuple[errors.Fault, ...]
    kinds: tuple[Kind, ...] = ()
    unread: frozenset[str] = frozenset()
    digest: str = ""
    contents: Mapping[str, str] = field(default_factory=dict)
    """Of a tree with a digest: what tells each file's content, by its name."""
    home: Path | None = None
    """The repository in whose state notes of this tree are kept, if that is not ``root``."""

    def of(self, kind: str) -> tuple[Document, ...]:
        """All documents of a kind, those with faults too (their ``spec`` is None)."""
        return self._by_kind.get(kind, ())

    def valid(self, kind: str) -> tuple[Document, ...]:
        """The documents of a kind that have a typed spec."""
        return tuple(document for document in self.of(kind) if document.valid)

    def one(self, kind: str) -> Document | None:
        """The first document of a kind; whether there are more is a matter for ``spec.validate``."""
        found = self.of(kind)
        return found[0] if found else None

    def named(self, kind: str, name: str) -> Document | None:
        """The first document of a kind with this name."""
        return self._by_name.get((kind, name))

    @functools.cached_property
    def tenants(self) -> tuple[Document, ...]:
        """The documents of all products' tenants, those with faults too."""
        return tuple(document for document in self.documents if document.is_tenant)

    @functools.cached_property
    def faulty_files(self) -> frozenset[str]:
        """The files (and unreadable folders) with at least one fault of reading or of the schema."""
        return frozenset(fault.where.file for fault in self.faults)

    def is_unread(self, folder: str) -> bool:
        """Whether documents may be hidden in ``folder`` (or the file of that name)."""
        return any(
            path == folder or path.startswith(folder + "/") or folder.startswith(path + "/") for path in self.unread
        )

    @functools.cached_property
    def _by_name(self) -> Mapping[tuple[str, str], Document]:
        return {(document.kind, document.name): document for document in reversed(self.documents)}

    @functools.cached_property
    def _by_kind(self) -> Mapping[str, tuple[Document, ...]]:
        found: dict[str, list[Document]] = {}
        for document in self.documents:
            found.setdefault(document.kind, []).append(document)
        return {kind: tuple(documents) for kind, documents in found.items()}
