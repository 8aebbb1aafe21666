"""Whether an account is open. Shutting it also ends its sessions, because a lock alone leaves them running."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from reconciler.model.change import Change, State
from reconciler.model.server import Server
from reconciler.ports.mysql import census, names
from reconciler.ports.session import Session
from reconciler.resources import account, resource
from reconciler.resources.sight import Sight


@dataclass(frozen=True, slots=True)
class Access(resource.Resource):
    """The account ``user`` at ``host``: open, or locked and without sessions."""

    kind: ClassVar[str] = "access"

    server: Server
    user: str
    host: str
    open: bool
    reason: str

    @property
    def name(self) -> str:
        """Server, user and host."""
        return account.address(self.server.name, self.user, self.host)

    def observe(self, sight: Sight) -> State:
        """Whether it is open; None if there is no such account: then it will be born locked."""
        found = sight.census(self.server).accounts.get((self.user, self.host))
        return None if found is None else {"open": not found.locked}

    def diff(self, seen: State) -> Iterator[Change]:
        """Unlock, or lock."""
        is_open = bool(seen and seen["open"])
        if is_open == self.open:
            return
        yield Change(
            step="",
            resource=self.kind,
            name=self.name,
            action="update",
            before={"open": is_open},
            after={"open": self.open},
            summary=(
                f"unlock account {self.user}@{self.host}"
                if self.open
                else f"lock account {self.user}@{self.host} and end its sessions"
            ),
            reason=self.reason,
            undo="lock the account and end its sessions" if self.open else "unlock the account",
            details=(("account", _word(is_open), _word(self.open)),),
            takes_away=not self.open,
        )

    def do(self, change: Change, session: Session) -> resource.Facts | None:
        """Set the lock."""
        _set(session, change.name, is_open=self.open)
        return None

    @classmethod
    def undo(cls, change: Change, session: Session) -> None:
        """Set the lock as it was, if the account is there."""
        server, user, host = account.split(change.name)
        found = census.Census(session.admin(server), [], [user]).accounts.get((user, host))
        was_open = bool((change.before or {})["open"])
        if found is not None and (not found.locked) != was_open:
            _set(session, change.name, is_open=was_open)

    @classmethod
    def undone(cls, change: Change, session: Session) -> bool:
        """Whether the account is gone, or as open as it was."""
        server, user, host = account.split(change.name)
        found = census.Census(session.admin(server), [], [user]).accounts.get((user, host))
        return found is None or (not found.locked) == bool((change.before or {})["open"])


def _set(session: Session, name: str, *, is_open: bool) -> None:
    server, user, host = account.split(name)
    admin = session.admin(server)
    admin.run(f"ALTER USER {names.account(user, host)} ACCOUNT {'UNLOCK' if is_open else 'LOCK'}")
    if not is_open:
        account.end_sessions(admin, user)


def _word(is_open: bool) -> str:
    return "open" if is_open else "locked"
