"""Cutting a script into statements the way the official client does, from a stream, in linear time.

The client's rules were measured on MariaDB's own (10.11). Some are surprising: a client command is seen only
between statements, at the start of a line on which no delimiter stands; the delimiter counts inside
versioned comments, which is why dumps change it around triggers; ``--`` begins a comment without a blank
behind it as long as no statement has begun. As with the client's --binary-mode, bytes are sent as they stand
in the file, NUL and CR included.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from reconciler import errors
from reconciler.sql import lexer, session, source, tokens

_LONGEST_DELIMITER = 15  # bytes; the client cuts a longer one without a word

# Each command's letter behind a backslash, and whether it takes an argument.
_COMMANDS: Final[dict[str, tuple[bytes, bool]]] = {
    "?": (b"?", True), "charset": (b"C", True), "clear": (b"c", False), "connect": (b"r", True),
    "delimiter": (b"d", True), "edit": (b"e", False), "ego": (b"", False), "exit": (b"q", False),
    "go": (b"", False), "help": (b"h", True), "nopager": (b"n", False), "notee": (b"t", False),
    "nowarning": (b"w", False), "pager": (b"P", True), "print": (b"p", False), "prompt": (b"R", True),
    "query_attributes": (b"", True), "quit": (b"q", False), "rehash": (b"#", False),
    "resetconnection": (b"x", False), "sandbox": (b"-", False), "source": (b".", True),
    "status": (b"s", False), "system": (b"!", True), "tee": (b"T", True), "use": (b"u", True),
    "warnings": (b"W", False),
}  # fmt: skip
_LETTERS: Final = {letter: name for name, (letter, _) in _COMMANDS.items() if letter}
_SEND = (b"\\g", b"\\G")

_ANY_NAME = b"|".join(re.escape(name.encode()) for name in _COMMANDS)
_PERHAPS_COMMAND = re.compile(rb"(?:%b)(?!\w)" % _ANY_NAME, re.IGNORECASE)
_COMMAND = re.compile(rb"(%b)(?:[ \t](.*))?\s*\Z" % _ANY_NAME, re.IGNORECASE | re.DOTALL)
_DELIMITER = re.compile(rb"delimiter(?![\w.\x80-\xff])\s*+(.*+)", re.IGNORECASE | re.DOTALL)
_ARGUMENT = re.compile(rb"'([^']++)'|\"([^\"]++)\"|`([^`]++)`|(\S++)")


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as it would be sent, without its delimiter and without the comments in front of it.

    ``offset`` is where ``text`` begins in the file and ``end`` where its delimiter ends, in bytes; between
    one item's end and the next one's offset lie blanks, comments and DELIMITER lines. ``quoting`` is how
    strings read at this place; ``delimiter`` is empty for a last statement that has none.
    """

    text: bytes
    where: errors.Where
    offset: int
    end: int
    delimiter: bytes
    quoting: lexer.Quoting

    def place(self, offset: int) -> errors.Where:
        """The line and column of a byte of ``text``."""
        line, column = lexer.step(self.text[:offset], self.where.line, self.where.column)
        return errors.Where(self.where.file, line, column)


@dataclass(frozen=True, slots=True)
class ClientCommand:
    """Something that the client would do itself (``source``, ``\\!``, ``use`` …), under its long name.

    ``inside`` says that it stands in the middle of a statement. ``reason`` is why a ``source`` is not followed.
    """

    name: str
    argument: bytes
    where: errors.Where
    offset: int
    end: int
    inside: bool = False
    reason: str = ""


Item = Statement | ClientCommand


class State:
    """What lasts over the end of a file that another one reads by ``source``: the delimiter, and how strings read."""

    def __init__(self) -> None:
        self.delimiter = b";"
        self.session = session.Session()


def read(stream: BinaryIO | bytes, *, file: str, state: State | None = None) -> Iterator[Item]:
    """Yields what the script holds, in order; memory grows with the longest statement, not with the file.

    ``file`` is only for messages; ``state`` is that of the script that reads this one, and is changed. Raises
    ScriptRefused with the place for a string or comment without an end, for a DELIMITER line that has no effect or
    stands where the client would not see it, and for an ``sql_mode`` that can't be known from the text.
    """
    return _Reader(source.Source(stream, file), state or State()).items()


