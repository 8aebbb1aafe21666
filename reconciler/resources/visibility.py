"""Where a tenant's delivery is: where its reader looks, or in the trash.

The folder takes two renames through the transaction's own folder. A successor moves that folder away first, so that a
process that wakes up after it was given up can't hide or show anything any more.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from reconciler import errors
from reconciler.model.change import Change, State
from reconciler.ports.files import Files
from reconciler.ports.session import Session
from reconciler.resources import resource
from reconciler.resources.sight import Sight

SHOWN, HIDDEN, NOWHERE = "shown", "hidden", "nowhere"
_PASSING = "moved"


@dataclass(frozen=True, slots=True)
class Visibility(resource.Resource):
    """The delivery of ``tenant`` is in the trash, or is not. ``needed`` says that it has to be in one of the two."""

    kind: ClassVar[str] = "visibility"

    tenant: str
    hidden: bool
    needed: bool = False

    @property
    def name(self) -> str:
        """The tenant."""
        return self.tenant

    def observe(self, sight: Sight) -> State:
        """Where the folder is, and which one: its inode stays the same wherever it is moved to.

        Errors: ``DeliveryUnusable`` for what is no folder, or can't be moved in one step.
        """
        place = sight.place
        for where, shelf, there in ((SHOWN, place.deliveries, sight.deliveries), (HIDDEN, place.trash, sight.trash)):
            if self.tenant not in there:
                continue
            if where == SHOWN and not self.hidden:
                return {"where": where}  # as it should be, so nobody needs to know whose it is
            if where == SHOWN and not sight.one_file_system:
                raise errors.DeliveryUnusable(
                    f"{place.deliveries} and {place.trash} lie on two file systems, so that a delivery can't go to the "
                    "trash in one step",
                    advice="Name folders on one file system under delivery.directory and trash.directory.",
                )
            if not stat.S_ISDIR(there[self.tenant].st_mode):
                raise errors.DeliveryUnusable(
                    f"{shelf / self.tenant} is a symlink or a file, and has to be the delivery folder of {self.tenant}",
                    advice="Move it away, and put the folder back if there was one.",
                )
            return {"where": where, "inode": there[self.tenant].st_ino}
        return {"where": NOWHERE}

    def diff(self, seen: State) -> Iterator[Change]:
        """Hide it, or show it again; what is nowhere is left to the delivery itself."""
        there = (seen or {})["where"]
        wanted = HIDDEN if self.hidden else SHOWN
        if there == NOWHERE and self.needed:
            raise errors.DeliveryUnusable(
                f"the delivery of {self.tenant} is no longer in the trash",
                advice="Put the folder back from a backup, or put the tenant's spec back: then it is written again.",
            )
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
        files, passing = session.ports.files, entered(session) / _PASSING
        source, target = (_folder(session, (state or {})["where"], change) for state in (change.before, change.after))
        make_room(files, target.parent)
        files.rename(source, passing)
        files.rename(passing, target)
        for folder in {source.parent, target.parent, session.workspace}:
            files.settle(folder)
        return None

    @classmethod
    def undo(cls, change: Change, session: Session) -> None:
        """Put it back, wherever on its way it is: what is in the transaction's own folder is ours whatever it holds."""
        files, before = session.ports.files, change.before or {}
        home, passing = _folder(session, before["where"], change), session.workspace / _PASSING
        gone = _folder(session, (change.after or {})["where"], change)
        for folder in (passing, *([gone] if _inode(session, gone) == before["inode"] else [])):
            if files.listing(folder) is None:
                continue
            if files.there(home):
                raise resource.Foreign(change, f"{home} was made by somebody else meanwhile, and {folder} waits for it")
            files.rename(folder, home)
            for parent in {folder.parent, home.parent}:
                files.settle(parent)
        files.remove_tree(session.workspace)

    @classmethod
    def undone(cls, change: Change, session: Session) -> bool:
        """Whether it is not where this transaction put it."""
        gone = _folder(session, (change.after or {})["where"], change)
        return bool(_inode(session, gone) != (change.before or {})["inode"])


def _inode(session: Session, folder: Path) -> int | None:
    found = (session.ports.files.listing(folder.parent) or {}).get(folder.name)
    return None if found is None else found.st_ino


def _folder(session: Session, where: str, change: Change) -> Path:
    place = session.place
    return (place.deliveries if where == SHOWN else place.trash) / change.name


def entered(session: Session) -> Path:
    """The transaction's own folder, made where it is not there yet: what passes through it is fenced.

    Who was taken over before it was made is stopped by the number; who is later finds that it was moved away.
    Errors: ``LeaseLost``.
    """
    files, folder = session.ports.files, session.workspace
    made = files.listing(folder) is None
    if made:
        files.make_folder(folder)
    try:
        session.fence()
    except errors.LeaseLost:
        if made:
            files.remove_folder(folder)
        raise
    return folder


def make_room(files: Files, folder: Path) -> None:
    """Make a folder with those above it, where they are not there yet."""
    if files.listing(folder) is None:
        if files.listing(folder.parent) is None:
            make_room(files, folder.parent)
        files.make_folder(folder)
        files.settle(folder.parent)
