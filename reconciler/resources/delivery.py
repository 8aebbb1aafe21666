"""A tenant's delivery: a folder of files that appear together or not at all.

The files are written under the transaction's name beside the deliveries (``Delivery``), and one rename or exchange
shows them at the end (``Publication``). The manifest names the transaction that wrote the folder, which is how an
undo tells which of two folders is ours.
"""

from __future__ import annotations

import functools
import hashlib
import json
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from reconciler import errors
from reconciler.model import plan
from reconciler.model.change import Change, State
from reconciler.ports.files import Files
from reconciler.ports.session import Session
from reconciler.resources import contents, resource
from reconciler.resources.sight import Sight

MANIFEST = "manifest.json"
FOLDER_MODE, FILE_MODE = 0o700, 0o600
_STAGED = "delivery"


@dataclass(frozen=True)
class Delivery(resource.Resource):
    """The files of ``tenant``, by name. ``fact`` is what was recorded: recipes, and each file's size and sha256."""

    kind: ClassVar[str] = "delivery"

    tenant: str
    product: str
    files: Mapping[str, contents.Content]
    fact: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The tenant."""
        return self.tenant

    def observe(self, sight: Sight) -> State:
        """What is wrong with the folder on disk; None if there is none. A deep look reads the files."""
        folder = sight.place.deliveries / self.tenant
        listing = sight.ports.files.listing(folder)
        if listing is None and self.tenant in sight.trash:
            folder = sight.place.trash / self.tenant  # it comes back before the delivery is shown
            listing = sight.ports.files.listing(folder)
        if listing is None:
            if sight.ports.files.there(folder):
                raise errors.DeliveryUnusable(
                    f"{folder} is a symlink or a file, and has to be the delivery folder of {self.tenant}",
                    advice="Move it away; the folder is then written again from the sealed values.",
                )
            return None
        return {"faults": self._faults(sight, folder, listing)}

    def diff(self, seen: State) -> Iterator[Change]:
        """Write the folder anew if a recipe changed or the files on disk are not those that were delivered."""
        if seen is not None and not self.fact:
            raise errors.ForeignObject(
                f"the delivery folder of {self.tenant} exists, and this platform did not deliver it"
            )
        before: Mapping[str, str] = self.fact.get("recipes", {})
        wanted = self._recipes
        details = [
            (name, "" if name not in before else "as delivered", "rewritten" if name in wanted else "removed")
            for name in sorted({*before, *wanted})
            if before.get(name) != wanted.get(name)
        ]
        faults = [] if seen is None else seen["faults"]
        if not details and not faults and seen is not None:
            return
        if not self.fact:
            action, reason = "create", "nothing was delivered yet"
        elif details:
            action, reason = "update", "what the files say has changed"
        else:
            action, reason = "repair", "; ".join(faults) or "the delivery folder is gone"
        yield Change(
            step="",
            resource=self.kind,
            name=self.name,
            action=action,
            before=None,
            after={"files": sorted([*self.files, MANIFEST])},
            summary=f"write {', '.join([*self.files, MANIFEST])} where nobody looks yet",
            reason=reason,
            undo="remove the written files",
            details=tuple(details) if self.fact else (),
        )

    def do(self, change: Change, session: Session) -> resource.Facts:
        """Write all files under the transaction's name."""
        files, workspace = session.ports.files, session.workspace
        files.make_folder(workspace)
        folder = workspace / _STAGED
        files.make_folder(folder)
        written = {}
        for name, content in self.files.items():
            data = content.render(session)
            files.write(folder / name, data)
            written[name] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        manifest = {
            "formatVersion": 1,
            "tenant": self.tenant,
            "product": self.product,
            "transaction": session.transaction,
            "files": [{"name": name, **facts} for name, facts in written.items()],
        }
        data = (json.dumps(manifest, indent=2) + "\n").encode()
        files.write(folder / MANIFEST, data)
        written[MANIFEST] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        files.settle(folder)
        files.settle(workspace)
        return {"recipes": self._recipes, "files": written}

    @classmethod
    def undo(cls, change: Change, session: Session) -> None:
        """Remove the transaction's folder, all of which is ours."""
        session.ports.files.remove_tree(session.workspace)

    @classmethod
    def undone(cls, change: Change, session: Session) -> bool:
        """Whether the transaction's folder is gone."""
        return session.ports.files.listing(session.workspace) is None

    @functools.cached_property
    def _recipes(self) -> dict[str, str]:
        return {name: plan.digest(content.recipe()) for name, content in self.files.items()}

    def _faults(self, sight: Sight, folder: Path, listing: Mapping[str, Any]) -> list[str]:
        delivered: Mapping[str, Any] = self.fact.get("files", {})
        faults = [f"{name} is missing" for name in sorted(delivered) if name not in listing]
        faults += [f"{name} does not belong there" for name in sorted(listing) if name not in delivered]
        entry = sight.deliveries.get(folder.name)
        if entry is not None and stat.S_IMODE(entry.st_mode) != FOLDER_MODE:
            faults.append(f"the folder has mode {stat.S_IMODE(entry.st_mode):04o}")
        for name in sorted(set(delivered) & set(listing)):
            state = listing[name]
            if not stat.S_ISREG(state.st_mode):
                faults.append(f"{name} is no regular file")
            elif stat.S_IMODE(state.st_mode) != FILE_MODE:
                faults.append(f"{name} has mode {stat.S_IMODE(state.st_mode):04o}")
            elif state.st_size != delivered[name]["size"]:
                faults.append(f"{name} has {state.st_size} bytes instead of {delivered[name]['size']}")
            elif sight.deep:
                data = sight.ports.files.read(folder / name) or b""
                if hashlib.sha256(data).hexdigest() != delivered[name]["sha256"]:
                    faults.append(f"{name} was changed")
        return faults


