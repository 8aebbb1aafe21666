"""The proof that a tenant's credential works and reaches no neighbour, made before anybody has the password.

A deep look tries it too, where nothing that can be seen speaks against it: then the server has another reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from reconciler import errors
from reconciler.model.change import Change, State
from reconciler.model.secret import Secret
from reconciler.model.server import Server
from reconciler.ports.mysql import census, connection, everybody, names
from reconciler.ports.session import Session
from reconciler.resources import account, options, resource
from reconciler.resources.sight import Sight

_PUBLIC = frozenset({"information_schema"})


@dataclass(frozen=True, slots=True)
class Login(resource.Resource):
    """The application's account ``user`` logs in, sees its own database and no other; or, if not ``open``, is refused.

    It changes nothing, so it goes along with other changes and is never a reason for any.
    """

    kind: ClassVar[str] = "login"

    server: Server
    user: str
    host: str
    secret: Secret
    database: str
    open: bool

    @property
    def name(self) -> str:
        """Server, user and host."""
        return account.address(self.server.name, self.user, self.host)

    def observe(self, sight: Sight) -> State:
        """What will refuse a login, as far as it can be seen; and a deep look logs in, if the account is there, open,
        and has the password.
        """
        found = sight.census(self.server).accounts.get((self.user, self.host)) if self.open else None
        if found is None:
            return None
        delivered = found.auth == {(account.PLUGIN, self.secret.mark)}
        # Another password is set again as it was delivered, and that before anybody logs in.
        obstacles = options.obstacles(found.limits, self.server, self.user, self.host, renewed=not delivered)
        refused, number = "", 0
        if self._tried(sight) and not found.locked and delivered:
            refused, number = sight.log_in(self.server, self.user, self.secret, self.database)
        if number in options.EXPIRED and not obstacles:
            obstacles = [["its password has expired", options.renewal(self.user, self.host)]]
        return {"refused": refused, "obstacles": obstacles} if refused or obstacles else None

    def diff(self, seen: State) -> Iterator[Change]:
        """Nothing of its own."""
        if seen is not None and seen["refused"]:
            raise errors.LoginRefused(
                f"the delivered credential of {self.user} does not open {self.database}: {seen['refused']}",
                advice=options.advice(seen["obstacles"]),
            )
        return iter(())

    def follow(self, seen: State) -> Iterator[Change]:
        """Prove it after every change. Errors: ``LoginRefused`` if it is known that it can't be proven."""
        if seen is not None and seen["obstacles"]:
            raise options.refusal(self.server, self.user, self.host, seen["obstacles"])
        yield Change(
            step="",
            resource=self.kind,
            name=self.name,
            action="verify",
            before=None,
            after=None,
            summary=(
                f"log in as {self.user} with the issued password: it sees {self.database} and nothing else"
                if self.open
                else f"check that {self.user} can't log in"
            ),
            reason="a tenant is called ready when that is proven",
            undo="nothing to undo",
        )

    def do(self, change: Change, session: Session) -> resource.Facts | None:
        """Log in and look around."""
        try:
            with session.login(self.server.name, self.user, self.secret, self.database) as visitor:
                if not self.open:
                    raise errors.VerificationFailed(f"the locked account {self.user} could log in")
                self._look(visitor, session)
                session.proven = True
        except errors.ServerUnreachable as error:
            if not self.open and (connection.login_error(error) == connection.ACCOUNT_LOCKED or self._shut(session)):
                # Whoever locked it before this may have left a session running.
                account.end_sessions(session.admin(self.server.name), self.user)
                return None
            raise errors.VerificationFailed(f"the issued credential does not work: {error.message}") from error
        return None

    @classmethod
    def undo(cls, change: Change, session: Session) -> None:
        """Nothing was changed."""

    @classmethod
    def undone(cls, change: Change, session: Session) -> bool:
        """Nothing was changed."""
        return True

    def _shut(self, session: Session) -> bool:
        """Whether the account is locked, or gone: another password, or an option, would keep out only who has the
        delivered credential.
        """
        look = census.Census(session.admin(self.server.name), [], [self.user])
        found = look.accounts.get((self.user, self.host))
        return found is None or found.locked

    def _tried(self, sight: Sight) -> bool:
        return sight.deep and self.open and self.secret.drawn

    def _look(self, visitor: connection.Connection, session: Session) -> None:
        listed = {str(row[0]) for row in visitor.rows("SHOW DATABASES")} - _PUBLIC
        visible = {name for name in listed if not everybody.playground(name)}
        if visible != {self.database}:
            raise errors.VerificationFailed(
                f"the account {self.user} sees the databases {', '.join(sorted(visible)) or 'none'}; it should see "
                f"{self.database} only"
            )
        # What is not listed could still be readable by name, so one neighbour is tried.
        neighbour = names.qualified(session.place.central_database, "tenants")
        if session.place.central_server == self.server.name:
            try:
                visitor.rows(f"SELECT 1 FROM {neighbour} LIMIT 1")
            except errors.StatementFailed as error:
                if error.errno in connection.DENIED:
                    return
                raise
            raise errors.VerificationFailed(f"the account {self.user} can read {neighbour}")
