"""What the client does to a statement before it sends it. What is expected here was measured on MariaDB's (10.11)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.sql import lexer, plain, tokens

AS_SENT = {
    b"SELECT 1 /* in */ , /*+ hint */ 2": b"SELECT 1  ,  2",
    b"BEGIN\n  -- dash\n  # hash\n  /* block\n     comment */\nEND": b"BEGIN\n  \n  \n  \nEND",
    b"SELECT 1 -- tail": b"SELECT 1 ",
    b"SELECT '-- no', \"# no\", `/* no */`": b"SELECT '-- no', \"# no\", `/* no */`",
    b"SELECT 'it''s \\' /* no */' /* yes */": b"SELECT 'it''s \\' /* no */' ",
    b"SELECT 5--2": b"SELECT 5--2",
    b"/*!50003 SELECT /* inner */ 1 */": b"/*!50003 SELECT  1 */",
    b"SELECT/**/1": b"SELECT 1",
    b"SELECT 2*/* three */3": b"SELECT 2*3",
    b"/*!50003 SELECT 1 */* 2": b"/*!50003 SELECT 1 */* 2",
    b"SELECT 'a'/* c */'b'": b"SELECT 'a' 'b'",
    b"SELECT/* one *//* two */1": b"SELECT 1",
    b"SELECT 'a\r\nb'\r\n": b"SELECT 'a\nb'\n",
    b"SELECT '\x00' /* binary */\r\n": b"SELECT '\x00' /* binary */\r\n",
}


@pytest.mark.parametrize("text", AS_SENT)
def test_comments_and_carriage_returns_do_not_reach_the_server(text: bytes) -> None:
    assert plain.plain(text, lexer.Quoting()) == AS_SENT[text]


def test_strings_end_where_the_session_s_mode_says() -> None:
    text = b"SELECT 'a\\' /* x */ '"
    assert plain.plain(text, lexer.Quoting(backslash_escapes=False)) == b"SELECT 'a\\'  '"
    assert plain.plain(text, lexer.Quoting()) == text


PIECES = [
    b"a",
    b"1",
    b" ",
    b"\n",
    b"'x--y'",
    b'"#"',
    b"`/*`",
    b"-- c\n",
    b"# c\n",
    b"/* c */",
    b"/*!50003 ",
    b"*/",
    b"-",
    b"/",
    b"*",
]


@given(st.lists(st.sampled_from(PIECES), max_size=14).map(b"".join), st.booleans(), st.booleans())
def test_the_words_stay_the_same_without_the_comments(text: bytes, ansi: bool, escapes: bool) -> None:
    quoting = lexer.Quoting(ansi, escapes)
    sent = plain.plain(text, quoting)
    assert len(sent) <= len(text)
    if b"/*" not in text.replace(b"/* c */", b"").replace(b"/*!50003 ", b"").replace(b"`/*`", b""):
        before = [token.text for token in tokens.tokenize(text, quoting)]
        # A cut may put two signs side by side; the words and strings are what counts.
        assert words(sent, quoting) == [word for word in before if word.strip(b"-/*#")]


def words(text: bytes, quoting: lexer.Quoting) -> list[bytes]:
    return [token.text for token in tokens.tokenize(text, quoting) if token.text.strip(b"-/*#")]
