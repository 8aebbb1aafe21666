"""Where statements begin and end. What is expected here was measured on the official client (10.11)."""

from __future__ import annotations

import io

import pytest

from reconciler import errors
from reconciler.sql import script, source
from tests.sql.reading import items, schema, texts

SPLITS = {
    "two statements": (b"SELECT 1; SELECT 2;", [b"SELECT 1", b"SELECT 2"]),
    "a last one without a delimiter": (b"SELECT 1;\nSELECT 2\n", [b"SELECT 1", b"SELECT 2"]),
    "empty statements are not sent": (b";;\n ; -- c\n;", []),
    "only comments": (b"-- a\n# b\n/* c; */\n", []),
    "nothing": (b"", []),
    "a delimiter in strings": (b"SELECT ';', \";\", `;`; SELECT 2", [b"SELECT ';', \";\", `;`", b"SELECT 2"]),
    "doubled quotes": (b"SELECT 'a'';', \"a\"\";\", `a``;`; X", [b"SELECT 'a'';', \"a\"\";\", `a``;`", b"X"]),
    "a backslash before a quote": (b"SELECT 'a\\';', \"b\\\";\"; X", [b"SELECT 'a\\';', \"b\\\";\"", b"X"]),
    "a backslash before a backslash": (b"SELECT 'a\\\\'; X", [b"SELECT 'a\\\\'", b"X"]),
    "no escapes in names": (b"SELECT `a\\`; X", [b"SELECT `a\\`", b"X"]),
    "comments hold delimiters": (
        b"SELECT 1 -- ;\n, 2 # ;\n, /* ; ' */ 3; X",
        [b"SELECT 1 -- ;\n, 2 # ;\n, /* ; ' */ 3", b"X"],
    ),
    "quotes in comments open nothing": (b"-- don't\nSELECT 1; # it's\nX", [b"SELECT 1", b"X"]),
    "two dashes without a blank are arithmetic": (b"SELECT 4--2; X", [b"SELECT 4--2", b"X"]),
    "but a comment where no statement has begun": (b"--SELECT 9;\nSELECT 1;--2;\nX", [b"SELECT 1", b"X"]),
    "two dashes at the end of a line": (b"SELECT 5--\n; X", [b"SELECT 5--", b"X"]),
    "a control character behind two dashes": (b"SELECT 5--\x01;\n; X", [b"SELECT 5--\x01;", b"X"]),
    "a slash and a star apart": (b"SELECT 4/2, 3 * 2; X", [b"SELECT 4/2, 3 * 2", b"X"]),
    "versioned comments are sent": (
        b"/*!40101 SET NAMES utf8 */;\n/*M!100100 SELECT 1 */;",
        [b"/*!40101 SET NAMES utf8 */", b"/*M!100100 SELECT 1 */"],
    ),
    "a versioned comment as a part": (b"CREATE /*!50003 TRIGGER */ x; X", [b"CREATE /*!50003 TRIGGER */ x", b"X"]),
    "a comment inside a versioned one": (b"SELECT /*!50003 1 /* ; */ , 2 */; X", None),
    "the sandbox line is skipped": (
        b"/*M!999999\\- enable the sandbox mode */ \n-- dump\nSELECT 1;",
        [b"SELECT 1"],
    ),
    "a byte order mark is skipped": (b"\xef\xbb\xbfSELECT 1;", [b"SELECT 1"]),
    "in front of DELIMITER too": (b"\xef\xbb\xbfDELIMITER $$\nSELECT 1$$", [b"SELECT 1"]),
    "CRLF": (b"DELIMITER $$\r\nSELECT 1;\r\n$$\r\nDELIMITER ;\r\nSELECT 2;\r\n", [b"SELECT 1;", b"SELECT 2"]),
    "CRLF inside a string is kept": (b"SELECT 'a\r\nb';", [b"SELECT 'a\r\nb'"]),
    "bytes that are no text": (b"SELECT '\xff\xfe;\x80', 1; X", [b"SELECT '\xff\xfe;\x80', 1", b"X"]),
    "NUL": (b"SELECT '\x00;', 1; X", [b"SELECT '\x00;', 1", b"X"]),
    "go and ego": (b"SELECT 1\\g SELECT 2\\G\nSELECT 3", [b"SELECT 1", b"SELECT 2", b"SELECT 3"]),
    "backslash N is a null": (b"SELECT \\N; X", [b"SELECT \\N", b"X"]),
    "an unknown backslash takes the next byte along": (b"SELECT 1\\; X", [b"SELECT 1\\; X"]),
}


