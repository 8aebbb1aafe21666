"""What a delivered file holds, as data that names secrets and never has them until it is written.

Every content has a ``recipe``, which is the same as long as the file would come out the same: a plan compares
recipes, so that it needs no key and no secret.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from reconciler import errors
from reconciler.model.secret import Secret
from reconciler.ports.mysql import names
from reconciler.ports.session import Session

# Unquoted, only these read the same in python-dotenv, phpdotenv, compose and sh.
_BARE = re.compile(r"[A-Za-z0-9_.:/@-]*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Content(ABC):
    """One file's content."""

    @abstractmethod
    def recipe(self) -> Any:
        """The content as plain data, secrets by name and version."""

    @abstractmethod
    def render(self, session: Session) -> bytes:
        """The bytes, secrets in clear. Errors: ``StepFailed`` for a value that the format can't hold."""


@dataclass(frozen=True, slots=True)
class OneTime:
    """A one-time password as a leaf of a ``JsonFile``: left out (None) once the person has set another.

    It is still the first one as long as the row of ``table`` with ``key`` has the hash that was made for it.
    """

    secret: Secret
    server: str
    database: str
    table: str
    key: tuple[str, str]
    hash_column: str

    def reveal(self, session: Session) -> str | None:
        """The password, or None once it is no longer the one."""
        what = f"SELECT {names.identifier(self.hash_column)} FROM {names.qualified(self.database, self.table)}"
        where = f"WHERE {names.identifier(self.key[0])}"
        found = session.admin(self.server).value(f"{names.among_parameters(f'{what} {where}')} = %s", (self.key[1],))
        return session.reveal(self.secret) if found == self.secret.mark else None


@dataclass(frozen=True, slots=True)
class JsonFile(Content):
    """A JSON object; a ``Secret`` or ``OneTime`` in it is replaced by its value."""

    data: Mapping[str, Any]

    def recipe(self) -> Any:
        """The object, secrets by name and version."""
        return _masked(self.data)

    def render(self, session: Session) -> bytes:
        """Indented JSON in the order that was given."""
        return (json.dumps(_revealed(self.data, session), indent=2, ensure_ascii=False) + "\n").encode()


@dataclass(frozen=True, slots=True)
class EnvFile(Content):
    """``KEY=value`` lines that read the same in every common parser."""

    pairs: tuple[tuple[str, str | Secret], ...]

    def recipe(self) -> Any:
        """The pairs, secrets by name and version."""
        return [[key, _masked(value)] for key, value in self.pairs]

    def render(self, session: Session) -> bytes:
        """One line a pair."""
        return "".join(f"{env_line(key, _revealed(value, session))}\n" for key, value in self.pairs).encode()


@dataclass(frozen=True, slots=True)
class LicenseFile(Content):
    """A signed license over ``terms``."""

    terms: Mapping[str, Any]

    def recipe(self) -> Any:
        """The terms: the signature follows from them."""
        return self.terms

    def render(self, session: Session) -> bytes:
        """The armored file."""
        return session.sign(self.terms)


def env_line(key: str, value: str) -> str:
    """``key=value`` as all parsers read it. Errors: ``StepFailed`` for a value that none of them agree on."""
    if not _NAME.fullmatch(key):
        raise errors.StepFailed(f"{key!r} can't be the name of a variable in a .env file")
    if _BARE.fullmatch(value):
        return f"{key}={value}"
    if "'" in value or "${" in value or value.endswith("\\") or not value.isprintable():
        raise errors.StepFailed(
            f"the value of {key} can't stand in a .env file: a quote, '${{', a control character or a backslash at its "
            "end reads differently in different programs"
        )
    return f"{key}='{value}'"


_PLAIN: Final = frozenset({str, int, bool, type(None)})


def _masked(value: Any) -> Any:
    # As nearly everything is; every tenant's files are compared with each plan.
    if type(value) in _PLAIN:
        return value
    if type(value) is dict:
        return {key: entry if type(entry) in _PLAIN else _masked(entry) for key, entry in value.items()}
    match value:
        case Secret():
            return f"secret {value.name} {value.version}"
        case OneTime():
            return f"one-time {value.secret.name} {value.secret.version}"
        case Mapping():
            return {key: _masked(entry) for key, entry in value.items()}
        case list() | tuple():
            return [_masked(entry) for entry in value]
        case _:
            return value


def _revealed(value: Any, session: Session) -> Any:
    match value:
        case Secret():
            return session.reveal(value)
        case OneTime():
            return value.reveal(session)
        case Mapping():
            revealed = {key: _revealed(entry, session) for key, entry in value.items()}
            return {key: entry for key, entry in revealed.items() if entry is not None}
        case list() | tuple():
            return [_revealed(entry, session) for entry in value]
        case _:
            return value
