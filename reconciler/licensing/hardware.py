"""Which device this is: normalizing what the firmware reports, hashing it, and comparing it.

A license never holds a component's value, only an HMAC of it. Firmware is careless: the same serial comes
in upper and lower case, with spaces, or as "To be filled by O.E.M." on a million boards. So a value is
normalized before it is hashed, and one that identifies nothing matches nothing.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.licensing import terms, wire

# Compared after `normalize`'s steps 1 to 3, without the characters of _FILLERS.
PLACEHOLDERS: Final = (
    "03000200-0400-0500-0006-000700080009",
    "0123456789",
    "123456789",
    "1234567890",
    "base board serial number",
    "board serial number",
    "chassis serial number",
    "default",
    "default string",
    "empty",
    "invalid",
    "n/a",
    "na",
    "none",
    "not applicable",
    "not available",
    "not defined",
    "not present",
    "not specified",
    "null",
    "o.e.m.",
    "serial number",
    "system serial number",
    "to be filled by o.e.m.",
    "uninitialized",
    "unknown",
    "unspecified",
)
MAX_VALUE: Final = 256

_BLANKS = re.compile(r"[\x00\t\n\x0b\x0c\r ]+")
_UPPER = {ord(letter): letter.lower() for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
_SEPARATORS: Mapping[str, str] = {"mac": ":-. ", "machineId": "-{} "}
_FILLERS = str.maketrans("", "", " -_.:/,")
_HALF = re.compile("[\ud800-\udfff]")
_MAC = re.compile(r"[0-9a-f]{12}")
_MEANINGLESS = frozenset(text.translate(_FILLERS) for text in PLACEHOLDERS)


@dataclass(frozen=True, slots=True)
class Match:
    """How one device of a license compares with the hardware at hand.

    ``matched``, ``differing`` and ``missing`` (not enrolled, or not presented) share out the components of
    the rule. ``satisfied`` says whether the rule is met, ``explanation`` why.
    """

    device: str
    matched: tuple[str, ...]
    differing: tuple[str, ...]
    missing: tuple[str, ...]
    satisfied: bool
    explanation: str


def normalize(component: str, value: str) -> str | None:
    """``value`` in the one form that is hashed, or None if it identifies no device.

    1. Runs of blanks (NUL, tab, line ends, space) become one space, those at the ends go. 2. A to Z become
    lower case; other letters stay, since languages disagree about them. 3. ``mac`` loses ``: - .`` and
    spaces, ``machineId`` loses ``- { }`` and spaces. 4. None if the value is longer than 256 characters
    or no valid Unicode; if, without space and ``- _ . : / ,``, it is empty, one character repeated (after
    a leading ``0x``), or one of `PLACEHOLDERS`; or if a ``mac`` is not 12 hex digits.
    """
    text = _BLANKS.sub(" ", value).strip(" ").translate(_UPPER)
    for separator in _SEPARATORS.get(component, ""):
        text = text.replace(separator, "")
    bare = text.translate(_FILLERS)
    if len(text) > MAX_VALUE or len(set(bare.removeprefix("0x"))) < 2 or bare in _MEANINGLESS:
        return None
    if _HALF.search(component) or _HALF.search(text):
        return None
    if component == "mac" and not _MAC.fullmatch(text):
        return None
    return text


def digest(salt: str, component: str, value: str) -> str | None:
    """HMAC-SHA256 in hex over ``component:normalized value``, keyed with the bytes of the hex ``salt``.

    None if the value identifies no device. The component is part of it, so that equal serials of a board
    and a disk do not look equal.
    """
    normalized = normalize(component, value)
    if normalized is None:
        return None
    return hmac.digest(bytes.fromhex(salt), f"{component}:{normalized}".encode(), "sha256").hex()


def enroll(name: str, values: Mapping[str, str], salt: str) -> terms.Device:
    """The device ``name`` for a license, out of its components' plain values.

    Raises `errors.Refused` for a value that identifies no device: it could never match.
    """
    hardware: dict[str, str] = {}
    for component, value in values.items():
        hashed = digest(salt, component, value)
        if hashed is None:
            raise wire.malformed(
                f"device {name}: {component} is {value[:40]!r}, which identifies no device; leave it out"
            )
        hardware[component] = hashed
    return terms.Device(name, hardware)


def present(values: Mapping[str, str], salt: str) -> dict[str, str]:
    """The digests of the hardware at hand; components that identify nothing are left out."""
    found = {component: digest(salt, component, value) for component, value in values.items()}
    return {component: hashed for component, hashed in found.items() if hashed is not None}


def match(rule: terms.HardwareRule, device: terms.Device, presented: Mapping[str, str]) -> Match:
    """Compare one device with ``presented`` digests. Halves of two devices never add up: each stands alone."""
    matched: list[str] = []
    differing: list[str] = []
    missing: list[str] = []
    for component in rule.of:
        known, shown = device.hardware.get(component), presented.get(component)
        if known is None or shown is None:
            missing.append(component)
        elif hmac.compare_digest(known, shown):
            matched.append(component)
        else:
            differing.append(component)
    enough = len(matched) >= rule.needed
    reasons = [f"{len(matched)} of {len(rule.of)} match" + ("" if enough else f", {rule.needed} needed")]
    for component in rule.of:
        if component in matched:
            continue
        fact = "differs" if component in differing else "is missing"
        if component in rule.required:
            reasons.append(f"{component} is required and {fact}")
        elif not enough:
            reasons.append(f"{component} {fact}")
    return Match(
        device=device.name,
        matched=tuple(matched),
        differing=tuple(differing),
        missing=tuple(missing),
        satisfied=enough and set(rule.required) <= set(matched),
        explanation="; ".join(reasons),
    )


def best_match(granted: terms.Terms, values: Mapping[str, str]) -> Match | None:
    """The device of the license that the plain ``values`` fit best; None if the license lists no devices.

    A device that meets the rule wins, then the one with the most components that match, then the first
    by name.
    """
    wanted = {name: values[name] for name in granted.hardware.of if name in values}
    presented = present(wanted, granted.salt)
    found = [match(granted.hardware, device, presented) for device in granted.devices]
    return max(found, key=lambda one: (one.satisfied, len(one.matched)), default=None)


def shortfall(rule: terms.HardwareRule, components: frozenset[str]) -> str:
    """Why a device that enrolls only ``components`` could never meet ``rule``; empty if it could."""
    if lacking := sorted(set(rule.required) - components):
        return f"{lacking[0]} is required and not given"
    usable = len(components & set(rule.of))
    if usable < rule.needed:
        return f"{usable} of {', '.join(rule.of)} given, {rule.needed} must match"
    return ""


def parse_values(data: bytes) -> dict[str, str]:
    """The hardware at hand out of a JSON object ``{component: value}``, as a device's agent writes it.

    Values are plain and may be placeholders or empty; null means that the device has no such component.
    Raises `errors.Refused`.
    """
    found = wire.load(data, "the hardware file")
    if not isinstance(found, dict):
        raise wire.malformed("the hardware file is not an object of components and their values")
    values: dict[str, str] = {}
    for component, value in found.items():
        if value is None:
            continue
        if not isinstance(value, str):
            raise wire.malformed(f"{str(component)[:40]} in the hardware file is not a text")
        values[str(component)] = value
    return values
