from __future__ import annotations

import datetime
from typing import Any

import pytest

from reconciler.licensing import hardware, keys, revocation, terms
from reconciler.licensing.codes import Code
from tests.licensing import samples


@pytest.mark.parametrize(
    ("now", "code"),
    [
        ("2026-11-01 00:00:00", Code.NOT_YET_VALID),
        ("2026-11-02 23:59:59", Code.NOT_YET_VALID),
        ("2026-11-03 00:00:00", Code.VALID),
        ("2027-12-31 00:00:00", Code.VALID),
        ("2027-12-31 23:59:59", Code.VALID),
        ("2027-12-31 23:59:59.999999", Code.VALID),
        ("2028-01-01 00:00:00", Code.IN_GRACE),
        ("2028-01-14 23:59:59", Code.IN_GRACE),
        ("2028-01-14 23:59:59.999999", Code.IN_GRACE),
        ("2028-01-15 00:00:00", Code.EXPIRED),
        ("2099-01-01 00:00:00", Code.EXPIRED),
    ],
)
def test_a_license_ends_to_the_second(now: str, code: Code) -> None:
    assert samples.judge(now=samples.utc(now)).code is code


def test_without_grace_a_license_expires_with_its_last_day() -> None:
    data = samples.licensed(grace_days=0)
    assert samples.judge(data, now=samples.utc("2027-12-31 23:59:59")).code is Code.VALID
    assert samples.judge(data, now=samples.utc("2028-01-01 00:00:00")).code is Code.EXPIRED


def test_the_end_of_the_day_is_that_of_utc_wherever_the_device_stands() -> None:
    mexico = datetime.timezone(datetime.timedelta(hours=-6))
    assert samples.judge(now=datetime.datetime(2027, 12, 31, 17, 59, 59, tzinfo=mexico)).code is Code.VALID
    assert samples.judge(now=datetime.datetime(2027, 12, 31, 18, 0, 0, tzinfo=mexico)).code is Code.IN_GRACE


def test_without_a_first_day_a_license_counts_from_its_issue() -> None:
    data = samples.licensed(not_before=None)
    assert samples.judge(data, now=samples.utc("2026-11-02 00:00:00")).code is Code.VALID


def test_a_time_without_zone_is_a_mistake_of_the_caller() -> None:
    naive = samples.NOON.replace(tzinfo=None)
    with pytest.raises(ValueError, match="time zone"):
        samples.judge(now=naive)
    with pytest.raises(ValueError, match="time zone"):
        samples.judge(last_seen=naive)


@pytest.mark.parametrize(
    ("last_seen", "code"),
    [
        ("2027-05-01 12:00:00", Code.VALID),
        ("2027-06-02 12:00:00", Code.VALID),
        ("2027-06-02 12:00:01", Code.CLOCK_TAMPERED),
    ],
)
def test_a_clock_may_go_back_by_a_day_and_no_second_more(last_seen: str, code: Code) -> None:
    assert samples.judge(last_seen=samples.utc(last_seen)).code is code


def test_a_clock_before_the_issue_of_the_license_is_wrong_even_if_the_device_forgot() -> None:
    assert samples.judge(now=samples.utc("2026-10-31 23:59:59")).code is Code.CLOCK_TAMPERED
    data = samples.licensed(not_before=None)
    assert samples.judge(data, now=samples.utc("2000-01-01 00:00:00")).code is Code.CLOCK_TAMPERED
    assert samples.judge(data, now=samples.utc("2026-11-01 00:00:00")).code is Code.VALID


def test_a_clock_before_the_issue_of_the_revocation_list_is_wrong() -> None:
    assert samples.judge(revoked=samples.LISTED, now=samples.utc("2026-11-29 23:59:59")).code is Code.CLOCK_TAMPERED
    assert samples.judge(revoked=samples.LISTED, now=samples.utc("2026-11-30 00:00:00")).code is Code.VALID


def test_an_unknown_key_is_told_from_a_bad_signature() -> None:
    assert samples.judge(ring=keys.KeyRing()).code is Code.UNKNOWN_KEY


def test_a_revoked_key_vouches_for_nothing() -> None:
    verdict = samples.judge(ring=samples.RING.revoked(samples.KEY.kid))
    assert (verdict.code, verdict.terms) == (Code.REVOKED, None)
    assert samples.KEY.kid in verdict.message


def listing(standing: revocation.Standing, up_to: int | None = None) -> revocation.RevocationList:
    entry = revocation.Entry(samples.SERIAL, standing, up_to)
    return revocation.RevocationList(1, datetime.date(2026, 12, 1), samples.KEY.kid, (entry,))


@pytest.mark.parametrize(
    ("standing", "up_to", "code"),
    [
        (revocation.Standing.REVOKED, None, Code.REVOKED),
        (revocation.Standing.REVOKED, 4, Code.REVOKED),
        (revocation.Standing.REVOKED, 3, Code.VALID),
        (revocation.Standing.SUSPENDED, None, Code.SUSPENDED),
        (revocation.Standing.SUSPENDED, 3, Code.VALID),
    ],
)
def test_a_listed_license_is_revoked_or_suspended(standing: revocation.Standing, up_to: int | None, code: Code) -> None:
    assert samples.judge(revoked=listing(standing, up_to)).code is code


