"""The possible results of looking at a license, for programs."""

from __future__ import annotations

import enum
from typing import NamedTuple


class Code(enum.StrEnum):
    """What a license is good for, here and now. `VALID` and `IN_GRACE` let the application run."""

    VALID = "VALID"
    IN_GRACE = "IN_GRACE"
    EXPIRED = "EXPIRED"
    NOT_YET_VALID = "NOT_YET_VALID"
    REVOKED = "REVOKED"
    SUSPENDED = "SUSPENDED"
    TOO_MANY_DEVICES = "TOO_MANY_DEVICES"
    DEVICE_NOT_AUTHORIZED = "DEVICE_NOT_AUTHORIZED"
    HARDWARE_MISMATCH = "HARDWARE_MISMATCH"
    BAD_SIGNATURE = "BAD_SIGNATURE"
    UNKNOWN_KEY = "UNKNOWN_KEY"
    MALFORMED = "MALFORMED"
    CLOCK_TAMPERED = "CLOCK_TAMPERED"

    @property
    def acceptable(self) -> bool:
        """True if the application may run."""
        return self in (Code.VALID, Code.IN_GRACE)

    @property
    def exit(self) -> int:
        """The exit status of a command that ends with this code: 0 if acceptable, otherwise 3."""
        return 0 if self.acceptable else 3


class Rejection(NamedTuple):
    """Why something is not accepted: the code, and a sentence for people."""

    code: Code
    message: str
