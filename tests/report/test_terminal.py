from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest

from reconciler.report import plan, styled, terminal
from tests.report import samples


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _a_capable_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def test_a_pipe_gets_no_color() -> None:
    stream = io.StringIO()
    terminal.write(plan.lines(samples.PLAN), stream)
    assert stream.getvalue() == samples.golden("plan.txt")


def test_a_terminal_gets_color_and_the_same_words() -> None:
    from rich.text import Text

    stream = _Terminal()
    terminal.write(plan.lines(samples.PLAN), stream)
    assert "\x1b[" in stream.getvalue()
    shown = [text.rstrip() for text in Text.from_ansi(stream.getvalue()).plain.splitlines()]
    assert shown == samples.golden("plan.txt").splitlines()


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_that_wants_no_color_gets_none(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert not terminal.colors(_Terminal())


def test_an_empty_no_color_means_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "")
    assert terminal.colors(_Terminal())


def test_a_wish_counts_more_than_the_terminal() -> None:
    assert terminal.colors(io.StringIO(), "always")
    assert not terminal.colors(_Terminal(), "never")


def test_a_closed_stream_is_no_terminal() -> None:
    stream = io.StringIO()
    stream.close()
    assert not terminal.is_terminal(stream)


def test_a_reader_that_goes_away_is_no_failure() -> None:
    code = (
        "import sys, time\n"
        "from reconciler.report import terminal\n"
        "sys.stdin.read()\n"
        "terminal.put('x' * 100_000, sys.stdout)\n"
        "terminal.put('y', sys.stdout)\n"
        "sys.exit(3)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (3, b"")


def test_a_picture_of_the_same_lines_is_the_same() -> None:
    pictures = {terminal.svg(plan.lines(samples.PLAN), title="reconcile plan") for _ in range(2)}
    assert len(pictures) == 1
    picture = pictures.pop()
    assert picture.startswith("<svg")
    assert "agenda_clinica_sol" in picture


def test_columns_stand_under_each_other_also_with_wide_letters() -> None:
    cells = [[styled.styled(text, styled.Style.PLAIN) for text in row] for row in (("東京", "x"), ("ab", "y"))]
    assert [styled.flat(row) for row in styled.table(tuple(row) for row in cells)] == ["東京  x", "ab    y"]


def test_color_costs_nothing_where_there_is_none() -> None:
    code = "import sys; from reconciler.report import terminal, styled\n"
    code += "terminal.write([styled.line('x')], sys.stdout); sys.exit('rich' in sys.modules)"
    environment = {name: value for name, value in os.environ.items() if name != "FORCE_COLOR"}
    assert subprocess.run([sys.executable, "-c", code], env=environment, stdout=subprocess.DEVNULL).returncode == 0