def test_a_license_that_is_revoked_and_suspended_is_revoked() -> None:
    entries = tuple(revocation.Entry(samples.SERIAL, standing) for standing in reversed(revocation.Standing))
    listed = revocation.RevocationList(1, datetime.date(2026, 12, 1), samples.KEY.kid, entries)
    assert samples.judge(revoked=listed).code is Code.REVOKED


@pytest.mark.parametrize(("count", "code"), [(None, Code.VALID), (3, Code.VALID), (4, Code.TOO_MANY_DEVICES)])
def test_devices_in_use_are_limited(count: int | None, code: Code) -> None:
    assert samples.judge(device_count=count).code is code


def test_more_listed_devices_than_the_limit_are_too_many() -> None:
    verdict = samples.judge(samples.licensed(max_devices=1))
    assert verdict.code is Code.TOO_MANY_DEVICES
    assert "is for 1 device, but 2 are listed" in verdict.message


def test_each_listed_device_is_accepted_and_named() -> None:
    for name, values in (("caja-1", samples.CAJA_1), ("caja-2", samples.CAJA_2)):
        verdict = samples.judge(hardware=values)
        assert verdict.code is Code.VALID
        assert verdict.match is not None
        assert verdict.match.device == name
        assert f"on device {name} (4 of 4 match)" in verdict.message


def test_a_stranger_is_not_authorized() -> None:
    verdict = samples.judge(hardware=samples.STRANGER)
    assert verdict.code is Code.DEVICE_NOT_AUTHORIZED
    assert "lists 2 devices, and this is none of them" in verdict.message


@pytest.mark.parametrize("values", [{}, {"boardSerial": "Default string", "mac": "00:00:00:00:00:00"}, {"\ud800": "x"}])
def test_hardware_that_identifies_nothing_is_not_authorized(values: dict[str, str]) -> None:
    assert samples.judge(hardware=values).code is Code.DEVICE_NOT_AUTHORIZED


def test_a_device_with_a_replaced_board_is_a_mismatch_with_its_reason() -> None:
    verdict = samples.judge(hardware={**samples.CAJA_1, "boardSerial": "PF3XK9 9999"})
    assert verdict.code is Code.HARDWARE_MISMATCH
    assert "3 of 4 match; boardSerial is required and differs" in verdict.message


def test_halves_of_two_devices_are_a_mismatch() -> None:
    rule = terms.HardwareRule("most", samples.RULE.of)
    halves = {**samples.CAJA_1, "diskSerial": samples.CAJA_2["diskSerial"], "mac": samples.CAJA_2["mac"]}
    verdict = samples.judge(samples.licensed(hardware=rule), hardware=halves)
    assert verdict.code is Code.HARDWARE_MISMATCH


def test_without_hardware_the_device_is_not_checked_and_the_verdict_says_so() -> None:
    verdict = samples.judge()
    assert (verdict.code, verdict.match) == (Code.VALID, None)
    assert "whether this is one was not checked" in verdict.message


def test_a_license_without_devices_runs_on_any_hardware() -> None:
    verdict = samples.judge(samples.licensed(devices=()), hardware=samples.STRANGER)
    assert (verdict.code, verdict.match) == (Code.VALID, None)
    assert "on any 3 devices" in verdict.message


def test_a_device_without_components_is_nobody() -> None:
    data = samples.licensed(devices=(terms.Device("caja-1"),))
    assert samples.judge(data, hardware=samples.CAJA_1).code is Code.DEVICE_NOT_AUTHORIZED


IN_ORDER: list[tuple[Code, dict[str, Any]]] = [
    (Code.UNKNOWN_KEY, {"ring": keys.KeyRing()}),
    (Code.REVOKED, {"revoked": listing(revocation.Standing.REVOKED)}),
    (Code.CLOCK_TAMPERED, {"last_seen": samples.utc("2099-01-01 00:00:00")}),
    (Code.EXPIRED, {"now": samples.utc("2028-02-01 00:00:00")}),
    (Code.TOO_MANY_DEVICES, {"device_count": 4}),
    (Code.DEVICE_NOT_AUTHORIZED, {"hardware": samples.STRANGER}),
]


@pytest.mark.parametrize("first", range(len(IN_ORDER)))
def test_the_first_check_that_fails_gives_the_code(first: int) -> None:
    given: dict[str, Any] = {}
    for _, cause in IN_ORDER[first:]:
        given |= cause
    assert samples.judge(**given).code is IN_ORDER[first][0]


def test_grace_does_not_excuse_a_stranger() -> None:
    now = samples.utc("2028-01-02 00:00:00")
    assert samples.judge(now=now, hardware=samples.STRANGER).code is Code.DEVICE_NOT_AUTHORIZED
    assert samples.judge(now=now, hardware=samples.CAJA_1).code is Code.IN_GRACE


def test_only_valid_and_in_grace_are_acceptable() -> None:
    assert {code for code in Code if code.acceptable} == {Code.VALID, Code.IN_GRACE}
    assert {code.exit for code in Code if not code.acceptable} == {3}
    assert {code.exit for code in Code if code.acceptable} == {0}


def test_a_message_never_shows_a_digest_or_a_value() -> None:
    for values in (samples.CAJA_1, samples.STRANGER, {**samples.CAJA_1, "boardSerial": "PF3XK9 9999"}):
        message = samples.judge(hardware=values).message.lower()
        for component, value in values.items():
            assert str(hardware.normalize(component, value)) not in message
            assert str(hardware.digest(samples.SALT, component, value)) not in message
