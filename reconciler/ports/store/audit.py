"""Whether the journal is whole: every record as it was written, none missing, every end linked to the one before."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from reconciler.model.states import TransactionState
from reconciler.ports.store import journal, tables

_STATE_AFTER: Mapping[str, TransactionState] = {
    "begin": TransactionState.OPEN,
    "undoing": TransactionState.UNDOING,
    "dropping": TransactionState.UNDOING,
    "purging": TransactionState.PURGING,
    "committed": TransactionState.COMMITTED,
    "rolled-back": TransactionState.ROLLED_BACK,
    "stuck": TransactionState.STUCK,
    "kept": TransactionState.ROLLED_BACK,
}


@dataclass(frozen=True, slots=True)
class End:
    """One link of the chain over all transactions. Noted elsewhere, it proves later that nothing before it changed."""

    number: int
    hash: str


@dataclass(frozen=True, slots=True)
class Audit:
    """What was looked at, and every fault that was found, in words. ``last`` is None where nothing has ended yet."""

    transactions: int
    records: int
    last: End | None
    faults: tuple[str, ...]


def audit(connection: sa.Connection, anchor: End | None = None) -> Audit:
    """Read the whole journal and check it; ``anchor`` is an end that was noted earlier and has to be there still.

    Memory grows by some 500 bytes a transaction, not with what the records hold.
    """
    faults: list[str] = []
    # Not streamed beside the records: a server gives one stream a connection at a time.
    heads = connection.execute(sa.select(tables.transactions).order_by(tables.transactions.c.id))
    rows = connection.execution_options(yield_per=1000).execute(
        sa.select(tables.journal).order_by(tables.journal.c.transaction_id, tables.journal.c.number)
    )
    grouped = itertools.groupby(rows.mappings(), key=lambda row: str(row["transaction_id"]))
    found: dict[int, tuple[str, str, int]] = {}  # by the number among the ends: hash, transaction, record
    links: dict[int, str] = {}
    transactions = records = 0
    for head, group in _side_by_side(heads.mappings(), grouped):
        entries = list(group)
        transactions += head is not None
        records += len(entries)
        faults += _chain(head, entries)
        for row in entries:
            if row["kind"] in journal.ENDS:
                end = _end(row)
                found[end[0]] = (row["hash"], row["transaction_id"], row["number"])
                links[end[0]] = end[1]
    ends = {row.number: row for row in connection.execute(sa.select(tables.ends))}
    faults += _ends(ends, found, links)
    faults += _records(connection)
    last = End(max(ends), ends[max(ends)].hash) if ends else None
    if anchor is not None and (anchor.number not in ends or not ends[anchor.number].hash.startswith(anchor.hash)):
        faults.append(f"end {anchor.number} is not {anchor.hash}, as was noted: the journal up to there was replaced")
    return Audit(transactions, records, last, tuple(faults))


def _side_by_side(
    heads: Iterator[Any], groups: Iterator[tuple[str, Iterator[Any]]]
) -> Iterator[tuple[Any | None, Iterator[Any]]]:
    """Heads and records of the same transaction together; either can be without the other. Both come sorted by id."""
    head, group = next(heads, None), next(groups, None)
    while head is not None or group is not None:
        if group is None or (head is not None and head["id"] < group[0]):
            yield head, iter(())
            head = next(heads, None)
        elif head is None or group[0] < head["id"]:
            yield None, group[1]
            group = next(groups, None)
        else:
            yield head, group[1]
            head, group = next(heads, None), next(groups, None)


def _chain(head: Any | None, entries: list[Any]) -> Iterator[str]:
    """The faults of one transaction."""
    if head is None:
        yield f"transaction {entries[0]['transaction_id']} has {len(entries)} records and is not listed"
        return
    name, expected = f"transaction {head['id']} of tenant {head['tenant']}", journal.GENESIS
    for number, row in enumerate(entries, 1):
        if row["number"] != number:
            yield f"{name}: record {number} is missing"
            return
        if row["hash"] != journal.digest(row):
            yield f"{name}: record {number} ({row['kind']}) was changed after it was written"
        elif row["previous"] != expected:
            yield f"{name}: record {number} ({row['kind']}) does not follow on the one before it"
        elif (row["tenant"], row["revision"]) != (head["tenant"], head["revision"]):
            yield f"{name}: record {number} ({row['kind']}) speaks of another tenant or revision"
        expected = row["hash"]
    if head["records"] != len(entries):
        yield f"{name}: it has {len(entries)} of {head['records']} records"
    elif head["head"] != expected:
        yield f"{name}: its list entry names another last record"
    elif not entries:
        yield f"{name}: it has no record"
    else:
        yield from _head(name, head, entries)


def _head(name: str, head: Any, entries: list[Any]) -> Iterator[str]:
    """Where the list of transactions says something else than the records, of which it is a summary."""
    first, last = entries[0], entries[-1]
    said = {"actor": first["actor"], "started_at": first["at"], "action": _body(first).get("action")}
    state = _STATE_AFTER.get(last["kind"])
    said["state"] = state.value if state else f"nothing that is known ({last['kind']})"
    for field, value in said.items():
        if head[field] != value:
            yield f"{name}: the list says {field} {head[field]}, its records say {value}"


def _end(row: Any) -> tuple[int, str]:
    end = _body(row).get("end")
    number = end.get("number") if isinstance(end, dict) else None
    return (number, str(end.get("previous", ""))) if isinstance(end, dict) and isinstance(number, int) else (0, "")


def _body(row: Any) -> dict[str, Any]:
    """A record's body; nothing for what is none, which its hash has told already."""
    try:
        found = json.loads(row["body"])
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _ends(
    ends: Mapping[int, Any], found: Mapping[int, tuple[str, str, int]], links: Mapping[int, str]
) -> Iterator[str]:
    expected = journal.GENESIS
    for number in range(1, max([*ends, *found, 0]) + 1):
        end, record = ends.get(number), found.get(number)
        if end is None and record is None:
            yield f"end {number} is missing: a whole transaction, or its last record, was taken out"
        elif end is None:
            yield f"end {number} (transaction {record[1] if record else ''}) is missing in the list of ends"
        elif record is None or record != (end.hash, end.transaction_id, end.record):
            yield f"end {number}: record {end.record} of transaction {end.transaction_id} is missing or was changed"
        elif links[number] != expected:
            yield f"end {number} (transaction {end.transaction_id}) does not follow on the end before it"
        expected = end.hash if end is not None else record[0] if record else ""


def _records(connection: sa.Connection) -> Iterator[str]:
    """A tenant on record was put there by a commit."""
    query = (
        sa.select(tables.tenants.c.name, tables.tenants.c.transaction_id, tables.transactions.c.state)
        .select_from(
            tables.tenants.outerjoin(tables.transactions, tables.transactions.c.id == tables.tenants.c.transaction_id)
        )
        .order_by(tables.tenants.c.name)
    )
    for row in connection.execute(query):
        if row.state != TransactionState.COMMITTED.value:
            yield f"tenant {row.name} is on record by transaction {row.transaction_id}, which is not in the journal"
