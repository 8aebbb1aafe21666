"""Whether a tenant's scheduled events run.

They are changed as the tenant's own account, since ALTER EVENT makes whoever runs it the definer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from reconciler import errors
from reconciler.model.change import Change, State
from reconciler.model.secret import Secret
from reconciler.model.server import Server
from reconciler.ports.mysql import census, names
from reconciler.ports.mysql import connection as mysql
from reconciler.ports.mysql.accounts import Account
from reconciler.ports.session import Session
from reconciler.resources import account, options, resource
from reconciler.resources.sight import Sight

_CHARACTER_SETS = (
    "SELECT EVENT_NAME, CHARACTER_SET_CLIENT, COLLATION_CONNECTION FROM information_schema.EVENTS "
    "WHERE EVENT_SCHEMA = %s"
)

_ENABLED = "SELECT name, definer FROM mysql.event WHERE db = %s AND status = 'ENABLED' ORDER BY name"


@dataclass(frozen=True, slots=True)
class Events(resource.Resource):
    """The events ``names`` of ``database`` are enabled, or all of its events are not. ``owner`` is its own account."""

    kind: ClassVar[str] = "events"

    server: Server
    database: str
    owner: str
    host: str
    secret: Secret
    events: tuple[str, ...]
    enabled: bool

    @property
    def name(self) -> str:
        """Server and database."""
        return f"{self.server.name}/{self.database}"

    def observe(self, sight: Sight) -> State:
        """Each event and whether it is enabled; of a database to come, none is.

        Also what will refuse the owner's login; and where the owner has no right to let its events run, or is gone, so
        that they don't, whose the others are that are enabled.
        """
        look = sight.census(self.server)
        seen: dict[str, Any] = {"events": dict(look.events.get(self.database, {}))}
        found = look.accounts.get((self.owner, self.host))
        if found is not None:
            renewed = found.auth != {(account.PLUGIN, self.secret.mark)}
            obstacles = options.obstacles(found.limits, self.server, self.owner, self.host, renewed=renewed)
            seen |= {"obstacles": obstacles} if obstacles else {}
        if not self.enabled and any(seen["events"].values()) and not (found is not None and self._may_run(look, found)):
            seen["others"] = [
                [census.text(event), census.text(definer)]
                for event, definer in sight.rows(self.server, _ENABLED, (self.database,))
                if census.text(definer) != f"{self.owner}@{self.host}"
            ]
        return seen

    def diff(self, seen: State) -> Iterator[Change]:
        """Enable or disable what is not as it should be."""
        have: Mapping[str, bool] = (seen or {})["events"]
        if "others" in (seen or {}):
            self._left((seen or {})["others"])
            return
        known = {event: have.get(event, False) for event in self.events}
        known |= {event: state for event, state in have.items() if not self.enabled}
        differing = {event: state for event, state in known.items() if state != self.enabled}
        if not differing:
            return
        if obstacles := (seen or {}).get("obstacles"):
            raise options.refusal(self.server, self.owner, self.host, obstacles)
        verb = "enable" if self.enabled else "disable"
        yield Change(
            step="",
            resource=self.kind,
            name=self.name,
            action="update",
            before={"events": differing, **self._who()},
            after={"events": dict.fromkeys(differing, self.enabled), **self._who()},
            summary=f"{verb} the scheduled event{'s' * (len(differing) > 1)} {', '.join(sorted(differing))}",
            reason="the tenant is to be active" if self.enabled else "a suspended tenant runs nothing",
            undo=f"{'disable' if self.enabled else 'enable'} them again",
        )

    def do(self, change: Change, session: Session) -> resource.Facts | None:
        """Set them."""
        _set(session, change, (change.after or {})["events"])
        return None

    @classmethod
    def undo(cls, change: Change, session: Session) -> None:
        """Set those that are there as they were."""
        server, database = change.name.split("/", 1)
        now = census.Census(session.admin(server), [database], []).events.get(database, {})
        differing = {
            event: state
            for event, state in (change.before or {})["events"].items()
            if event in now and now[event] != state
        }
        if differing:
            _set(session, change, differing)
        else:
            account.shut(session, server, (change.after or {})["owner"], (change.after or {})["host"])

    @classmethod
    def undone(cls, change: Change, session: Session) -> bool:
        """Whether the events that are there are as they were."""
        server, database = change.name.split("/", 1)
        now = census.Census(session.admin(server), [database], []).events.get(database, {})
        return all(now.get(event, state) == state for event, state in (change.before or {})["events"].items())

    def _may_run(self, look: census.Census, owner: Account) -> bool:
        """Whether the server lets events run that the owner defined: it asks for EVENT on the database each time."""
        grants = look.grants_of.get((self.owner, self.host), ())
        return bool(owner.access) or any(
            grant.kind == "database" and "EVENT" in grant.privileges and names.reaches(grant.database, self.database)
            for grant in grants
        )

    def _left(self, others: Sequence[Sequence[str]]) -> None:
        """Errors: ``Refused`` if events run as somebody else, and can't be disabled as the owner."""
        if others:
            raise errors.Refused(
                f"in the database {self.database} on {self.server.name} "
                f"{', '.join(f'the event {event} runs as {definer}' for event, definer in others)}, and the account "
                f"{self.owner}@{self.host}, as which it would be disabled, is gone or has no right there",
                advice="As an administrator run: "
                + " ".join(f"ALTER EVENT {names.qualified(self.database, event)} DISABLE;" for event, _ in others),
            )

    def _who(self) -> dict[str, object]:
        return {
            "owner": self.owner,
            "host": self.host,
            "secret": [self.secret.name, self.secret.version, self.secret.mark],
        }


def _set(session: Session, change: Change, states: Mapping[str, bool]) -> None:
    server, database = change.name.split("/", 1)
    who = change.after or {}
    name, version, mark = who["secret"]
    with session.owner(server, who["owner"], who["host"], Secret(name, version, mark), database) as own:
        statements = list(_statements(own, database, states))
        if statements:
            own.packet(statements)


def _statements(own: mysql.Connection, database: str, states: Mapping[str, bool]) -> Iterator[bytes]:
    """What sets those events that are there: one whose time had passed was never made by its own CREATE EVENT.

    ALTER EVENT would write its session's character sets over those that the event was made with.
    """
    sets = {str(row[0]): row[1:] for row in own.rows(_CHARACTER_SETS, (database,))}
    for event, enabled in sorted(states.items()):
        if event not in sets:
            continue
        client, collation = sets[event]
        if event.isascii() or str(client).startswith("utf8"):
            yield f"SET character_set_client = {client}, collation_connection = {collation}".encode()
        yield f"ALTER EVENT {names.qualified(database, event)} {'ENABLE' if enabled else 'DISABLE'}".encode()
