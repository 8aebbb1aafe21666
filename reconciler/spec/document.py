"""One document of a specs repository: typed, plain, and with the place of everything in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from reconciler import errors
from reconciler.spec import option
from reconciler.spec.kind import Kind
from reconciler.spec.marks import Marks, Path
from reconciler.spec.source import Source

_CANONICAL: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A document. ``spec`` is the typed spec, or None where the document has faults.

    ``definition`` is None for a kind that nobody knows. ``data`` is the whole document as plain data; it
    is shared, so nobody changes it. Without a readable ``metadata.name`` the ``name`` is empty.
    """

    kind: str
    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, Any]
    spec: Any
    data: Mapping[str, Any]
    where: errors.Where
    marks: Marks
    source: Source
    definition: Kind | None
    _digest: str = field(default="", init=False, repr=False)

    @property
    def file(self) -> str:
        """The file it stands in, relative to the repository's root, with ``/``."""
        return self.source.file

    @property
    def is_tenant(self) -> bool:
        """Whether it describes a tenant, of any product."""
        return self.definition is not None and self.definition.is_tenant

    @property
    def valid(self) -> bool:
        """Whether there is a typed spec."""
        return self.spec is not None

    def at(self, *path: str | int) -> errors.Where:
        """Where the value of ``path`` stands: ``at("spec", "admin", "email")``.

        For a value that was not written: where the nearest mapping above it begins.
        """
        return self.marks.nearest(path)

    def key(self, *path: str | int) -> errors.Where:
        """Where the key of ``path`` stands; of a list's item or an absent key, what :meth:`at` says."""
        return self.marks.key(path) or self.marks.nearest(path)

    def get(self, *path: str | int) -> Any:
        """The plain value of ``path`` as written, without defaults; None where there is none."""
        value: Any = self.data
        for part in path:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    def fault(self, path: Path, message: str, *, rule: str, hint: str = "", on_key: bool = False) -> errors.Fault:
        """A fault at the value of ``path``, or with ``on_key`` at its key."""
        where = self.key(*path) if on_key else self.at(*path)
        return errors.Fault(
            where,
            message,
            rule=rule,
            hint=hint,
            quoted=self.source.quoted(where.line),
            tenant=self.name if self.is_tenant else "",
        )

    @property
    def digest(self) -> str:
        """SHA-256 over :meth:`canonical`, in hex; worked out once."""
        if not self._digest:
            object.__setattr__(self, "_digest", hashlib.sha256(self.canonical()).hexdigest())
        return self._digest

    def plain(self) -> Mapping[str, Any]:
        """The spec as plain data with the defaults filled in. Only of a document without faults."""
        found: Mapping[str, Any] = option.plain(self.spec)
        return found

    def canonical(self) -> bytes:
        """The spec as canonical JSON: defaults filled in, keys sorted, no spaces, UTF-8.

        Two specs that mean the same give the same octets. Of a document with faults: the spec as written.
        """
        spec = option.plain(self.spec) if self.spec is not None else self.data.get("spec")
        return _CANONICAL(spec).encode()