@pytest.mark.parametrize("name", SPLITS)
def test_a_script_is_cut_as_the_client_cuts_it(name: str) -> None:
    text, expected = SPLITS[name]
    assert texts(text) == ([text.removesuffix(b"; X"), b"X"] if expected is None else expected)


DELIMITERS = {
    "around a body": (
        b"DELIMITER //\nCREATE PROCEDURE p() BEGIN SELECT 1; END //\nDELIMITER ;\nSELECT 2;",
        [b"CREATE PROCEDURE p() BEGIN SELECT 1; END", b"SELECT 2"],
    ),
    "in lower case, with blanks": (b"  delimiter\t$$ \nSELECT 1$$SELECT 2 $$\n", [b"SELECT 1", b"SELECT 2"]),
    "glued": (b"DELIMITER$$\nSELECT 1;$$\nDELIMITER;\nSELECT 2;", [b"SELECT 1;", b"SELECT 2"]),
    "only the first word counts": (b"DELIMITER $$ -- c\nSELECT 1$$", [b"SELECT 1"]),
    "in quotes": (b"DELIMITER '$$'\nSELECT 1$$", [b"SELECT 1"]),
    "letters, which are case-sensitive": (b"DELIMITER go\nSELECT 1 go\nSELECT 2 GO\ngo", [b"SELECT 1", b"SELECT 2 GO"]),
    "longer than the old one": (
        b"DELIMITER ;;\nSELECT 1;\nSELECT 2;;\nDELIMITER ;\nX;",
        [b"SELECT 1;\nSELECT 2", b"X"],
    ),
    "a delimiter that looks like a comment": (b"DELIMITER --\nSELECT 1;--\nSELECT 2--", [b"SELECT 1;", b"SELECT 2"]),
    "not in the middle of a statement": (b"SELECT 1\nDELIMITER $$\n;X", [b"SELECT 1\nDELIMITER $$", b"X"]),
    "not in a comment": (b"/*\nDELIMITER $$\n*/SELECT 1;X", [b"SELECT 1", b"X"]),
    "not in a string": (b"SELECT '\nDELIMITER $$\n';X", [b"SELECT '\nDELIMITER $$\n'", b"X"]),
    "not a longer word": (b"DELIMITERS $$;X", [b"DELIMITERS $$", b"X"]),
    "not honored in strings": (b"DELIMITER //\nSELECT '//' /* // */ -- //\n//X", [b"SELECT '//' /* // */ -- //", b"X"]),
    "honored in versioned comments only when closed": (
        b"DELIMITER ;;\n/*!50003 CREATE TRIGGER t BEGIN a; b; END */;;\nDELIMITER ;\nX",
        [b"/*!50003 CREATE TRIGGER t BEGIN a; b; END */", b"X"],
    ),
}


@pytest.mark.parametrize("name", DELIMITERS)
def test_a_delimiter_line_changes_the_delimiter(name: str) -> None:
    text, expected = DELIMITERS[name]
    assert texts(text) == expected


