from __future__ import annotations

import dataclasses
import json

import pytest

from reconciler import errors
from reconciler.licensing import format as signed_file
from reconciler.licensing import keys, revocation
from tests.licensing import samples

SIGNED = revocation.sign(samples.LISTED, samples.KEY.seed)


def test_a_list_reads_back_and_is_byte_identical_when_signed_again() -> None:
    listed = revocation.parse(SIGNED, samples.RING)
    assert listed == samples.LISTED
    assert revocation.sign(listed, samples.KEY.seed) == SIGNED


def test_a_list_with_a_lower_sequence_than_was_seen_is_refused() -> None:
    assert revocation.parse(SIGNED, samples.RING, seen_seq=9).seq == 9
    with pytest.raises(errors.Refused, match="has sequence 9, but 10 was seen before"):
        revocation.parse(SIGNED, samples.RING, seen_seq=10)


def test_no_flipped_bit_of_a_list_goes_unnoticed() -> None:
    for at in range(len(SIGNED)):
        data = bytearray(SIGNED)
        data[at] ^= 1 << (at % 8)
        with pytest.raises(errors.Refused):
            revocation.parse(bytes(data), samples.RING)


def test_a_list_of_an_unknown_or_revoked_key_is_not_believed() -> None:
    with pytest.raises(errors.Refused, match=r"^UNKNOWN_KEY: "):
        revocation.parse(SIGNED, keys.KeyRing())
    with pytest.raises(errors.Refused, match=r"^REVOKED: "):
        revocation.parse(SIGNED, samples.RING.revoked(samples.KEY.kid))


def test_a_license_is_no_revocation_list() -> None:
    with pytest.raises(errors.Refused):
        revocation.parse(samples.LICENSE, samples.RING)


def test_an_entry_holds_for_its_serial_and_up_to_its_sequence() -> None:
    assert samples.LISTED.find("LIC-7Q2M-0009", 2**31 - 1) is not None
    assert samples.LISTED.find(samples.SERIAL, 3) is not None
    assert samples.LISTED.find(samples.SERIAL, 4) is None
    assert samples.LISTED.find("LIC-7Q2M-0002", 1) is None


def test_the_same_license_is_not_listed_twice_with_one_status() -> None:
    with pytest.raises(errors.Refused, match="listed twice as revoked"):
        dataclasses.replace(samples.LISTED, entries=(*samples.LISTED.entries, samples.LISTED.entries[-1]))


@pytest.mark.parametrize(
    "changed",
    [
        {"seq": 0},
        {"issued": "yesterday"},
        {"kid": samples.OTHER_KEY.kid},
        {"entries": [{"serial": "x", "status": "revoked"}]},
        {"entries": [{"serial": "x", "status": "lost", "upToSeq": None}]},
        {"entries": [{"serial": "x", "status": {}, "upToSeq": None}]},
        {"entries": [{"serial": "x", "status": "revoked", "upToSeq": 0}]},
        {"more": 1},
    ],
    ids=str,
)
def test_a_signed_list_of_another_form_is_refused(changed: dict[str, object]) -> None:
    content = {"seq": 9, "issued": "2026-12-01", "kid": samples.KEY.kid, "entries": [], **changed}
    data = signed_file.seal(
        revocation.TYPE, revocation.LABEL, json.dumps(content).encode(), samples.KEY.kid, samples.KEY.seed
    )
    with pytest.raises(errors.Refused):
        revocation.parse(data, samples.RING)
