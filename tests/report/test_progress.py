from __future__ import annotations

import io

import pytest

from reconciler.report import live, progress
from tests.report import samples


def _tell(told: progress.Told) -> None:
    told.begins("clinica-sol", 4)
    for number, change in enumerate(samples.CREATE.changes, 1):
        told.doing("clinica-sol", number, change)
    told.proving("clinica-sol")
    told.undoing("clinica-sol", samples.CREATE.changes[0])
    told.ends(samples.OUTCOMES[0])
    told.close()
    told.close()


def test_progress_in_a_log_reads_as_in_its_golden_file() -> None:
    stream = io.StringIO()
    _tell(progress.Lines(stream))
    assert stream.getvalue() == samples.golden("progress.txt")


class _Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def test_a_log_that_cannot_be_written_stops_no_work() -> None:
    _tell(progress.Lines(_Broken()))


def test_a_closed_log_stops_no_work() -> None:
    stream = io.StringIO()
    stream.close()
    _tell(progress.Lines(stream))


def test_the_live_view_leaves_the_end_of_each_tenant_on_the_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    stream = io.StringIO()
    _tell(live.View(stream))
    assert "clinica-sol" in stream.getvalue()
    assert "applied" in stream.getvalue()


def test_the_live_view_hides_and_shows_the_cursor_again() -> None:
    stream = io.StringIO()
    _tell(live.View(stream))
    assert stream.getvalue().rindex("\x1b[?25h") > stream.getvalue().index("\x1b[?25l")


def test_a_screen_that_cannot_be_written_stops_no_work() -> None:
    _tell(live.View(_Broken()))
