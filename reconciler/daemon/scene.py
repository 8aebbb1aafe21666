"""What one revision asks for, tenant by tenant: who is there, whose spec is broken, what a newer revision touches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from reconciler import errors
from reconciler.daemon.source import Checkout
from reconciler.engine import roll as rolls
from reconciler.engine import setting as settings
from reconciler.engine import specs
from reconciler.engine.setting import Setting
from reconciler.model import plan as plans
from reconciler.ports.ports import Ports
from reconciler.ports.store import store as stores
from reconciler.spec.document import Document
from reconciler.spec.tree import Tree

REQUESTED: Final = "reconciler/requestedAt"
_MOST_FAULTS: Final = 5


@dataclass(frozen=True, eq=False)
class Scene:
    """A checkout, understood. ``roll`` is called anew whenever somebody may have come or gone.

    ``places`` says in which file every tenant was last read, of this revision and those before it that were seen.
    """

    checkout: Checkout
    setting: Setting
    roll: rolls.Roll
    places: Mapping[str, str] = field(default_factory=dict)
    gone: Mapping[str, str] = field(default_factory=dict)
    """Where the specs stood that were there before, of tenants that still are."""

    @cached_property
    def behind(self) -> frozenset[str]:
        """The tenants without a document that stood last in a file in which something is wrong."""
        return _behind(self.setting.specs, self.places)

    @cached_property
    def documents(self) -> Mapping[str, Document]:
        """The tenants' documents by name, those with faults too."""
        return {document.name: document for document in reversed(self.setting.specs.tenants) if document.name}

    @cached_property
    def broken(self) -> Mapping[str, str]:
        """The tenants that can't be worked on because of how their specs are written, and what is wrong with them."""
        found: dict[str, list[errors.Fault]] = {}
        files: dict[str, list[str]] = {}
        for name, document in self.documents.items():
            if name not in self.roll.tenants:
                files.setdefault(document.file, []).append(name)
        for name in self.behind:
            files.setdefault(self.places[name], []).append(name)
        names = {name for some in files.values() for name in some}
        for fault in self.setting.faults:
            told = [fault.tenant] if fault.tenant else files.get(fault.where.file, [])
            for name in told:
                if name in names:
                    found.setdefault(name, []).append(fault)
        return {name: _said(found.get(name, [])) for names in files.values() for name in names}

    def file(self, name: str) -> str:
        """The file in which a tenant's spec stands or stood last; empty if that was not seen."""
        return self.places.get(name) or self.gone.get(name, "")

    def generation(self, name: str) -> str:
        """The id of the blob that a tenant's spec stands in; empty for one without a spec."""
        return self.checkout.blobs.get(name, "")

    def request(self, name: str) -> str:
        """The token by which a tenant's spec asks for another attempt; empty if it does not."""
        document = self.documents.get(name)
        said = document.annotations.get(REQUESTED) if document is not None else None
        return said if isinstance(said, str) else ""

    def touched_since(self, before: Scene) -> set[str]:
        """The tenants whose specs, or what these stand on, are other than in ``before``; and those that wait to go, for
        who may go depends on all that go.
        """
        old, new = before.checkout.blobs, self.checkout.blobs
        if self.ground != before.ground:
            return {*old, *new, *self.roll.known}
        mended = before.broken.keys() ^ self.broken.keys()  # the fault may have been another file's
        waiting = {
            name for name, record in self.roll.known.items() if name not in self.documents and not record.trashed
        }
        return {name for name in {*old, *new} if old.get(name) != new.get(name)} | waiting | mended

    def again(self) -> Scene:
        """The same revision with the roll called anew. Errors: as for ``rolls.call``."""
        return replace(self, roll=rolls.call(self.setting))

    @cached_property
    def ground(self) -> str:
        """A digest over everything but the tenants: what all of them stand on."""
        others = [
            [document.kind, document.name, document.canonical().decode()]
            for document in self.setting.specs.documents
            if not document.is_tenant
        ]
        return plans.digest([others, self.checkout.ground])


def build(root: Path, ports: Ports, checkout: Checkout, store: stores.Store | None, before: Scene | None) -> Setting:
    """The setting of a checkout; the faults of tenants are borne, and who may be hidden by them is said.

    Errors: ``InvalidSpecs`` for faults in what all tenants stand on, ``PlatformMisconfigured``.
    """
    setting = settings.setting_of(
        root,
        ports,
        checkout.tree,
        checkout.folder,
        revision=checkout.revision,
        tolerate=specs.in_tenants,
        store=store,
    )
    setting.hidden = _hidden(checkout.tree, before)
    return setting


def stage(checkout: Checkout, setting: Setting, before: Scene | None) -> Scene:
    """The scene of a setting whose platform stands. Errors: as for ``rolls.call``."""
    present = {document.name: document.file for document in setting.specs.tenants if document.name}
    kept = dict(before.places) if before is not None else {}
    if setting.hidden is not None:
        kept = {name: file for name, file in kept.items() if name in setting.hidden}
    places, roll = {**kept, **present}, rolls.call(setting)
    former = {**before.gone, **before.places} if before is not None else {}
    gone = {name: former[name] for name in roll.known if name in former and name not in places}
    return Scene(checkout, setting, roll, places, gone)


def _hidden(tree: Tree, before: Scene | None) -> frozenset[str] | None:
    """The tenants that may stand in what is faulty. None if anybody may: what can't be read may hold a tenant that was
    moved there, and where nobody knows who was there before, so may any file with a fault.
    """
    if tree.unread or (before is None and any(specs.in_tenants(fault) for fault in tree.faults)):
        return None
    return _behind(tree, before.places) if before is not None else frozenset()


def _behind(tree: Tree, places: Mapping[str, str]) -> frozenset[str]:
    present = {document.name for document in tree.tenants}
    return frozenset(
        name
        for name, file in places.items()
        if name not in present and (tree.is_unread(file) or file in tree.faulty_files)
    )


def _said(faults: list[errors.Fault]) -> str:
    said = [f"{fault.where}: {fault.message}" for fault in faults[:_MOST_FAULTS]]
    if len(faults) > _MOST_FAULTS:
        said.append(f"and {len(faults) - _MOST_FAULTS} more")
    return "; ".join(said) or "its file can't be read"
