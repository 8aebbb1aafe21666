"""What a license grants: `Terms`, and the JSON that is signed.

A value that can be constructed is one that the format allows; everything else raises `errors.Refused`.
Devices, features and components are sets: they are kept sorted, so that another order in a spec is not
another license.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from reconciler.licensing import wire

MAX_GRACE_DAYS: Final = 366
MAX_DEVICES: Final = 100_000
MAX_SEQ: Final = 2**31 - 1
WORDS: Final = ("any", "two", "most", "all")

_SERIAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KID = re.compile(r"[0-9a-f]{16}")
_COMPONENT = re.compile(r"[A-Za-z][A-Za-z0-9]{0,31}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SALT = re.compile(r"(?:[0-9a-f]{2}){16,64}")
_MEMBERS = (
    *("serial", "tenant", "product", "edition", "issued", "notBefore", "expires", "graceDays", "maxDevices"),
    *("hardware", "devices", "features", "salt", "seq", "kid"),
)


@dataclass(frozen=True, slots=True)
class HardwareRule:
    """How many components of a device must agree: at least ``needed`` out of ``of``, and all ``required``.

    ``match`` is a number from 1 to the count of ``of``, or a word: ``any`` (1), ``two``, ``most`` (more
    than half), ``all``.
    """

    match: int | str
    of: tuple[str, ...]
    required: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "of", _names(self.of, "hardware.of"))
        object.__setattr__(self, "required", _names(self.required, "hardware.required"))
        if not self.of:
            raise wire.malformed("hardware.of names no component")
        if stray := sorted(set(self.required) - set(self.of)):
            raise wire.malformed(f"hardware.required names {stray[0]}, which is not in hardware.of")
        if isinstance(self.match, str):
            if self.match not in WORDS:
                raise wire.malformed(f"hardware.match is neither a number nor one of {', '.join(WORDS)}")
            wire.whole(self.needed, "hardware.match", 1, len(self.of))
        else:
            wire.whole(self.match, "hardware.match", 1, len(self.of))

    @property
    def needed(self) -> int:
        """How many components of ``of`` must agree."""
        if isinstance(self.match, int):
            return self.match
        total = len(self.of)
        return {"any": 1, "two": 2, "most": total // 2 + 1, "all": total}[self.match]


@dataclass(frozen=True, slots=True)
class Device:
    """A device by name, with the digest (64 hex digits, `hardware.digest`) of each component enrolled."""

    name: str
    hardware: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wire.text(self.name, "a device's name")
        names = _names(self.hardware, f"hardware of device {self.name}")
        for name in names:
            what = f"{name} of device {self.name}"
            wire.matches(self.hardware[name], what, _DIGEST, "a digest of 64 lower-case hex digits")
        object.__setattr__(self, "hardware", {name: self.hardware[name] for name in names})


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """One license. All times are UTC.

    ``expires`` is the last valid day; each of ``grace_days`` is 24 h after its end. ``not_before`` is the
    first valid day, None if the license counts from its issue. ``salt`` (hex, 16 to 64 bytes) keys the
    devices' digests and stays the same when a license is issued again; ``seq`` grows each time. ``kid``
    names the key that signs.
    """

    serial: str
    tenant: str
    product: str
    edition: str
    issued: datetime.date
    expires: datetime.date
    max_devices: int
    hardware: HardwareRule
    salt: str
    kid: str
    seq: int = 1
    not_before: datetime.date | None = None
    grace_days: int = 0
    devices: tuple[Device, ...] = ()
    features: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_serial(self.serial)
        for name in ("tenant", "product", "edition"):
            wire.text(getattr(self, name), name)
        for name in ("issued", "expires"):
            wire.in_range(getattr(self, name), name)
        if self.not_before and wire.in_range(self.not_before, "notBefore") > self.expires:
            raise wire.malformed(f"notBefore {self.not_before} is after expires {self.expires}")
        wire.whole(self.grace_days, "graceDays", 0, MAX_GRACE_DAYS)
        wire.whole(self.max_devices, "maxDevices", 1, MAX_DEVICES)
        wire.whole(self.seq, "seq", 1, MAX_SEQ)
        wire.matches(self.salt, "salt", _SALT, "16 to 64 bytes in lower-case hex")
        check_kid(self.kid)
        for feature in self.features:
            wire.text(feature, "a feature")
        _no_twins(self.features, "feature")
        _no_twins((device.name for device in self.devices), "device")
        object.__setattr__(self, "features", tuple(sorted(self.features)))
        object.__setattr__(self, "devices", tuple(sorted(self.devices, key=lambda device: device.name)))

    @property
    def valid_until(self) -> datetime.datetime:
        """The first instant at which the license is no longer valid: midnight after ``expires``."""
        return midnight(self.expires) + datetime.timedelta(days=1)

    @property
    def grace_until(self) -> datetime.datetime:
        """The first instant at which grace is over; `valid_until` if there is none."""
        return self.valid_until + datetime.timedelta(days=self.grace_days)


def midnight(day: datetime.date) -> datetime.datetime:
    """The first instant of ``day`` in UTC."""
    return datetime.datetime.combine(day, datetime.time(), datetime.UTC)


def check_serial(value: object) -> str:
    """``value`` if it can be a license's serial; raises `errors.Refused`."""
    return wire.matches(value, "serial", _SERIAL, "1 to 64 letters, digits, dots, dashes or underscores")


