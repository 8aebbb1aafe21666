"""The states of a transaction and of a tenant, and the moves that are allowed between them."""

from __future__ import annotations

import enum


class TransactionState(enum.StrEnum):
    """Where a transaction stands."""

    OPEN = "open"
    UNDOING = "undoing"
    PURGING = "purging"
    """Behind the point of no return of a purge: it only goes forward."""
    COMMITTED = "committed"
    ROLLED_BACK = "rolled-back"
    STUCK = "stuck"


MOVES: dict[TransactionState, frozenset[TransactionState]] = {
    TransactionState.OPEN: frozenset({TransactionState.COMMITTED, TransactionState.UNDOING, TransactionState.PURGING}),
    TransactionState.PURGING: frozenset({TransactionState.COMMITTED}),
    TransactionState.UNDOING: frozenset(
        {TransactionState.UNDOING, TransactionState.ROLLED_BACK, TransactionState.STUCK}
    ),
    TransactionState.STUCK: frozenset({TransactionState.UNDOING}),
    TransactionState.COMMITTED: frozenset(),
    TransactionState.ROLLED_BACK: frozenset(),
}

UNSETTLED = (
    TransactionState.OPEN,
    TransactionState.UNDOING,
    TransactionState.STUCK,
    TransactionState.PURGING,
)
"""What ``recover`` has to look at."""


class TenantState(enum.StrEnum):
    """``tenants.state`` in the central database; the first and the last are ours while the tenant is not ready."""

    PROVISIONING = "provisioning"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    TRASHED = "trashed"


def move(now: TransactionState, then: TransactionState) -> TransactionState:
    """``then``, if a transaction may go there from ``now``; ValueError otherwise, which is a fault of ours."""
    if then not in MOVES[now]:
        raise ValueError(f"a transaction can't go from {now} to {then}")
    return then
