"""Names that are derived from a tenant's name: its database, its accounts, its locks.

Limits are the smaller of MySQL's and MariaDB's, so that a tenant keeps its names when its server is replaced:
64 characters for a database, 32 for an account (MySQL 8.0 Reference Manual, "Identifier Length Limits" and
"Reserved User Names"), 64 for a name in GET_LOCK. A database's name must also fit as the pattern that a grant gives it
by, where each `_` is written `\\_` and takes two of the 64: a longer one is refused with error 1102.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

DATABASE_LIMIT = 64
ACCOUNT_LIMIT = 32
_DIGEST_LENGTH = 8
_ID_LENGTH = 12


def database(prefix: str, tenant: str) -> str:
    """The database of ``tenant``: prefix and name, ``-`` written as ``_``, cut where a grant could not name it."""
    return _shortened(prefix + tenant.replace("-", "_"), DATABASE_LIMIT, "", _pattern_length)


def scratch(database_name: str, transaction: str) -> str:
    """A database beside ``database_name`` for one transaction, with the same prefix; fits as a grant's pattern, too."""
    return _shortened(database_name, DATABASE_LIMIT, f"_rehearsal_{transaction[:_ID_LENGTH]}", _pattern_length)


def owner(database_name: str) -> str:
    """The account that owns and changes the schema of ``database_name``."""
    return _account(database_name, "_own")


def application(database_name: str) -> str:
    """The account that the product's application logs in with."""
    return _account(database_name, "_app")


def lock(platform: str, tenant: str, role: str) -> str:
    """The lock name of one connection ``role`` of a transaction on ``tenant``; at most 64 characters."""
    digest = hashlib.sha256(f"{platform}\0{tenant}".encode()).hexdigest()[:24]
    return f"reconciler:{digest}:{role}"


def shortened(name: str, limit: int, keep: str = "") -> str:
    """``name + keep``, cut in the middle and marked with a digest of the whole where it is longer than ``limit``.

    The same name always gives the same result, and ``keep`` always stands at the end.
    """
    return _shortened(name, limit, keep, len)


def _shortened(name: str, limit: int, keep: str, length: Callable[[str], int]) -> str:
    whole = name + keep
    if length(whole) <= limit:
        return whole
    end = f"_{hashlib.sha256(whole.encode()).hexdigest()[:_DIGEST_LENGTH]}{keep}"
    while length(name + end) > limit:
        name = name[:-1]
    return name + end


def _pattern_length(name: str) -> int:
    return len(name) + name.count("_")


def _account(database_name: str, suffix: str) -> str:
    return shortened(database_name, ACCOUNT_LIMIT, suffix)
