"""The revocation list: how a license is taken back on devices that are never online.

It is a signed file like a license, brought along with updates or on a stick. ``seq`` grows with each list;
a device remembers the highest that it has accepted and refuses a lower one, so an old list can't bring a
revoked license back. A list replaces the one before: a license that is no longer listed is good again.
"""

from __future__ import annotations

import datetime
import enum
import itertools
from dataclasses import dataclass
from typing import Final

from reconciler.licensing import format as signed_file
from reconciler.licensing import keys, terms, wire

TYPE: Final = "revocations"
LABEL: Final = "LICENSE REVOCATION LIST"
MAX_FILE: Final = 16 * 1024 * 1024


class Standing(enum.StrEnum):
    """What a list says of a license. A suspension is meant to be lifted, a revocation is not."""

    REVOKED = "revoked"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class Entry:
    """One license on a list. ``up_to_seq`` limits it to files with that ``seq`` or a lower one; None: all.

    A license that was issued again with fewer devices is listed with the last ``seq`` of the old files.
    """

    serial: str
    standing: Standing
    up_to_seq: int | None = None

    def __post_init__(self) -> None:
        terms.check_serial(self.serial)
        if self.up_to_seq is not None:
            wire.whole(self.up_to_seq, f"upToSeq of {self.serial}", 1, terms.MAX_SEQ)


@dataclass(frozen=True, slots=True)
class RevocationList:
    """A list as it was issued; a verifier gets it from `parse` and nowhere else."""

    seq: int
    issued: datetime.date
    kid: str
    entries: tuple[Entry, ...] = ()

    def __post_init__(self) -> None:
        wire.whole(self.seq, "seq", 1, terms.MAX_SEQ)
        wire.in_range(self.issued, "issued")
        terms.check_kid(self.kid)
        ordered = tuple(sorted(self.entries, key=lambda entry: (entry.serial, entry.standing)))
        for one, two in itertools.pairwise(ordered):
            if (one.serial, one.standing) == (two.serial, two.standing):
                raise wire.malformed(f"license {one.serial} is listed twice as {one.standing}")
        object.__setattr__(self, "entries", ordered)

    def find(self, serial: str, seq: int) -> Entry | None:
        """The entry that holds for the license file ``serial`` with ``seq``; a revocation before a suspension."""
        return next(
            (
                entry
                for entry in self.entries
                if entry.serial == serial and (entry.up_to_seq is None or seq <= entry.up_to_seq)
            ),
            None,
        )


def sign(listed: RevocationList, seed: bytes) -> bytes:
    """The file of a list, signed with the private key ``seed``; byte-identical for the same inputs.

    Raises `errors.Refused`.
    """
    content = wire.dump(
        {
            "seq": listed.seq,
            "issued": listed.issued.isoformat(),
            "kid": listed.kid,
            "entries": [
                {"serial": entry.serial, "status": entry.standing.value, "upToSeq": entry.up_to_seq}
                for entry in listed.entries
            ],
        }
    )
    data = signed_file.seal(TYPE, LABEL, content, listed.kid, seed)
    if len(data) > MAX_FILE:
        raise wire.malformed(f"the revocation list would have {len(data)} bytes; {MAX_FILE} are allowed")
    return data


def parse(data: bytes, ring: keys.KeyRing, *, seen_seq: int = 0) -> RevocationList:
    """The list in a file, with its signature checked. ``seen_seq`` is the highest ``seq`` accepted so far.

    Raises `errors.Refused`; the message of a list that is not believed starts with the result code.
    """
    envelope = signed_file.open_envelope(TYPE, LABEL, data, MAX_FILE)
    if rejection := signed_file.distrust(envelope, ring):
        raise wire.malformed(f"{rejection.code}: {rejection.message}")
    what = "the revocation list"
    found = wire.members(wire.load(envelope.content, what), what, ("seq", "issued", "kid", "entries"))
    listed = RevocationList(
        seq=wire.whole(found["seq"], "seq", 1, terms.MAX_SEQ),
        issued=wire.day(found["issued"], "issued"),
        kid=terms.check_kid(found["kid"]),
        entries=tuple(_entry(item) for item in wire.items(found["entries"], "entries")),
    )
    if listed.kid != envelope.kid:
        raise wire.malformed(f"the revocation list names key {listed.kid}, but its envelope {envelope.kid}")
    if listed.seq < seen_seq:
        raise wire.malformed(
            f"the revocation list has sequence {listed.seq}, but {seen_seq} was seen before; get the newest"
        )
    return listed


def _entry(value: object) -> Entry:
    found = wire.members(value, "an entry", ("serial", "status", "upToSeq"))
    serial, status, up_to = terms.check_serial(found["serial"]), found["status"], found["upToSeq"]
    if status not in list(Standing):
        raise wire.malformed(f"status of {serial} is not one of {', '.join(Standing)}")
    limit = None if up_to is None else wire.whole(up_to, f"upToSeq of {serial}", 1, terms.MAX_SEQ)
    return Entry(serial, Standing(str(status)), limit)
