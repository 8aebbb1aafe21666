"""A license, and what was made of it, for people (lines) and for programs (data). Nothing here judges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.licensing import codes, terms, verify
from reconciler.licensing import format as signed_file
from reconciler.licensing import hardware as matching
from reconciler.report import styled
from reconciler.report.styled import Line, Style

FORMAT_VERSION = 1


def verdict_lines(verdict: verify.Verdict) -> Iterator[Line]:
    """The result code, the sentence behind it, and each component of the hardware that was compared."""
    yield _code(verdict.code)
    yield styled.line(verdict.message)
    if verdict.match and verdict.terms:
        yield styled.EMPTY
        yield from styled.table(_components(verdict.match, verdict.terms.hardware))


def verdict_data(verdict: verify.Verdict, at: str) -> dict[str, Any]:
    """The same for programs. ``at`` is the time that was judged for; ``license`` is None unless it is believable."""
    match = verdict.match
    return {
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
        "license": verdict.terms and _members(verdict.terms),
    }


def contents_lines(
    envelope: signed_file.Envelope, granted: terms.Terms, rejection: codes.Rejection | None, *, checked: bool
) -> Iterator[Line]:
    """What a license file says. ``rejection`` is why it is not to be believed, ``checked`` whether that was asked."""
    if rejection:
        yield from rejection_lines(rejection)
        yield styled.EMPTY
        yield styled.line("What the file claims:")
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
    yield from styled.table((styled.styled(name, Style.FAINT), styled.styled(said, Style.PLAIN)) for name, said in rows)


def contents_data(
    envelope: signed_file.Envelope, granted: terms.Terms, rejection: codes.Rejection | None, *, checked: bool
) -> dict[str, Any]:
    """The same for programs. ``code`` is None unless something speaks against the file."""
    return {
        "formatVersion": FORMAT_VERSION,
        "code": rejection and rejection.code.value,
        "message": rejection and rejection.message,
        "signature": _signature(rejection, checked=checked),
        "alg": envelope.alg,
        "kid": envelope.kid,
        "validUntil": signed_file.instant(granted.valid_until),
        "graceUntil": signed_file.instant(granted.grace_until),
        "license": _members(granted),
    }


def rejection_lines(rejection: codes.Rejection) -> Iterator[Line]:
    """A file of which nothing can be shown."""
    yield _code(rejection.code)
    yield styled.line(rejection.message)


def rejection_data(rejection: codes.Rejection) -> dict[str, Any]:
    """The same for programs."""
    return {"formatVersion": FORMAT_VERSION, "code": rejection.code.value, "message": rejection.message}


def _code(code: codes.Code) -> Line:
    style = Style.GOOD if code is codes.Code.VALID else Style.UPDATE if code.acceptable else Style.BAD
    return styled.line(styled.styled(code.value, style))


def _members(granted: terms.Terms) -> dict[str, object]:
    # Digests and their salt say nothing, and in a log they would help somebody who guesses serial numbers.
    members = terms.as_members(granted)
    del members["salt"]
    members["devices"] = [{"name": device.name, "components": list(device.hardware)} for device in granted.devices]
    return members


def _signature(rejection: codes.Rejection | None, *, checked: bool) -> str:
    if rejection:
        return "rejected"
    return "good" if checked else "not checked"


def _components(match: matching.Match, rule: terms.HardwareRule) -> Iterator[tuple[styled.Segment, styled.Segment]]:
    for component in rule.of:
        if component in match.matched:
            said, style = "matches", Style.GOOD
        elif component in match.differing:
            said, style = "differs", Style.BAD
        else:
            said, style = "is not enrolled or not there", Style.FAINT
        required = " (required)" if component in rule.required else ""
        yield styled.styled(component, Style.PLAIN), styled.styled(said + required, style)