def check_kid(value: object) -> str:
    """``value`` if it can be a key's id; raises `errors.Refused`."""
    return wire.matches(value, "kid", _KID, "a key id of 16 lower-case hex digits")


def as_members(terms: Terms) -> dict[str, object]:
    """The terms as the JSON object of the format."""
    rule = terms.hardware
    return {
        "serial": terms.serial,
        "tenant": terms.tenant,
        "product": terms.product,
        "edition": terms.edition,
        "issued": terms.issued.isoformat(),
        "notBefore": terms.not_before.isoformat() if terms.not_before else None,
        "expires": terms.expires.isoformat(),
        "graceDays": terms.grace_days,
        "maxDevices": terms.max_devices,
        "hardware": {"match": rule.match, "of": list(rule.of), "required": list(rule.required)},
        "devices": [{"name": device.name, "hardware": dict(device.hardware)} for device in terms.devices],
        "features": list(terms.features),
        "salt": terms.salt,
        "seq": terms.seq,
        "kid": terms.kid,
    }


def encode(terms: Terms) -> bytes:
    """The terms as the bytes that are signed; equal terms give equal bytes."""
    return wire.dump(as_members(terms))


def decode(data: bytes) -> Terms:
    """The terms in ``data``. Every member must be there and none may be unknown: a verifier that skipped a
    restriction which it does not know would grant too much, so a new member needs a new ``ver``.

    Raises `errors.Refused`.
    """
    found = wire.members(wire.load(data, "the license's content"), "the license's content", _MEMBERS)
    not_before = found["notBefore"]
    return Terms(
        serial=check_serial(found["serial"]),
        tenant=wire.text(found["tenant"], "tenant"),
        product=wire.text(found["product"], "product"),
        edition=wire.text(found["edition"], "edition"),
        issued=wire.day(found["issued"], "issued"),
        not_before=None if not_before is None else wire.day(not_before, "notBefore"),
        expires=wire.day(found["expires"], "expires"),
        grace_days=wire.whole(found["graceDays"], "graceDays", 0, MAX_GRACE_DAYS),
        max_devices=wire.whole(found["maxDevices"], "maxDevices", 1, MAX_DEVICES),
        hardware=_rule(found["hardware"]),
        devices=tuple(_device(item) for item in wire.items(found["devices"], "devices")),
        features=wire.texts(found["features"], "features"),
        salt=wire.matches(found["salt"], "salt", _SALT, "16 to 64 bytes in lower-case hex"),
        seq=wire.whole(found["seq"], "seq", 1, MAX_SEQ),
        kid=check_kid(found["kid"]),
    )


def _rule(value: object) -> HardwareRule:
    found = wire.members(value, "hardware", ("match", "of", "required"))
    match = found["match"]
    return HardwareRule(
        match=match if isinstance(match, str) else wire.whole(match, "hardware.match", 1, MAX_DEVICES),
        of=wire.texts(found["of"], "hardware.of"),
        required=wire.texts(found["required"], "hardware.required"),
    )


def _device(value: object) -> Device:
    found = wire.members(value, "a device", ("name", "hardware"))
    name = wire.text(found["name"], "a device's name")
    hardware = found["hardware"]
    if not isinstance(hardware, dict):
        raise wire.malformed(f"hardware of device {name} is not an object")
    return Device(name, cast("dict[str, str]", hardware))  # which checks every name and digest


def _names(names: Iterable[str], what: str) -> tuple[str, ...]:
    found = sorted(
        wire.matches(name, f"a component in {what}", _COMPONENT, "1 to 32 letters and digits") for name in names
    )
    _no_twins(found, f"component in {what}")
    return tuple(found)


def _no_twins(names: Iterable[str], what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise wire.malformed(f"{what} {name} is listed twice")
        seen.add(name)
