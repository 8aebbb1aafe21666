"""Names that are derived from a tenant's name: its database, its accounts, its locks.

Limits are the smaller of MySQL's and MariaDB's, so that a tenant keeps its names when its server is replaced:
64 characters for a database, 32 for an account (MySQL 8.0 Reference Manual, "Identifier Length Limits" and
"Reserved User Names"), 64 for a name in GET_LOCK.
"""

from __future__ import annotations

import hashlib

DATABASE_LIMIT = 64
ACCOUNT_LIMIT = 32
_DIGEST_LENGTH = 8


def database(prefix: str, tenant: str) -> str:
    """The database of ``tenant``: prefix and name, ``-`` written as ``_``, never longer than 64 characters."""
    return shortened(prefix + tenant.replace("-", "_"), DATABASE_LIMIT)


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
    whole = name + keep
    if len(whole) <= limit:
        return whole
    digest = hashlib.sha256(whole.encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"{name[: limit - len(keep) - _DIGEST_LENGTH - 1]}_{digest}{keep}"


def _account(database_name: str, suffix: str) -> str:
    return shortened(database_name, ACCOUNT_LIMIT, suffix)
