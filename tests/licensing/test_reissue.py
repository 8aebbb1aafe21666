from __future__ import annotations

import dataclasses
import datetime
from typing import Any

from reconciler.licensing import format as signed_file
from reconciler.licensing import hardware, reissue, terms
from tests.licensing import samples


def shown(**changed: Any) -> list[str]:
    return [str(one) for one in reissue.changes(samples.TERMS, dataclasses.replace(samples.TERMS, **changed))]


def test_equal_terms_do_not_differ() -> None:
    assert reissue.changes(samples.TERMS, samples.TERMS) == ()


def test_a_field_shows_what_it_was_and_what_it_becomes() -> None:
    assert shown(max_devices=5) == ["maxDevices 3 → 5"]
    assert shown(expires=datetime.date(2028, 12, 31), grace_days=0) == [
        "expires 2027-12-31 → 2028-12-31",
        "graceDays 14 → 0",
    ]
    assert shown(not_before=None) == ["notBefore 2026-11-03 → none"]


def test_devices_and_features_are_added_and_removed_by_name() -> None:
    third = hardware.enroll("caja-3", samples.STRANGER, samples.SALT)
    assert shown(devices=(samples.TERMS.devices[0], third), features=("sync",)) == [
        "feature inventory removed",
        "device caja-2 removed",
        "device caja-3 added",
    ]


def test_a_changed_component_is_named_and_its_digest_is_not_shown() -> None:
    values = {**samples.CAJA_1, "diskSerial": "S4EWNX0R999999", "cpu": "BFEBFBFF000906EA"}
    values.pop("mac")
    changed = hardware.enroll("caja-1", values, samples.SALT)
    assert shown(devices=(changed, samples.TERMS.devices[1])) == [
        "device caja-1 cpu added",
        "device caja-1 diskSerial changed",
        "device caja-1 mac removed",
    ]


def test_the_rule_is_compared_part_by_part() -> None:
    assert shown(hardware=terms.HardwareRule("all", ("mac", "cpu"))) == [
        "hardware.match 2 → all",
        "hardware.of boardSerial, diskSerial, mac, machineId → cpu, mac",
        "hardware.required boardSerial → none",
    ]


def test_another_salt_is_one_change_and_not_one_a_component() -> None:
    salt = "00" * 16
    devices = (
        hardware.enroll("caja-1", samples.CAJA_1, salt),
        hardware.enroll("caja-2", samples.CAJA_2, salt),
    )
    assert shown(salt=salt, devices=devices) == ["salt changed"]


def test_bookkeeping_is_ignored_when_asked() -> None:
    later = dataclasses.replace(
        samples.TERMS, seq=5, issued=datetime.date(2027, 1, 1), kid=samples.OTHER_KEY.kid, max_devices=5
    )
    found = [str(one) for one in reissue.changes(samples.TERMS, later, ignore=reissue.BOOKKEEPING)]
    assert found == ["maxDevices 3 → 5"]
    assert len(reissue.changes(samples.TERMS, later)) == 4


def test_unchanged_terms_are_signed_again_to_the_same_bytes() -> None:
    wanted = dataclasses.replace(samples.TERMS, seq=1, issued=datetime.date(2027, 3, 3))
    again = reissue.reissued(samples.TERMS, wanted)
    assert signed_file.sign(again, samples.KEY.seed) == samples.LICENSE


def test_changed_terms_get_the_next_sequence_and_the_new_issue_date() -> None:
    wanted = dataclasses.replace(samples.TERMS, seq=1, issued=datetime.date(2027, 3, 3), max_devices=5)
    again = reissue.reissued(samples.TERMS, wanted)
    assert (again.seq, again.issued, again.max_devices) == (5, datetime.date(2027, 3, 3), 5)


def test_a_rotated_key_asks_for_a_new_file_only_if_it_is_not_ignored() -> None:
    wanted = dataclasses.replace(samples.TERMS, kid=samples.OTHER_KEY.kid)
    assert reissue.reissued(samples.TERMS, wanted) is samples.TERMS
    again = reissue.reissued(samples.TERMS, wanted, ignore={"seq", "issued"})
    assert (again.kid, again.seq) == (samples.OTHER_KEY.kid, 5)


def test_every_single_term_that_can_differ_is_noticed() -> None:
    other: dict[str, Any] = {
        "serial": "LIC-2",
        "tenant": "other",
        "product": "other",
        "edition": "other",
        "issued": datetime.date(2026, 11, 1),
        "expires": datetime.date(2027, 12, 30),
        "max_devices": 4,
        "hardware": terms.HardwareRule(3, samples.RULE.of, samples.RULE.required),
        "salt": "00" * 16,
        "kid": samples.OTHER_KEY.kid,
        "seq": 5,
        "not_before": None,
        "grace_days": 13,
        "devices": (),
        "features": (),
    }
    assert set(other) == {field.name for field in dataclasses.fields(terms.Terms)}
    for name, value in other.items():
        assert shown(**{name: value}), name
