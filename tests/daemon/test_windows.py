import datetime as dt
from typing import Any

import pytest

from reconciler.daemon import windows
from reconciler.daemon.windows import Closed, closed
from reconciler.spec.daemon import Daily, Once, Window

EVERY_DAY = Daily(start="00:00", end="12:00").days


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def daily(start: str, end: str, zone: str = "UTC", days: tuple[Any, ...] = EVERY_DAY, name: str = "night") -> Window:
    return made(name, timezone=zone, daily=Daily(start=start, end=end, days=days))


def once(start: str, end: str, name: str = "holiday") -> Window:
    return made(name, once=Once(start=start, end=end))


def made(name: str, **when: Any) -> Window:
    return Window(name=name, reason=f"why {name}", by=f"who {name}", **when)


def until(found: Closed | None) -> str:
    assert found is not None
    assert found.until.tzinfo is dt.UTC
    return found.until.isoformat().removesuffix("+00:00")


def spell(window: Window, day: str) -> list[str]:
    """The moments of two days, in UTC and steps of five minutes, at which the window begins and ends."""
    found = []
    moment, was = at(f"{day}T00:00Z"), False
    for _ in range(2 * 24 * 12):
        now = closed([window], moment) is not None
        if now is not was:
            found.append(moment.strftime("%d %H:%M"))
        moment, was = moment + dt.timedelta(minutes=5), now
    return found


def test_without_windows_nothing_is_ever_closed() -> None:
    assert closed([], at("2026-03-02T10:00Z")) is None


def test_a_window_holds_its_first_moment_and_not_its_last() -> None:
    window = daily("22:00", "23:00")
    assert closed([window], at("2026-03-02T21:59:59.999999Z")) is None
    assert closed([window], at("2026-03-02T22:00Z")) == Closed(
        "night", "why night", "who night", at("2026-03-02T23:00Z")
    )
    assert until(closed([window], at("2026-03-02T22:59:59.999999Z"))) == "2026-03-02T23:00:00"
    assert closed([window], at("2026-03-02T23:00Z")) is None


def test_a_window_over_midnight_ends_on_the_next_day() -> None:
    window = daily("22:00", "06:00")
    assert until(closed([window], at("2026-03-02T23:00Z"))) == "2026-03-03T06:00:00"
    assert until(closed([window], at("2026-03-03T05:59Z"))) == "2026-03-03T06:00:00"
    assert closed([window], at("2026-03-03T06:00Z")) is None


def test_the_days_of_a_window_are_those_on_which_it_begins() -> None:
    window = daily("22:00", "06:00", days=("fri",))
    assert closed([window], at("2026-03-06T05:00Z")) is None  # the morning of a Friday
    assert closed([window], at("2026-03-06T23:00Z")) is not None
    assert closed([window], at("2026-03-07T05:00Z")) is not None  # and the one after it
    assert closed([window], at("2026-03-07T23:00Z")) is None


def test_a_window_that_ends_at_midnight_ends_there() -> None:
    assert until(closed([daily("12:00", "00:00")], at("2026-03-02T13:00Z"))) == "2026-03-03T00:00:00"


def test_times_and_days_are_those_of_the_windows_own_zone() -> None:
    window = daily("20:00", "21:00", "America/Mexico_City", days=("mon",))
    assert closed([window], at("2026-03-02T20:30Z")) is None
    assert until(closed([window], at("2026-03-03T02:30Z"))) == "2026-03-03T03:00:00"  # still Monday there


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12"])
def test_a_zone_whose_date_is_another_is_seen_through(zone: str) -> None:
    """UTC+14 and UTC-12, with the longest window that there is."""
    assert spell(daily("00:05", "00:00", zone), "2026-06-10")[:2] == (
        ["10 00:00", "10 10:00"] if "Kiritimati" in zone else ["10 00:00", "10 12:00"]
    )


def test_the_present_may_be_given_in_any_zone() -> None:
    window = daily("22:00", "23:00")
    assert until(closed([window], at("2026-03-02T17:30-05:00"))) == "2026-03-02T23:00:00"


def test_a_window_that_comes_once_is_closed_between_its_moments() -> None:
    window = once("2027-12-24T00:00:00+01:00", "2027-12-27T00:00:00Z")
    assert closed([window], at("2027-12-23T22:59:59Z")) is None
    assert until(closed([window], at("2027-12-23T23:00Z"))) == "2027-12-27T00:00:00"
    assert closed([window], at("2027-12-27T00:00Z")) is None


def test_a_freeze_for_ever_is_no_error_in_any_zone() -> None:
    window = once("0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-06:00")
    assert until(closed([window], at("2026-03-02T10:00Z"))) == "9999-12-31T23:59:59.999999"


def test_a_long_freeze_says_its_own_end_beyond_two_weeks() -> None:
    assert until(closed([once("2026-01-01T00:00Z", "2026-06-01T00:00Z")], at("2026-01-02T00:00Z"))) == (
        "2026-06-01T00:00:00"
    )


