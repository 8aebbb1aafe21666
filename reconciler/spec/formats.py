"""The formats and regular expressions that are checked, the same way for the schema and for the builder."""

from __future__ import annotations

import datetime
import functools
import re
from collections.abc import Callable
from typing import Final

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
# RFC 5321 limits: 64 octets before the @, 255 behind it. Only what mail systems take unquoted.
_EMAIL = re.compile(
    r"(?=.{3,254}\Z)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*"
)


def date(text: str) -> datetime.date:
    """``YYYY-MM-DD`` as a date. Raises ``ValueError`` for any other writing or a day that does not exist."""
    if not _DATE.fullmatch(text):
        raise ValueError(f"{text!r} is not written as YYYY-MM-DD")
    return datetime.date.fromisoformat(text)


def is_date(text: str) -> bool:
    """Whether ``text`` is a day of the calendar, written YYYY-MM-DD."""
    try:
        date(text)
    except ValueError:
        return False
    return True


def is_date_time(text: str) -> bool:
    """Whether ``text`` is a moment of RFC 3339: date, time and an offset or ``Z``."""
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return False
    return "T" in text and moment.tzinfo is not None


def is_email(text: str) -> bool:
    """Whether ``text`` looks like one mail address, without a display name."""
    local, _, _ = text.partition("@")
    return len(local) <= 64 and _EMAIL.fullmatch(text) is not None


CHECKS: Final[dict[str, Callable[[str], bool]]] = {
    "date": is_date,
    "date-time": is_date_time,
    "email": is_email,
}


@functools.cache
def pattern(expression: str) -> re.Pattern[str]:
    """A JSON Schema pattern as Python reads it.

    ECMA 262's ``$`` is the end of the text; Python's also matches before a last newline, which would let
    ``name\\n`` through. And ``\\d`` means the ten ASCII digits there.
    """
    out = []
    in_class = escaped = False
    for char in expression:
        if char == "$" and not in_class and not escaped:
            out.append(r"\Z")
            continue
        if not escaped:
            in_class = char == "[" or (in_class and char != "]")
        escaped = char == "\\" and not escaped
        out.append(char)
    return re.compile("".join(out), re.ASCII)
