import pytest

from reconciler import errors
from reconciler.report import faults


def fault(quoted: str, column: int, message: str = "wrong", hint: str = "") -> errors.Fault:
    return errors.Fault(errors.Where("a.yaml", 3, column), message, rule="r", hint=hint, quoted=quoted)


def test_a_fault_is_shown_with_its_line_a_caret_and_the_way_out() -> None:
    assert faults.render([fault("  plan: proo", 9, "no plan `proo`", "did you mean `pro`?")]) == (
        "a.yaml:3:9: error: no plan `proo` [r]\n    plan: proo\n          ^\n  hint: did you mean `pro`?\n\n1 fault\n"
    )


def test_several_faults_are_counted_and_none_is_nothing() -> None:
    assert faults.render([fault("a", 1), fault("b", 1)]).endswith("\n\n2 faults\n")
    assert faults.render([]) == ""


@pytest.mark.parametrize(
    ("quoted", "column", "columns"),
    [
        ("abc", 1, 0), ("abc", 3, 2), ("abc", 4, 3), ("abc", 9, 3),
        ("\tx: y", 2, 8), ("ab\tx", 4, 8), ("\t\tx", 3, 16),
        ("名前: x", 5, 6), ("名前", 2, 2), ("n\u0303: x", 5, 3), ("é: x", 4, 3), ("a\x1b[31mx", 7, 6),
    ],
)  # fmt: skip
def test_the_caret_stands_under_its_character(quoted: str, column: int, columns: int) -> None:
    _, _, caret, *_ = faults.one(fault(quoted, column)).split("\n")
    assert caret == "  " + " " * columns + "^"


@pytest.mark.parametrize("column", [1, 50, 200, 399, 400])
@pytest.mark.parametrize("char", ["x", "名"])
def test_a_long_line_is_cut_around_the_column(column: int, char: str) -> None:
    quoted = char * 400
    marked = quoted[: column - 1] + ("#" if char == "x" else "＃") + quoted[column:]
    _, line, caret = faults.one(fault(marked, column)).split("\n")
    cells = "".join(one * (1 if char == "x" or one in " …" else 2) for one in line)
    assert cells[caret.index("^")] in "#＃"
    assert len(cells) < 180


def test_nothing_in_a_file_can_steer_the_terminal() -> None:
    shown = faults.one(fault("a\x1b]0;x\x07\u202eb", 1, "told \x1b[2J\nabout"))
    assert not [char for char in shown if ord(char) < 32 and char != "\n"]
    assert "\u202e" not in shown
    assert len(shown.split("\n")) == 3


def test_a_fault_of_a_whole_file_has_no_caret() -> None:
    whole = errors.Fault(errors.Where("specs"), "there is no folder", rule="no-specs")
    assert faults.one(whole) == "specs: error: there is no folder [no-specs]"
