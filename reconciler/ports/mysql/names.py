"""The one place where names become SQL text. Values never come here; they travel as parameters.

Source: MariaDB Knowledge Base, "Identifier Names" and "GRANT"; MySQL 8.0 Reference Manual 6.2.4 on wildcards.
"""

from __future__ import annotations

import re


def identifier(name: str) -> str:
    """``name`` as a quoted identifier; ValueError for what no server can hold (empty, NUL, over 64 characters)."""
    if not name or len(name) > 64 or "\0" in name or name.endswith(" "):
        raise ValueError(f"{name!r} can't be the name of anything on a server")
    return "`" + name.replace("`", "``") + "`"


def qualified(database: str, name: str) -> str:
    """``database`` and ``name`` as a quoted pair."""
    return f"{identifier(database)}.{identifier(name)}"


def among_parameters(quoted: str) -> str:
    """Quoted names as they stand in a statement that has parameters: the driver formats all of it, so ``%`` is doubled.

    A statement without parameters is sent as it is, and takes them undoubled.
    """
    return quoted.replace("%", "%%")


def pattern(database: str) -> str:
    """``database`` as the text that a GRANT keeps: ``_`` and ``%`` are wildcards there, so they are escaped."""
    return re.sub(r"([\\_%])", r"\\\1", database)


def grant_level(database: str) -> str:
    r"""``database`` for ``GRANT … ON``: escaped, then quoted, as in ``\`ten\_a\`.*``."""
    return "`" + pattern(database).replace("`", "``") + "`.*"


def reaches(grant: str, database: str) -> bool:
    """Whether the database part ``grant`` of a database-level grant covers ``database``.

    ``_`` is one character, ``%`` any number, a backslash escapes; compared without case, since some systems
    keep database names that way and an isolation check must not miss one.
    """
    out, i = [], 0
    while i < len(grant):
        char = grant[i]
        if char == "\\" and i + 1 < len(grant):
            i += 1
            out.append(re.escape(grant[i]))
        elif char == "_":
            out.append(".")
        elif char == "%":
            out.append(".*")
        else:
            out.append(re.escape(char))
        i += 1
    return re.fullmatch("".join(out), database, re.IGNORECASE | re.DOTALL) is not None


def account(user: str, host: str) -> str:
    """``user`` and ``host`` as an account's name in a statement."""
    return f"{text(user)}@{text(host)}"


def text(value: str) -> str:
    """``value`` as a string literal, for statements that take no parameter (accounts, comments).

    The connections' sql_mode is set by us and has backslash escapes.
    """
    if "\0" in value:
        raise ValueError("a NUL can't stand in a literal")
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