@dataclass(frozen=True, slots=True)
class Publication(resource.Resource):
    """The moment at which a written delivery appears, or takes the place of the one before."""

    kind: ClassVar[str] = "publication"

    delivery: Delivery

    @property
    def name(self) -> str:
        """The tenant."""
        return self.delivery.tenant

    def observe(self, sight: Sight) -> State:
        """As the delivery is seen."""
        return self.delivery.observe(sight)

    def diff(self, seen: State) -> Iterator[Change]:
        """Publish whenever the delivery was written."""
        if not any(self.delivery.diff(seen)):
            return
        yield Change(
            step="",
            resource=self.kind,
            name=self.name,
            action="create" if seen is None else "update",
            before={"there": seen is not None},
            after={"there": True},
            summary=f"show the delivery of {self.name}" if seen is None else f"replace the delivery of {self.name}",
            reason="the credential was proven",
            undo="take the folder away again" if seen is None else "put the former folder back, as it was",
        )

    def do(self, change: Change, session: Session) -> resource.Facts | None:
        """One rename, or one exchange with the folder that is there."""
        files, staged, shown = _folders(change, session)
        if (change.before or {})["there"]:
            files.exchange(staged, shown)
        else:
            files.rename(staged, shown)
        files.settle(shown.parent)
        files.settle(staged.parent)
        return None

    @classmethod
    def undo(cls, change: Change, session: Session) -> None:
        """Rename or exchange back, if what is shown is this transaction's."""
        files, staged, shown = _folders(change, session)
        if writer(session.ports.files, shown) != session.transaction:
            return  # not shown yet, or taken away already
        if (change.before or {})["there"]:
            files.exchange(staged, shown)
        else:
            files.rename(shown, staged)
        files.settle(shown.parent)
        files.settle(staged.parent)

    @classmethod
    def undone(cls, change: Change, session: Session) -> bool:
        """Whether what is shown is not this transaction's."""
        return writer(session.ports.files, session.place.deliveries / change.name) != session.transaction


def tidy(session: Session) -> None:
    """After a commit: remove what the published folder replaced."""
    session.ports.files.remove_tree(session.workspace)


def _folders(change: Change, session: Session) -> tuple[Any, Path, Path]:
    return session.ports.files, session.workspace / _STAGED, session.place.deliveries / change.name


def writer(files: Files, folder: Path) -> str | None:
    """The transaction that wrote a delivery, as its manifest says; None where there is none that says so."""
    data = files.read(folder / MANIFEST)
    try:
        return None if data is None else str(json.loads(data)["transaction"])
    except (ValueError, KeyError, TypeError):
        return None
