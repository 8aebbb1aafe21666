"""Tenants with their conditions, and what was done to them: for people and for programs."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from reconciler.engine import conditions, held
from reconciler.model import standing
from reconciler.model.states import TransactionState
from reconciler.ports.store import audit, journal
from reconciler.report import data
from reconciler.report.styled import EMPTY, Line, Segment, Style, line, styled, table

SHORT: Final = 8
OUTCOMES: Final[dict[TransactionState, tuple[str, Style]]] = {
    TransactionState.COMMITTED: ("applied", Style.GOOD),
    TransactionState.ROLLED_BACK: ("rolled-back", Style.BAD),
    TransactionState.STUCK: ("stuck", Style.BAD),
    TransactionState.OPEN: ("open", Style.UPDATE),
    TransactionState.UNDOING: ("undoing", Style.UPDATE),
    TransactionState.PURGING: ("purging", Style.UPDATE),
}
_TROUBLE: Final = {"Stalled", "Drifted", "RollbackFailed", "FetchFailed"}


def status_lines(found: conditions.Overview) -> Iterator[Line]:
    """A line a tenant, and one a condition that needs a word; a count, and what is no tenant's, at the end."""
    rows: list[tuple[Segment, ...]] = [_heads("TENANT", "PRODUCT", "STATE", "READY", "REVISION")]
    rows += [_row(entry) for entry in found.tenants]
    for entry, shown in zip((None, *found.tenants), table(rows), strict=True):
        yield shown
        for condition in entry.conditions if entry else ():
            if condition.type != "Ready" or condition.status != standing.TRUE:
                yield condition_line(condition, indent=4)
        if entry and (at := next_attempt(entry)):
            yield line(styled("Next attempt: ", Style.FAINT), moment(at), indent=4)
    ready = sum(entry.has("Ready") for entry in found.tenants)
    yield EMPTY
    yield line(f"{ready} of {len(found.tenants)} ready.")
    for condition in found.source:
        yield condition_line(condition, what="Source ")
    if found.paused is not None:
        yield line(
            styled("Paused: ", Style.BAD),
            f"the daemon begins nothing {held.words(found.paused)}; `reconcile resume` ends that",
        )


def condition_line(condition: standing.Condition, *, indent: int = 0, what: str = "") -> Line:
    """One condition: its type, its reason, and the message."""
    trouble = condition.type in _TROUBLE or (bool(what) and condition.status == standing.FALSE)
    status = "" if condition.status == standing.TRUE or condition.type == "Ready" else f" {condition.status}"
    head = styled(f"{what}{condition.type}{status}: ", Style.BAD if trouble else Style.FAINT)
    return line(head, condition.reason, ", ", condition.message, indent=indent)


def next_attempt(entry: conditions.Status) -> str:
    """When the daemon tries a tenant again that failed; empty if it does not."""
    known = entry.standing
    return known.next_at if known is not None and known.failures and not known.final and not entry.hold else ""


def status_data(found: conditions.Overview) -> dict[str, Any]:
    """``reconcile status --format json``."""
    return {
        "formatVersion": data.FORMAT,
        "tenants": [status_of(entry) for entry in found.tenants],
        "source": [condition_data(condition) for condition in found.source],
        "paused": hold_data(found.paused),
    }


def status_of(entry: conditions.Status) -> dict[str, Any]:
    """One tenant. What only a daemon knows is null where none has worked on it."""
    known = entry.standing or standing.Standing(entry.tenant)
    attempted = known.revision or (entry.history[0].revision if entry.history else "")
    return {
        "tenant": entry.tenant,
        "product": entry.product,
        "state": entry.state,
        "revision": entry.revision or None,
        "observedGeneration": known.generation or None,
        "lastAttemptedRevision": attempted or None,
        "lastAppliedRevision": entry.revision or None,
        "lastHandledReconcileAt": known.handled_request or None,
        "nextAttemptAt": known.next_at or None,
        "planDigest": known.plan_digest or None,
        "conditions": [condition_data(condition) for condition in entry.conditions],
        "history": [transaction_data(transaction) for transaction in entry.history],
    }


def condition_data(condition: standing.Condition) -> dict[str, Any]:
    """One condition."""
    return {
        "type": condition.type,
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message,
        "observedGeneration": condition.generation or None,
        "lastTransitionTime": condition.since or None,
    }


