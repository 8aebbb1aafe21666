"""The license of docs/license-format.md, its key and its devices, for every test of the floor."""

from __future__ import annotations

import base64
import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any, Final

from reconciler.licensing import format as signed_file
from reconciler.licensing import hardware, keys, revocation, terms, verify

KEY: Final = keys.derive(bytes(range(32)))
OTHER_KEY: Final = keys.derive(bytes(range(32, 64)))
RING: Final = keys.KeyRing((keys.PublicKey(KEY.kid, KEY.public),))
SALT: Final = "5f0c6a1d94e2b7833d08f1c2a4957be6"
SERIAL: Final = "LIC-7Q2M-0001"

CAJA_1: Final[Mapping[str, str]] = {
    "machineId": "9F2C1E7A-55D0-4B3C-8E61-0D2A7B94C8F1",
    "boardSerial": " PF3XK9  0417 ",
    "diskSerial": "S4EWNX0R512873",
    "mac": "3C:52:82:AF:10:9E",
}
CAJA_2: Final[Mapping[str, str]] = {
    "machineId": "c07be2d4-1f6a-4c39-a5d8-72e90b31f64d",
    "boardSerial": "PF3XK9 0592",
    "diskSerial": "S4EWNX0R774105",
    "mac": "3c-52-82-b0-44-d1",
}
STRANGER: Final[Mapping[str, str]] = {
    "machineId": "11e0a9b2-7c45-4f8e-9d13-3b6f0c82a7d5",
    "boardSerial": "MB-774120",
    "diskSerial": "WD-WX41A49H9523",
    "mac": "a4:bb:6d:01:7e:20",
}

RULE: Final = terms.HardwareRule(2, ("machineId", "boardSerial", "diskSerial", "mac"), ("boardSerial",))
TERMS: Final = terms.Terms(
    serial=SERIAL,
    tenant="abarrotes-lupita",
    product="pos-tree-codes",
    edition="standard",
    issued=datetime.date(2026, 11, 2),
    not_before=datetime.date(2026, 11, 3),
    expires=datetime.date(2027, 12, 31),
    grace_days=14,
    max_devices=3,
    hardware=RULE,
    devices=(hardware.enroll("caja-1", CAJA_1, SALT), hardware.enroll("caja-2", CAJA_2, SALT)),
    features=("inventory", "sync"),
    salt=SALT,
    seq=4,
    kid=KEY.kid,
)
LICENSE: Final = signed_file.sign(TERMS, KEY.seed)
LISTED: Final = revocation.RevocationList(
    seq=9,
    issued=datetime.date(2026, 12, 1),
    kid=KEY.kid,
    entries=(
        revocation.Entry(SERIAL, revocation.Standing.REVOKED, up_to_seq=3),
        revocation.Entry("LIC-7Q2M-0007", revocation.Standing.SUSPENDED),
        revocation.Entry("LIC-7Q2M-0009", revocation.Standing.REVOKED),
    ),
)
NOON: Final = datetime.datetime(2027, 6, 1, 12, tzinfo=datetime.UTC)


def utc(text: str) -> datetime.datetime:
    """An instant out of ``2027-12-31 23:59:59``."""
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)


def licensed(**changed: Any) -> bytes:
    """The sample license with some terms changed, signed with the sample key."""
    return signed_file.sign(dataclasses.replace(TERMS, **changed), KEY.seed)


def judge(data: bytes = LICENSE, **given: Any) -> verify.Verdict:
    """A verdict at noon on 2027-06-01 over the sample ring, unless the test says otherwise."""
    return verify.verify(data, given.pop("ring", RING), **{"now": NOON, **given})


def rearmored(content: bytes, label: str = signed_file.LABEL) -> bytes:
    """Well-formed armor around any envelope text, as somebody who tampers would write it."""
    text = base64.b64encode(content).decode("ascii")
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode("ascii")


def envelope_text(data: bytes) -> bytes:
    """The envelope's JSON inside a file."""
    return base64.b64decode(b"".join(data.splitlines()[1:-1]))
