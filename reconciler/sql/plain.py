r"""A statement as the official client would send it: without comments, and with \n at the ends of its lines.

Servers keep the text of routines, triggers, events and comments on tables, so it makes a difference what they are sent.
The client of MariaDB discards comments (``--skip-comments`` is its default) and turns CRLF into a line feed, inside
strings too; measured on 10.11. Versioned comments are code and stay.
"""

from __future__ import annotations

import functools
import re

from reconciler.sql import lexer


def plain(text: bytes, quoting: lexer.Quoting) -> bytes:
    """The statement's text, as the client sends it. One with a NUL, which the client only takes in its binary mode, is
    left as it is.
    """
    if b"\0" in text:
        return text
    text = lines(text)
    if b"/*" in text or b"--" in text or b"#" in text:
        text = _pattern(quoting).sub(_without, text)
    return text


def lines(text: bytes) -> bytes:
    """The text with line feeds at the ends of its lines, unless it has a NUL."""
    return text.replace(b"\r\n", b"\n") if b"\r\n" in text and b"\0" not in text else text


@functools.lru_cache(maxsize=4)
def _pattern(quoting: lexer.Quoting) -> re.Pattern[bytes]:
    strings = (lexer.single_quoted(quoting), lexer.double_quoted(quoting), lexer.BACKQUOTED)
    comments = (lexer.HASH_COMMENT, lexer.DASH_COMMENT, lexer.BLOCK_COMMENT)
    return re.compile(rb"(%b)|(?:%b)+" % (b"|".join(strings), b"|".join(comments)), re.DOTALL)


def _without(found: re.Match[bytes]) -> bytes:
    if found[1] is not None:
        return found[1]
    text, start, end = found.string, found.start(), found.end()
    # The client would make one word of two, and the server refuse it.
    joins = _WORD.match(text[start - 1 : start]) and _WORD.match(text[end : end + 1])
    return b" " if joins else b""


_WORD = re.compile(rb"[\w$\x80-\xff]")
