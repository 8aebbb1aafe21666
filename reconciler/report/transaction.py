"""One transaction, record by record: what it meant to do, did in which time, undid, and left over."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from reconciler.model.change import Change
from reconciler.ports.store import journal
from reconciler.report import data, plan, tenants
from reconciler.report.styled import EMPTY, Line, Style, line, styled

_SAID: Final[Mapping[str, str]] = {
    "begin": "everything that was to be done was written down",
    "undoing": "undoing began",
    "dropping": "what would be dropped was written down, after its marks were checked",
    "purging": "the point of no return: from here it was destroyed",
    "committed": "committed",
    "rolled-back": "rolled back in full",
    "stuck": "rolled back, but not in full",
    "kept": "did not end; what it made stays, and the next one looks before it acts",
}


def lines(head: journal.Transaction, entries: Sequence[journal.Entry]) -> Iterator[Line]:
    """The transaction for people."""
    word, style = tenants.OUTCOMES[head.state]
    yield line(
        styled(head.tenant, Style.HEADING),
        f"  {head.action}  ",
        styled(word, style),
        styled(f"  {head.id}", Style.FAINT),
    )
    took = tenants.seconds(head)
    for name, text in (
        ("started", tenants.moment(head.started_at)),
        ("ended", tenants.moment(head.ended_at) if head.ended_at else "not yet"),
        ("took", "" if took is None else f"{took:.1f} s"),
        ("by", head.actor),
        ("revision", head.revision),
    ):
        if text:
            yield line(styled(f"{name:<10}", Style.FAINT), text, indent=2)
    yield EMPTY
    yield from _steps(entries)
    yield EMPTY
    yield line(styled("journal", Style.HEADING))
    for entry in entries:
        yield from _record(entry, head.actor)


def as_data(head: journal.Transaction, entries: Sequence[journal.Entry]) -> dict[str, Any]:
    """``reconcile show --format json``: the head, the changes with their times, and every record as it stands."""
    ends = _ends(entries)
    return {
        "formatVersion": data.FORMAT,
        **tenants.transaction_data(head),
        "changes": [
            {**data.change(change), "seconds": took, "undone": undone} for change, took, undone in _changes(entries)
        ],
        "leftovers": [
            {"resource": resource, "name": name, "reason": reason, "clear": clear or None}
            for resource, name, reason, clear in ends.get("leftovers", ())
        ],
        "records": [
            {
                "number": entry.number,
                "kind": entry.kind,
                "at": entry.at,
                "actor": entry.actor,
                "token": entry.token,
                "hash": entry.hash,
                "body": entry.body,
            }
            for entry in entries
        ],
    }


def _steps(entries: Sequence[journal.Entry]) -> Iterator[Line]:
    for step, changes in itertools.groupby(_changes(entries), key=lambda found: found[0].step):
        yield line(styled(step, Style.HEADING), indent=2)
        for change, took, undone in changes:
            time = styled(f"  {took:.2f} s" if took is not None else "", Style.FAINT)
            yield line(plan.sign(change.action), " ", change.summary, time, indent=4)
            for name, old, new in change.details:
                yield line(styled(f"{name}: ", Style.FAINT), plan.fields(old, new), indent=8)
            word = "undone" if undone else "undo"
            yield line(styled(f"{word}: {change.undo}", Style.UPDATE if undone else Style.FAINT), indent=8)
    for resource, name, reason, clear in _ends(entries).get("leftovers", ()):
        yield line(styled("left over: ", Style.BAD), f"{resource} {name}: {reason}", indent=2)
        if clear:
            yield line(styled("clear it: ", Style.ADVICE), clear, indent=4)


def _record(entry: journal.Entry, actor: str) -> Iterator[Line]:
    said = _SAID.get(entry.kind, entry.kind)
    reason = entry.body.get("reason")
    by = f" by {entry.actor}" if entry.actor != actor else ""
    yield line(
        styled(f"{entry.number:>3}  {tenants.moment(entry.at)}  ", Style.FAINT),
        said,
        by,
        f": {reason}" if reason else "",
        styled(f"  {entry.hash[: tenants.SHORT]}", Style.FAINT),
        indent=2,
    )
    for facts in entry.body.get("facts", {}).values() if entry.kind == "purging" else ():
        for name, file in facts.get("files", {}).items():
            yield line(f"final dump: {facts['folder']}/{name}, {file['size']} bytes, sha256 {file['sha256']}", indent=6)


def _changes(entries: Sequence[journal.Entry]) -> Iterator[tuple[Change, float | None, bool]]:
    """Every change with the seconds that it took, where it is known, and whether it was undone."""
    body = entries[0].body if entries else {}
    taken: Sequence[float] = next((entry.body.get("seconds", ()) for entry in entries if entry.kind == "committed"), ())
    undone = set(_ends(entries).get("undone", ()))
    for entry, took in itertools.zip_longest(body.get("changes", ()), taken):
        if entry is not None:
            change = Change.from_data(entry)
            yield change, took, f"{change.step}: {change.summary}" in undone


def _ends(entries: Sequence[journal.Entry]) -> Mapping[str, Any]:
    """The last record that says how it was undone; empty if none does."""
    return next((entry.body for entry in reversed(entries) if "leftovers" in entry.body), {})
