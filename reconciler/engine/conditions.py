"""What can be said of a tenant without looking at a server: its record, its transactions, who works on it or holds it,
and what a daemon wrote down.

``Ready`` is always there; ``Reconciling``, ``Stalled``, ``RollbackFailed``, ``Drifted`` and ``Suspended`` only while
they hold. Drift is what somebody saw who looked at a server: a plan, or the daemon's sweep, which writes it down.
"""

from __future__ import annotations

import functools
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

import sqlalchemy as sa

from reconciler import errors
from reconciler.engine import held, removal
from reconciler.engine.setting import Setting
from reconciler.model import standing as model
from reconciler.model.standing import Condition, Hold, Standing
from reconciler.model.states import TenantState, TransactionState
from reconciler.ports import process
from reconciler.ports.store import journal, standing, tables
from reconciler.spec.document import Document

TRUE: Final = model.TRUE
FALSE: Final = model.FALSE
UNKNOWN: Final = model.UNKNOWN
ORDER: Final = ("Ready", "Reconciling", "Stalled", "RollbackFailed", "Drifted", "Suspended")
_MOST_TRANSACTIONS: Final = 20_000
_HISTORY: Final = 3
_SHORT: Final = 8


@dataclass(frozen=True, slots=True)
class Status:
    """A tenant as the store knows it. ``revision`` is the applied one, empty for a tenant that was never made.

    ``history`` are its last transactions, newest first, not more than three; ``hold`` is who holds it now.
    """

    tenant: str
    product: str
    state: str
    revision: str
    conditions: tuple[Condition, ...]
    standing: Standing | None = None
    history: tuple[journal.Transaction, ...] = ()
    hold: Hold | None = None

    def has(self, kind: str) -> bool:
        """Whether the condition ``kind`` is there and true."""
        return any(found.type == kind and found.status == TRUE for found in self.conditions)

    def of(self, kind: str) -> Condition | None:
        """The condition ``kind``, if it is there."""
        return next((found for found in self.conditions if found.type == kind), None)


@dataclass(frozen=True, slots=True)
class Overview:
    """All tenants; the conditions of where the specs are merged; and who holds the whole daemon."""

    tenants: list[Status]
    source: tuple[Condition, ...] = ()
    paused: Hold | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    """A tenant's record, without what takes long to read; ``against`` is why it is held against git."""

    product: str
    state: str
    revision: str
    transaction: str
    updated_at: str
    against: str


@dataclass(frozen=True, slots=True)
class _Read:
    """What the store has, by tenant or subject; ``past`` is newest first."""

    known: Mapping[str, _Known] = field(default_factory=dict)
    past: Mapping[str, list[journal.Transaction]] = field(default_factory=dict)
    holders: Mapping[str, process.Process] = field(default_factory=dict)
    standings: Mapping[str, Standing] = field(default_factory=dict)
    conditions: Mapping[str, tuple[Condition, ...]] = field(default_factory=dict)
    holds: Mapping[str, Hold] = field(default_factory=dict)


def of_tenants(setting: Setting, tenant: str | None = None) -> list[Status]:
    """Every tenant that the store knows of, by name, or only ``tenant``; none where there is no store yet.

    Errors: ``UsageError`` if nothing at all is known of ``tenant``.
    """
    return overview(setting, tenant).tenants


def overview(setting: Setting, tenant: str | None = None) -> Overview:
    """The same, with what is no tenant's. Errors: as for ``of_tenants``."""
    if setting.store is None:
        return Overview([])
    found = setting.store.read(lambda connection: _read(connection, tenant))
    names = _names(found, setting.ports.clock.stamp())
    if tenant is not None and tenant not in names:
        raise errors.UsageError(
            f"nothing is on record of a tenant {tenant}", advice="`reconcile status` lists the tenants on record."
        )
    return _told(setting, found, sorted(names))


