"""Every way in which a tenant is known to drift from its spec: how it is seen, and what a plan answers.

The one list: the resources take the policies of schemas from it, the tests make each of them on a real server, and
docs/drift.md is made from it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final


class Policy(enum.StrEnum):
    """What a plan does about it."""

    REPAIR = "repair"  # a change, made by the next apply
    REPORT = "report"  # said in the plan, which may be empty beside it
    BLOCK = "block"  # the tenant is not worked on before a person decides


class Look(enum.StrEnum):
    """Which look finds it."""

    DEFAULT = "default"
    DEEP = "--deep"


@dataclass(frozen=True, slots=True)
class Drift:
    """One class of drift. ``words`` say what happened, ``answer`` what the plan holds.

    ``shown`` is where the plan says so: the resource of a change, the code of a blocker, or for a report ``code``.
    """

    code: str
    words: str
    look: Look
    policy: Policy
    shown: str
    answer: str


def _repair(code: str, words: str, shown: str, answer: str, look: Look = Look.DEFAULT) -> Drift:
    return Drift(code, words, look, Policy.REPAIR, shown, answer)


def _block(code: str, words: str, shown: str, answer: str, look: Look = Look.DEFAULT) -> Drift:
    return Drift(code, words, look, Policy.BLOCK, shown, answer)


def _report(code: str, words: str, answer: str, look: Look = Look.DEFAULT) -> Drift:
    return Drift(code, words, look, Policy.REPORT, code, answer)


_NAMED = "what differs, by name; a schema is never mended from here, because its rows could be lost"
_REVOKE = "who reaches what by which grant"
_STATEMENT = "the statement that an administrator runs"
_ROW = "the row is written as the spec has it"
_FOLDER = "the folder is written again from the sealed values and exchanged in one step"

TABLE_GONE: Final = _block("table-gone", "a table was dropped", "schema-drift", _NAMED)
TABLE_ADDED: Final = _report("table-added", "a table or view was added", "its name; nothing is taken away")
TABLE_CHANGED: Final = _block(
    "table-changed",
    "a column, key or check of a table was changed, added or dropped",
    "schema-drift",
    _NAMED,
    Look.DEEP,
)
TABLE_ENGINE: Final = _block("table-engine", "a table has another engine", "schema-drift", _NAMED, Look.DEEP)
VIEW_GONE: Final = _block("view-gone", "a view was dropped", "schema-drift", _NAMED)
VIEW_CHANGED: Final = _block("view-changed", "a view has another body", "schema-drift", _NAMED, Look.DEEP)
TRIGGER_GONE: Final = _block("trigger-gone", "a trigger was dropped", "schema-drift", _NAMED, Look.DEEP)
TRIGGER_CHANGED: Final = _block("trigger-changed", "a trigger was changed", "schema-drift", _NAMED, Look.DEEP)
TRIGGER_ADDED: Final = _report("trigger-added", "a trigger was added", "its name; nothing is taken away", Look.DEEP)
ROUTINE_GONE: Final = _block("routine-gone", "a function or procedure was dropped", "schema-drift", _NAMED)
ROUTINE_CHANGED: Final = _block(
    "routine-changed", "a function or procedure was changed", "schema-drift", _NAMED, Look.DEEP
)
ROUTINE_ADDED: Final = _report("routine-added", "a function or procedure was added", "its name; nothing is taken away")
EVENT_GONE: Final = _block("event-gone", "a scheduled event was dropped", "schema-drift", _NAMED)
EVENT_CHANGED: Final = _block("event-changed", "a scheduled event was changed", "schema-drift", _NAMED, Look.DEEP)
EVENT_ADDED: Final = _report("event-added", "a scheduled event was added", "its name; nothing is taken away")
EVENT_DEFINER: Final = _report(
    "event-definer",
    "a scheduled event runs as another account than the tenant's own",
    "as whom; it is the tenant's own again once it was disabled and an apply enabled it",
    Look.DEEP,
)
SCHEMA_BEHIND: Final = _report(
    "schema-behind", "the product's schema has files that the tenant has not got", "the files that are missing"
)
ACCOUNT_OPTIONS: Final = _report(
    "account-options",
    "an account got limits, a TLS requirement, a default role or a password that expires",
    "what it got; a change that needs it to log in is blocked where it can't, with the statement",
)
CENTRAL_STRAY: Final = _report(
    "central-stray",
    "central rows bear this platform's id, and their tenant is not on record",
    "in which tables, in a plan of all tenants, or of that one",
)

CLASSES: Final[tuple[Drift, ...]] = (
    _repair("account-gone", "an account was dropped", "account", "made again with the password that was delivered"),
    _repair("account-locked", "the application's account was locked", "access", "unlocked"),
    _repair("account-open", "an account that has to be locked was unlocked", "access", "locked, its sessions ended"),
    _repair("account-password", "an account has another password", "account", "set again as it was delivered"),
    _block("account-elsewhere", "the account is there for another host", "foreign", "both hosts, and the statement"),
    _block("account-anonymous", "an anonymous account shadows it", "refused", _STATEMENT),
    ACCOUNT_OPTIONS,
    _block(
        "login-refused",
        "the server refuses the delivered credential for another reason",
        "login-refused",
        "the server's words, and for a password that expired the statement",
        Look.DEEP,
    ),
    _repair("privilege-gone", "a privilege was revoked", "grants", "granted again"),
    _repair(
        "privilege-extra",
        "a privilege too many, on the tenant's database or where the provisioning account may pass it on",
        "grants",
        "revoked",
    ),
    _block(
        "privilege-elsewhere",
        "a privilege where the provisioning account may not pass it on, and so can't revoke it",
        "isolation",
        _STATEMENT,
    ),
    _repair("grant-option", "an account may pass its privileges on", "grants", "revoked"),
    _block("privilege-global", "an account got a global privilege, or one by a wildcard", "isolation", _STATEMENT),
    _block("grant-reaching", "a grant of somebody else reaches the database", "isolation", _REVOKE),
    _block(
        "grant-everybody",
        "everybody may do something: a grant to PUBLIC, or a row of mysql.db for no user",
        "isolation",
        _STATEMENT,
    ),
    _block("grant-waiting", "a grant waits for a database that is to be made", "isolation", _REVOKE),
    _block("role-reaching", "a role reaches the database", "isolation", _REVOKE),
    _block("role-granted", "an account was given a role", "isolation", _STATEMENT),
    _block("proxy-granted", "somebody may act as an account", "isolation", _STATEMENT),
    _block("database-gone", "the database was dropped", "database-vanished", "nothing is made again empty"),
    _repair("database-charset", "the database has another character set", "database", "set again, for tables to come"),
    _repair("mark-gone", "the database lost its mark of ownership", "database", "marked again"),
    _block("mark-foreign", "the database bears another platform's mark", "foreign", "whose mark it bears"),
    TABLE_GONE,
    TABLE_ADDED,
    TABLE_CHANGED,
    TABLE_ENGINE,
    VIEW_GONE,
    VIEW_CHANGED,
    TRIGGER_GONE,
    TRIGGER_CHANGED,
    TRIGGER_ADDED,
    ROUTINE_GONE,
    ROUTINE_CHANGED,
    ROUTINE_ADDED,
    EVENT_GONE,
    EVENT_CHANGED,
    EVENT_ADDED,
    EVENT_DEFINER,
    _repair("event-asleep", "a scheduled event was disabled", "events", "enabled again"),
    SCHEMA_BEHIND,
    _block(
        "schema-file-changed",
        "a file of the product's schema was changed after it was run",
        "script-changed",
        "which file",
    ),
    _repair("seed-changed", "a row of the catalogue was changed", "seed-rows", _ROW, Look.DEEP),
    _repair("seed-gone", "a row that the product brings along was deleted", "seed-rows", "inserted again", Look.DEEP),
    _repair(
        "admin-gone",
        "the administrator was deleted",
        "admin-user",
        "made again with the first one-time password",
        Look.DEEP,
    ),
    _repair("admin-changed", "name or e-mail of the administrator were changed", "admin-user", _ROW, Look.DEEP),
    _repair("central-gone", "a central row was deleted", "central-rows", "inserted again"),
    _repair("central-changed", "a central row was changed", "central-rows", _ROW),
    _repair("central-extra", "a central row too many", "central-rows", "withdrawn"),
    _block("central-double", "two central rows with one key", "double-row", "the table and the key"),
    _block(
        "central-damaged", "the central database lost a table or a column", "central-damaged", "which, and the ways"
    ),
    CENTRAL_STRAY,
    _block("central-foreign", "a central row became another platform's", "foreign", "whose it is"),
    _repair("central-state", "a central row has another state", "activation", "set again, all rows at once"),
    _repair("license-changed", "the license was changed by hand in the central database", "central-rows", _ROW),
    _repair("delivery-gone", "the delivery folder was removed", "delivery", _FOLDER),
    _repair("file-gone", "a delivered file was removed", "delivery", _FOLDER),
    _repair("file-changed", "a delivered file has another size", "delivery", _FOLDER),
    _repair("file-rewritten", "a delivered file has other contents of the same size", "delivery", _FOLDER, Look.DEEP),
    _repair("file-exposed", "a delivered file, or the folder, can be read by others", "delivery", _FOLDER),
    _repair("file-added", "a file stands in the folder that was not delivered", "delivery", _FOLDER),
    _block("delivery-replaced", "a link stands in the folder's place", "delivery-unusable", "where, and the way out"),
)
