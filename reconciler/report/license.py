"""A license, and what was made of it, for people and for programs. Nothing here judges."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from reconciler.licensing import codes, terms, verify
from reconciler.licensing import format as signed_file
from reconciler.licensing import hardware as matching
from reconciler.report import faults

FORMAT_VERSION = 1


def verdict_text(verdict: verify.Verdict) -> str:
    """The result code, the sentence behind it, and each component of the hardware that was compared."""
    lines = [verdict.code.value, faults.printable(verdict.message)]
    if verdict.match and verdict.terms:
        lines += ["", *_table(_components(verdict.match, verdict.terms.hardware))]
    return "\n".join(lines) + "\n"


def verdict_json(verdict: verify.Verdict, at: str) -> str:
    """The same as JSON. ``at`` is the time that was judged for; ``license`` is null unless it is believable."""
    match = verdict.match
    return _json(
        {
            "formatVersion": FORMAT_VERSION,
            "code": verdict.code.value,
            "acceptable": verdict.acceptable,
            "message": verdict.message,
            "at": at,
            "match": match
            and {
                "device": match.device,
                "satisfied": match.satisfied,
                "explanation": match.explanation,
                "matched": list(match.matched),
                "differing": list(match.differing),
                "missing": list(match.missing),
            },
            "license": verdict.terms and terms.as_members(verdict.terms),
        }
    )


def contents_text(
    envelope: signed_file.Envelope, granted: terms.Terms, rejection: codes.Rejection | None, *, checked: bool
) -> str:
    """What a license file says. ``rejection`` is why it is not to be believed, ``checked`` whether that was asked."""
    lines = []
    if rejection:
        lines += [rejection.code.value, faults.printable(rejection.message), "", "What the file claims:"]
    grace = ""
    if granted.grace_days:
        days = "a day" if granted.grace_days == 1 else f"{granted.grace_days} days"
        grace = f", and {days} of grace until {signed_file.instant(granted.grace_until)}"
    start = f"from {granted.not_before} " if granted.not_before else ""
    rule = granted.hardware
    required = f"; required: {', '.join(rule.required)}" if rule.required else ""
    rows = [
        ("license", f"{granted.serial}, sequence {granted.seq}"),
        ("tenant", granted.tenant),
        ("product", f"{granted.product}, edition {granted.edition}"),
        ("features", ", ".join(granted.features) or "none"),
        ("issued", str(granted.issued)),
        ("valid", f"{start}to the end of {granted.expires} (UTC){grace}"),
        ("devices", f"at most {granted.max_devices}, {len(granted.devices)} listed"),
        *((f"  {device.name}", ", ".join(device.hardware)) for device in granted.devices),
        ("hardware", f"{rule.needed} of {len(rule.of)} must match: {', '.join(rule.of)}{required}"),
        ("signature", f"{envelope.alg}, key {envelope.kid}: {_signature(rejection, checked=checked)}"),
    ]
    return "\n".join([*lines, *_table(rows)]) + "\n"


def contents_json(
    envelope: signed_file.Envelope, granted: terms.Terms, rejection: codes.Rejection | None, *, checked: bool
) -> str:
    """The same as JSON. ``code`` is null unless something speaks against the file."""
    return _json(
        {
            "formatVersion": FORMAT_VERSION,
            "code": rejection and rejection.code.value,
            "message": rejection and rejection.message,
            "signature": _signature(rejection, checked=checked),
            "alg": envelope.alg,
            "kid": envelope.kid,
            "validUntil": signed_file.instant(granted.valid_until),
            "graceUntil": signed_file.instant(granted.grace_until),
            "license": terms.as_members(granted),
        }
    )


def rejection_text(rejection: codes.Rejection) -> str:
    """A file of which nothing can be shown."""
    return f"{rejection.code.value}\n{faults.printable(rejection.message)}\n"


def rejection_json(rejection: codes.Rejection) -> str:
    """The same as JSON."""
    return _json({"formatVersion": FORMAT_VERSION, "code": rejection.code.value, "message": rejection.message})


def _signature(rejection: codes.Rejection | None, *, checked: bool) -> str:
    if rejection:
        return "rejected"
    return "good" if checked else "not checked"


def _components(match: matching.Match, rule: terms.HardwareRule) -> list[tuple[str, str]]:
    rows = []
    for component in rule.of:
        if component in match.matched:
            said = "matches"
        else:
            said = "differs" if component in match.differing else "is not enrolled or not there"
        rows.append((component, f"{said} (required)" if component in rule.required else said))
    return rows


def _table(rows: list[tuple[str, str]]) -> list[str]:
    width = max(len(name) for name, _ in rows)
    return [f"{faults.printable(name):{width}}  {faults.printable(said)}" for name, said in rows]


def _json(members: Mapping[str, Any]) -> str:
    return json.dumps(members, indent=2) + "\n"
