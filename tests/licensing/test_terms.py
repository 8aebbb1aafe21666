from __future__ import annotations

import dataclasses
import datetime
import json
from typing import Any

import pytest

from reconciler import errors
from reconciler.licensing import terms
from tests.licensing import samples


def changed(**members: Any) -> bytes:
    return json.dumps({**json.loads(terms.encode(samples.TERMS)), **members}).encode()


def test_what_is_encoded_is_decoded_to_the_same_terms() -> None:
    assert terms.decode(terms.encode(samples.TERMS)) == samples.TERMS


def test_another_order_of_devices_features_and_components_is_the_same_license() -> None:
    shuffled = dataclasses.replace(
        samples.TERMS,
        devices=samples.TERMS.devices[::-1],
        features=("sync", "inventory"),
        hardware=terms.HardwareRule(2, samples.RULE.of[::-1], samples.RULE.required),
    )
    assert terms.encode(shuffled) == terms.encode(samples.TERMS)


def test_the_encoding_is_ascii_without_spaces_whatever_the_names_are() -> None:
    named = dataclasses.replace(samples.TERMS, tenant="Abarrotes Doña Lupita")
    data = terms.encode(named)
    assert data.isascii()
    assert b'"tenant":"Abarrotes Do\\u00f1a Lupita"' in data
    assert terms.decode(data) == named


def test_members_in_any_order_and_with_spaces_are_understood() -> None:
    members = json.loads(terms.encode(samples.TERMS))
    backwards = json.dumps(dict(reversed(members.items())), indent=4).encode()
    assert terms.decode(backwards) == samples.TERMS


def test_every_member_is_needed() -> None:
    members = json.loads(terms.encode(samples.TERMS))
    for name in members:
        rest = {key: value for key, value in members.items() if key != name}
        with pytest.raises(errors.Refused, match=f"lacks {name}"):
            terms.decode(json.dumps(rest).encode())


def test_an_unknown_member_is_refused_because_it_may_be_a_restriction() -> None:
    with pytest.raises(errors.Refused, match="unknown member 'onlyOnSundays'"):
        terms.decode(changed(onlyOnSundays=True))


def test_a_member_that_stands_there_twice_is_refused() -> None:
    data = terms.encode(samples.TERMS).replace(b'"graceDays":14', b'"graceDays":14,"graceDays":365')
    with pytest.raises(errors.Refused, match="'graceDays' stands there twice"):
        terms.decode(data)


@pytest.mark.parametrize(
    "members",
    [
        {"maxDevices": True},
        {"maxDevices": 3.0},
        {"maxDevices": "3"},
        {"maxDevices": 0},
        {"maxDevices": 10**9},
        {"graceDays": -1},
        {"graceDays": 367},
        {"seq": 0},
        {"seq": 2**31},
        {"serial": "a b"},
        {"serial": ""},
        {"serial": "LIC-1\n"},
        {"tenant": ""},
        {"tenant": " x"},
        {"tenant": "x\u0000y"},
        {"tenant": "\ud800"},
        {"tenant": "x" * 129},
        {"tenant": None},
        {"expires": "2027-02-29"},
        {"expires": "20271231"},
        {"expires": "2027-W52-5"},
        {"expires": "2027-12-31T00:00:00Z"},
        {"expires": "1999-12-31"},
        {"expires": "9999-12-31"},
        {"expires": "２０２７-12-31"},
        {"expires": None},
        {"notBefore": "2028-01-01"},
        {"kid": "A" * 16},
        {"salt": "00" * 15},
        {"salt": "5F" * 16},
        {"features": "sync"},
        {"features": [1]},
        {"features": ["sync", "sync"]},
        {"devices": {}},
        {"devices": [{"name": "caja-1"}]},
        {"devices": [{"name": "caja-1", "hardware": []}]},
        {"devices": [{"name": "caja-1", "hardware": {"mac": 1}}]},
        {"devices": [{"name": "caja-1", "hardware": {"mac": "3c5282af109e"}}]},
        {"devices": [{"name": "caja-1", "hardware": {"m:c": "0" * 64}}]},
        {"devices": [{"name": "caja-1", "hardware": {}}, {"name": "caja-1", "hardware": {}}]},
        {"hardware": None},
        {"hardware": {"match": 2, "of": ["mac"], "required": []}},
        {"hardware": {"match": "two", "of": ["mac"], "required": []}},
        {"hardware": {"match": "some", "of": ["mac"], "required": []}},
        {"hardware": {"match": True, "of": ["mac"], "required": []}},
        {"hardware": {"match": None, "of": ["mac"], "required": []}},
        {"hardware": {"match": 1, "of": [], "required": []}},
        {"hardware": {"match": "all", "of": [], "required": []}},
        {"hardware": {"match": 1, "of": ["mac", "mac"], "required": []}},
        {"hardware": {"match": 1, "of": ["mac"], "required": ["cpu"]}},
    ],
    ids=str,
)
def test_a_value_outside_of_the_format_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(errors.Refused):
        terms.decode(changed(**members))


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"null", b"\xff", b"{", b'{"a":NaN}', b'{"a":1e400}', b"[" * 100_000, b'{"seq":' + b"9" * 5000 + b"}"],
    ids=["nothing", "array", "null", "not UTF-8", "half", "NaN", "huge float", "deep", "huge number"],
)
def test_what_is_no_object_of_the_format_is_refused(data: bytes) -> None:
    with pytest.raises(errors.Refused):
        terms.decode(data)


@pytest.mark.parametrize(
    ("match", "of", "needed"),
    [
        ("any", 4, 1),
        ("two", 4, 2),
        ("most", 1, 1),
        ("most", 2, 2),
        ("most", 3, 2),
        ("most", 4, 3),
        ("most", 5, 3),
        ("all", 4, 4),
        (3, 4, 3),
    ],
)
def test_a_rule_says_how_many_components_must_agree(match: int | str, of: int, needed: int) -> None:
    assert terms.HardwareRule(match, tuple("abcdefg"[:of])).needed == needed


def test_a_license_ends_with_its_last_day_and_each_day_of_grace_has_24_hours() -> None:
    one = dataclasses.replace(samples.TERMS, expires=datetime.date(2028, 2, 28), grace_days=2)
    assert one.valid_until == samples.utc("2028-02-29 00:00:00")
    assert one.grace_until == samples.utc("2028-03-02 00:00:00")
    assert dataclasses.replace(one, grace_days=0).grace_until == one.valid_until


def test_the_last_possible_day_with_the_longest_grace_is_still_in_the_calendar() -> None:
    last = dataclasses.replace(samples.TERMS, expires=datetime.date(2999, 12, 31), grace_days=terms.MAX_GRACE_DAYS)
    assert last.grace_until == samples.utc("3001-01-02 00:00:00")
