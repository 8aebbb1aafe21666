"""Judge a license on a device, offline: one call, one code, one sentence.

The order of the checks is part of the format, because the first one that fails gives the code:

1. the file's form (`MALFORMED`), 2. its key (`UNKNOWN_KEY`; `REVOKED` if the key is), 3. its signature
(`BAD_SIGNATURE`), 4. the form of what is signed (`MALFORMED`), 5. the revocation list (`REVOKED`,
`SUSPENDED`), 6. the clock (`CLOCK_TAMPERED`), 7. the dates (`NOT_YET_VALID`, `EXPIRED`), 8. the number of
devices (`TOO_MANY_DEVICES`), 9. this device (`HARDWARE_MISMATCH`, `DEVICE_NOT_AUTHORIZED`). Only what
passed them all is `VALID`, or `IN_GRACE` after its last day.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from reconciler import errors
from reconciler.licensing import format as signed_file
from reconciler.licensing import hardware as matching
from reconciler.licensing import keys, revocation, terms
from reconciler.licensing.codes import Code, Rejection

CLOCK_TOLERANCE: Final = datetime.timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result. ``terms`` is None unless the signature is good; ``match`` is None unless the hardware
    was compared with devices of the license.
    """

    code: Code
    message: str
    terms: terms.Terms | None = None
    match: matching.Match | None = None

    @property
    def acceptable(self) -> bool:
        """True if the application may run."""
        return self.code.acceptable


def verify(
    data: bytes,
    ring: keys.KeyRing,
    *,
    now: datetime.datetime,
    hardware: Mapping[str, str] | None = None,
    revoked: revocation.RevocationList | None = None,
    last_seen: datetime.datetime | None = None,
    device_count: int | None = None,
) -> Verdict:
    """Judge the license file ``data``; whatever its bytes are, the answer is a verdict.

    ``now`` and ``last_seen`` (the latest time that this device remembers) are aware datetimes.
    ``hardware`` has the plain values of this device's components; None leaves the device unchecked.
    ``revoked`` comes from `revocation.parse`. ``device_count`` is the number of devices in use, this one
    included, as far as the caller knows. A license that lists no devices is bound to none: any hardware
    will do, and only their number is limited.

    Raises `ValueError` for a naive datetime, since reading it would depend on the machine's time zone.
    """
    if now.tzinfo is None or (last_seen is not None and last_seen.tzinfo is None):
        raise ValueError("now and last_seen need a time zone")
    try:
        envelope = signed_file.parse(data)
        if rejection := signed_file.distrust(envelope, ring):
            return Verdict(*rejection)
        granted = signed_file.read_terms(envelope)
    except errors.Refused as refused:
        return Verdict(Code.MALFORMED, refused.message)
    rejection = (
        _listed(granted, revoked)
        or _clock(granted, revoked, now, last_seen)
        or _dates(granted, now)
        or _count(granted, device_count)
    )
    if rejection:
        return Verdict(*rejection, terms=granted)
    match = matching.best_match(granted, hardware) if hardware is not None else None
    if match and not match.satisfied:
        return Verdict(*_device(granted, match), terms=granted, match=match)
    return Verdict(*_accepted(granted, now, hardware is not None, match), terms=granted, match=match)


def _listed(granted: terms.Terms, revoked: revocation.RevocationList | None) -> Rejection | None:
    entry = revoked.find(granted.serial, granted.seq) if revoked else None
    if entry is None or revoked is None:
        return None
    code = Code.REVOKED if entry.standing is revocation.Standing.REVOKED else Code.SUSPENDED
    if entry.up_to_seq is None:
        return Rejection(
            code,
            f"license {granted.serial} is {entry.standing} by list {revoked.seq} of {revoked.issued}; ask its issuer",
        )
    return Rejection(
        code,
        f"license {granted.serial} is {entry.standing} up to sequence {entry.up_to_seq} by list "
        f"{revoked.seq} of {revoked.issued}, and this file has {granted.seq}; install the newest file",
    )


def _clock(
    granted: terms.Terms,
    revoked: revocation.RevocationList | None,
    now: datetime.datetime,
    last_seen: datetime.datetime | None,
) -> Rejection | None:
    # What is signed can't lie in the future: its issue day bounds the clock even if the device forgot.
    witnesses = [(terms.midnight(granted.issued), "the license was issued")]
    if revoked:
        witnesses.append((terms.midnight(revoked.issued), "the revocation list was issued"))
    if last_seen:
        witnesses.append((last_seen, "this device ran before"))
    latest, what = max(witnesses)
    if latest - now <= CLOCK_TOLERANCE:
        return None
    return Rejection(
        Code.CLOCK_TAMPERED,
        f"the clock says {signed_file.instant(now)}, but {what} at {signed_file.instant(latest)}; set the clock right",
    )


def _dates(granted: terms.Terms, now: datetime.datetime) -> Rejection | None:
    if granted.not_before and now < terms.midnight(granted.not_before):
        return Rejection(
            Code.NOT_YET_VALID,
            f"license {granted.serial} is valid from {granted.not_before}; it is {signed_file.instant(now)} (UTC)",
        )
    if now < granted.grace_until:
        return None
    grace = f", and its grace of {_counted(granted.grace_days, 'day')} is over" if granted.grace_days else ""
    return Rejection(
        Code.EXPIRED,
        f"license {granted.serial} was valid until the end of {granted.expires} (UTC){grace}; renew it",
    )


def _count(granted: terms.Terms, device_count: int | None) -> Rejection | None:
    for number, what in ((len(granted.devices), "listed"), (device_count or 0, "in use")):
        if number > granted.max_devices:
            return Rejection(
                Code.TOO_MANY_DEVICES,
                f"license {granted.serial} is for {_counted(granted.max_devices, 'device')}, but {number} are {what}; "
                "remove one or extend the license",
            )
    return None


def _device(granted: terms.Terms, match: matching.Match) -> Rejection:
    if match.matched:
        return Rejection(
            Code.HARDWARE_MISMATCH,
            f"this resembles device {match.device} of license {granted.serial}, but is not the same: "
            f"{match.explanation}; have it enrolled again if its hardware was replaced",
        )
    return Rejection(
        Code.DEVICE_NOT_AUTHORIZED,
        f"license {granted.serial} lists {_counted(len(granted.devices), 'device')}, and this is none of "
        "them; have it enrolled",
    )


def _accepted(granted: terms.Terms, now: datetime.datetime, compared: bool, match: matching.Match | None) -> Rejection:
    if match:
        where = f"on device {match.device} ({match.explanation})"
    elif not granted.devices:
        where = f"on any {_counted(granted.max_devices, 'device')}"
    else:
        where = f"on {_counted(len(granted.devices), 'device')}; whether this is one was not checked"
    if now < granted.valid_until:
        return Rejection(
            Code.VALID, f"license {granted.serial} is valid until the end of {granted.expires} (UTC), {where}"
        )
    return Rejection(
        Code.IN_GRACE,
        f"license {granted.serial} expired at the end of {granted.expires} (UTC) and is in grace until "
        f"{signed_file.instant(granted.grace_until)}, {where}; renew it",
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
