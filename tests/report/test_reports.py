from __future__ import annotations

import pytest

from tests.report import reports


@pytest.mark.parametrize("form", reports.FILES)
@pytest.mark.parametrize("case", reports.CASES)
def test_a_report_reads_as_in_its_golden_folder(case: str, form: str) -> None:
    golden = (reports.FOLDER / case / reports.FILES[form]).read_bytes().decode("utf-8")
    assert reports.rendered(case, form) == golden, "`python -m tests.report.reports` writes the folders anew"


def test_every_golden_folder_is_a_case() -> None:
    assert {folder.name for folder in reports.FOLDER.iterdir()} == set(reports.CASES)
    for folder in reports.FOLDER.iterdir():
        assert {file.name for file in folder.iterdir()} == set(reports.FILES.values())


@pytest.mark.parametrize("form", ["markdown", "github"])
@pytest.mark.parametrize("case", reports.CASES)
def test_no_report_moves_a_cursor_or_breaks_a_line(case: str, form: str) -> None:
    text = reports.rendered(case, form)
    assert text.splitlines() == text.removesuffix("\n").split("\n")
    assert not {"\x1b", "\u202e", "\x85", "\r", "\u2028"} & set(text)
