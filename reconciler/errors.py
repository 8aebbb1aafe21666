"""Every error that reconciler raises on purpose, drawn once.

The class says which kind of waiting an error asks for: mend the spec, grant something, wait and try
again, call a person. Each class carries a ``code`` (stable, for programs and ``reconcile explain``), an
``exit`` status (sysexits where one fits) and an ``advice``: what to do next. A message holds the subject and
the fact, with numbers and names; where a spec is to blame, ``where`` is the line that was written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, order=True)
class Where:
    """A place in a text that a person wrote. ``line`` and ``column`` count from 1; 0 means unknown."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        parts = [self.file, *(str(n) for n in (self.line, self.column) if n)]
        return ":".join(parts)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong in a spec: the place, what is wrong, and how it could be put right.

    ``rule`` is a stable word for programs (``unknown-key``, ``duplicate-domain`` …); ``quoted`` is the
    line as written, for the caret under it.
    """

    where: Where
    message: str
    rule: str
    hint: str = ""
    quoted: str = ""
    tenant: str = ""


class ReconcileError(Exception):
    """Something that reconciler foresaw and refuses or reports."""

    code: ClassVar[str] = "error"
    exit: ClassVar[int] = 1
    advice: ClassVar[str] = "This was not foreseen. Run again with --verbose and report what it prints."
    lasting: bool = False
    """Whether trying again can't help before somebody changed the spec, a file of the product, or what stands there."""

    def __init__(self, message: str, *, where: Where | None = None, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.next = advice or type(self).advice

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


# --- before any tenant: the call, the specs, the platform -------------------------------------------------


class UsageError(ReconcileError):
    """The command was called in a way that it does not offer."""

    code = "usage"
    exit = 64
    advice = "See `reconcile --help`, or `--help` behind the command."


class InvalidSpecs(ReconcileError):
    """At least one spec can't be used; ``faults`` lists everything that is wrong, not only the first."""

    code = "invalid-specs"
    lasting = True
    exit = 65
    advice = "Mend the lines that are shown; `reconcile validate` checks them without a server."

    def __init__(self, faults: Sequence[Fault]) -> None:
        count = len(faults)
        super().__init__(f"{count} fault{'s' if count != 1 else ''} in the specs")
        self.faults = tuple(faults)


class PlatformMisconfigured(ReconcileError):
    """The platform's own configuration can't work: a wrong store, key, path or central database."""

    code = "platform-misconfigured"
    exit = 78
    advice = "Correct specs/platform.yaml or what it points at; `reconcile doctor` checks every part of it."


class ServerUnreachable(ReconcileError):
    """A database server does not answer, or does not let the provisioning account in."""

    code = "server-unreachable"
    exit = 69
    advice = "Check that the server runs and that host, port, user and password in its spec are right."


# --- refused before the tenant was touched ----------------------------------------------------------------


class Refused(ReconcileError):
    """A check that comes before the first change said no. The tenant was not touched."""

    code = "refused"
    exit = 3
    advice = "Do what the message says, then plan again."


class ForeignObject(Refused):
    """A thing with the tenant's name exists, and this platform did not make it."""

    code = "foreign"
    lasting = True
    advice = "Rename the tenant, or remove or rename the foreign thing by hand. It is never touched from here."


class MissingPrivilege(Refused):
    """The provisioning account lacks a privilege that the change needs."""

    code = "missing-privilege"
    lasting = True
    advice = "Run the GRANT statement that is shown as an administrator; `reconcile doctor` lists all of them."


class IsolationFault(Refused):
    """An account that is not the tenant's could reach the tenant's database."""

    code = "isolation"
    lasting = True
    advice = "Revoke the grant that is shown, or list the account under the server's `trustedAccounts`."


class PasswordPolicy(Refused):
    """The server refuses the accounts that would be made: a password plugin is loaded."""

    code = "password-policy"
    lasting = True
    advice = "Unload the plugin, or exempt accounts made with a hash; both statements are shown."


class ForbiddenChange(Refused):
    """The spec asks an existing tenant to change what can't be changed in place."""

    code = "forbidden-change"
    lasting = True
    advice = "Put the old value back, or make a new tenant with a new name and move the data."


class GuardRefused(Refused):
    """A guard of the platform holds the change back."""

    code = "guard"
    lasting = True
    advice = "If the change is meant, raise the guard in specs/platform.yaml or with the option that is named."


class VanishedDatabase(Refused):
    """A tenant's database is gone. It is never made again empty."""

    code = "database-vanished"
    lasting = True
    advice = "Restore the database from a backup under its name, or delete the tenant."


class SchemaDrifted(Refused):
    """What the product's schema made in a tenant's database is gone, or is not as it was made."""

    code = "schema-drift"
    lasting = True
    advice = "Make it as it was by hand, as the tenant's own account or from a backup; rows are never risked from here."


class ScriptChanged(Refused):
    """A product's SQL file is no longer what was applied to a tenant under its name."""

    code = "script-changed"
    lasting = True
    advice = "Put the file back as it was, and write what is new into a further file with the next number."


class DoubleRow(Refused):
    """A table holds two rows with one key, so that neither can be told from the other."""

    code = "double-row"
    lasting = True
    advice = "Delete all but one of the rows by hand, and give the table its primary key back."


class CentralDamaged(Refused):
    """A table or column of the central database is gone, so that nothing can be said of any tenant's rows in it."""

    code = "central-damaged"
    lasting = True
    advice = "Put the table or column back as it was, by RENAME TABLE or from a backup; no row is made up from here."


class LoginRefused(Refused):
    """The server refuses a tenant's delivered credential, or will, although its password is as it was made."""

    code = "login-refused"
    advice = "See the server's words: an expired password, a TLS requirement, a limit, or a host that it blocks."


class DeliveryUnusable(Refused):
    """The delivery folder can't be used: missing, read-only, full, a symlink, or inside a git work tree."""

    code = "delivery-unusable"
    advice = "Make the folder writable, or name another one in specs/platform.yaml under delivery.directory."


class MalformedLicense(Refused):
    """A license, a revocation list or the hardware of a device is not in the documented form."""

    code = "license-malformed"
    advice = "Ask for the file again; docs/license-format.md describes the form."


class PlanStale(ReconcileError):
    """The world or the spec moved since the plan was saved."""

    code = "stale"
    lasting = True
    exit = 4
    advice = "Plan again, have the new plan reviewed, and apply that one."


class PlanUnusable(ReconcileError):
    """The file is no saved plan, was damaged or edited, or belongs to another platform."""

    code = "plan-unusable"
    exit = 65
    advice = "Make the file again: `reconcile plan --out FILE`."


class SnapshotUnusable(ReconcileError):
    """The file is no snapshot, its signature is not good, or it is of another platform or of another place."""

    code = "snapshot-unusable"
    exit = 65
    advice = (
        "Take a new one where the platform is applied, `reconcile snapshot`, and publish it together with its keys."
    )


class SourceFailed(ReconcileError):
    """The specs can't be fetched from where they are merged. What was fetched last goes on to hold."""

    code = "source-failed"
    exit = 1
    advice = "Check that the remote answers and that the branch is there; it is fetched again by itself."


class HistoryRewritten(SourceFailed):
    """The branch no longer holds the commit that was trusted last, so nothing of it is applied."""

    code = "history-rewritten"
    advice = "Find out who rewrote it. If it was meant: `reconcile daemon --accept-history COMMIT`, once."


class SourceUnverified(SourceFailed):
    """A commit since the last trusted one has no good signature of an allowed signer."""

    code = "source-unverified"
    advice = "Have the commit signed by an allowed signer, or revert it by a signed one on a branch without it."


class NotLeader(ReconcileError):
    """Another daemon leads, or this one must not: it has not the platform's keys or its deliveries."""

    code = "not-leader"
    exit = 78
    advice = "Give it the same keys and the same delivery folder as the daemon that leads."


class AlreadyRunning(ReconcileError):
    """Another daemon of this host works with the same state folder."""

    code = "already-running"
    exit = 5
    advice = "Stop the other one first, or give this one a folder of its own: `reconcile -C DIR daemon`."


class ForgeFailed(ReconcileError):
    """The forge did not answer, or refused. Nothing but what is shown there depends on it, unless plans have to be
    reviewed. ``wait`` is for how many seconds it wants to be left alone; 0: it did not say.
    """

    code = "forge-failed"
    exit = 1
    advice = "Check the token's permissions and the repository's name; it is tried again by itself."

    def __init__(self, message: str, *, where: Where | None = None, advice: str = "", wait: float = 0.0) -> None:
        super().__init__(message, where=where, advice=advice)
        self.wait = wait


class TenantLeased(ReconcileError):
    """Another living process works on this tenant."""

    code = "leased"
    exit = 5
    advice = "Wait until it ends; its host and process id are in the message."


# --- while a tenant is worked on ---------------------------------------------------------------------------


class StepFailed(ReconcileError):
    """A change could not be made. Everything that the transaction had done is undone."""

    code = "step-failed"
    exit = 6
    advice = "Nothing is left of the attempt. Remove the cause that the message names and apply again."


class MovedMeanwhile(StepFailed):
    """Somebody changed or made a thing after it was looked at, so that nothing was done to it; it stays as they left
    it.
    """

    code = "moved-meanwhile"
    advice = "The tenant is as it was. `reconcile plan` shows how things stand now."


class StatementFailed(StepFailed):
    """A server refused a statement. ``errno`` is the server's number (0: none was given); of a packet with several
    statements ``at`` is which one, from 0.
    """

    code = "statement-failed"
    passing: ClassVar[frozenset[int]] = frozenset(
        # 0 none given, row changed meanwhile, disk full, too many connections, out of memory, shutdown, lock wait,
        # deadlock, read-only, killed
        {0, 3, 28, 1020, 1021, 1030, 1037, 1038, 1040, 1041, 1053, 1114, 1203, 1205, 1206, 1213, 1226, 1290, 1317, 1927}
    )
    """The numbers that another attempt may not meet. Source: MariaDB's list of error codes."""

    def __init__(
        self, message: str, *, errno: int = 0, where: Where | None = None, advice: str = "", at: int = 0
    ) -> None:
        super().__init__(message, where=where, advice=advice)
        self.errno = errno
        self.at = at
        self.lasting = errno not in self.passing


class ConnectionLost(StepFailed):
    """A connection broke. Whether the last statement ran is unknown, so nothing goes forward."""

    code = "connection-lost"
    advice = "The attempt was undone over new connections. Check the server's log, then apply again."


class ScriptFailed(StatementFailed):
    """A statement of a product's SQL file failed on the server."""

    code = "script-failed"
    advice = "Mend the SQL file at the line that is shown; nothing is left of the attempt."


class ScriptRefused(Refused):
    """A product's SQL file holds a statement that would leave the tenant."""

    code = "script-refused"
    lasting = True
    advice = "Take the statement out of the file; a tenant's script may only touch the tenant's own database."


class VerificationFailed(StepFailed):
    """All changes were made, and the tenant still is not what it should be."""

    code = "verification-failed"
    advice = "Something else writes to this tenant, or the server does not do what it was told. See the message."


class FileFailed(StepFailed):
    """The operating system refused a file operation."""

    code = "file-failed"
    advice = "Check space, permissions and mounts of the folder that is named, then apply again."


class DumpFailed(StepFailed):
    """The final dump of a tenant could not be taken, or not be loaded again; nothing was destroyed."""

    code = "dump-failed"
    advice = "The tenant is in the trash as before. Remove the cause that the message names and purge again."


class LeaseLost(StepFailed):
    """This process is no longer the tenant's writer: a successor took over."""

    code = "lease-lost"
    advice = "Nothing to do here: the successor settles the tenant. See `reconcile status`."


class Stuck(ReconcileError):
    """A rollback could not undo everything; what is left is listed exactly."""

    code = "stuck"
    exit = 7
    advice = "Look at the leftovers, clear what hinders, then run `reconcile recover`."


class StoreFailed(ReconcileError):
    """The state store can't be read or written."""

    code = "store-failed"
    exit = 1
    advice = "Check space and permissions of the store that specs/platform.yaml names, then run `reconcile recover`."


class JournalBroken(StoreFailed):
    """The journal is not as it was written: a record was changed, or is missing."""

    code = "journal-broken"
    lasting = True
    advice = "Compare the store with its backups before anything is applied; `reconcile history --verify` lists all."


class NotDelivered(ReconcileError):
    """A notification did not reach its receiver. It stays in the outbox, and nothing else depends on it."""

    code = "not-delivered"
    advice = "It is sent again by the next apply or recover. `reconcile outbox list` shows what waits and what is dead."


class Interrupted(ReconcileError):
    """A signal asked the process to stop; what was open was finished or undone first."""

    code = "interrupted"
    exit = 130
    advice = "Nothing is left open. Run the command again to go on."


def tree(root: type[ReconcileError] = ReconcileError) -> Iterator[type[ReconcileError]]:
    """Every error class below and with ``root``, parents before children."""
    yield root
    for child in root.__subclasses__():
        yield from tree(child)
