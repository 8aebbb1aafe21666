"""What holds deletions back. All of them together are let through or none, so that nobody has to guess which."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from reconciler.spec.platform import Guards

PER_CENT_FROM = 20
"""The number of tenants from which on the share counts: of fewer, a few are always a large one."""


def refusals(
    leaving: Sequence[str], staying: Collection[str], guards: Guards, *, allowed: int | None = None
) -> dict[str, str]:
    """By tenant, why it must not go; empty if all of ``leaving`` may.

    ``staying`` are the tenants on record that are not to go. ``allowed`` is how many a person lets go this once,
    whatever the platform says of numbers; protection it does not lift.
    """
    found = {
        name: f"tenant {name} is protected: guards.protect in specs/platform.yaml names it"
        for name in leaving
        if name in guards.protect
    }
    count, total = len(leaving), len(leaving) + len(staying)
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
    return found if not said else {name: found.get(name, said) for name in leaving}
