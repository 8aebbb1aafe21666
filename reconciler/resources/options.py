"""What an account got that tenants' accounts are made without: what it is called, and which of it refuses a login.

Source: MariaDB Knowledge Base, "ALTER USER" (TLS options, resource limits), "User Password Expiry".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from reconciler import errors
from reconciler.model.server import Server
from reconciler.ports.mysql import names

EXPIRED: Final = frozenset({1820, 1862})
"""What a server says where a password has expired: by any statement, or by the login."""

_LIMITS: Final = {
    "max_questions": "MAX_QUERIES_PER_HOUR",
    "max_updates": "MAX_UPDATES_PER_HOUR",
    "max_connections": "MAX_CONNECTIONS_PER_HOUR",
    "max_user_connections": "MAX_USER_CONNECTIONS",
    "max_statement_time": "MAX_STATEMENT_TIME",
    "default_role": "DEFAULT ROLE",
}
_CERTIFICATE: Final = {"x509_issuer": "ISSUER", "x509_subject": "SUBJECT", "ssl_cipher": "CIPHER"}
_TLS: Final = {1: "SSL", 2: "X509"}
_EXPIRED: Final = "password_last_changed"


def words(limits: Mapping[str, Any]) -> list[str]:
    """The options as a statement would have them, in order."""
    said = [f"{word} {_plain(limits[key])}" for key, word in _LIMITS.items() if key in limits]
    if "ssl_type" in limits:
        asked = [f"{word} {names.text(str(limits[key]))}" for key, word in _CERTIFICATE.items() if limits.get(key)]
        said.append(f"REQUIRE {' AND '.join(asked) or _TLS.get(limits['ssl_type'], 'SSL')}")
    if "password_lifetime" in limits:
        days = limits["password_lifetime"]
        said.append(f"PASSWORD EXPIRE INTERVAL {days} DAY" if days else "PASSWORD EXPIRE NEVER")
    if expired(limits):
        said.append("PASSWORD EXPIRE")
    return sorted(said)


def expired(limits: Mapping[str, Any]) -> bool:
    """Whether somebody had the password expire."""
    return _EXPIRED in limits


def obstacles(
    limits: Mapping[str, Any], server: Server, user: str, host: str, *, renewed: bool = False
) -> list[list[str]]:
    """Why a login of ``user`` from here will be refused, each reason in words and with the statement that ends it.

    ``renewed`` says that the password will be set before that: then one that has expired counts again.
    """
    if renewed:
        limits = {name: value for name, value in limits.items() if name != _EXPIRED}
    return [list(each) for each in _obstacles(limits, server, user, host)]


def advice(found: Sequence[Sequence[str]]) -> str:
    """What an administrator runs against the obstacles; empty where there are none."""
    return f"As an administrator run: {' '.join(dict.fromkeys(statement for _, statement in found))}" if found else ""


def refusal(server: Server, user: str, host: str, found: Sequence[Sequence[str]]) -> errors.LoginRefused:
    """What is said of an account with obstacles that has to log in."""
    return errors.LoginRefused(
        f"server {server.name} will refuse the login of {user}@{host}, which the change needs: "
        f"{'; '.join(said for said, _ in found)}",
        advice=advice(found),
    )


def renewal(user: str, host: str) -> str:
    """What has an expired password count from now on. No PASSWORD EXPIRE … takes one back that was ordered by hand, and
    a statement that sets the password again would have to show its hash.
    """
    where = f"User = {names.text(user)} AND Host = {names.text(host)}"
    changed = "JSON_SET(Priv, '$.password_last_changed', UNIX_TIMESTAMP())"
    return f"UPDATE mysql.global_priv SET Priv = {changed} WHERE {where}; FLUSH PRIVILEGES;"


def _obstacles(limits: Mapping[str, Any], server: Server, user: str, host: str) -> Iterator[tuple[str, str]]:
    account = names.account(user, host)
    required = limits.get("ssl_type", 0)
    if (required and any(limits.get(key) for key in ("x509_issuer", "x509_subject"))) or required == 2:
        yield "it requires a client's certificate, and none is shown from here", f"ALTER USER {account} REQUIRE NONE;"
    elif required and server.tls.mode == "disabled":
        yield (
            f"it requires TLS, and the spec of server {server.name} has tls.mode disabled",
            f"ALTER USER {account} REQUIRE NONE;",
        )
    if limits.get("max_user_connections", 0) < 0:
        yield "it is allowed no connection", f"ALTER USER {account} WITH MAX_USER_CONNECTIONS 0;"
    if expired(limits):
        yield "its password has expired", renewal(user, host)


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
