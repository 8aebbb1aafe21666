"""A stream read in growing pieces, with a count of lines. Offsets are absolute: bytes from its beginning."""

from __future__ import annotations

import re
from typing import BinaryIO, Final

from reconciler import errors
from reconciler.sql import lexer

PIECE: Final = 512 * 1024  # bytes read at once, at least
_LOOKAHEAD = 32  # bytes; no pattern's decision rests on more than this behind its end
_BOM = b"\xef\xbb\xbf"


class Source:
    """The bytes from ``keep`` on, and as many more as were asked for.

    A pattern that runs into the end of what was read is tried again with more. Each time at least as much is
    read as is kept, so that a string of any length is looked at twice at most, on average.
    """

    def __init__(self, stream: BinaryIO | bytes, file: str) -> None:
        self._stream = None if isinstance(stream, bytes) else stream
        self._data = stream if isinstance(stream, bytes) else b""
        self._base = 0
        self._file = file
        self._line, self._column, self._mark = 1, 1, 0
        self.keep = 0
        while len(self._data) < _LOOKAHEAD and not self.complete:
            self.more()
        if self._data.startswith(_BOM):
            self._mark = self.keep = len(_BOM)

    @property
    def complete(self) -> bool:
        """Whether everything was read."""
        return self._stream is None

    def more(self) -> None:
        """Forgets what lies before ``keep`` and reads on."""
        if self._stream is None:
            return
        if self._mark < self.keep:
            self.where(self.keep)
        kept = self._data[self.keep - self._base :]
        piece = self._stream.read(max(PIECE, len(kept)))
        if not piece:
            self._stream = None
        self._data, self._base = kept + piece, self.keep

    def through(self, pattern: re.Pattern[bytes], offset: int) -> int:
        """Where a match of ``pattern`` at ``offset`` ends, knowing all that could change the answer."""
        while True:
            end = lexer.end(pattern, self._data, offset - self._base)
            if self._stream is None or len(self._data) - end >= _LOOKAHEAD:
                return end + self._base
            self.more()

    def line_end(self, offset: int) -> int:
        """The offset of the next line feed, or of the end."""
        while True:
            found = self._data.find(b"\n", offset - self._base)
            if found >= 0:
                return found + self._base
            if self._stream is None:
                return self._base + len(self._data)
            self.more()

    def cut(self, begin: int, end: int) -> bytes:
        """The bytes between two offsets that are still kept."""
        return self._data[begin - self._base : end - self._base]

    def has(self, text: bytes, offset: int) -> bool:
        """Whether ``text`` stands at ``offset``."""
        return self._data.startswith(text, offset - self._base)

    def ends(self, offset: int) -> bool:
        """Whether nothing lies behind ``offset``; true only when everything was read."""
        return self._stream is None and offset >= self._base + len(self._data)

    def where(self, offset: int) -> errors.Where:
        """The line and column of an offset; offsets must be asked for in rising order."""
        passed = self.cut(self._mark, offset)
        self._line, self._column = lexer.step(passed, self._line, self._column)
        self._mark = offset
        return errors.Where(self._file, self._line, self._column)
