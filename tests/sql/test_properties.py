"""What holds for every script, not only for the ones that somebody thought of."""

from __future__ import annotations

import io

from hypothesis import example, given
from hypothesis import strategies as st

from reconciler import errors
from reconciler.sql import examine, firewall, lexer, rewrite, rules, script, statement, tokens
from tests.sql.reading import items, texts

PIECES = [
    b"SELECT 1", b"INSERT INTO t VALUES (1, 'a')", b"CREATE TABLE a.b (c int)", b"SET sql_mode='ANSI_QUOTES'", b" ",
    b"\n", b"\n", b";", b";", b"'a;b'", b"'it''s'", b"'x\\'y'", b'"d;q"', b"`n;m`", b"-- c ; '\n", b"--x", b"#h;'\n",
    b"/* b ; ' */", b"/*!50003 v */", b"/*!99999 ", b"*/", b"/*M!100100 z */", b"\nDELIMITER $$\n", b"\nDELIMITER ;\n",
    b"$$", b"$$\n", b"a", b",", b"/", b"-", b"\\g", b"\\N", b"\\! x", b"\nuse y\n", b"\r\n", b"\x00", b"\xff", b"'",
    b'"', b"`", b"CREATE DEFINER=`a`@'b' EVENT e ON SCHEDULE EVERY 1 DAY DO BEGIN END",
]  # fmt: skip
soup = st.lists(st.sampled_from(PIECES), max_size=20).map(b"".join)
anything = st.one_of(soup, st.binary(max_size=300))

# Statements that stand on their own, and what may be put between them.
whole = st.sampled_from(
    [
        b"SELECT ';'",
        b"SELECT 1 -- ;\n+ 1",
        b"/*!50003 CREATE*/ TRIGGER x",
        b"SET @a = 'it''s'",
        b"SELECT `a;` /* ; */, 2",
    ]
)
between = st.lists(
    st.sampled_from([b"\n", b" ", b"\r\n", b"-- it's ;\n", b"--x;\n", b'# ";\n', b"/* ; ' */", b"/**/", b"\t"]),
    max_size=6,
).map(b"".join)


def read_or_refused(text: bytes) -> tuple[list[script.Item], errors.Where | None]:
    read: list[script.Item] = []
    try:
        read.extend(script.read(text, file="s.sql"))
    except errors.ScriptRefused as refused:
        return read, refused.where or errors.Where("nowhere")
    return read, None


@given(anything)
@example(b"/*M!999999\\-")
@example(b"SELECT 1\\")
def test_any_bytes_are_read_or_refused_with_a_place(text: bytes) -> None:
    read, where = read_or_refused(text)
    assert where is None or 1 <= where.line <= text.count(b"\n") + 1
    wall = firewall.Firewall("t", "y")
    for item in read:
        verdict = wall.judge(item)
        if isinstance(item, script.Statement) and verdict.parsed:
            rewrite.for_tenant(item.text, verdict.parsed, mapping="a")


@given(anything)
def test_a_report_never_raises(text: bytes) -> None:
    report = examine.examine(text, "s.sql", firewall.Firewall("t", "y"))
    assert len(report.refusals) == min(report.refused, 100)


@given(anything)
def test_the_pieces_lie_in_the_file_where_they_say_without_overlaps(text: bytes) -> None:
    position = 0
    for item in read_or_refused(text)[0]:
        assert position <= item.offset <= item.end <= len(text)
        assert item.where.line == text.count(b"\n", 0, item.offset) + 1
        if isinstance(item, script.Statement):
            assert text[item.offset : item.offset + len(item.text)] == item.text
            assert text[item.offset + len(item.text) : item.end].lstrip() == item.delimiter
        position = item.end


@given(st.lists(st.tuples(between, whole), max_size=6), between)
def test_joining_the_pieces_gives_the_file_back(parts: list[tuple[bytes, bytes]], tail: bytes) -> None:
    text = b"".join(gap + statement_text + b";" for gap, statement_text in parts) + tail
    joined, position = b"", 0
    for (gap, expected), item in zip(parts, items(text), strict=True):
        assert isinstance(item, script.Statement)
        assert item.text == expected
        assert text[position : item.offset] == gap
        joined += text[position : item.offset] + item.text + item.delimiter
        position = item.end
    assert joined + text[position:] == text
    assert text[position:] == tail


@given(st.lists(whole, max_size=6), st.data())
def test_blank_lines_and_comments_between_statements_change_nothing(
    statements: list[bytes], data: st.DataObject
) -> None:
    text = b"".join(data.draw(between) + one + b";" for one in statements) + data.draw(between)
    assert texts(text) == statements


@given(soup, st.integers(min_value=1, max_value=40))
def test_the_size_of_the_pieces_that_are_read_changes_nothing(text: bytes, size: int) -> None:
    class Slow(io.BytesIO):
        def read(self, wanted: int | None = -1) -> bytes:
            return super().read(size)

    def outcome(stream: io.BytesIO | bytes) -> list[object]:
        seen: list[object] = []
        try:
            seen.extend(script.read(stream, file="s.sql"))
        except errors.ScriptRefused as refused:
            seen.append((refused.message, refused.where))
        return seen

    assert outcome(Slow(text)) == outcome(text)


@given(anything, st.booleans(), st.booleans())
def test_tokens_cover_any_bytes_in_order(text: bytes, ansi: bool, escapes: bool) -> None:
    position = 0
    for token in tokens.tokenize(text, lexer.Quoting(ansi, escapes)):
        assert position <= token.start < token.end <= len(text)
        assert token.text == text[token.start : token.end]
        position = token.end


def test_every_kind_is_either_allowed_or_refused() -> None:
    assert rules.ALLOWED | rules.REFUSED.keys() == set(statement.Kind)
    assert not rules.ALLOWED & rules.REFUSED.keys()
