"""What differs between two licenses, and whether that asks for a new file.

A plan shows a license field by field (``maxDevices 3 → 5``, ``device caja-2 removed``). Digests are never
shown: they say nothing to a person.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Final, NamedTuple

from reconciler.licensing import terms

BOOKKEEPING: Final = frozenset({"seq", "issued", "kid"})
_PLAIN = (
    "serial",
    "tenant",
    "product",
    "edition",
    "issued",
    "notBefore",
    "expires",
    "graceDays",
    "maxDevices",
    "seq",
    "kid",
)


class Difference(NamedTuple):
    """One field that differs. ``before`` is None for what was added, ``after`` for what was removed."""

    field: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        if self.before is None:
            return f"{self.field} added"
        if self.after is None:
            return f"{self.field} removed"
        if self.before == self.after:
            return f"{self.field} changed"
        return f"{self.field} {self.before} → {self.after}"


def changes(old: terms.Terms, new: terms.Terms, *, ignore: Collection[str] = frozenset()) -> tuple[Difference, ...]:
    """Everything that differs, always in the same order. ``ignore`` names members with a single value by
    their name in JSON, often `BOOKKEEPING`.
    """
    before, after = terms.as_members(old), terms.as_members(new)
    found = [
        Difference(name, _shown(before[name]), _shown(after[name]))
        for name in _PLAIN
        if before[name] != after[name] and name not in ignore
    ]
    for name, one, two in (
        ("match", old.hardware.match, new.hardware.match),
        ("of", ", ".join(old.hardware.of), ", ".join(new.hardware.of)),
        ("required", ", ".join(old.hardware.required), ", ".join(new.hardware.required)),
    ):
        if one != two:
            found.append(Difference(f"hardware.{name}", _shown(one), _shown(two)))
    found += _added_and_removed("feature", old.features, new.features)
    found += _devices(old, new)
    return tuple(found)


def _shown(value: object) -> str:
    return "none" if value in (None, "") else str(value)


def _added_and_removed(what: str, old: Collection[str], new: Collection[str]) -> list[Difference]:
    removed = [Difference(f"{what} {name}", name, None) for name in sorted(set(old) - set(new))]
    return removed + [Difference(f"{what} {name}", None, name) for name in sorted(set(new) - set(old))]


def _devices(old: terms.Terms, new: terms.Terms) -> list[Difference]:
    before = {device.name: device.hardware for device in old.devices}
    after = {device.name: device.hardware for device in new.devices}
    found = _added_and_removed("device", before, after)
    if old.salt != new.salt:
        # Under another salt every digest differs, whether or not the hardware does.
        return [*found, Difference("salt", "set", "set")]
    for name in sorted(set(before) & set(after)):
        one, two = before[name], after[name]
        for component in sorted(set(one) | set(two)):
            if one.get(component) != two.get(component):
                known = "set" if component in one else None
                wanted = "set" if component in two else None
                found.append(Difference(f"device {name} {component}", known, wanted))
    return found


def reissued(current: terms.Terms, wanted: terms.Terms, *, ignore: Collection[str] = BOOKKEEPING) -> terms.Terms:
    """The terms to sign: ``current`` itself if nothing else differs, otherwise ``wanted`` with the next
    ``seq``. Signing ``current`` again gives the file that is already there, byte for byte.

    Leave ``kid`` out of ``ignore`` to issue a license again because its key was rotated.
    """
    if not changes(current, wanted, ignore=ignore):
        return current
    return replace(wanted, seq=current.seq + 1)
