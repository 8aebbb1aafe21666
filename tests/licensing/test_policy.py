from __future__ import annotations

import dataclasses
import json
from typing import Any, cast

from reconciler.licensing import policy, terms
from reconciler.licensing.codes import Code
from tests.licensing import samples


def content(granted: terms.Terms = samples.TERMS) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads(json.dumps(policy.policy(granted))))


def test_the_policy_says_who_may_run_until_when() -> None:
    found = content()
    assert found["devices"]["limit"] == 3
    assert found["devices"]["binding"] == "listed"
    assert [device["name"] for device in found["devices"]["listed"]] == ["caja-1", "caja-2"]
    assert found["hardware"]["needed"] == 2
    assert found["hardware"]["required"] == ["boardSerial"]
    assert "default string" in found["hardware"]["placeholders"]
    assert found["validity"]["validUntil"] == "2028-01-01T00:00:00Z"
    assert found["validity"]["graceUntil"] == "2028-01-15T00:00:00Z"
    assert found["clock"] == {"toleranceSeconds": 86400}


def test_a_license_without_devices_is_bound_to_none() -> None:
    assert content(dataclasses.replace(samples.TERMS, devices=()))["devices"]["binding"] == "any"


def test_every_code_has_an_action_and_only_acceptable_ones_run() -> None:
    actions = content()["actions"]
    assert set(actions) == set(Code)
    assert {code for code, action in actions.items() if action != "refuse"} == {"VALID", "IN_GRACE"}


def test_the_policy_holds_no_digest_and_no_salt() -> None:
    text = json.dumps(content())
    assert samples.SALT not in text
    for device in samples.TERMS.devices:
        assert not any(digest in text for digest in device.hardware.values())
