"""A kind of document: its name, the dataclass of its spec, and the folder it belongs into.

A product declares its own kinds the way ``spec.platform`` does::

    @dataclass(frozen=True, slots=True)
    class Admin:
        name: str = kind.option(doc="Shown in the application.", min_length=1)

    TENANT = kind.Kind("AgendaTenant", AgendaTenantSpec, doc="One clinic.", folder="specs/tenants")
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from reconciler import errors
from reconciler.spec import build, metadata, schema
from reconciler.spec.build import Builder
from reconciler.spec.groups import Group, needs, one_of
from reconciler.spec.option import option, plain

__all__ = ["API_VERSION", "TENANTS", "Group", "Kind", "needs", "one_of", "option", "plain"]

API_VERSION: Final = "reconciler/v1"
TENANTS: Final = "specs/tenants"


@dataclass(frozen=True, eq=False)
class Kind:
    """A kind of document.

    ``folder`` is where its documents may stand: a folder with everything below it, or one file; paths are
    relative to the repository's root, with ``/``. ``examples`` are whole specs that an editor offers.
    """

    name: str
    spec: type
    doc: str
    folder: str = "specs"
    examples: tuple[Mapping[str, Any], ...] = ()

    @functools.cached_property
    def is_tenant(self) -> bool:
        """Whether its documents are tenants: they share one space of names."""
        return self.folder == TENANTS or self.folder.startswith(TENANTS + "/")

    @property
    def place(self) -> str:
        """Where its documents belong, as a person writes it."""
        return self.folder if self.folder.endswith((".yaml", ".yml")) else f"{self.folder}/"

    def belongs(self, file: str) -> bool:
        """Whether a document of this kind may stand in ``file``."""
        wanted, _, suffix = self.folder.rpartition(".")
        if suffix in ("yaml", "yml"):
            return file in (f"{wanted}.yaml", f"{wanted}.yml")
        return file.startswith(self.folder + "/")

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of a whole document; a new dict every time, so callers may change it."""
        made: dict[str, Any] = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": f"urn:reconciler:v1:{self.name}",
            "title": self.name,
            "description": self.doc,
            "type": "object",
            "properties": {
                "apiVersion": {"const": API_VERSION, "description": "The version of this format."},
                "kind": {"const": self.name, "description": "What this document describes."},
                "metadata": metadata.schema(),
                "spec": {"title": "Spec", "description": self.doc} | schema.of_dataclass(self.spec),
            },
            "required": ["apiVersion", "kind", "metadata", "spec"],
            "additionalProperties": False,
        }
        if self.examples:
            made["examples"] = [self._document(example) for example in self.examples]
        return made

    def build(self, data: Mapping[str, Any]) -> Any:
        """The typed spec from a document's ``spec`` mapping, with the defaults filled in.

        Raises ``errors.InvalidSpecs`` with one fault that names the path; ``spec.check`` finds all of them.
        """
        try:
            return self.builder(data)
        except build.Mismatch as mismatch:
            path = ".".join(str(part) for part in ("spec", *mismatch.path))
            fault = errors.Fault(errors.Where(self.name), f"{path}: {mismatch.message}", rule="schema")
            raise errors.InvalidSpecs([fault]) from mismatch

    @functools.cached_property
    def builder(self) -> Builder:
        """The compiled builder of the spec; it raises ``build.Mismatch``."""
        return build.builder(self.spec)

    @functools.cached_property
    def restorer(self) -> Builder:
        """The same for data that the builder has taken before: it checks nothing."""
        return build.restorer(self.spec)

    def _document(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        return {"apiVersion": API_VERSION, "kind": self.name, "metadata": {"name": "example"}, "spec": dict(spec)}
