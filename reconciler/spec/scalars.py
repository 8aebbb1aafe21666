"""What a plain scalar means: the core schema of YAML 1.2.2, section 10.3.2.

PyYAML resolves by YAML 1.1, where ``no`` is false, ``010`` is 8, ``1:30`` is 90 and ``2027-12-31`` is a
date. None of that holds here, so the scalars are resolved in this file and nowhere else.
"""

from __future__ import annotations

import re
from typing import Final

Scalar = str | int | float | bool | None

_WORDS: Final[dict[str, bool | None]] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?(\.inf|\.Inf|\.INF)")
_NO_NUMBER: Final = frozenset({".nan", ".NaN", ".NAN"})
_NUMERIC_START: Final = frozenset("0123456789+-.")
# What every store and JSON reader keeps exactly: signed and unsigned 64 bit.
SMALLEST: Final = -(2**63)
BIGGEST: Final = 2**64 - 1
_MOST_DIGITS: Final = 24


def resolve(text: str) -> Scalar:
    """The value of a plain (unquoted) scalar. Raises ``OverflowError`` for integers beyond 64 bit."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMERIC_START:
        return text
    if _DECIMAL.fullmatch(text):
        return _integer(text, 10)
    if _OCTAL.fullmatch(text):
        return _integer(text[2:], 8)
    if _HEX.fullmatch(text):
        return _integer(text[2:], 16)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITE.fullmatch(text):
        return float("-inf" if text[0] == "-" else "inf")
    return float("nan") if text in _NO_NUMBER else text


def _integer(digits: str, base: int) -> int:
    # Counted before it is converted: int() takes time in the square of a long number's length.
    if len(digits.lstrip("+-").lstrip("0")) <= _MOST_DIGITS:
        number = int(digits, base)
        if SMALLEST <= number <= BIGGEST:
            return number
    raise OverflowError(f"an integer of {len(digits)} digits does not fit in 64 bit")
