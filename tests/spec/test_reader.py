from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.spec import reader
from reconciler.spec.source import Source


@pytest.fixture(params=["libyaml", "python"], autouse=True)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both parsers of PyYAML give the same: which one there is depends on how PyYAML was built."""
    if request.param == "python":
        monkeypatch.setattr(reader, "_PARSER", yaml.Loader)
    elif not yaml.__with_libyaml__:
        pytest.skip("this PyYAML has no libyaml")


def read(text: str) -> reader.Reading:
    return reader.read(Source("a.yaml", text))


def value(text: str) -> Any:
    (document,) = read(text).documents
    return document.data


def places(text: str) -> list[tuple[int, int, str]]:
    return [(fault.where.line, fault.where.column, fault.rule) for fault in read(text).faults]


def paths_of(data: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield path
    inside = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for part, held in inside:
        yield from paths_of(held, (*path, part))


FAULTS = [
    ("a: b: c", [(1, 5, "syntax")]),
    ("a:\n\t- x", [(2, 1, "syntax")]),
    ("a: b\n...\n}", [(3, 1, "syntax")]),
    ("é: \x07", [(1, 4, "syntax")]),
    ("b: 1\né: x\x07", [(2, 5, "syntax")]),
    ("a: 1\nb: 2\na: 3\n", [(3, 1, "duplicate-key")]),
    ("a: {x: 1, y: 2, x: 3}", [(1, 17, "duplicate-key")]),
    ("a: 1\n'a': 2\n\"a\": 3\n", [(2, 1, "duplicate-key"), (3, 1, "duplicate-key")]),
    ("a: &x [1]\na: &y [2]\nb: *y\nc: *x", [(2, 1, "duplicate-key")]),
    ("a: &a [*a]", [(1, 8, "recursive-alias")]),
    ("a: &a {b: {c: *a}}", [(1, 15, "recursive-alias")]),
    ("a: *b", [(1, 4, "unknown-alias")]),
    ("a: &x 1\n---\nb: *x", [(3, 4, "unknown-alias")]),
    ("a: &x {b: 1}\nc:\n  <<: *x\n", [(3, 3, "merge-key")]),
    ("a: !!python/object/apply:os.system [id]", [(1, 4, "tag")]),
    ("a: !!str 12", [(1, 4, "tag")]),
    ("a: !secret {b: 1}", [(1, 4, "tag")]),
    ("a: ! x", [(1, 4, "tag")]),
    ("!!set {a}", [(1, 1, "tag")]),
    ("1: a", [(1, 1, "key-not-text")]),
    ("true: a\n~: b\n1.5: c", [(1, 1, "key-not-text"), (2, 1, "key-not-text"), (3, 1, "key-not-text")]),
    ("[a]: b", [(1, 1, "key-not-text")]),
    ("? {a: 1}\n: b", [(1, 3, "key-not-text")]),
    ("a: &x b\n*x : c", [(2, 1, "key-not-text")]),
    ('a: "x\\0y"', [(1, 4, "control-character")]),
    ("a: 99999999999999999999", [(1, 4, "number-too-big")]),
    ("a: " + "[" * 60 + "]" * 60, [(1, 4 + reader.MAX_DEPTH - 1, "too-deep")]),
    ("[" * 100_000, [(1, reader.MAX_DEPTH + 1, "too-deep")]),
    ("- " * 50 + "x", [(1, 2 * reader.MAX_DEPTH + 1, "too-deep")]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"), FAULTS, ids=[f"{number}-{row[0][:24]}" for number, row in enumerate(FAULTS)]
)
def test_a_fault_stands_at_its_exact_place(text: str, expected: list[tuple[int, int, str]]) -> None:
    assert places(text) == expected


@pytest.mark.parametrize(
    "text", [row[0] for row in FAULTS], ids=[f"{number}-{row[0][:24]}" for number, row in enumerate(FAULTS)]
)
def test_after_a_fault_the_places_of_what_could_be_read_still_fit(text: str) -> None:
    for document in read(text).documents:
        assert document.marks[()].line >= 1
        assert set(document.marks) == set(paths_of(document.data))


def test_a_duplicate_key_names_the_line_of_the_first_and_quotes_its_own() -> None:
    (fault,) = read("top:\n  name: x\n  other: y\n  name: z\n").faults
    assert "`name` stands twice" in fault.message
    assert "line 2" in fault.message
    assert fault.quoted == "  name: z"


def test_the_first_of_two_equal_keys_is_kept_and_later_places_stay_right() -> None:
    (document,) = read("a: 1\na: {deep: [1, 2]}\nb: 2\n").documents
    assert document.data == {"a": 1, "b": 2}
    assert str(document.marks[("b",)]) == "a.yaml:3:4"
    assert not document.sound


def test_quoted_scalars_are_texts() -> None:
    text = "a: '10'\nb: \"true\"\nc: ''\nd: |\n  010\ne: >-\n  null\n"
    assert value(text) == {"a": "10", "b": "true", "c": "", "d": "010\n", "e": "null"}


def test_a_quoted_merge_key_is_a_plain_key() -> None:
    assert value("'<<': 1") == {"<<": 1}


def test_empty_documents_are_skipped_and_null_is_not_empty() -> None:
    assert [document.data for document in read("---\n---\na: 1\n---\n# only this\n---\n~\n").documents] == [
        {"a": 1},
        None,
    ]


@pytest.mark.parametrize("text", ["", "\n\n", "# a comment\n", "---\n"])
def test_a_text_without_documents_reads_as_nothing(text: str) -> None:
    assert read(text) == reader.Reading((), (), complete=True)


def test_documents_before_a_syntax_error_are_kept_and_the_reading_is_incomplete() -> None:
    reading = read("a: 1\n---\nb: [\n")
    assert [document.data for document in reading.documents] == [{"a": 1}]
    assert not reading.complete


def test_every_key_and_value_has_its_place() -> None:
    (document,) = read("# first\nname: ñandú\nlist:\n  - {key: a, other: [1, 2]}\n  - last\n").documents
    marks = document.marks
    assert {path: (where.line, where.column) for path, where in marks.items()} == {
        (): (2, 1),
        ("name",): (2, 7),
        ("list",): (4, 3),
        ("list", 0): (4, 5),
        ("list", 0, "key"): (4, 11),
        ("list", 0, "other"): (4, 21),
        ("list", 0, "other", 0): (4, 22),
        ("list", 0, "other", 1): (4, 25),
        ("list", 1): (5, 5),
    }
    keys = [path for path in marks if marks.key(path) is not None]
    assert keys == [("name",), ("list",), ("list", 0, "key"), ("list", 0, "other")]
    assert str(marks.key(("list", 0, "other"))) == "a.yaml:4:14"


def test_a_path_that_was_not_written_falls_back_to_the_key_above_it() -> None:
    (document,) = read("a:\n  b:\n    c: 1\n").documents
    assert str(document.marks.nearest(("a", "b", "absent", "deeper"))) == "a.yaml:2:3"
    assert str(document.marks.nearest(("absent",))) == "a.yaml:1:1"


def test_an_alias_stands_where_it_is_written_and_its_inside_where_the_anchor_is() -> None:
    (document,) = read("a: &x {k: [1]}\nb: *x\nc: *x\nd: 4\n").documents
    assert document.data == {"a": {"k": [1]}, "b": {"k": [1]}, "c": {"k": [1]}, "d": 4}
    assert str(document.marks[("b",)]) == "a.yaml:2:4"
    assert str(document.marks[("c", "k", 0)]) == "a.yaml:1:12"
    assert str(document.marks[("d",)]) == "a.yaml:4:4"


def test_a_billion_laughs_are_counted_and_not_written_out() -> None:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    reading = read("\n".join(lines))
    assert [(fault.where.line, fault.rule) for fault in reading.faults] == [(5, "too-many-values")]
    assert not reading.complete


def test_one_long_text_behind_many_aliases_is_counted_too() -> None:
    text = "a: &a " + "x" * 100_000 + "\nb: [" + ", ".join(["*a"] * 100) + "]"
    assert [rule for _, _, rule in places(text)] == ["too-many-values"]


def test_more_values_than_the_bound_are_a_fault_even_without_aliases() -> None:
    assert [rule for _, _, rule in places("- x\n" * reader.MAX_NODES)] == ["too-many-values"]


def test_a_line_that_nobody_could_read_is_not_quoted() -> None:
    (fault,) = read("a: " + "x" * 5000 + ": y").faults
    assert fault.quoted == ""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.sampled_from("ab:- \n\t[]{},&*!|>'\"#%@?~<.0é\x85\u2028"), max_size=60))
def test_nothing_that_a_person_can_write_raises(text: str) -> None:
    reading = reader.read(Source("a.yaml", text))
    for document in reading.documents:
        assert set(document.marks) == set(paths_of(document.data))
    for fault in reading.faults:
        assert fault.where.line >= 1
        assert fault.where.column >= 1


@pytest.mark.parametrize("escape", ["\\ud800", "\\U00110000", "\\UFFFFFFFF", "\\xg0"])
def test_an_escape_that_is_no_character_is_a_fault(escape: str) -> None:
    reading = read(f'a: "{escape}"')
    assert [fault.where.line for fault in reading.faults] == [1]
    assert all(not document.sound for document in reading.documents)


def test_a_tab_in_the_indentation_is_explained() -> None:
    (fault,) = read("a:\n\tb: 1\n").faults
    assert "spaces" in fault.hint