def hold_data(hold: standing.Hold | None) -> dict[str, Any] | None:
    """Who holds a tenant or the daemon."""
    if hold is None:
        return None
    return {
        "by": hold.actor,
        "reason": hold.reason,
        "until": hold.until or None,
        "since": hold.since or None,
        "where": hold.where or None,
    }


def history_lines(found: Sequence[journal.Transaction]) -> Iterator[Line]:
    """A line a transaction, as they are given."""
    rows: list[tuple[Segment, ...]] = [
        _heads("TIME", "TRANSACTION", "TENANT", "ACTION", "OUTCOME", "SECONDS", "REVISION", "ACTOR")
    ]
    for entry in found:
        took = seconds(entry)
        rows.append(
            (
                styled(moment(entry.started_at), Style.FAINT),
                styled(entry.id[:SHORT], Style.PLAIN),
                styled(entry.tenant, Style.HEADING),
                styled(entry.action, Style.PLAIN),
                styled(*OUTCOMES[entry.state]),
                styled("" if took is None else f"{took:.1f}", Style.PLAIN),
                styled(revision(entry.revision), Style.FAINT),
                styled(entry.actor, Style.FAINT),
            )
        )
    yield from table(rows)


def history_data(found: Iterable[journal.Transaction]) -> dict[str, Any]:
    """``reconcile history --format json``."""
    return {"formatVersion": data.FORMAT, "transactions": [transaction_data(entry) for entry in found]}


def audit_lines(found: audit.Audit) -> Iterator[Line]:
    """What ``reconcile history --verify`` found."""
    for fault in found.faults:
        yield line(styled("fault: ", Style.BAD), fault)
    count = len(found.faults)
    yield line(
        styled("Journal: ", Style.HEADING),
        f"{found.transactions} transaction{'s' * (found.transactions != 1)}, "
        f"{found.records} record{'s' * (found.records != 1)}: ",
        styled(f"{count} fault{'s' * (count != 1)}", Style.BAD) if count else styled("whole", Style.GOOD),
    )
    if found.last:
        yield line(styled(f"Last end: {found.last.number}:{found.last.hash}", Style.FAINT))


def audit_data(found: audit.Audit) -> dict[str, Any]:
    """``reconcile history --verify --format json``."""
    return {
        "formatVersion": data.FORMAT,
        "transactions": found.transactions,
        "records": found.records,
        "lastEnd": {"number": found.last.number, "hash": found.last.hash} if found.last else None,
        "faults": list(found.faults),
    }


def transaction_data(entry: journal.Transaction) -> dict[str, Any]:
    """A transaction's head; ``seconds`` by the clock of whoever ran it, null while it is open."""
    return {
        "transaction": entry.id,
        "tenant": entry.tenant,
        "action": entry.action,
        "outcome": OUTCOMES[entry.state][0],
        "actor": entry.actor,
        "revision": entry.revision,
        "startedAt": entry.started_at,
        "endedAt": entry.ended_at,
        "seconds": seconds(entry),
    }


def seconds(entry: journal.Transaction) -> float | None:
    """How long it was open; None while it is."""
    if not entry.ended_at:
        return None
    begin, end = (datetime.datetime.fromisoformat(text) for text in (entry.started_at, entry.ended_at))
    return round((end - begin).total_seconds(), 3)


def moment(stamp: str) -> str:
    """``2027-01-31T12:00:00.000000Z`` as a person reads it: ``2027-01-31 12:00:00Z``."""
    return f"{stamp[:19].replace('T', ' ')}Z"


def revision(text: str) -> str:
    """``main@sha1:<40 hex>`` with as many digits as tell it from others."""
    name, colon, digest = text.partition(":")
    return f"{name}{colon}{digest[:12]}"


def _row(entry: conditions.Status) -> tuple[Segment, ...]:
    ready = next((found.status for found in entry.conditions if found.type == "Ready"), standing.UNKNOWN)
    style = {standing.TRUE: Style.GOOD, standing.FALSE: Style.BAD}.get(ready, Style.UPDATE)
    return (
        styled(entry.tenant, Style.HEADING),
        styled(entry.product, Style.PLAIN),
        styled(entry.state, Style.PLAIN),
        styled(ready, style),
        styled(revision(entry.revision) or "-", Style.FAINT),
    )


def _heads(*texts: str) -> tuple[Segment, ...]:
    return tuple(styled(text, Style.FAINT) for text in texts)