class _Reader:
    def __init__(self, text: source.Source, state: State) -> None:
        self._source = text
        self._state = state
        self._begin = text.keep  # where the last item ended
        self._fresh = True  # whether that is the start of a line

    def items(self) -> Iterator[Item]:
        text = self._source
        while True:
            text.keep = self._begin
            start = self._through_gap()
            if text.ends(start):
                return
            if _PERHAPS_COMMAND.match(text.cut(start, start + 20)):
                line_end = text.line_end(start)
                line, in_front = text.cut(start, line_end), self._at_line_start(start)
                command = self._line_command(line) if in_front else None
                if _DELIMITER.match(line):
                    self._set_delimiter(line, in_front, start)
                elif command:
                    yield ClientCommand(*command, text.where(start), start, line_end)
                if command or _DELIMITER.match(line):
                    self._begin, self._fresh = line_end + (not text.ends(line_end)), True
                    continue
            yield from self._statement(start)

    def _through_gap(self) -> int:
        text = self._source
        while True:
            start = text.through(lexer.gap(self._state.delimiter), self._begin)
            open_comment = text.has(b"/*", start) and not lexer.VERSIONED.match(text.cut(start, start + 16))
            if text.complete or not open_comment or text.has(self._state.delimiter, start):
                return start
            text.more()

    def _at_line_start(self, start: int) -> bool:
        before = self._source.cut(self._begin, start)
        feed = before.rfind(b"\n")
        return (feed >= 0 or self._fresh) and not before[feed + 1 :].strip(lexer.BLANKS)

    def _line_command(self, line: bytes) -> tuple[str, bytes] | None:
        if self._state.delimiter in line or b"\\g" in line:
            return None
        return _command(line)

    def _set_delimiter(self, line: bytes, in_front: bool, start: int) -> None:
        found = _DELIMITER.match(line)
        argument = found[1].strip(lexer.BLANKS) if found else b""
        wanted = _ARGUMENT.match(argument)
        token = next(part for part in wanted.groups() if part) if wanted else b""
        if not in_front:
            message = "DELIMITER stands behind something else on its line, where the client does not see it"
        elif not token:
            message = "DELIMITER names no delimiter"
        elif b"\\" in token:
            message = f"the delimiter {_shown(token)} holds a backslash, which the client refuses"
        elif len(token) > _LONGEST_DELIMITER:
            message = f"the delimiter {_shown(token)} has {len(token)} bytes, the client takes {_LONGEST_DELIMITER}"
        else:
            self._state.delimiter = token
            return
        raise errors.ScriptRefused(
            message,
            where=self._source.where(start),
            advice="Put DELIMITER on a line of its own with one short token, like `DELIMITER $$`.",
        )

    def _statement(self, start: int) -> Iterator[Item]:
        text, wanted = self._source, self._state.delimiter
        run = lexer.run(wanted, self._state.session.quoting)
        stop = start
        while True:
            stop = text.through(run, stop)
            if text.has(wanted, stop):
                delimiter = wanted
            elif text.ends(stop):
                delimiter = b""
            elif text.has(b"\\", stop):
                delimiter = text.cut(stop, stop + 2)
                if delimiter[1:] in _LETTERS:
                    yield from self._backslash(start, stop, _LETTERS[delimiter[1:]])
                    return
                if delimiter not in _SEND:
                    stop += len(delimiter)
                    continue
            elif text.complete:
                raise self._unterminated(stop)
            else:
                text.more()
                continue
            self._begin, self._fresh = stop + len(delimiter), False
            yield from self._finished(start, stop, delimiter)
            return

    def _backslash(self, start: int, stop: int, name: str) -> Iterator[Item]:
        """A command in the middle of a statement; what stood before it is judged as it stands."""
        text = self._source
        end = stop + 2
        argument = b""
        if _COMMANDS[name][1]:
            rest = text.cut(end, text.line_end(end))
            argument = rest.partition(self._state.delimiter)[0]
            end += len(argument)
        self._begin, self._fresh = end, False
        yield from self._finished(start, stop, b"")
        inside = bool(text.cut(start, stop).strip(lexer.BLANKS))
        yield ClientCommand(name, argument.strip(lexer.BLANKS), text.where(stop), stop, end, inside)

    def _finished(self, start: int, stop: int, delimiter: bytes) -> Iterator[Item]:
        sent = self._source.cut(start, stop).rstrip(lexer.BLANKS)
        if sent[:1] in b";" and self._empty(sent):
            return  # the client sends no empty statement
        end, where = stop + len(delimiter), self._source.where(start)
        command = _command(sent) if _PERHAPS_COMMAND.match(sent) else None
        if command:
            yield ClientCommand(*command, where, start, end)
            return
        statement = Statement(sent, where, start, end, delimiter, self._state.session.quoting)
        if b"/*!" in sent or b"/*M!" in sent:
            opened = lexer.unclosed(sent, statement.quoting)
            if opened is not None:
                raise errors.ScriptRefused(
                    "the versioned comment that begins here is not closed before the statement ends",
                    where=statement.place(opened),
                    advice="Close it with */, or put DELIMITER lines around a statement that holds semicolons.",
                )
        yield statement
        try:
            self._state.session.follow(sent)
        except session.Unfollowable as unknown:
            raise errors.ScriptRefused(
                "sql_mode is set to a value that can't be known from the text, so it is unknown where the "
                "strings behind it end",
                where=statement.place(unknown.offset),
                advice="Set sql_mode to a literal string.",
            ) from None

    def _empty(self, sent: bytes) -> bool:
        return all(token.text == b";" for token in tokens.tokenize(sent, self._state.session.quoting))

    def _unterminated(self, stop: int) -> errors.ScriptRefused:
        opener = self._source.cut(stop, stop + 1).decode("latin-1")
        what = {"'": "string", '"': "string", "`": "quoted name"}.get(opener, "comment")
        return errors.ScriptRefused(
            f"the {what} that begins here has no end",
            where=self._source.where(stop),
            advice="Close it, or take back the quote, backslash or delimiter before it that opened it too early.",
        )


def _command(line: bytes) -> tuple[str, bytes] | None:
    found = _COMMAND.match(line)
    if not found:
        return None
    name, argument = found[1].decode().lower(), (found[2] or b"").strip(lexer.BLANKS)
    return (name, argument) if _COMMANDS[name][1] or not argument else None


def _shown(token: bytes) -> str:
    return token.decode("utf-8", "backslashreplace")
