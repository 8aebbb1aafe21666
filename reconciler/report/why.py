"""Why a tenant is as it is: for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from reconciler.engine import held, why
from reconciler.model import standing
from reconciler.ports import mirror
from reconciler.report import data as formats
from reconciler.report import problem, tenants
from reconciler.report.styled import EMPTY, Line, Style, line, styled

_NAME: Final = 14
_MOST_UNDONE: Final = 10


def lines(found: why.Why) -> Iterator[Line]:
    """Why, for people: the answer in a sentence, the facts, the ways out."""
    status = found.status
    yield line(
        styled(status.tenant, Style.HEADING),
        styled(f"  {status.product}  {status.state}  ", Style.FAINT),
        styled("ready", Style.GOOD) if status.has("Ready") else styled("not ready", Style.BAD),
    )
    yield line(found.summary, indent=2)
    yield EMPTY
    if found.place is not None:
        yield _fact("spec", found.place)
    if found.commit is not None:
        yield _fact("commit", _commit(found.commit))
    for condition in status.conditions:
        since = f" since {tenants.moment(condition.since)}" if condition.since else ""
        value = "" if condition.status == standing.TRUE else f" {condition.status}"
        yield _fact("condition", f"{condition.type}{value}{since}: {condition.reason}, {condition.message}")
    yield from _past(found)
    if status.hold is not None:
        yield _fact("held", held.words(status.hold))
    for hold in found.over:
        yield _fact("hold ended", f"{tenants.moment(hold.until)}, by {hold.actor}: {hold.reason}")
    if found.paused is not None:
        yield _fact("daemon paused", held.words(found.paused))
    for condition in found.source:
        yield _fact("source", f"{condition.type} {condition.status}: {condition.reason}, {condition.message}")
    if at := tenants.next_attempt(status):
        yield _fact("next attempt", tenants.moment(at))
    if found.ways:
        yield EMPTY
        yield line(styled("What would change it:" if not found.in_sync else "To be sure:", Style.HEADING))
    for way in found.ways:
        yield problem.advice(way.text, indent=2)
        if way.command:
            yield line(styled(way.command, Style.PLAIN), indent=6)


def data(found: why.Why) -> dict[str, Any]:
    """``reconcile why --format json``: the tenant as ``status`` has it, and more."""
    failed, known = found.failed, found.status.standing
    return {
        "formatVersion": formats.FORMAT,
        **tenants.status_of(found.status),
        "summary": found.summary,
        "inSync": found.in_sync,
        "where": formats.place(found.place),
        "commit": None
        if found.commit is None
        else {
            "id": found.commit.id,
            "author": found.commit.author,
            "at": found.commit.time or None,
            "subject": found.commit.subject or None,
        },
        "faults": formats.faults(found.faults)["faults"],
        "failed": None
        if failed is None
        else {
            "code": failed.code or None,
            "step": failed.step or None,
            "message": failed.message,
            "where": failed.where or None,
        },
        "failures": known.failures if known else 0,
        "final": known.final if known else False,
        "undone": list(found.undone),
        "leftovers": [
            {"resource": left.resource, "name": left.name, "reason": left.reason, "clear": left.clear or None}
            for left in found.leftovers
        ],
        "hold": tenants.hold_data(found.status.hold),
        "paused": tenants.hold_data(found.paused),
        "source": [tenants.condition_data(condition) for condition in found.source],
        "ways": [{"text": way.text, "command": way.command or None} for way in found.ways],
    }


def _past(found: why.Why) -> Iterator[Line]:
    """The last transaction, what failed in it or before it, and what became of that."""
    if (last := found.last) is not None:
        word, _ = tenants.OUTCOMES[last.state]
        end = tenants.moment(last.ended_at or last.started_at)
        said = f"{last.id[: tenants.SHORT]} {last.action} {word}, {end}, by {last.actor}"
        yield _fact("transaction", f"{said}, from {tenants.revision(last.revision)}" if last.revision else said)
    known = found.status.standing
    if known is not None and known.failures:
        times = f"{known.failures} time{'s' * (known.failures != 1)}"
        yield _fact("attempts", f"failed {times} in a row, last from {tenants.revision(known.revision)}")
    if found.failed is not None:
        parts = (found.failed.step, found.failed.code, found.failed.where, found.failed.message)
        yield _fact("failed", ": ".join(filter(None, parts)), Style.BAD)
    for fault in found.faults:
        yield _fact("fault", f"{fault.where}: {fault.message} [{fault.rule}]", Style.BAD)
    for text in found.undone[:_MOST_UNDONE]:
        yield _fact("undone", text)
    if (more := len(found.undone) - _MOST_UNDONE) > 0:
        yield _fact("undone", f"and {more} more")
    for left in found.leftovers:
        yield _fact("left over", f"{left.resource} {left.name}: {left.reason}", Style.BAD)


def _commit(commit: mirror.Commit) -> str:
    author = f" by {commit.author}" if commit.author else ""
    at = f", {commit.time}" if commit.time else ""
    return f"{commit.id[:12]}{author}{at}{f': {commit.subject}' if commit.subject else ''}"


def _fact(name: str, text: object, style: Style = Style.PLAIN) -> Line:
    return line(styled(f"{name:<{_NAME}}", Style.FAINT), styled(text, style), indent=2)
