"""Undoing: the one way back, for a step that failed, for a lost connection, and for a process that died.

It has the journal and nothing else: no specs, no products. It looks first, undoes what is ours, leaves what is foreign,
and can be cut off and repeated anywhere. An undo that destroys is journaled before it begins, after the marks were
checked; from then on the names are ours without a mark.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from reconciler import errors
from reconciler.engine import foundation, outbox, purge
from reconciler.engine.progress import Progress
from reconciler.model.change import Change
from reconciler.model.outcome import Leftover
from reconciler.model.secret import Secret
from reconciler.model.server import Server
from reconciler.model.states import TransactionState
from reconciler.ports.ports import Ports
from reconciler.ports.session import Place, Session
from reconciler.ports.store import journal, leases, records
from reconciler.ports.store import store as stores
from reconciler.ports.store.leases import Lease
from reconciler.resources import kinds, resource

_FIRST_WAIT, _LONGEST_WAIT = 0.2, 5.0
_AWAY = (errors.ConnectionLost, errors.ServerUnreachable)


@dataclass(frozen=True, slots=True)
class Tools:
    """What recovery works with. ``reveal`` gives a tenant's secret; ``patience`` is in seconds."""

    store: stores.Store
    ports: Ports
    reveal: Callable[[str, Secret], str]
    patience: float
    progress: Progress


@dataclass(frozen=True, slots=True)
class Settled:
    """How a transaction was settled."""

    transaction: journal.Transaction
    leftovers: tuple[Leftover, ...]
    undone: tuple[str, ...]
    forward: bool = False
    """Whether it was finished instead of undone: a purge behind its point of no return."""


def settle(
    tools: Tools, lease: Lease, transaction: journal.Transaction, reason: str, *, begun: int | None = None
) -> Settled:
    """Undo a transaction that is not committed, under ``lease``; ``reason`` goes into the audit trail.

    ``begun`` is how many of its changes were begun, where that is known for sure: the others need no undo.

    Waits up to ``patience`` for a server that is away, each time as its own successor: a new number, new connections,
    the locks. Errors: ``LeaseLost`` if another process took over, ``StoreFailed`` if the journal can't be written.
    """
    deadline, wait = time.monotonic() + tools.patience, _FIRST_WAIT
    if transaction.tenant == foundation.PLATFORM:
        leases.fenced(
            tools.store,
            lease,
            lambda connection: foundation.kept(connection, transaction, lease, tools.ports.clock, reason),
        )
        return Settled(transaction, (), ())
    while True:
        try:
            return _attempt(tools, lease, transaction, reason, begun)
        except _AWAY as error:
            if time.monotonic() + wait > deadline:
                left = [
                    Leftover(change.resource, change.name, f"not undone: {error.message}", change.undo)
                    for change in _changes(_entries(tools, transaction))[:begun]
                ]
                if transaction.state is TransactionState.PURGING:
                    return Settled(transaction, tuple(left), ())
                return _close(tools, lease, transaction, reason, tuple(left), ())
            time.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT)
            leases.refresh(tools.store, lease)


def _attempt(tools: Tools, lease: Lease, transaction: journal.Transaction, reason: str, begun: int | None) -> Settled:
    entries = _entries(tools, transaction)
    session = _session(tools, lease, transaction, entries)
    try:
        session.expel()
        session.claim()
        if transaction.state is TransactionState.PURGING:
            return _onward(tools, lease, transaction, session, entries)
        if transaction.state is not TransactionState.UNDOING or not any(e.kind == "undoing" for e in entries):
            _write(tools, lease, transaction, "undoing", {"reason": reason}, TransactionState.UNDOING)
        changes = _changes(entries)
        leftovers: dict[str, Leftover] = {}
        changes = changes[:begun]
        _announce_drops(tools, lease, transaction, session, changes, leftovers)
        undone = []
        for change in reversed(changes):
            if _address(change) in leftovers or _theirs(change, session):
                continue
            tools.progress.undoing(transaction.tenant, change)
            left = _undo(change, session)
            if left is None:
                undone.append(f"{change.step}: {change.summary}")
            else:
                leftovers[_address(change)] = left
        for change in changes:
            if _address(change) in leftovers or _theirs(change, session):
                continue
            if (left := _check(change, session)) is not None:
                leftovers[_address(change)] = left
        return _close(tools, lease, transaction, reason, tuple(leftovers.values()), tuple(undone))
    finally:
        session.close()


def _onward(
    tools: Tools, lease: Lease, transaction: journal.Transaction, session: Session, entries: list[journal.Entry]
) -> Settled:
    """Finish a purge; what can't be destroyed yet is left over, and the next recovery tries again."""
    changes = _changes(entries)
    if left := purge.forward(changes, session):
        return Settled(transaction, tuple(left), ())
    now = tools.ports.clock.stamp()

    def write(connection: sa.Connection) -> None:
        number = purge.write_commit(connection, changes, transaction.tenant, transaction.id, lease, now)
        outbox.write(connection, entries[0].body, transaction, number, "applied", at=now, said={})

    leases.fenced(tools.store, lease, write)
    return Settled(transaction, (), (), forward=True)