def of_one(setting: Setting, tenant: str) -> Overview:
    """One tenant, for which a spec is enough. Errors: ``UsageError`` if it has neither a spec nor a past."""
    found = setting.store.read(lambda connection: _read(connection, tenant)) if setting.store else _Read()
    names = _names(found, setting.ports.clock.stamp()) | {document.name for document in setting.specs.tenants}
    if tenant not in names:
        raise errors.UsageError(
            f"there is no tenant {tenant}, neither in the specs nor on record",
            advice="`reconcile status` lists the tenants on record.",
        )
    return _told(setting, found, [tenant])


def _told(setting: Setting, found: _Read, names: Sequence[str]) -> Overview:
    moment = setting.ports.clock.now()
    documents = {document.name: document for document in reversed(setting.specs.tenants)}
    products = _products(setting, documents, [name for name in names if name not in found.known], found.past)
    statuses = []
    for name in names:
        document = documents.get(name)
        hold = held.held(document, found.holds, moment) if document else _lasting(found.holds.get(name), setting)
        statuses.append(_status(name, found, products.get(name, ""), hold))
    return Overview(statuses, found.conditions.get(model.SOURCE, ()), held.daemon(found.holds, moment))


def merged(
    counted: Sequence[Condition], stored: Sequence[Condition], *, settled: bool, newer: bool, again: bool = False
) -> list[Condition]:
    """What the journal, the specs and the holds say (``counted``), and what the daemon wrote down, as one list.

    The daemon knows more of an attempt than the journal does: why it failed, whether it is tried again. So its word
    goes, but where the journal knows better: while a transaction is open or stuck (not ``settled``), or where one ended
    behind the daemon's last word (``newer``). That a spec is invalid no transaction can answer; and what was left over
    is left over while it is undone once more (``again``).
    """
    found = {entry.type: entry for entry in counted}
    said = {entry.type: entry for entry in stored if entry.type == "Ready" or entry.status == TRUE}
    if newer:
        said = {kind: entry for kind, entry in said.items() if kind == "Suspended" or entry.reason == "BuildFailed"}
    if not settled:
        lasting = ("Drifted", "Suspended", "RollbackFailed") if again else ("Drifted", "Suspended")
        said = {kind: entry for kind, entry in said.items() if kind in lasting}
    elif "Reconciling" in said or "Stalled" in said:
        found.pop("Stalled", None)
    suspended = found.get("Suspended")
    found |= said
    if suspended is not None:
        # Who holds it is read anew; only when that began may stand nowhere else.
        was = said.get("Suspended")
        found["Suspended"] = replace(suspended, since=suspended.since or (was.since if was else ""))
    return sorted(found.values(), key=_place)


def superseded(standing: Standing | None, last: journal.Transaction | None) -> bool:
    """Whether a transaction ended behind what the daemon said last: somebody else has worked on the tenant since."""
    return standing is not None and last is not None and (last.ended_at or "") > standing.updated_at


def _again(standing: Standing | None, last: journal.Transaction | None) -> bool:
    """Whether a transaction is being undone of which the daemon has spoken before, so not for the first time."""
    if standing is None or last is None or last.state is not TransactionState.UNDOING:
        return False
    return last.started_at <= standing.updated_at


def _read(connection: sa.Connection, tenant: str | None) -> _Read:
    wanted = None if tenant is None else [tenant]
    known = _records(connection, tenant)
    # The newest are enough for a word about the past; what is open or stuck must not be overlooked, however old.
    transactions = {entry.id: entry for entry in journal.latest(connection, tenant, limit=_MOST_TRANSACTIONS)}
    transactions |= {entry.id: entry for entry in journal.unsettled(connection, wanted)}
    past: dict[str, list[journal.Transaction]] = defaultdict(list)
    for entry in sorted(transactions.values(), key=lambda entry: (entry.started_at, entry.id), reverse=True):
        past[entry.tenant].append(entry)
    holders = {
        row.tenant: process.Process(**json.loads(row.holder))
        for row in connection.execute(sa.select(tables.leases).where(tables.leases.c.holder.is_not(None)))
    }
    return _Read(
        known=known,
        past=past,
        holders=holders,
        standings=standing.load(connection, wanted),
        conditions=standing.conditions(connection, wanted and [*wanted, model.SOURCE]),
        holds=standing.holds(connection, wanted and [*wanted, model.ALL]),
    )


