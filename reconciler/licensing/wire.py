"""Reading JSON strictly: no duplicate member, no unknown one, no float, no wrong type, no stray character.

A signed file is read by programs in several languages. What two JSON readers could understand differently
is refused here, before anything looks at the values.
"""

from __future__ import annotations

import datetime
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import cast

from reconciler import errors

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FIRST_DAY = datetime.date(2000, 1, 1)
_LAST_DAY = datetime.date(2999, 12, 31)
MAX_TEXT = 128


def malformed(message: str) -> errors.MalformedLicense:
    """The error for content that the format does not allow."""
    return errors.MalformedLicense(message)


def dump(members: Mapping[str, object]) -> bytes:
    """JSON as ASCII bytes, members sorted, no spaces: the same members give the same bytes everywhere."""
    return json.dumps(members, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def load(data: bytes, what: str) -> object:
    """The JSON value in ``data``; ``what`` names it in messages. Raises `errors.Refused`."""
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_float=_no_number,
            parse_constant=_no_number,
        )
    except RecursionError:
        raise malformed(f"{what} nests too deeply") from None
    except ValueError as error:
        raise malformed(f"{what} is not the JSON that the format allows: {error}") from None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"member {name[:MAX_TEXT]!r} stands there twice")
        found[name] = value
    return found


def _no_number(text: str) -> object:
    raise ValueError(f"{text[:20]} is not a whole number")


def members(value: object, what: str, names: Iterable[str]) -> dict[str, object]:
    """``value`` as an object that has exactly the members ``names``."""
    if not isinstance(value, dict):
        raise malformed(f"{what} is not an object")
    wanted, found = set(names), set(value)
    if missing := sorted(wanted - found):
        raise malformed(f"{what} lacks {', '.join(missing)}")
    if unknown := sorted(found - wanted):
        raise malformed(f"{what} has the unknown member {unknown[0][:MAX_TEXT]!r}")
    return cast("dict[str, object]", value)


def items(value: object, what: str) -> list[object]:
    """``value`` as an array."""
    if not isinstance(value, list):
        raise malformed(f"{what} is not an array")
    return cast("list[object]", value)


def texts(value: object, what: str) -> tuple[str, ...]:
    """``value`` as an array of texts, each by the rules of `text`."""
    return tuple(text(item, f"an item of {what}") for item in items(value, what))


def text(value: object, what: str) -> str:
    """``value`` as 1 to 128 printable characters without a space at either end."""
    if not isinstance(value, str):
        raise malformed(f"{what} is not a text")
    if not 1 <= len(value) <= MAX_TEXT:
        raise malformed(f"{what} has {len(value)} characters; 1 to {MAX_TEXT} are allowed")
    # What is printable has no control character; most texts are, and are not looked at sign by sign.
    controls = not value.isprintable() and any(unicodedata.category(c) in ("Cc", "Cs") for c in value)
    if controls or value != value.strip():
        raise malformed(f"{what} has a control character, or a space at an end")
    return value


def whole(value: object, what: str, low: int, high: int) -> int:
    """``value`` as a whole number from ``low`` to ``high``; a boolean is not one."""
    if type(value) is not int:
        raise malformed(f"{what} is not a whole number")
    if not low <= value <= high:
        raise malformed(f"{what} is outside of {low} to {high}")
    return value


def day(value: object, what: str) -> datetime.date:
    """``value`` as a date ``YYYY-MM-DD`` from 2000 to 2999, so that adding grace can't leave the calendar."""
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise malformed(f"{what} is not a date of the form YYYY-MM-DD")
    try:
        found = datetime.date.fromisoformat(value)
    except ValueError:
        raise malformed(f"{what} is {value}, which no calendar has") from None
    return in_range(found, what)


def in_range(value: datetime.date, what: str) -> datetime.date:
    """``value`` if it lies between 2000-01-01 and 2999-12-31."""
    if not _FIRST_DAY <= value <= _LAST_DAY:
        raise malformed(f"{what} is {value}; {_FIRST_DAY} to {_LAST_DAY} are allowed")
    return value


def matches(value: object, what: str, pattern: re.Pattern[str], meaning: str) -> str:
    """``value`` as a text that ``pattern`` matches in full; ``meaning`` says in words what is allowed."""
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise malformed(f"{what} is not {meaning}")
    return value
