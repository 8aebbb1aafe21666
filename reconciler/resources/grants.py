"""An account's privileges: exactly these on the tenant's database, and nothing anywhere else.

Compared as sets a level; ALL is expanded by the server's own version. The database part of a grant is a pattern, so
it is escaped; a REVOKE must name the very text that stands in the grant table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from reconciler import errors
from reconciler.model.change import Change, State
from reconciler.model.server import Server
from reconciler.ports.mysql import census, names, routines
from reconciler.ports.mysql.connection import DENIED, Connection
from reconciler.ports.mysql.privileges import GRANT_OPTION
from reconciler.ports.session import Session
from reconciler.resources import account, resource
from reconciler.resources.sight import Sight

ALL = "ALL"
Levels = Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class Grants(resource.Resource):
    """The privileges of ``user`` at ``host`` on ``database``; ``{"ALL"}`` stands for all of them, empty for none."""

    kind: ClassVar[str] = "grants"

    server: Server
    user: str
    host: str
    database: str
    privileges: frozenset[str]
    reason: str

    @property
    def name(self) -> str:
        """Server, user and host."""
        return account.address(self.server.name, self.user, self.host)

    def observe(self, sight: Sight) -> State:
        """By level, the account's privileges; what ALL means on this server; roles, and who may act as whom.

        Also what every account of the server may do, and which levels are out of the reach of the account that looks,
        or of any REVOKE.
        """
        look, mine = sight.census(self.server), (self.user, self.host)
        links = [
            link
            for link in look.links
            if (link.holder == mine if link.kind == "role" else mine in (link.holder, link.other))
        ]
        found = levels(look, self.user, self.host)
        return {
            "levels": found,
            "all": sorted(look.privileges_of_all),
            "links": [[_linked(link), _unlinking(link)] for link in links],
            "everybodys": [[reach.said, reach.statement] for reach in look.everybodys],
            "beyond": sorted({*self._beyond(sight, found), *self._unfound(look, found)}),
        }

    def diff(self, seen: State) -> Iterator[Change]:
        """Grant what is missing, revoke what is too much."""
        seen = seen or {}
        privileges = sorted(seen["all"]) if ALL in self.privileges else sorted(self.privileges)
        wanted: Levels = {_key("database", names.pattern(self.database), ""): privileges} if privileges else {}
        have: Levels = seen["levels"]
        if seen["everybodys"]:
            raise everybodys(self.server.name, seen["everybodys"])
        if links := seen["links"]:
            raise errors.IsolationFault(
                f"on {self.server.name} {'; '.join(said for said, _ in links)}, and an account of a tenant has its own "
                "privileges only",
                advice=f"As an administrator run: {' '.join(statement for _, statement in links)}",
            )
        if have == wanted:
            return
        if out_of_reach := [
            level
            for level in sorted(have)
            if level not in wanted and (not _revocable(level) or level in seen["beyond"])
        ]:
            raise errors.IsolationFault(
                f"the account {self.user}@{self.host} on {self.server.name} has "
                f"{'; '.join(f'{_spoken(set(have[level]))} ON {_readable(level)}' for level in out_of_reach)}, which a "
                "provisioning account can't revoke",
                advice="As an administrator run: "
                + " ".join(_revocation(set(have[level]), level, self.user, self.host) for level in out_of_reach),
            )
        details = []
        for level in sorted({*have, *wanted}):
            old, new = set(have.get(level, ())), set(wanted.get(level, ()))
            missing, extra = sorted(new - old), sorted(old - new)
            if missing or extra:
                said = [f"+{_abridged(missing, seen['all'])}"] * bool(missing)
                said += [f"-{_abridged(extra, seen['all'])}"] * bool(extra)
                details.append((_readable(level), _abridged(sorted(old), seen["all"]) or "nothing", " ".join(said)))
        what = _abridged(privileges, seen["all"])
        taken = tuple(
            f"{privilege} ON {_readable(level)}"
            for level in sorted(have)
            for privilege in sorted(set(have[level]) - set(wanted.get(level, ())))
        )
        yield Change(
            step="",
            resource=self.kind,
            name=self.name,
            action="update" if have else "create",
            before={"levels": dict(have)},
            after={"levels": dict(wanted), "all": seen["all"]},
            summary=(
                f"grant {what} on {self.database} to {self.user}@{self.host}"
                if privileges
                else f"revoke everything on {self.database} from {self.user}@{self.host}"
            ),
            reason=self.reason,
            undo="grant and revoke back to the privileges it had" if have else "revoke them",
            details=tuple(details),
            takes_away=bool(taken),
            taken=taken,
        )

    def do(self, change: Change, session: Session) -> resource.Facts | None:
        """Grant and revoke."""
        _set(session, change.name, (change.before or {})["levels"], (change.after or {})["levels"])
        return None

    @classmethod
    def undo(cls, change: Change, session: Session) -> None:
        """Back to the sets as they were, touching only what this change touched."""
        server, user, host = account.split(change.name)
        look = census.Census(session.admin(server), [], [user])
        if (user, host) not in look.accounts:
            return
        now = levels(look, user, host)
        before, after = (change.before or {})["levels"], (change.after or {})["levels"]
        target: dict[str, list[str]] = {}
        for level in {*now, *before, *after}:
            had, did, have = set(before.get(level, ())), set(after.get(level, ())), set(now.get(level, ()))
            restored = (have - (did - had)) | (had - did)
            if restored:
                target[level] = sorted(restored)
        _set(session, change.name, now, target)

    @classmethod
    def undone(cls, change: Change, session: Session) -> bool:
        """Whether the account is gone, or has all it had and nothing that was added here."""
        server, user, host = account.split(change.name)
        look = census.Census(session.admin(server), [], [user])
        if (user, host) not in look.accounts:
            return True
        now, before, after = levels(look, user, host), (change.before or {})["levels"], (change.after or {})["levels"]
        for level in {*now, *before, *after}:
            had, did, have = set(before.get(level, ())), set(after.get(level, ())), set(now.get(level, ()))
            if (had - have) or (have & (did - had)):
                return False
        return True

    def _beyond(self, sight: Sight, found: Levels) -> list[str]:
        """The levels on other databases on which the provisioning account may not pass on what is to be revoked.

        Who may pass on nothing at all is a planning account: what another one could revoke is not known from here.
        """
        elsewhere = []
        for level in sorted(found):
            kind, database, _ = level.split("/", 2)
            literal = database.replace("\\", "") if kind == "database" else database
            if literal != self.database and _revocable(level):
                elsewhere.append((level, literal))
        if not elsewhere or not sight.passes_on(self.server):
            return []
        return [
            level
            for level, database in elsewhere
            if any(not sight.may(self.server, database, entry) for entry in {*found[level], GRANT_OPTION})
        ]

    def _unfound(self, look: census.Census, found: Levels) -> Iterator[str]:
        """The levels of routines that are not in the database by the name that the server keeps of them."""
        for level in found:
            kind, database, object_ = level.split("/", 2)
            if kind == "routine" and database == self.database and not routines.findable(database, object_):
                there = {routine.casefold() for routine in look.routines.get(database, ())}
                if object_.casefold() not in there:
                    yield level


def everybodys(server: str, reaches: Sequence[Sequence[str]]) -> errors.IsolationFault:
    """What is said of a server on which everybody may do something: in words, and the statements that end it."""
    return errors.IsolationFault(
        f"on {server} {'; '.join(said for said, _ in reaches)}, and an account of a tenant has its own privileges only",
        advice=f"As an administrator run: {' '.join(statement for _, statement in reaches)}",
    )


def levels(look: census.Census, user: str, host: str) -> dict[str, list[str]]:
    """The privileges of an account by level, as the journal keeps them; levels without any are left out."""
    found = {
        _key(grant.kind, grant.database, grant.object): sorted(grant.privileges)
        for grant in look.grants_of.get((user, host), ())
        if grant.privileges
    }
    held = look.accounts.get((user, host))
    if held is not None and held.access:
        found["global//"] = sorted(look.global_privileges(user, host))
    return found


def _set(session: Session, name: str, old: Levels, new: Levels) -> None:
    server, user, host = account.split(name)
    admin, who = session.admin(server), names.account(user, host)
    # Revoking first: a moment with too little is harmless, one with too much is not.
    for level in sorted({*old, *new}):
        extra = set(old.get(level, ())) - set(new.get(level, ()))
        if extra:
            try:
                _revoke(admin, extra, level, who)
            except errors.StatementFailed as error:
                if error.errno in DENIED or (error.errno in routines.UNFOUND and not level.isascii()):
                    advice = f"As an administrator run: {_revocation(extra, level, user, host)}"
                    raise errors.StatementFailed(error.message, errno=error.errno, advice=advice) from error
                raise
    for level in sorted(new):
        missing = set(new[level]) - set(old.get(level, ()))
        if missing:
            _grant(admin, missing, level, who)


def _grant(admin: Connection, privileges: set[str], level: str, who: str) -> None:
    option = " WITH GRANT OPTION" if GRANT_OPTION in privileges else ""
    admin.run(f"GRANT {_spoken(privileges - {GRANT_OPTION}) or 'USAGE'} ON {_target(level)} TO {who}{option}")


def _revoke(admin: Connection, privileges: set[str], level: str, who: str) -> None:
    statement = f"REVOKE {_spoken(privileges)} ON {_target(level)} FROM {who}"
    try:
        admin.run(statement)
    except errors.StatementFailed as error:
        if error.errno not in routines.UNFOUND or level.isascii():
            raise
        _grant(admin, privileges, level, who)  # from when on the server finds it again: see ``routines``
        admin.run(statement)


def _linked(link: census.Link) -> str:
    holder, other = ("@".join(who) for who in (link.holder, link.other))
    return f"{holder} has the role {link.other[0]}" if link.kind == "role" else f"{holder} may act as {other}"


def _unlinking(link: census.Link) -> str:
    holder = names.account(*link.holder)
    if link.kind == "role":
        return f"REVOKE {names.identifier(link.other[0])} FROM {holder};"
    return f"REVOKE PROXY ON {names.account(*link.other)} FROM {holder};"


def _revocable(level: str) -> bool:
    # Globally, or in a spelling whose wildcards are not escaped, grant option on a pattern does not suffice (1044).
    kind, database, name = level.split("/", 2)
    if kind == "routine":
        return routines.grantable(name)
    return kind not in ("global", "database") or (
        database != "" and names.pattern(database.replace("\\", "")) == database
    )


def _revocation(privileges: set[str], level: str, user: str, host: str) -> str:
    kind, database, name = level.split("/", 2)
    if kind == "routine" and not routines.findable(database, name):
        return routines.deletion(user, host, database, name)
    return f"REVOKE {_spoken(privileges)} ON {_target(level)} FROM {names.account(user, host)};"


def _spoken(privileges: set[str] | frozenset[str]) -> str:
    if any(not privilege.replace(" ", "").isalpha() for privilege in privileges):
        raise ValueError("a privilege is written in letters")
    return ", ".join(sorted(privileges))


def _key(kind: str, database: str, name: str) -> str:
    return f"{kind}/{database}/{name}"


def _target(level: str) -> str:
    kind, database, name = level.split("/", 2)
    match kind:
        case "global":
            return "*.*"
        case "database":
            return "`" + database.replace("`", "``") + "`.*"
        case "routine":
            return routines.target(database, name)
        case _:
            return names.qualified(database, name)


def _readable(level: str) -> str:
    kind, database, name = level.split("/", 2)
    return "*.*" if kind == "global" else f"{database}.{name or '*'}"


def _abridged(privileges: list[str], everything: list[str]) -> str:
    return "ALL PRIVILEGES" if privileges and privileges == sorted(everything) else ", ".join(privileges)
