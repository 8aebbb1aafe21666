"""What every kind of resource offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from reconciler.model import plan
from reconciler.model.change import Change, State
from reconciler.model.outcome import Leftover
from reconciler.ports.session import Session
from reconciler.resources.sight import Sight

Facts = Mapping[str, Any]


class Foreign(Exception):
    """An undo found something that is not ours, or not as we left it; it stays and is reported."""

    def __init__(self, change: Change, reason: str, clear: str = "") -> None:
        super().__init__(reason)
        self.leftover = Leftover(change.resource, change.name, reason, clear)


class Resource(ABC):
    """A wanted thing. Subclasses are frozen dataclasses of plain data, with ``kind`` and ``name`` as their address.

    ``observe`` may raise ``census.Unseen`` (what may not be seen is unknown, never missing) and connection errors.
    ``diff`` is pure; it raises a ``Refused`` error where the thing can't be brought to what is wanted.
    ``do`` is called once, inside a transaction whose journal holds the change; it returns facts to be recorded.
    ``undo`` is called with nothing but the journal's data, possibly again and again, possibly by another process,
    possibly although ``do`` never ran: it looks first, and raises ``Foreign`` for what it must not touch.
    ``undone`` only looks.
    """

    kind: ClassVar[str]

    @property
    @abstractmethod
    def name(self) -> str:
        """What tells it from others of its kind."""

    @abstractmethod
    def observe(self, sight: Sight) -> State:
        """The thing as it is; None if it is not there."""

    @abstractmethod
    def diff(self, seen: State) -> Iterator[Change]:
        """The changes from ``seen`` to what is wanted; none if it is so already."""

    def follow(self, seen: State) -> Iterator[Change]:
        """Changes that go along when something else of the tenant changes, though this thing alone would not.

        Errors: as ``diff``.
        """
        return iter(())

    def remarks(self, seen: State) -> Iterator[plan.Report | plan.Unknown]:
        """What a plan says beside changes: what differs and is left as it is, and what could not be seen."""
        return iter(())

    def bound(self) -> object:
        """What a reviewed plan stands on beside the spec and what was seen, as plain data: files that were read."""
        return None

    def own(self, seen: State) -> State:
        """What of a look is the thing's own state and not the looker's: equal as long as nobody changes the thing."""
        return seen

    @abstractmethod
    def do(self, change: Change, session: Session) -> Facts | None:
        """Make the change."""

    @classmethod
    @abstractmethod
    def undo(cls, change: Change, session: Session) -> None:
        """Bring back ``change.before``."""

    @classmethod
    @abstractmethod
    def undone(cls, change: Change, session: Session) -> bool:
        """Whether nothing of ``change`` is left: looked at again after a rollback, before it is called one."""

    @classmethod
    def held(cls, change: Change, session: Session) -> bool:
        """Whether the thing that undoing would destroy is there and bears this transaction's mark.

        Only asked of changes with ``destroys``. Raises ``Foreign`` if it is there and is not ours.
        """
        raise NotImplementedError(f"{cls.__name__} destroys nothing")
