r"""A statement as the official client would send it: without comments, and with \n at the ends of its lines.

Servers keep the text of routines, triggers, events and comments on tables, so it makes a difference what they are sent.
The client of MariaDB discards comments (``--skip-comments`` is its default) and turns CRLF into a line feed, inside
strings too; measured on 10.11. Versioned comments are code and stay.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

from reconciler.sql import lexer


def plain(text: bytes, quoting: lexer.Quoting) -> bytes:
    """The statement's text, as the client sends it. One with a NUL, which the client only takes in its binary mode, is
    left as it is.
    """
    if b"\0" in text:
        return text
    text = lines(text)
    if b"/*" in text or b"--" in text or b"#" in text:
        text = b"".join(_kept(text, _pattern(quoting)))
    return text


def lines(text: bytes) -> bytes:
    """The text with line feeds at the ends of its lines, unless it has a NUL."""
    return text.replace(b"\r\n", b"\n") if b"\r\n" in text and b"\0" not in text else text


@functools.lru_cache(maxsize=4)
def _pattern(quoting: lexer.Quoting) -> re.Pattern[bytes]:
    strings = (lexer.single_quoted(quoting), lexer.double_quoted(quoting), lexer.BACKQUOTED)
    comments = (lexer.HASH_COMMENT, lexer.DASH_COMMENT, lexer.BLOCK_COMMENT)
    kept = rb"(?P<string>%b)|(?P<opens>/\*M?!)|(?P<closes>\*/)" % b"|".join(strings)
    return re.compile(rb"%b|(?P<comments>(?:%b)+)" % (kept, b"|".join(comments)), re.DOTALL)


def _kept(text: bytes, pattern: re.Pattern[bytes]) -> Iterator[bytes]:
    """The pieces of a text that are sent."""
    start, inside = 0, 0
    while found := pattern.search(text, start):
        end = found.end()
        if found["closes"] and not inside:
            end -= 1  # a star, and what may be the beginning of a comment
        inside += bool(found["opens"]) - bool(found["closes"] and inside)
        if found["comments"] is None:
            yield text[start:end]
        else:
            yield text[start : found.start()]
            if _joins(text[found.start() - 1 : found.start()], text[end : end + 1]):
                yield b" "
        start = end
    yield text[start:]


def _joins(before: bytes, after: bytes) -> bool:
    """Whether the client would make one word of two, which the server refuses, or of two strings one with a quote."""
    return bool(_WORD.match(before) and _WORD.match(after)) or (before == after and before in _QUOTES)


_QUOTES = (b"'", b'"', b"`")
_WORD = re.compile(rb"[\w$\x80-\xff]")
