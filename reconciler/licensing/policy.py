"""The content of `device-policy.json`: the rules by which a point-of-sale device judges its license.

The license is what counts; this file tells an integrator, without decoding anything, what will be checked
and what the application should do about each result.
"""

from __future__ import annotations

from typing import Final

from reconciler.licensing import format as signed_file
from reconciler.licensing import hardware, terms, verify
from reconciler.licensing.codes import Code

POLICY_VERSION: Final = 1


def policy(granted: terms.Terms) -> dict[str, object]:
    """The policy of a license as a JSON object; equal terms give equal policies. It holds no digest."""
    rule = granted.hardware
    return {
        "formatVersion": POLICY_VERSION,
        "license": {
            "serial": granted.serial,
            "seq": granted.seq,
            "kid": granted.kid,
            "tenant": granted.tenant,
            "product": granted.product,
            "edition": granted.edition,
            "features": list(granted.features),
        },
        "devices": {
            "limit": granted.max_devices,
            "binding": "listed" if granted.devices else "any",
            "listed": [{"name": device.name, "components": sorted(device.hardware)} for device in granted.devices],
        },
        "hardware": {
            "match": rule.match,
            "needed": rule.needed,
            "of": list(rule.of),
            "required": list(rule.required),
            "digest": "hmac-sha256",
            "placeholders": list(hardware.PLACEHOLDERS),
        },
        "validity": {
            "notBefore": granted.not_before.isoformat() if granted.not_before else None,
            "expires": granted.expires.isoformat(),
            "graceDays": granted.grace_days,
            "validUntil": signed_file.instant(granted.valid_until),
            "graceUntil": signed_file.instant(granted.grace_until),
        },
        "clock": {"toleranceSeconds": int(verify.CLOCK_TOLERANCE.total_seconds())},
        "actions": {code.value: _action(code) for code in Code},
    }


def _action(code: Code) -> str:
    if code is Code.IN_GRACE:
        return "run-and-warn"
    return "run" if code.acceptable else "refuse"
