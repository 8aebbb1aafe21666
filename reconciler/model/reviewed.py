"""What a reviewed plan binds, small enough to be hidden in the comment that shows the plan.

A comment is text that somebody wrote, so what is read out of one is data to compare with and nothing else. Whatever
can't be read counts as no review. Nothing in it is a secret, and it stands between the marks of an HTML comment: base64
has no ``-`` that could end one.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from reconciler.model import plan as plans
from reconciler.model import saved

FORMAT: Final = 1

MOST: Final = 16_000
"""Octets of the whole hidden comment."""

# Whoever wrote the reviewed spec may also choose the next one, so two equal digests must be out of reach: 128 bits.
_HEX: Final = 32
_LINE: Final = re.compile(r"<!-- reconciler-review:([A-Za-z0-9+/=]{1,20000}) -->")
_MOST_UNPACKED: Final = 4_000_000
"""Octets; ``encode`` packs less, and zlib could make a hundred times as much of a line."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What was reviewed of one tenant: the plan's digest, and what a milder plan is told by."""

    action: plans.Action
    fingerprint: str
    taken: frozenset[str]


@dataclass(frozen=True, slots=True)
class Review:
    """A reviewed plan.

    ``fingerprint`` is that of the whole plan. Where it was too big, ``tenants`` is empty and ``digests`` holds what is
    needed to know an equal plan again, of the riskiest tenants first; ``left`` tenants of it were left out.
    """

    fingerprint: str
    tenants: Mapping[str, Kept] = field(default_factory=dict)
    digests: frozenset[str] = frozenset()
    left: int = 0


def encode(fingerprint: str, changed: Sequence[plans.TenantPlan]) -> str:
    """The hidden comment, one line of at most ``MOST`` octets, of the tenants that the plan changes.

    ``changed`` comes with the riskiest first: what does not fit is left out from the end.
    """
    full = [
        [entry.tenant, entry.action.value, _short(entry.fingerprint), sorted(map(_thing, saved.taken(entry)))]
        for entry in changed
    ]
    line = _packed({"f": FORMAT, "p": fingerprint, "t": full})
    if len(line) <= MOST:
        return line
    # Digests hardly get smaller, so that so many are left as fit without it.
    count = min(len(changed), MOST * 3 // 4 // (_HEX // 2))
    while True:
        digests = "".join(_short(entry.fingerprint) for entry in changed[:count])
        line = _packed({"f": FORMAT, "p": fingerprint, "d": digests, "left": len(changed) - count})
        if len(line) <= MOST:
            return line
        count -= max(1, (len(line) - MOST) // _HEX)


def decode(body: str) -> Review | None:
    """The review that stands in the second line of a comment; None for whatever ``encode`` did not write."""
    lines = body.split("\n", 2)[1:2]
    found = _LINE.fullmatch(lines[0].rstrip("\r")) if lines else None
    if found is None:
        return None
    try:
        unpacking = zlib.decompressobj()
        text = unpacking.decompress(base64.b64decode(found[1], validate=True), _MOST_UNPACKED)
        return _review(json.loads(text)) if unpacking.eof and not unpacking.unused_data else None
    except (ValueError, zlib.error, KeyError, TypeError, AttributeError, RecursionError):
        return None


def objection(review: Review, now: plans.TenantPlan) -> str:
    """Why the review does not cover the plan of now, as what follows its name; empty if it is equal or no riskier."""
    fingerprint, kept = _short(now.fingerprint), review.tenants.get(now.tenant)
    if fingerprint in review.digests or (kept is not None and kept.fingerprint == fingerprint):
        return ""
    if kept is None:
        # Drift does not come from a merge, and would be repaired without one.
        return "" if now.action is plans.Action.REPAIR else _absent(review, now)
    if not saved.milder(kept.action, now):
        return f"would {now.action.value} it, and the reviewed one would {kept.action.value} it"
    more = [thing for thing in saved.taken(now) if _thing(thing) not in kept.taken]
    return f"takes away what the reviewed one leaves: {saved.listed(more)}" if more else ""


def _absent(review: Review, now: plans.TenantPlan) -> str:
    if review.digests:
        left = f", which left {review.left} tenants out for their number" if review.left else ""
        return f"would {now.action.value} it, and that is not what was reviewed{left}"
    return f"would {now.action.value} it, and the reviewed one did not touch it"


def _packed(said: Mapping[str, Any]) -> str:
    text = json.dumps(said, separators=(",", ":"), ensure_ascii=False)
    # A name may hold half of a pair, which UTF-8 can't.
    return f"<!-- reconciler-review:{base64.b64encode(zlib.compress(text.encode(errors='replace'), 9)).decode()} -->"


def _review(said: Any) -> Review | None:
    if said["f"] != FORMAT:
        return None
    if "d" in said:
        digests = _text(said["d"])
        parts = frozenset(_digest(digests[at : at + _HEX]) for at in range(0, len(digests), _HEX))
        left = said["left"]
        return Review(_text(said["p"]), digests=parts, left=left) if type(left) is int and left >= 0 else None
    tenants = {
        _text(name): Kept(plans.Action(action), _digest(fingerprint), frozenset(map(_digest, taken)))
        for name, action, fingerprint, taken in said["t"]
    }
    return Review(_text(said["p"]), tenants)


def _text(found: object) -> str:
    if not isinstance(found, str):
        raise TypeError("no text")
    return found


def _digest(found: object) -> str:
    if not re.fullmatch(f"[0-9a-f]{{{_HEX}}}", _text(found)):
        raise ValueError("no digest")
    return str(found)


def _short(fingerprint: str) -> str:
    return fingerprint.removeprefix("sha256:")[:_HEX]


def _thing(thing: saved.Thing) -> str:
    return _short(plans.digest(list(thing)))
