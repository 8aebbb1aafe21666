"""Where a tenant's delivery is: where its reader looks, or in the trash.

The folder takes two renames through the transaction's own folder. A successor moves that folder away first, so that a
process that wakes up after it was given up can't hide or show anything any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from reconciler import errors
from reconciler.model.change import Change, State
from reconciler.ports.files import Files
from reconciler.ports.session import Session
from reconciler.resources import delivery, resource
from reconciler.resources.sight import Sight

SHOWN, HIDDEN, NOWHERE = "shown", "hidden", "nowhere"
_PASSING = "moved"


@dataclass(frozen=True, slots=True)
class Visibility(resource.Resource):
    """The delivery of ``tenant`` is in the trash, or is not."""

    kind: ClassVar[str] = "visibility"

    tenant: str
    hidden: bool

    @property
    def name(self) -> str:
        """The tenant."""
        return self.tenant

    def observe(self, sight: Sight) -> State:
        """Where the folder is, and which transaction wrote it."""
        files, place = sight.ports.files, sight.place
        for where, shelf, there in ((SHOWN, place.deliveries, sight.deliveries), (HIDDEN, place.trash, sight.trash)):
            if self.tenant not in there:
                continue
            if where == SHOWN and not self.hidden:
                return {"where": where}  # as it should be, so nobody needs to know whose it is
            if where == SHOWN:
                _same_file_system(place.deliveries, place.trash)
            return {"where": where, "writer": delivery.writer(files, shelf / self.tenant)}
        return {"where": NOWHERE}

    def diff(self, seen: State) -> Iterator[Change]:
        """Hide it, or show it again; what is nowhere is left to the delivery itself."""
        there = (seen or {})["where"]
        wanted = HIDDEN if self.hidden else SHOWN
        if there in (wanted, NOWHERE):
            return
        yield Change(
            step="",
            resource=self.kind,
            name=self.name,
            action="update",
            before=dict(seen or {}),
            after={**(seen or {}), "where": wanted},
            summary=f"{'hide' if self.hidden else 'show'} the delivery of {self.tenant}",
            reason="its readers are to find nothing" if self.hidden else "the tenant leaves the trash",
            undo="put the folder back where it was, as it was",
            takes_away=self.hidden,
        )

    def do(self, change: Change, session: Session) -> resource.Facts | None:
        """Two renames."""
        files, passing = session.ports.files, session.workspace / _PASSING
        if files.listing(session.workspace) is None:
            files.make_folder(session.workspace)
        source, target = (_folder(session, (state or {})["where"], change) for state in (change.before, change.after))
        make_room(files, target.parent)
        files.rename(source, passing)
        files.rename(passing, target)
        for folder in {source.parent, target.parent, session.workspace}:
            files.settle(folder)
        return None

    @classmethod
    def undo(cls, change: Change, session: Session) -> None:
        """Put it back, wherever on its way it is."""
        files, before = session.ports.files, change.before or {}
        home = _folder(session, before["where"], change)
        for folder in (session.workspace / _PASSING, _folder(session, (change.after or {})["where"], change)):
            if files.listing(folder) is None or delivery.writer(files, folder) != before["writer"]:
                continue
            if files.there(home):
                raise resource.Foreign(change, f"{home} was made by somebody else meanwhile")
            files.rename(folder, home)
            for parent in {folder.parent, home.parent}:
                files.settle(parent)
        files.remove_tree(session.workspace)

    @classmethod
    def undone(cls, change: Change, session: Session) -> bool:
        """Whether it is not where this transaction put it."""
        before, after = change.before or {}, change.after or {}
        folder = _folder(session, after["where"], change)
        return bool(delivery.writer(session.ports.files, folder) != before["writer"])


def _folder(session: Session, where: str, change: Change) -> Path:
    place = session.place
    return (place.deliveries if where == SHOWN else place.trash) / change.name


def make_room(files: Files, folder: Path) -> None:
    """Make a folder with those above it, where they are not there yet."""
    if files.listing(folder) is None:
        if files.listing(folder.parent) is None:
            make_room(files, folder.parent)
        files.make_folder(folder)


def _same_file_system(deliveries: Path, trash: Path) -> None:
    there = trash
    while not there.exists():
        there = there.parent
    if deliveries.stat().st_dev != there.stat().st_dev:
        raise errors.DeliveryUnusable(
            f"{deliveries} and {trash} lie on two file systems, so that a delivery can't go to the trash in one step",
            advice="Name folders on one file system under delivery.directory and trash.directory.",
        )
