"""A tenant's account: that it exists, and with which password. It is born locked.

An account of the same name for another host, or one without a name, would take its place for connections from there.

Accounts are made with a hash that is computed here, because IDENTIFIED BY stands in clear in a general log. The hash
is drawn from the generator with the password, so it also is the mark that tells later whose account it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from reconciler import errors
from reconciler.model import drift, plan
from reconciler.model.change import Change, State
from reconciler.model.secret import Secret
from reconciler.model.server import Server
from reconciler.ports.mysql import accounts, census, locks, names
from reconciler.ports.mysql.connection import Connection
from reconciler.ports.session import Session
from reconciler.resources import options, resource
from reconciler.resources.sight import Sight

PLUGIN = "mysql_native_password"


@dataclass(frozen=True, slots=True)
class Account(resource.Resource):
    """The account ``user`` at ``host`` on ``server``, with the password behind ``secret``.

    ``recorded`` says that a committed transaction made it; without ``revived`` one that is gone may stay so.
    """

    kind: ClassVar[str] = "account"

    server: Server
    user: str
    host: str
    secret: Secret
    purpose: str
    recorded: bool
    revived: bool = True

    @property
    def name(self) -> str:
        """Server, user and host."""
        return address(self.server.name, self.user, self.host)

    def observe(self, sight: Sight) -> State:
        """Its ways to log in and its limits, if there is such an account; those that would take its place."""
        look = sight.census(self.server)
        others = {
            "namesakes": [
                host
                for host in look.hosts.get(self.user, ())
                if host != self.host and f"{self.user}@{host}" not in self.server.trusted
            ],
            "anonymous": list(look.hosts.get("", ())),
        }
        found = look.accounts.get((self.user, self.host))
        if found is None:
            return {"there": False, **others}
        return {"there": True, "auth": listed(found.auth), "limits": dict(found.limits), **others}

    def own(self, seen: State) -> State:
        """Whether it has the password that was delivered, or by which plugins else it logs in; no hash.

        A digest over a hash would be something to try guesses on: a person's password need not be one that was drawn.
        From one password that is not ours to another nothing changes of what would be done.
        """
        if seen is None or not seen["there"]:
            return seen
        as_delivered = seen["auth"] == [[PLUGIN, self.secret.mark]]
        return {**seen, "auth": "as delivered" if as_delivered else [plugin for plugin, _ in seen["auth"]]}

    def diff(self, seen: State) -> Iterator[Change]:
        """Create it, or give it back its password."""
        seen = seen or {}
        if not (seen["there"] or self.revived):
            return
        wanted = [[PLUGIN, self.secret.mark]]
        drawn = self.secret.version > 0  # before that nothing can be ours
        if seen["there"] and not self.recorded and not (drawn and seen["auth"] == wanted):
            raise errors.ForeignObject(
                f"the account {self.user}@{self.host} exists on {self.server.name}, and this platform did not make it"
            )
        if seen["namesakes"]:
            accounts = [names.account(self.user, host) for host in seen["namesakes"]]
            raise errors.ForeignObject(
                f"an account {self.user} exists on {self.server.name} for the host {', '.join(seen['namesakes'])}, "
                f"and this platform makes it for {self.host} only",
                advice="As an administrator run: " + " ".join(f"DROP USER {account};" for account in accounts),
            )
        if seen["anonymous"]:
            raise anonymous(self.server.name, seen["anonymous"][0])
        if not seen["there"]:
            yield Change(
                step="",
                resource=self.kind,
                name=self.name,
                action="repair" if self.recorded else "create",
                before=None,
                after={"auth": wanted},
                summary=f"create account {self.user}@{self.host} on {self.server.name}, locked ({self.purpose})",
                reason="the account is gone from the server" if self.recorded else "there is no such account yet",
                undo="end its sessions and drop the account, if it still has the password that was set here",
                destroys=True,
            )
        elif seen["auth"] != wanted:
            expired = options.expired(seen["limits"])
            yield Change(
                step="",
                resource=self.kind,
                name=self.name,
                action="repair",
                before={"auth": seen["auth"], **({"expired": True} if expired else {})},
                after={"auth": wanted},
                summary=f"set the password of {self.user}@{self.host} again as it was delivered",
                reason="the account's password or plugin was changed on the server",
                undo=f"set the former password hash again{', expired as it was' * expired}",
                details=(("password", "changed on the server", "as delivered"),),
            )

    def remarks(self, seen: State) -> Iterator[plan.Report | plan.Unknown]:
        """Limits that somebody gave the account."""
        if limits := (seen or {}).get("limits"):
            yield plan.Report(
                drift.ACCOUNT_OPTIONS.code,
                f"the account {self.user}@{self.host} on {self.server.name} got what it was not made with: "
                f"{', '.join(options.words(limits))}",
            )

    def do(self, change: Change, session: Session) -> resource.Facts:
        """Create the account, or set its hash."""
        admin, account = session.admin(self.server.name), names.account(self.user, self.host)
        identified = _identified([[PLUGIN, self.secret.mark]])
        if change.before is None:
            admin.run(f"CREATE USER {account} {identified} ACCOUNT LOCK")
        else:
            admin.run(f"ALTER USER {account} {identified}")
        return {"user": self.user, "host": self.host}

    @classmethod
    def held(cls, change: Change, session: Session) -> bool:
        """Whether the account is there with the hash that this transaction drew."""
        server, user, host = split(change.name)
        admin = session.admin(server)
        found = census.Census(admin, [], [user]).accounts.get((user, host))
        if found is None:
            return False
        if listed(found.auth) == (change.after or {})["auth"] or (cls.kind, change.name) in session.dropping:
            return True
        raise resource.Foreign(
            change,
            "the account is there with a password that this transaction did not set",
            f"DROP USER {names.account(user, host)};  -- on {server}, if it is not needed",
        )

    @classmethod
    def undo(cls, change: Change, session: Session) -> None:
        """Drop what was created, or set the former hash, which counts anew unless it is made to expire once more."""
        server, user, host = split(change.name)
        admin, account = session.admin(server), names.account(user, host)
        if change.before is None:
            if cls.held(change, session):
                admin.run(f"ALTER USER {account} ACCOUNT LOCK")
                end_sessions(admin, user)
                admin.run(f"DROP USER IF EXISTS {account}")
            return
        found = census.Census(admin, [], [user]).accounts.get((user, host))
        if found is None or listed(found.auth) not in ((change.after or {})["auth"], change.before["auth"]):
            raise resource.Foreign(change, "the account's password was changed by somebody else meanwhile")
        if not _is_as_before(found, change.before):
            expire = " PASSWORD EXPIRE" if change.before.get("expired") else ""
            admin.run(f"ALTER USER {account} {_identified(change.before['auth'])}{expire}")

    @classmethod
    def undone(cls, change: Change, session: Session) -> bool:
        """Whether the account is gone, or has its former hash, and no valid password if it had none."""
        server, user, host = split(change.name)
        found = census.Census(session.admin(server), [], [user]).accounts.get((user, host))
        if change.before is None or found is None:
            return change.before is None and found is None
        return _is_as_before(found, change.before)


def _is_as_before(found: accounts.Account, before: Mapping[str, Any]) -> bool:
    return listed(found.auth) == before["auth"] and (options.expired(found.limits) or not before.get("expired"))


def address(server: str, user: str, host: str) -> str:
    """The name under which an account stands in plans and in the journal."""
    return f"{server}/{user}@{host}"


def split(name: str) -> tuple[str, str, str]:
    """Server, user and host of an ``address``; a user's name may hold an ``@``, a host can't."""
    server, _, account = name.partition("/")
    user, _, host = account.rpartition("@")
    return server, user, host


def anonymous(server: str, host: str) -> errors.Refused:
    """What is said of an anonymous account at ``host``."""
    account = names.account("", host)
    return errors.Refused(
        f"server {server} has the anonymous account {account}, which takes the place of tenants' accounts for "
        "connections from there",
        advice=f"As an administrator run: DROP USER {account};",
    )


def shut(session: Session, server: str, user: str, host: str) -> None:
    """Lock an account that a cut-off login may have left open; one that is gone, or somebody else's, is left alone."""
    if (Account.kind, address(server, user, host)) in session.foreign:
        return
    admin = session.admin(server)
    found = census.Census(admin, [], [user]).accounts.get((user, host))
    if found is not None and not found.locked:
        admin.run(f"ALTER USER {names.account(user, host)} ACCOUNT LOCK")


def end_sessions(admin: Connection, user: str) -> None:
    """End every session of ``user``. Errors: ``StepFailed`` if one is left, since a lock leaves them running."""
    statement = "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = %s AND COMMAND <> 'Killed'"
    for _ in range(20):
        threads = [int(row[0]) for row in admin.rows(statement, (user,))]
        if not threads:
            return
        for thread in threads:
            locks.kill(admin, thread)
        # Waiting on the server costs no more than here, and ends with the connection.
        admin.value("SELECT SLEEP(0.05)")
    raise errors.StepFailed(f"{len(threads)} sessions of account {user} on {admin.server.name} could not be ended")


def listed(auth: frozenset[tuple[str, str]]) -> list[list[str]]:
    """An account's ways to log in, as plain data."""
    return sorted([plugin, text] for plugin, text in auth)


def _identified(auth: list[Any]) -> str:
    if any(not plugin.replace("_", "").isalnum() for plugin, _ in auth):
        raise ValueError("a plugin's name is letters, digits and underscores")
    ways = [f"{plugin} USING {names.text(text)}" if text else plugin for plugin, text in auth]
    return "IDENTIFIED VIA " + " OR ".join(ways)
