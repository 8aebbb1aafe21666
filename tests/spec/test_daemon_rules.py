from pathlib import Path

import pytest

from reconciler.spec import load, validate
from tests.spec import sample

NIGHT = "{name: night, reason: backups, by: Ana, daily: {start: '22:00', end: '06:00'}}"
WEEK = "{name: week, reason: fair, by: Ana, once: {start: '2027-12-24T00:00:00Z', end: '2027-12-27T00:00:00Z'}}"
FORGE = "forge: {github: {repository: acme/tenants, tokenFrom: {env: TOKEN}}}"


def faults_of(root: Path, *daemon: str) -> list[str]:
    text = sample.PLATFORM.replace("spec: {}", "spec:\n  daemon:\n" + "".join(f"    {line}\n" for line in daemon))
    found = validate.validate(load.load(sample.repository(root, platform=text), sample.KINDS))
    return [f"{fault.where} [{fault.rule}] {fault.message} | {fault.hint}" for fault in found]


def test_a_daemon_in_order_has_no_faults(tmp_path: Path) -> None:
    zoned = NIGHT.replace("name: night", "name: zoned, timezone: America/Mexico_City")
    assert faults_of(tmp_path, "freeze:", f"- {NIGHT}", f"- {WEEK}", f"- {zoned}", "review: require", FORGE) == []


def test_a_window_name_is_used_once(tmp_path: Path) -> None:
    assert faults_of(tmp_path, "freeze:", f"- {NIGHT}", f"- {WEEK.replace('name: week', 'name: Night')}") == [
        "specs/platform.yaml:8:14 [duplicate-name] the window's name 'Night' is already used "
        "(specs/platform.yaml:7:14) | Give each its own: conditions and logs say by it why nothing is started."
    ]


def test_a_time_zone_exists(tmp_path: Path) -> None:
    assert faults_of(tmp_path, "freeze:", f"- {NIGHT.replace('by: Ana', 'by: Ana, timezone: Europe/Madird')}") == [
        "specs/platform.yaml:7:57 [unknown-timezone] there is no time zone 'Europe/Madird'"
        " | did you mean `Europe/Madrid`?"
    ]


@pytest.mark.parametrize("zone", ["''", "/etc/passwd", "../UTC", "Europe", "CET2", "utc"])
def test_what_only_looks_like_a_time_zone_is_refused(tmp_path: Path, zone: str) -> None:
    (found,) = faults_of(tmp_path, "freeze:", f"- {NIGHT.replace('by: Ana', f'by: Ana, timezone: {zone}')}")
    assert "[unknown-timezone]" in found


def test_a_daily_window_ends_at_another_time_than_it_starts(tmp_path: Path) -> None:
    assert faults_of(tmp_path, "freeze:", f"- {NIGHT.replace('06:00', '22:00')}") == [
        "specs/platform.yaml:7:76 [empty-window] the window starts and ends at 22:00"
        " | For whole days write two windows, from 00:00 to 12:00 and from 12:00 to 00:00."
    ]


@pytest.mark.parametrize("end", ["2027-12-24T00:00:00Z", "2027-12-24T01:00:00+02:00", "2026-12-27T00:00:00Z"])
def test_a_window_that_comes_once_ends_after_it_starts_whatever_the_offsets(tmp_path: Path, end: str) -> None:
    assert faults_of(tmp_path, "freeze:", f"- {WEEK.replace('2027-12-27T00:00:00Z', end)}") == [
        f"specs/platform.yaml:7:86 [empty-window] the window ends at {end}, which is not after 2027-12-24T00:00:00Z, "
        "when it starts | Exchange the two, or correct one of them."
    ]


def test_a_window_that_crosses_offsets_may_look_backward(tmp_path: Path) -> None:
    window = WEEK.replace("2027-12-27T00:00:00Z", "2027-12-23T20:00:00-06:00")
    assert faults_of(tmp_path, "freeze:", f"- {window}") == []


@pytest.mark.parametrize("review", ["warn", "require"])
def test_reviewed_plans_need_a_forge(tmp_path: Path, review: str) -> None:
    assert faults_of(tmp_path, f"review: {review}") == [
        f"specs/platform.yaml:6:13 [no-forge] `review: {review}` needs a forge, and there is none"
        " | Say under `forge` where pull requests are made, or set `review: off`."
    ]


@pytest.mark.parametrize("lines", [["review: off"], ["review: warn", FORGE], [FORGE]])
def test_without_review_or_with_a_forge_nothing_is_missed(tmp_path: Path, lines: list[str]) -> None:
    assert faults_of(tmp_path, *lines) == []


def test_a_platform_with_faults_is_not_blamed_twice(tmp_path: Path) -> None:
    (found,) = faults_of(tmp_path, "freeze:", f"- {NIGHT.replace('06:00', '22:00')}", "pollSeconds: never")
    assert "pollSeconds" in found or "never" in found