def _records(connection: sa.Connection, tenant: str | None) -> dict[str, _Known]:
    columns = tables.tenants.c
    query = sa.select(
        columns.name, columns.product, columns.state, columns.revision, columns.transaction_id, columns.updated_at
    )
    facts = sa.select(columns.name, columns.facts).where(columns.facts.contains(f'"{removal.HOLD}":', autoescape=True))
    if tenant is not None:
        query, facts = (found.where(columns.name == tenant) for found in (query, facts))
    against = {row.name: json.loads(row.facts).get(removal.HOLD) for row in connection.execute(facts)}
    return {
        row.name: _Known(
            product=row.product,
            state=row.state,
            revision=row.revision,
            transaction=row.transaction_id,
            updated_at=row.updated_at,
            against=str(against[row.name]["reason"]) if against.get(row.name) else "",
        )
        for row in connection.execute(query).all()
    }


def _names(found: _Read, now: str) -> set[str]:
    holds = {name for name, hold in found.holds.items() if hold.lasts(now)}
    purged = {name for name, past in found.past.items() if name not in found.known and _purged(past[0])}
    names = {*found.known, *found.past, *found.standings, *found.conditions, *holds} - purged
    return {name for name in names if not name.startswith("@")}  # the platform's own doings


def _products(
    setting: Setting,
    documents: Mapping[str, Document],
    names: Collection[str],
    past: Mapping[str, list[journal.Transaction]],
) -> dict[str, str]:
    """The products of tenants that never were committed: their specs say it, or else their first intent does."""
    kinds = {product.tenant_kind.name: product.name for product in setting.products.values()}
    found = {name: kinds.get(documents[name].kind, "") for name in names if name in documents}
    for name in names:
        if name not in found and past.get(name):
            read = functools.partial(journal.entries, transaction=past[name][0].id)
            with suppress(errors.JournalBroken):  # `history --verify` is what speaks of that
                found[name] = str(setting.opened().read(read)[0].body.get("product", ""))
    return found


def _lasting(hold: Hold | None, setting: Setting) -> Hold | None:
    return hold if hold is not None and hold.lasts(setting.ports.clock.stamp()) else None


def _status(name: str, found: _Read, product: str, hold: Hold | None) -> Status:
    known, newest_first = found.known.get(name), found.past.get(name, [])
    last = newest_first[0] if newest_first else None
    counted = _counted(known, newest_first[::-1], found.holders.get(name))
    if suspended := _suspended(known, hold):
        counted.append(suspended)
    stands = found.standings.get(name)
    newer = superseded(stands, last)
    if stands is not None and not newer and not stands.failures and last and last.state is TransactionState.ROLLED_BACK:
        # The daemon has found it in sync since: the spec went back to what the attempt that was undone began with.
        counted = [entry for entry in counted if entry.type != "Stalled"]
    conditions = merged(
        counted,
        found.conditions.get(name, ()),
        settled=last is None or last.state not in (*_OPEN, TransactionState.STUCK),
        newer=newer,
        again=_again(stands, last),
    )
    return Status(
        tenant=name,
        product=known.product if known else product,
        state=known.state if known else TenantState.PROVISIONING.value,
        revision=known.revision if known else "",
        conditions=tuple(conditions),
        standing=stands,
        history=tuple(newest_first[:_HISTORY]),
        hold=hold,
    )


def _counted(known: _Known | None, past: list[journal.Transaction], holder: process.Process | None) -> list[Condition]:
    """What the record and the journal say; ``past`` is oldest first."""
    last = past[-1] if past else None
    if last is not None and last.state in _OPEN:
        message = f"transaction {_short(last)} is open"
        return [Condition("Ready", UNKNOWN, "Progressing", message, last.started_at), _working(last, holder)]
    found = [_ready(known, past)]
    if last is not None and last.state in (TransactionState.STUCK, TransactionState.ROLLED_BACK):
        found.append(_stalled(past))
    if last is not None and last.state is TransactionState.STUCK:
        message = f"`reconcile show {_short(last)}` lists what is left over, and what would clear it"
        found.append(Condition("RollbackFailed", TRUE, "RollbackFailed", message, last.ended_at or ""))
    return found