def _announce_drops(
    tools: Tools,
    lease: Lease,
    transaction: journal.Transaction,
    session: Session,
    changes: list[Change],
    leftovers: dict[str, Leftover],
) -> None:
    names = []
    for change in changes:
        if change.destroys and change.before is None:
            try:
                if _kind(change).held(change, session) and (change.resource, change.name) not in session.dropping:
                    names.append([change.resource, change.name])
            except resource.Foreign as foreign:
                leftovers[_address(change)] = foreign.leftover
                session.foreign |= {(change.resource, change.name)}
            except _AWAY:
                raise
            except Exception as error:  # noqa: BLE001 - as for any undo
                leftovers[_address(change)] = _failed(change, session, error)
    if names:
        _write(tools, lease, transaction, "dropping", {"names": names}, None)
        session.dropping |= {(kind, name) for kind, name in names}


def _theirs(change: Change, session: Session) -> bool:
    """Whether it changes a thing that turned out to be a foreigner's: then it was not done, or not to this thing."""
    return any(change.name == name or change.name.startswith(f"{name}/") for _, name in session.foreign)


def _undo(change: Change, session: Session) -> Leftover | None:
    try:
        _kind(change).undo(change, session)
    except _AWAY:
        raise
    except resource.Foreign as foreign:
        return foreign.leftover
    except Exception as error:  # noqa: BLE001 - whatever it is, the other undos go on
        return _failed(change, session, error)
    return None


def _failed(change: Change, session: Session, error: Exception, what: str = "") -> Leftover:
    """What is left over where an undo, or a look, failed. Errors: ``ConnectionLost`` if that was why."""
    said = error.message if isinstance(error, errors.ReconcileError) else f"unforeseen {type(error).__name__}: {error}"
    if session.lost:
        raise errors.ConnectionLost(said) from error
    return Leftover(change.resource, change.name, what + said, change.undo)


def _check(change: Change, session: Session) -> Leftover | None:
    try:
        if _kind(change).undone(change, session):
            return None
    except _AWAY:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the other looks go on
        return _failed(change, session, error, "could not be looked at again: ")
    return Leftover(change.resource, change.name, "is not as it was before, although it was undone", change.undo)


def _close(
    tools: Tools,
    lease: Lease,
    transaction: journal.Transaction,
    reason: str,
    leftovers: tuple[Leftover, ...],
    undone: tuple[str, ...],
) -> Settled:
    then = TransactionState.STUCK if leftovers else TransactionState.ROLLED_BACK
    now = tools.ports.clock.stamp()
    body = {
        "undone": list(undone),
        "leftovers": [[left.resource, left.name, left.reason, left.clear] for left in leftovers],
    }

    first = _entries(tools, transaction)[0].body
    said = {"reason": reason, "leftovers": outbox.leftovers(leftovers)}

    def write(connection: sa.Connection) -> None:
        state = journal.find(connection, transaction.id)
        if state is not None and state.state is not TransactionState.UNDOING:
            journal.advance(connection, transaction.id, TransactionState.UNDOING, token=lease.token)
        number = journal.append(connection, transaction.id, then.value, body, token=lease.token, at=now)
        outbox.write(connection, first, transaction, number, then.value, at=now, said=said)
        journal.advance(connection, transaction.id, then, token=lease.token, at=now)
        if then is TransactionState.ROLLED_BACK:
            records.shred(connection, transaction.id)

    leases.fenced(tools.store, lease, write)
    return Settled(transaction, leftovers, undone)


def _write(
    tools: Tools,
    lease: Lease,
    transaction: journal.Transaction,
    kind: str,
    body: Mapping[str, Any],
    then: TransactionState | None,
) -> None:
    now = tools.ports.clock.stamp()

    def write(connection: sa.Connection) -> None:
        journal.append(connection, transaction.id, kind, body, token=lease.token, at=now)
        if then is not None:
            journal.advance(connection, transaction.id, then, token=lease.token)

    leases.fenced(tools.store, lease, write)


def _session(tools: Tools, lease: Lease, transaction: journal.Transaction, entries: list[journal.Entry]) -> Session:
    begin = entries[0].body
    place = begin["place"]
    return Session(
        tenant=transaction.tenant,
        transaction=transaction.id,
        token=lease.token,
        place=Place(**{**place, "deliveries": Path(place["deliveries"]), "trash": Path(place["trash"])}),
        servers={data["name"]: Server.from_data(data) for data in begin["servers"]},
        ports=tools.ports,
        fence=lambda: leases.check(tools.store, lease),
        reveal=lambda secret: tools.reveal(transaction.tenant, secret),
        sign=_never_signs,
        committed=lambda identity: _committed(tools, transaction.tenant, identity),
        dropping=frozenset(
            (kind, name) for entry in entries if entry.kind == "dropping" for kind, name in entry.body["names"]
        ),
    )


def _committed(tools: Tools, tenant: str, identity: str) -> bool:
    found = tools.store.read(lambda connection: journal.find(connection, identity))
    return found is not None and (found.id, found.tenant, found.state) == (identity, tenant, TransactionState.COMMITTED)


def _never_signs(_terms: Mapping[str, object]) -> bytes:
    raise ValueError("an undo signs nothing")


def _entries(tools: Tools, transaction: journal.Transaction) -> list[journal.Entry]:
    return tools.store.read(lambda connection: journal.entries(connection, transaction.id))


def _changes(entries: list[journal.Entry]) -> list[Change]:
    return [Change.from_data(data) for data in entries[0].body["changes"]]


def _address(change: Change) -> str:
    return f"{change.resource} {change.name}"


def _kind(change: Change) -> type[resource.Resource]:
    found = kinds.all_kinds().get(change.resource)
    if found is None:
        raise errors.StoreFailed(f"the journal names the resource {change.resource}, which this version does not know")
    return found