COMMANDS = {
    "at the start of a line": (b"source a.sql\nX", [b"\\source a.sql", b"X"]),
    "in capitals, behind blanks": (b"  SOURCE\ta.sql\nX", [b"\\source a.sql", b"X"]),
    "with a delimiter": (b"use shop; X", [b"\\use shop", b"X"]),
    "quoted names": (b"USE `shop`;", [b"\\use `shop`"]),
    "in CRLF": (b"use shop\r\nX", [b"\\use shop", b"X"]),
    "a shell": (b"\\! rm -rf /\nX;", [b"\\system rm -rf /", b"X"]),
    "a file": (b"\\. a.sql\nX;", [b"\\source a.sql", b"X"]),
    "in the middle": (b"SELECT 1 \\! ls\n;X", [b"SELECT 1", b"\\system ls", b"X"]),
    "system, tee and pager": (b"system ls\ntee f\npager less\n", [b"\\system ls", b"\\tee f", b"\\pager less"]),
    "quit": (b"quit\nX", [b"\\quit ", b"X"]),
    "a word that takes no argument": (b"status quo;\nX", [b"status quo", b"X"]),
    "not in the middle of a statement": (b"SELECT 1 AS\nsource\n;X", [b"SELECT 1 AS\nsource", b"X"]),
    "not a longer word": (b"usequel x\n;X", [b"usequel x", b"X"]),
    "not in strings or comments": (b"SELECT '\\! ls' -- \\! ls\n;X", [b"SELECT '\\! ls' -- \\! ls", b"X"]),
    "behind a comment, once it is delimited": (b"/* c */ use shop;X", [b"\\use shop", b"X"]),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_client_commands_come_out_under_their_own_type(name: str) -> None:
    text, expected = COMMANDS[name]
    assert texts(text) == expected


MODES = {
    "ansi quotes": b"SET sql_mode='ANSI_QUOTES'; SELECT \"a\\\"; X",
    "a combination": b"SET sql_mode='STRICT_ALL_TABLES,ansi'; SELECT \"a\\\"; X",
    "for the session": b"SET SESSION sql_mode := 'ORACLE'; SELECT \"a\\\"; X",
    "by its long name": b'SET @@session.sql_mode = "ANSI_QUOTES"; SELECT "a\\"; X',
    "as a number": b'SET sql_mode = 4; SELECT "a\\"; X',
    "as a word": b'SET sql_mode = ansi_quotes; SELECT "a\\"; X',
    "in a versioned comment": b"/*!40101 SET @O=@@SQL_MODE, SQL_MODE='ANSI_QUOTES' */; SELECT \"a\\\"; X",
    "put back": b"SET @k='ANSI', sql_mode=@k; SET @o=@@sql_mode; SET sql_mode=''; SET sql_mode=@o; SELECT \"a\\\"; X",
}


@pytest.mark.parametrize("name", MODES)
def test_a_backslash_in_double_quotes_is_plain_under_ansi_quotes(name: str) -> None:
    assert texts(MODES[name])[-2:] == [b'SELECT "a\\"', b"X"]


@pytest.mark.parametrize("mode", [b"'NO_BACKSLASH_ESCAPES'", b"1048576", b"'STRICT_ALL_TABLES,no_backslash_escapes'"])
def test_a_backslash_is_plain_under_no_backslash_escapes(mode: bytes) -> None:
    assert texts(b"SET sql_mode=" + mode + b"; SELECT 'a\\'; X")[1:] == [b"SELECT 'a\\'", b"X"]


@pytest.mark.parametrize(
    "back",
    [b"SET sql_mode='STRICT_ALL_TABLES'", b"SET sql_mode=DEFAULT", b"SET sql_mode=@old", b"SET @@sql_mode=0"],
)
def test_backslashes_escape_again_when_the_mode_is_put_back(back: bytes) -> None:
    text = b"SET @old=@@sql_mode, sql_mode='NO_BACKSLASH_ESCAPES'; " + back + b"; SELECT 'a\\';'; X"
    assert texts(text)[-2:] == [b"SELECT 'a\\';'", b"X"]


@pytest.mark.parametrize(
    "harmless",
    [
        b"SET GLOBAL sql_mode='ANSI_QUOTES'",
        b"SET @x='ANSI_QUOTES'",
        b"SET sql_mode=(SELECT REPLACE(@@sql_mode,'ONLY_FULL_GROUP_BY',''))",
        b"SELECT sql_mode='ANSI_QUOTES'",
        b"SET NAMES utf8",
    ],
)
def test_what_does_not_set_the_sessions_mode_leaves_the_quotes(harmless: bytes) -> None:
    assert texts(harmless + b'; SELECT "a\\";"; X')[1:] == [b'SELECT "a\\";"', b"X"]


REFUSED = {
    "a string": (b"SELECT 1;\n SELECT 'abc;\n", 2, 9, "string"),
    "a double-quoted string": (b'SELECT "abc', 1, 8, "string"),
    "a quoted name": (b"SELECT `abc", 1, 8, "quoted name"),
    "a comment": (b"SELECT 1;\n\n/* abc ; ", 3, 1, "comment"),
    "a versioned comment": (b"SELECT 1;\nSELECT /*!50003 1;\n*/;", 2, 8, "versioned comment"),
    "a delimiter line without a token": (b"SELECT 1;\nDELIMITER \nX", 2, 1, "names no delimiter"),
    "a delimiter with a backslash": (b"DELIMITER \\\\\n", 1, 1, "backslash"),
    "a delimiter that is too long": (b"DELIMITER 1234567890123456\n", 1, 1, "16 bytes"),
    "a delimiter line that the client does not see": (b"SELECT 1; DELIMITER $$\n", 1, 11, "does not see"),
    "a mode that is put together": (b"SET sql_mode=CONCAT(@@sql_mode,',ANSI_QUOTES');", 1, 32, "sql_mode"),
    "a mode from an unknown variable": (b"SET sql_mode=@x;", 1, 14, "sql_mode"),
    "a mode in hexadecimal": (b"SET sql_mode=0x414e5349;", 1, 14, "sql_mode"),
    "a mode that only some servers set": (b"/*!99999 SET sql_mode='ANSI' */;", 1, 14, "sql_mode"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_t_be_read_is_refused_where_it_begins(name: str) -> None:
    text, line, column, words = REFUSED[name]
    with pytest.raises(errors.ScriptRefused) as refused:
        items(text)
    assert refused.value.where == errors.Where("s.sql", line, column)
    assert words in refused.value.message


def test_statements_know_their_line_and_column_in_characters() -> None:
    first, second = items("\n  SELECT 'ñ'; /* ü */ SELECT\n\n 2;".encode())
    assert isinstance(second, script.Statement)
    assert first.where == errors.Where("s.sql", 2, 3)
    assert second.where == errors.Where("s.sql", 2, 23)
    assert second.place(second.text.index(b"2")) == errors.Where("s.sql", 4, 2)


def test_a_stream_is_read_in_pieces_with_the_same_result() -> None:
    statement = b"INSERT INTO t VALUES ('" + b"x''\\';" * 5000 + b"');\n/* long " + b"c;" * 5000 + b"*/\n"
    text = b"\xef\xbb\xbf" + statement * 70 + b"DELIMITER $$\nSELECT 1;$$\nuse shop\n"
    assert len(text) > 5 * source.PIECE
    assert list(script.read(io.BytesIO(text), file="s.sql")) == items(text)


class Dribbling(io.RawIOBase):
    """A stream that never gives more than a few bytes at once."""

    def __init__(self, text: bytes) -> None:
        self.rest = text

    def read(self, size: int = -1) -> bytes:
        piece, self.rest = self.rest[:3], self.rest[3:]
        return piece


def test_pieces_of_a_few_bytes_change_nothing() -> None:
    text = b"\xef\xbb\xbf" + b";\n".join(text for text, _ in SPLITS.values()) + b";\n" + DELIMITERS["around a body"][0]
    assert list(script.read(Dribbling(text), file="s.sql")) == items(text)  # type: ignore[arg-type]


def test_memory_grows_with_the_longest_statement_only() -> None:
    class Endless(io.RawIOBase):
        given = 0
        kept = 0

        def read(self, size: int = -1) -> bytes:
            self.kept = max(self.kept, size)
            self.given += size
            return line * (size // len(line)) if self.given < 20 * source.PIECE else b""

    line = b"SELECT '%b';\n" % (b"x" * 1000)
    stream = Endless()
    assert len(list(script.read(stream, file="s.sql"))) > 9_000  # type: ignore[arg-type]
    assert stream.kept <= 2 * source.PIECE


def test_the_real_schemas_have_as_many_statements_as_the_client_sends() -> None:
    chinook = items(schema("chinook/Chinook_MySql.sql"))
    assert len(chinook) == 60
    assert len(items(schema("sakila-jooq/mysql-sakila-schema.sql"))) == 41
