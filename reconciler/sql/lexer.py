"""The patterns that SQL text is cut with, in both of its readings: the client's and the server's.

Everything works on bytes, because a dump may hold blobs that are no text in any character set. The patterns
are possessive (they never go back), so that a hostile file costs linear time. They rely on a client character
set in which no byte of a longer character looks like a quote or a backslash (utf8, latin1 and their kin); the
firewall refuses the others.
"""

from __future__ import annotations

import functools
import re
import sys
from dataclasses import dataclass

# Versioned comments that every server which is supported executes: MariaDB skips /*!50700 to /*!99999
# (MariaDB Knowledge Base, "Comment Syntax"), MySQL skips /*M!.
SURELY_EXECUTED_BELOW = 50700

BLANKS = b" \t\n\v\f\r"
_CONTINUATION_BYTES = bytes(range(0x80, 0xC0))

# A possessive group whose inside can be matched in several ways goes wrong before Python 3.11.5 (CPython issue
# 106052), which Debian 12 has. A greedy one finds the same here, since every pattern says itself where it can't end;
# it only remembers more while it does so.
ANY = rb"*+" if sys.version_info >= (3, 11, 5) else rb"*"

HASH_COMMENT = rb"#[^\n]*+"
DASH_COMMENT = rb"--(?=[\x00-\x20\x7f]|\Z)[^\n]*+"
BLOCK_COMMENT = rb"/\*(?!M?!)(?:[^*]++|\*(?!/))%b\*/" % ANY
BACKQUOTED = rb"`[^`]*+(?:``[^`]*+)%b`(?!`)" % ANY
VERSIONED = re.compile(rb"/\*M?!(?!999999\\-)")
_SANDBOX_LINE = rb"/\*M?!999999\\-(?:[^*]++|\*(?!/))%b\*/" % ANY


@dataclass(frozen=True, slots=True)
class Quoting:
    """The two parts of ``sql_mode`` that change where a string ends."""

    ansi_quotes: bool = False
    backslash_escapes: bool = True


def _between(quote: bytes, *, backslash: bool) -> bytes:
    if backslash:
        return rb"%b[^%b\\]*+(?:(?:\\.|%b%b)[^%b\\]*+)%b%b(?!%b)" % (*(quote,) * 5, ANY, quote, quote)
    return rb"%b[^%b]*+(?:%b%b[^%b]*+)%b%b(?!%b)" % (*(quote,) * 5, ANY, quote, quote)


_MYSQL_ONLY = re.compile(rb"/\*!(?:507|508|509|5[1-9]\d|[6-9]\d\d)\d\d(?!\d)(?:[^*]++|\*(?!/))%b\*/" % ANY)


def for_mysql_only(text: bytes) -> bool:
    """Whether a statement is one versioned comment that every MariaDB skips: /*!50700 … to /*!99999 … (Knowledge Base,
    "Comment Syntax"). Dumps of MySQL and Percona Server have such ones, also with statements that are refused here.
    """
    return _MYSQL_ONLY.fullmatch(text) is not None


def single_quoted(quoting: Quoting) -> bytes:
    """The pattern of a string in single quotes."""
    return _between(b"'", backslash=quoting.backslash_escapes)


def double_quoted(quoting: Quoting) -> bytes:
    """The pattern of what stands in double quotes: a string, or a name where ANSI_QUOTES holds."""
    return _between(b'"', backslash=quoting.backslash_escapes and not quoting.ansi_quotes)


@functools.lru_cache(maxsize=64)
def run(delimiter: bytes, quoting: Quoting) -> re.Pattern[bytes]:
    """Everything up to the next byte that needs a decision.

    That is the delimiter, a backslash outside of strings, a string or comment without an end, or the end of
    the bytes. The delimiter comes first, as in the client, so that ``#`` or ``--`` can be one.
    """
    first, whole = re.escape(delimiter[:1]), re.escape(delimiter)
    pieces = [
        single_quoted(quoting),
        double_quoted(quoting),
        BACKQUOTED,
        HASH_COMMENT,
        DASH_COMMENT,
        BLOCK_COMMENT,
        rb"/\*M?!",
        rb"-(?!-[\x00-\x20\x7f]|-\Z)",
        rb"/(?!\*)",
    ]
    if delimiter[:1] not in b"'\"`#/-":
        pieces.append(first)
    plain = rb"[^'\"`#\\/\-%b]++" % first
    return re.compile(rb"(?:%b|(?!%b)(?:%b))%b" % (plain, whole, b"|".join(pieces), ANY), re.DOTALL)


@functools.lru_cache(maxsize=64)
def gap(delimiter: bytes) -> re.Pattern[bytes]:
    """What stands between statements: blanks, comments, and the line with which new dumps begin.

    Here ``--`` is a comment whatever follows it: the client says so while no statement has begun.
    """
    comments = b"|".join((HASH_COMMENT, rb"--[^\n]*+", BLOCK_COMMENT, _SANDBOX_LINE))
    return re.compile(rb"(?:[\t-\r ]++|(?!%b)(?:%b))%b" % (re.escape(delimiter), comments, ANY), re.DOTALL)


@functools.lru_cache(maxsize=8)
def _to_mark(inside: bool, quoting: Quoting) -> re.Pattern[bytes]:
    star = rb"\*(?!/)" if inside else rb"\*"
    pieces = (
        rb"[^'\"`#\-/*]++",
        single_quoted(quoting),
        double_quoted(quoting),
        BACKQUOTED,
        HASH_COMMENT,
        DASH_COMMENT,
        BLOCK_COMMENT,
        rb"-(?!-[\x00-\x20\x7f]|-\Z)",
        rb"/(?!\*)",
        star,
    )
    return re.compile(rb"(?:%b)%b" % (b"|".join(pieces), ANY), re.DOTALL)


def end(pattern: re.Pattern[bytes], text: bytes, position: int) -> int:
    """Where a match that begins at ``position`` ends; ``position`` itself if there is none."""
    found = pattern.match(text, position)
    return found.end() if found else position


def unclosed(text: bytes, quoting: Quoting) -> int | None:
    """The offset of a versioned comment that the statement opens and never closes, or None."""
    position, opened = 0, None
    while position < len(text):
        position = end(_to_mark(opened is not None, quoting), text, position)
        if opened is not None and text.startswith(b"*/", position):
            opened = None
        elif opened is None and text.startswith(b"/*", position):
            opened = position
        position += 2
    return opened


def characters(line: bytes) -> int:
    """How many characters a piece of a line has, counted as UTF-8; other bytes count as they come."""
    return len(line.translate(None, _CONTINUATION_BYTES))


def step(text: bytes, line: int, column: int) -> tuple[int, int]:
    """The line and column (both from 1) behind ``text``, if it begins at the given ones."""
    last = text.rfind(b"\n")
    if last < 0:
        return line, column + characters(text)
    return line + text.count(b"\n"), 1 + characters(text[last + 1 :])
