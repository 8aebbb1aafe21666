"""What holds deletions back. All of them together are let through or none, so that nobody has to guess which.

What a spec's annotations say of its tenant's removal counts when the spec is gone and can't be asked any more, so it is
remembered with the tenant's record.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from reconciler import errors
from reconciler.model.record import Record
from reconciler.spec.platform import Guards

PER_CENT_FROM: Final = 20
"""The number of tenants from which on the share counts: of fewer, a few are always a large one."""

NOTES: Final = "annotations"
"""The fact of what a spec's annotations say of its tenant's removal."""

PRUNE, PROTECT = "reconciler/prune", "reconciler/protect"
_KEEPING: Final = {PRUNE: "disabled", PROTECT: "true"}


def notes(annotations: Mapping[str, Any]) -> dict[str, str]:
    """Of a spec's annotations those that keep its tenant."""
    return {name: value for name, value in _KEEPING.items() if annotations.get(name) == value}


def remember(facts: dict[str, Any], annotations: Mapping[str, Any]) -> None:
    """Put what the annotations say of a removal among a record's facts, in place of what they said before."""
    if said := notes(annotations):
        facts[NOTES] = said
    else:
        facts.pop(NOTES, None)


def noted(record: Record) -> Mapping[str, str]:
    """The annotations that keep a tenant, as its record remembers them."""
    return record.facts.get(NOTES, {})


def protection(tenant: str, said: Mapping[str, str], guards: Guards) -> errors.GuardRefused | None:
    """Why a tenant is never deleted whose annotations say ``said``; None if it may be."""
    if tenant in guards.protect:
        return errors.GuardRefused(
            f"tenant {tenant} is protected: guards.protect in specs/platform.yaml names it",
            advice="If it is to go, take its name out of guards.protect first.",
        )
    if PROTECT in said:
        return errors.GuardRefused(
            f'tenant {tenant} is protected: its spec has or had the annotation {PROTECT}: "true"',
            advice="If it is to go, apply its spec without the annotation first.",
        )
    return None


def refusals(
    leaving: Mapping[str, Mapping[str, str]], staying: Collection[str], guards: Guards, *, allowed: int | None = None
) -> dict[str, errors.GuardRefused]:
    """By tenant, why it must not go, or its database not without it; empty if all of ``leaving`` may.

    ``leaving`` are the tenants that are to go, with the annotations that keep them; ``staying`` those on record that
    are not. ``allowed`` is how many a person lets go this once, whatever the platform says of numbers; protection it
    does not lift.
    """
    found = {name: why for name, said in leaving.items() if (why := protection(name, said, guards)) is not None}
    count, total = len(leaving), len({*leaving, *staying})
    said = ""
    if allowed is not None:
        if count > allowed:
            said = f"{count} tenants would be deleted, and --allow-deletes lets {allowed} go"
    elif count > guards.max_deletes:
        said = f"{count} tenants would be deleted, and guards.maxDeletes is {guards.max_deletes}"
    elif count > 1 and total >= PER_CENT_FROM and count * 100 > guards.max_delete_percent * total:
        said = (
            f"{count} of {total} tenants would be deleted ({count * 100 / total:.0f} %), and "
            f"guards.maxDeletePercent is {guards.max_delete_percent}"
        )
    elif count > 1 and not staying:
        said = f"all {count} tenants would be deleted at once; is this the right repository?"
    return {name: found.get(name) or errors.GuardRefused(said) for name in leaving} if said else found