def _suspended(known: _Known | None, hold: Hold | None) -> Condition | None:
    """Why nothing is done, or nobody can log in: who holds it now first, then what was decided for longer."""
    found = []
    if hold is not None:
        found.append(Condition("Suspended", TRUE, "Suspended", f"held {held.words(hold)}", hold.since))
    if known is not None and known.against:
        found.append(Condition("Suspended", TRUE, "HeldAgainstGit", known.against, known.updated_at))
    if known is not None and known.state == TenantState.SUSPENDED:
        found.append(Condition("Suspended", TRUE, "Suspended", "its spec says `state: suspended`", known.updated_at))
    if not found:
        return None
    return replace(found[0], message="; ".join(entry.message for entry in found))


def _ready(known: _Known | None, past: list[journal.Transaction]) -> Condition:
    """Ready is who was committed and not left half-changed since; an undone attempt leaves a tenant as it was."""
    status, since = FALSE, ""
    for entry in past:
        then = _AFTER.get(entry.state)
        if then is not None and (then != status or not since):
            status, since = then, entry.ended_at or ""
    last = past[-1] if past else None
    if last is not None and last.state is TransactionState.STUCK:
        message = f"transaction {_short(last)} could not be undone in full; `reconcile show {_short(last)}` lists why"
        return Condition("Ready", FALSE, "RollbackFailed", message, last.ended_at or "")
    if known is not None and known.state == TenantState.TRASHED:
        message = "it is in the trash; `reconcile trash list` says until when"
        return Condition("Ready", FALSE, "Trashed", message, known.updated_at)
    if known is not None:
        message = f"transaction {known.transaction[:_SHORT]} is committed"
        return Condition("Ready", TRUE, "ReconciliationSucceeded", message, since or known.updated_at)
    if last is None:
        return Condition("Ready", FALSE, "NotApplied", "it was never applied")
    return Condition("Ready", FALSE, "RolledBack", "it was never made: the attempt was undone", last.ended_at or "")


_OPEN: Final = (TransactionState.OPEN, TransactionState.UNDOING, TransactionState.PURGING)
_AFTER: Final[Mapping[TransactionState, str]] = {TransactionState.COMMITTED: TRUE, TransactionState.STUCK: FALSE}


def _working(last: journal.Transaction, holder: process.Process | None) -> Condition:
    """An open transaction is being worked on, or was left open by a process that died."""
    if holder is not None and (not process.near(holder) or process.alive(holder)):
        return Condition("Reconciling", TRUE, "Progressing", f"{holder} works on it", last.started_at)
    message = f"transaction {_short(last)} was left open; `reconcile recover` settles it"
    return Condition("Stalled", TRUE, "Interrupted", message, last.started_at)


def _stalled(past: Iterable[journal.Transaction]) -> Condition:
    """The last attempts failed; it has stalled since the first of them."""
    since, newest_first = "", list(past)[::-1]
    for entry in newest_first:
        if entry.state is TransactionState.COMMITTED:
            break
        since = entry.ended_at or since
    last = newest_first[0]
    if last.state is TransactionState.STUCK:
        message = f"transaction {_short(last)} left something over; clear it, then run `reconcile recover`"
        return Condition("Stalled", TRUE, "RollbackFailed", message, since)
    message = f"transaction {_short(last)} ({last.action}) failed and was undone"
    return Condition("Stalled", TRUE, "RolledBack", message, since)


def _place(condition: Condition) -> tuple[int, str]:
    return (ORDER.index(condition.type) if condition.type in ORDER else len(ORDER), condition.type)


def _purged(last: journal.Transaction) -> bool:
    return last.action == "purge" and last.state is TransactionState.COMMITTED


def _short(transaction: journal.Transaction) -> str:
    return transaction.id[:_SHORT]