def test_windows_that_touch_are_one_closed_time() -> None:
    both = [daily("02:00", "03:00", name="b"), daily("01:00", "02:00", name="a")]
    found = closed(both, at("2026-03-02T01:30Z"))
    assert until(found) == "2026-03-02T03:00:00"
    assert found is not None
    assert found.name == "a"  # what holds now, not what holds later


def test_windows_that_overlap_are_one_closed_time_over_kinds_and_zones() -> None:
    several = [
        daily("22:00", "06:00"),
        once("2026-03-03T05:00Z", "2026-03-03T09:30Z"),
        daily("09:00", "11:00", "Europe/Madrid", name="madrid"),
    ]
    assert until(closed(several, at("2026-03-02T23:00Z"))) == "2026-03-03T10:00:00"


def test_windows_with_a_moment_between_them_are_two() -> None:
    both = [daily("01:00", "02:00"), daily("02:01", "03:00")]
    assert until(closed(both, at("2026-03-02T01:30Z"))) == "2026-03-02T02:00:00"


def test_of_several_windows_the_one_that_ends_last_is_named() -> None:
    several = [daily("01:00", "02:00", name="a"), daily("00:30", "05:00", name="b"), daily("01:00", "03:00", name="c")]
    found = closed(several, at("2026-03-02T01:30Z"))
    assert found is not None
    assert (found.name, found.reason, found.by) == ("b", "why b", "who b")


def test_windows_that_never_end_are_followed_for_two_weeks() -> None:
    halves = [daily("00:00", "12:00", name="am"), daily("12:00", "00:00", name="pm")]
    now = at("2026-03-02T10:00Z")
    found = closed(halves, now)
    assert found is not None
    assert windows.AHEAD <= found.until - now <= windows.AHEAD + dt.timedelta(days=1)


# New York: on 2026-03-08 02:00 becomes 03:00 (07:00 UTC); on 2026-11-01 02:00 becomes 01:00 (06:00 UTC).


@pytest.mark.parametrize(
    ("start", "end", "in_utc"),
    [
        ("02:30", "04:00", ["08 07:00", "08 08:30"]),  # starts in the leap: at the leap, and as long as it is written
        ("02:15", "02:45", ["08 07:00", "08 07:30"]),  # wholly in the leap: comes all the same
        ("02:00", "03:00", ["08 07:00", "08 08:00"]),  # the leap itself
        ("03:00", "04:00", ["08 07:00", "08 08:00"]),  # the first time that exists again
        ("01:00", "02:00", ["08 06:00", "08 07:00"]),  # ends at the leap
        ("01:30", "02:30", ["08 06:30", "08 07:30"]),  # ends in the leap
        ("22:00", "02:30", ["08 03:00", "08 07:30"]),  # from the evening before into the leap
        ("01:00", "04:00", ["08 06:00", "08 09:00"]),  # over the leap
    ],
)
def test_a_night_without_the_time_makes_no_window_shorter(start: str, end: str, in_utc: list[str]) -> None:
    window = daily(start, end, "America/New_York", days=("sat",) if start == "22:00" else ("sun",))
    assert spell(window, "2026-03-08") == in_utc


@pytest.mark.parametrize(
    ("start", "end", "in_utc"),
    [
        ("01:30", "03:00", ["01 05:30", "01 08:00"]),  # starts at a time that comes twice: at the first
        ("00:30", "01:30", ["01 04:30", "01 06:30"]),  # ends at a time that comes twice: at the second
        ("01:15", "01:45", ["01 05:15", "01 06:45"]),  # both: nothing starts in between
        ("00:00", "04:00", ["01 04:00", "01 09:00"]),  # over the hour that comes twice
        ("01:00", "02:00", ["01 05:00", "01 07:00"]),  # the hour that comes twice
    ],
)
def test_a_night_with_the_time_twice_holds_both(start: str, end: str, in_utc: list[str]) -> None:
    assert spell(daily(start, end, "America/New_York", days=("sun",)), "2026-11-01") == in_utc


def test_a_leap_of_half_an_hour_is_found() -> None:
    """Lord Howe Island: 02:00 becomes 02:30 on 2026-10-04, which is 15:30 UTC the day before."""
    assert spell(daily("02:10", "05:00", "Australia/Lord_Howe", days=("sun",)), "2026-10-03") == [
        "03 15:30",
        "03 18:20",
    ]


def test_a_leap_at_midnight_starts_the_window_that_begins_with_the_day() -> None:
    """Beirut: 00:00 becomes 01:00 on 2026-03-29, which is 22:00 UTC the day before."""
    assert spell(daily("00:00", "06:00", "Asia/Beirut", days=("sun",)), "2026-03-28") == ["28 22:00", "29 04:00"]


def test_a_day_that_a_zone_left_out_is_no_error() -> None:
    """Samoa had no 2011-12-30: it changed sides of the date line, at 10:00 UTC."""
    assert spell(daily("10:00", "11:00", "Pacific/Apia", days=("fri",)), "2011-12-30") == ["30 10:00", "30 11:00"]
