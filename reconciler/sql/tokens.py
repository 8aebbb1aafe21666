"""One statement as tokens. Comments and blanks are left out; versioned comments are looked into as code."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from reconciler.sql import lexer


class Sort(Enum):
    """What a token is."""

    WORD = "word"
    QUOTED = "quoted"
    STRING = "string"
    NUMBER = "number"
    VARIABLE = "variable"
    PUNCT = "punct"
    MURKY = "murky"  # servers don't agree on what it is: see tokenize()


class Token(NamedTuple):
    """A token with its offsets in the statement.

    ``word`` is the text in capitals for an unquoted word and empty for all else. ``sure`` is false inside a
    versioned comment that some servers execute and others skip.
    """

    sort: Sort
    text: bytes
    start: int
    end: int
    word: bytes
    sure: bool

    @property
    def named(self) -> bytes:
        """The name that a word or quoted name stands for, without its quotes."""
        if self.sort is Sort.QUOTED:
            quote = self.text[:1]
            return self.text[1:-1].replace(quote * 2, quote)
        return self.text

    @property
    def decoded(self) -> str:
        """The name as text, for messages and comparisons."""
        return self.named.decode("utf-8", "backslashreplace")

    @property
    def is_name(self) -> bool:
        """Whether the token can be a name: a quoted one, or a word."""
        return self.sort is Sort.WORD or self.sort is Sort.QUOTED


_OPEN = re.compile(rb"/\*M?!(\d{5,6})?")
_NUMBER = rb"(?:0[xX][0-9a-fA-F]+|(?:\d++(?:\.\d*+)?|(?<![\w$\x80-\xff`\"])\.\d++)(?:[eE][+-]?\d++)?)"
_WORD = rb"[\w$\x80-\xff]++|\\N"
_VARIABLE = (
    rb"@@(?:(?:global|session|local|persist_only|persist)\s*+\.\s*+)?(?:`[^`]++`|[\w.$\x80-\xff]++)"
    rb"|@(?:%b|%b|%b|[\w.$\x80-\xff]++)"
)


@functools.lru_cache(maxsize=8)
def _pattern(inside: bool, quoting: lexer.Quoting) -> re.Pattern[bytes]:
    single, double = lexer.single_quoted(quoting), lexer.double_quoted(quoting)
    names = lexer.BACKQUOTED + (b"|" + double if quoting.ansi_quotes else b"")
    strings = single + (b"" if quoting.ansi_quotes else b"|" + double)
    comments = b"|".join((lexer.HASH_COMMENT, lexer.DASH_COMMENT, lexer.BLOCK_COMMENT))
    groups = (
        (rb"blank", rb"[\x00-\x20\x7f]++"),
        (rb"close", rb"\*/" if inside else rb"(?!)"),
        (rb"comment", comments),
        (rb"open", rb"/\*M?!(?:\d{5,6})?"),
        (rb"string", strings),
        (rb"quoted", names),
        (rb"variable", _VARIABLE % (lexer.BACKQUOTED, single, double)),
        (rb"number", _NUMBER + rb"(?![\w$\x80-\xff])"),
        (rb"word", _WORD),
        (rb"murky", rb"['\"`].*+|/\*.*+"),
        (rb"punct", rb":=|."),
    )
    return re.compile(b"|".join(rb"(?P<%b>%b)" % group for group in groups), re.DOTALL | re.IGNORECASE)


def tokenize(text: bytes, quoting: lexer.Quoting) -> Iterator[Token]:
    """The tokens of one statement, in order, lazily.

    A versioned comment that only some servers execute must not hide its end in a string or comment, for
    servers that skip it end it there: such a string comes out as ``MURKY``, and so does one without an end.
    """
    position, inside, sure = 0, False, True
    while position < len(text):
        found = _pattern(inside, quoting).match(text, position)
        if found is None or found.lastgroup is None:  # can't be: the last group takes any byte
            return
        kind, start, position = found.lastgroup, position, found.end()
        if kind == "blank":
            continue
        if kind == "comment":
            if not sure and not found[0].startswith(b"/*") and b"*/" in found[0]:
                yield Token(Sort.MURKY, found[0], start, position, b"", sure)
        elif kind == "open":
            inside, sure = True, _executed_everywhere(found[0])
        elif kind == "close":
            inside, sure = False, True
        else:
            sort = Sort(kind)
            if not sure and sort in _QUOTING and b"*/" in found[0]:
                sort = Sort.MURKY
            word = found[0].upper() if sort is Sort.WORD else b""
            yield Token(sort, found[0], start, position, word, sure)


_QUOTING = frozenset((Sort.STRING, Sort.QUOTED, Sort.VARIABLE))


def _executed_everywhere(opener: bytes) -> bool:
    found = _OPEN.match(opener)
    version = int(found[1] or 0) if found else 0
    return not opener.startswith(b"/*M") and version < lexer.SURELY_EXECUTED_BELOW
