"""An account of a server as its row in ``mysql.global_priv`` tells it.

Source: MariaDB Knowledge Base, "mysql.global_priv Table", "CREATE USER", "User Password Expiry".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_LIMITS: Final = (
    "max_questions",
    "max_updates",
    "max_connections",
    "max_user_connections",
    "max_statement_time",
    "ssl_type",
    "ssl_cipher",
    "x509_issuer",
    "x509_subject",
    "default_role",
)
"""Options of which zero, or nothing, is how an account is made."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account: the set of its (plugin, hash) pairs, whether it is locked, and what limits it has."""

    user: str
    host: str
    auth: frozenset[tuple[str, str]]
    locked: bool
    is_role: bool
    access: int
    limits: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The account as people write it."""
        return f"{self.user}@{self.host}"


def parsed(user: str, host: str, priv: Mapping[str, Any]) -> Account:
    """An account, given its row of ``mysql.global_priv`` with the JSON read."""
    methods = [priv, *priv.get("auth_or", [])]
    pairs = frozenset(
        (str(method["plugin"]), str(method.get("authentication_string", "")))
        for method in methods
        if method.get("plugin")  # an emptied second password stays behind as {}
    )
    limits = {key: priv[key] for key in _LIMITS if priv.get(key)}
    if priv.get("password_lifetime", -1) >= 0:  # 0: it never expires, whatever the server's default
        limits["password_lifetime"] = priv["password_lifetime"]
    if priv.get("password_last_changed") == 0:  # somebody had it expire
        limits["password_last_changed"] = 0
    return Account(
        user=user,
        host=host,
        auth=pairs,
        locked=bool(priv.get("account_locked", False)),
        is_role=bool(priv.get("is_role", False)),
        access=int(priv.get("access", 0)),
        limits=limits,
    )
