from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from reconciler.licensing import format as signed_file
from reconciler.licensing import hardware, keys, policy, revocation, terms, verify
from reconciler.licensing.codes import Code
from tests.licensing import independent, samples

DOCUMENT = (Path(__file__).parents[2] / "docs" / "license-format.md").read_text(encoding="utf-8")
KEYS = {samples.KEY.kid: samples.KEY.public}


def examples() -> dict[str, str]:
    """Every worked example of the document by the name in the comment above it."""
    found = re.findall(r"<!-- example: ([a-z-]+) -->\n```[a-z]*\n(.*?)```\n", DOCUMENT, re.DOTALL)
    return dict(found)


def produced() -> dict[str, str]:
    """What the code says to the same inputs."""
    envelope = signed_file.parse(samples.LICENSE)
    lines = []
    for device, values in (("caja-1", samples.CAJA_1), ("caja-2", samples.CAJA_2)):
        for component, value in values.items():
            hashed = hardware.digest(samples.SALT, component, value)
            normal = hardware.normalize(component, value)
            lines.append(f"{device} {component}\n  reported   {value!r}\n  normalized {normal}\n  digest     {hashed}")
    pretty = json.dumps(terms.as_members(samples.TERMS), indent=2, sort_keys=True)
    return {
        "key": f"seed   {samples.KEY.seed.hex()}\npublic {samples.KEY.public.hex()}\nkid    {samples.KEY.kid}\n",
        "ring": samples.RING.encode().decode(),
        "hardware": "\n".join(lines) + "\n",
        "content": pretty + "\n",
        "content-bytes": envelope.content.decode() + "\n",
        "signed-text": envelope.signed_text.decode() + "\n",
        "signature": envelope.signature.hex() + "\n",
        "license": samples.LICENSE.decode(),
        "revocations": revocation.sign(samples.LISTED, samples.KEY.seed).decode(),
        "revocations-content": json.dumps(
            json.loads(
                signed_file.open_envelope(
                    revocation.TYPE,
                    revocation.LABEL,
                    revocation.sign(samples.LISTED, samples.KEY.seed),
                    revocation.MAX_FILE,
                ).content
            ),
            indent=2,
        )
        + "\n",
        "policy": json.dumps(policy.policy(samples.TERMS), indent=2) + "\n",
        "placeholders": "\n".join(hardware.PLACEHOLDERS) + "\n",
    }


@pytest.mark.parametrize("name", sorted(produced()))
def test_a_worked_example_is_what_the_code_produces(name: str) -> None:
    assert examples()[name] == produced()[name]


def test_the_document_has_no_example_that_nobody_checks() -> None:
    assert set(examples()) == set(produced())


def test_the_documents_license_verifies_with_the_documents_ring_and_hardware() -> None:
    ring = keys.KeyRing.decode(examples()["ring"].encode())
    verdict = verify.verify(
        examples()["license"].encode(), ring, now=samples.NOON, hardware=samples.CAJA_1, revoked=samples.LISTED
    )
    assert verdict.code is Code.VALID
    assert revocation.parse(examples()["revocations"].encode(), ring) == samples.LISTED


def test_the_document_explains_every_code_and_gives_the_limits_of_the_code() -> None:
    for code in Code:
        assert f"`{code}`" in DOCUMENT
    for limit in (terms.MAX_GRACE_DAYS, terms.MAX_DEVICES, terms.MAX_SEQ, signed_file.MAX_FILE, revocation.MAX_FILE):
        assert str(limit) in DOCUMENT


@pytest.mark.parametrize(
    "now",
    [
        "2026-11-02 23:59:59",
        "2026-11-03 00:00:00",
        "2027-12-31 23:59:59",
        "2028-01-01 00:00:00",
        "2028-01-14 23:59:59",
        "2028-01-15 00:00:00",
    ],
)
def test_a_verifier_written_from_the_document_agrees_about_time(now: str) -> None:
    instant = samples.utc(now)
    ours = samples.judge(now=instant, hardware=samples.CAJA_1).code
    assert independent.judge(samples.LICENSE, KEYS, instant, dict(samples.CAJA_1)) == ours


@pytest.mark.parametrize(
    "values",
    [
        {},
        samples.CAJA_1,
        samples.CAJA_2,
        samples.STRANGER,
        {**samples.STRANGER, "mac": samples.CAJA_1["mac"]},
        {**samples.STRANGER, "boardSerial": samples.CAJA_2["boardSerial"], "mac": "3C52.82B0.44D1"},
        {**samples.CAJA_1, "boardSerial": "Default string"},
        {**samples.CAJA_2, "boardSerial": "pf3xk9 0592\n", "diskSerial": "00000000", "machineId": "0x0"},
    ],
    ids=["none", "caja-1", "caja-2", "stranger", "one alike", "two alike", "placeholder", "rewritten"],
)
def test_a_verifier_written_from_the_document_agrees_about_devices(values: dict[str, str]) -> None:
    ours = samples.judge(hardware=values).code
    assert independent.judge(samples.LICENSE, KEYS, samples.NOON, dict(values)) == ours


def test_a_verifier_written_from_the_document_notices_every_changed_byte() -> None:
    for at in range(len(samples.LICENSE)):
        data = bytearray(samples.LICENSE)
        data[at] ^= 1 << (at % 8)
        theirs = independent.judge(bytes(data), KEYS, samples.NOON, dict(samples.CAJA_1))
        assert theirs == samples.judge(bytes(data), hardware=samples.CAJA_1).code, at
