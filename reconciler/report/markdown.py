"""A plan as one comment on a pull request or merge request: what matters most first, and never too long for it.

GitHub takes 65,536 characters; here the octets of UTF-8 are counted, so that nobody's way of counting matters. What
does not fit is left out from the least risky end: first details, then rows of the table. Half of the room is kept for
the details of the riskiest tenants, because a table of a thousand rows tells a reviewer less than one reason. Whatever
is left out is counted.

Every text that comes from a spec or a server goes through ``escaped``.

Behind the marker stands a second hidden comment, with what ``model.reviewed`` needs to tell at the merge whether the
plan of then is the one that was shown, or no riskier.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

from reconciler import errors
from reconciler.model import plan as plans
from reconciler.model import reviewed
from reconciler.model.change import Change
from reconciler.report import faults, plan, risk, styled

T = TypeVar("T")

MARKER: Final = "<!-- reconciler-plan -->"
"""By which a comment is found again, to be edited in place."""

MOST: Final = 65_000
"""Octets of a whole report: under 65,536, with room for a line that a workflow may add."""

_LONGEST: Final = 400
_NAMES: Final = 20
_MOST_CHANGES: Final = 60
_MOST_FIELDS: Final = 12
_MOST_OF_PLATFORM: Final = 8_000
_ALL: Final = "`reconcile plan` shows everything."
_HEAD: Final = "| action | tenant | product | changes | spec |\n|---|---|---|---|---|\n"
_BREAK: Final = "\N{ZERO WIDTH SPACE}"
# An underscore between letters is no emphasis, and names read better with it. A colon and a dot are written so only
# where a link would be made of the text.
_MEANT: Final = re.compile(r"[&<>`*~\[\]|$\\{}]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|:(?=//)|(?<=www)\.", re.IGNORECASE)
# GitHub and GitLab look for these in the finished text, so an entity is not enough: who is named behind @ is told by
# mail, and what looks like an issue's number is written into that issue.
_CALLS: Final = re.compile(r"(?<![A-Za-z0-9_])@(?=\w)|[#!&](?=\d)|\bGH-(?=\d)", re.IGNORECASE)


def render(found: plans.Plan) -> str:
    """The whole comment, at most ``MOST`` octets."""
    told = risk.ranked(found)
    head = _title(found, told) + _platform(found)
    tail = _unknown(told) + _orphans(found) + _foot(found)
    room = MOST - octets(head) - octets(tail) - octets(_HEAD) - 400  # the two lines that count what is left out
    # A tenant says less than 8 KiB here, so the riskiest few always have their reasons shown.
    details, kept = fitting(told, details_of, room // 2)
    rows, listed = fitting(told, _row, room - kept)
    if len(rows) == len(told):
        details, _ = fitting(told, details_of, room - listed)
    parts = [head]
    if told:
        parts += [_HEAD, *rows]
        if left := len(told) - len(rows):
            parts.append(f"\n**{_more(left, len(rows))} are left out, the least risky ones.** {_ALL}\n")
        parts += ["\n", *details]
        if left := len(told) - len(details):
            parts.append(
                f"**The details of {_more(left, len(details))} are left out, the least risky ones.** {_ALL}\n\n"
            )
    return "".join([*parts, tail])


def failed(error: errors.ReconcileError) -> str:
    """The comment where there is no plan: what is wrong, with its places."""
    found = error.faults if isinstance(error, errors.InvalidSpecs) else ()
    head = f"{MARKER}\n## No plan: {escaped(error.message)}\n\n"
    foot = f"\n→ {escaped(error.next)}\n"
    shown, _ = fitting(found, _fault, MOST - octets(head) - octets(foot) - 200)
    left = len(found) - len(shown)
    more = f"\n**{left} more faults are left out.** `reconcile validate` shows everything.\n" if left else ""
    place = f"- {code(str(error.where))}\n" if error.where else ""
    return "".join([head, place, *shown, more, foot])


def escaped(text: str, most: int = _LONGEST) -> str:
    """Foreign text as one line of plain words, in Markdown and in the HTML in it; cut after ``most`` characters.

    It may stand in a table's cell, and behind other words of a line, not at its beginning.
    """
    return _entities(_CALLS.sub(lambda found: found[0] + _BREAK, _cut(text, most)))


def code(text: str) -> str:
    """Foreign text as a name: shown to the letter, and never looked through for people and issues."""
    return f"<code>{_entities(_cut(text, 120))}</code>" if text else ""


def _cut(text: str, most: int) -> str:
    line = faults.one_line(text[: most + 1])
    return line if len(line) <= most else line[: most - 1] + "…"


def _entities(text: str) -> str:
    return _MEANT.sub(lambda found: f"&#{ord(found[0])};", text)


def _title(found: plans.Plan, told: Sequence[plans.TenantPlan]) -> str:
    counts = styled.flat(plan.summary(found)).removesuffix(".")
    deep = "deep, " if found.deep else ""
    origin = f" {escaped(plan.sentence(found.snapshot))}" if found.snapshot else ""
    at = escaped(found.created_at)
    changed = [entry for entry in told if entry.changes and not entry.blockers]
    review = reviewed.encode(found.fingerprint, changed)
    return f"{MARKER}\n{review}\n## {counts}\n\nOf {code(found.revision)}, {deep}planned at {at}.{origin}\n\n"


def _platform(found: plans.Plan) -> str:
    if not found.platform:
        return ""
    lines = [line for change in found.platform for line in _change(change, "")]
    shown, _ = fitting(lines, str, _MOST_OF_PLATFORM)
    left = len(lines) - len(shown)
    more = f"- **{left} more lines are left out.** {_ALL}\n" if left else ""
    return "".join(["**The platform**, before any tenant, and kept whatever follows:\n\n", *shown, more, "\n"])


def _row(tenant: plans.TenantPlan) -> str:
    place = str(errors.Where(tenant.where.file, tenant.where.line)) if tenant.where else ""
    counts = [f"{len(tenant.changes)}" if tenant.changes else ""]
    for word, holds in (("removing", risk.removes), ("widening privileges", risk.widens)):
        if count := sum(holds(tenant, change) for change in tenant.changes):
            counts.append(f"**{count} {word}**")
    if tenant.blockers:
        counts.append(f"**{len(tenant.blockers)} in the way**")
    if tenant.reports:
        counts.append(f"{len(tenant.reports)} reported")
    if tenant.unknown:
        counts.append(f"{len(tenant.unknown)} unknown")
    cells = (_action(tenant), code(tenant.tenant), code(tenant.product), ", ".join(filter(None, counts)), code(place))
    return f"| {' | '.join(cells)} |\n"


def details_of(tenant: plans.TenantPlan) -> str:
    """What would be done with one tenant, folded, in less than 8 KiB."""
    opened = " open" if tenant.blockers else ""
    lines = [*_blockers(tenant)]
    for change in tenant.changes[:_MOST_CHANGES]:
        marks = [
            word
            for word, holds in (("removes", risk.removes), ("widens privileges", risk.widens))
            if holds(tenant, change)
        ]
        lines += _change(change, "".join(f"**{mark}** " for mark in marks))
    lines += [f"- **left as it is** {code(entry.code)}: {escaped(entry.message)}\n" for entry in tenant.reports]
    lines += [
        f"- **unknown** {escaped(entry.what)}; to see it takes {code(entry.privilege)}\n" for entry in tenant.unknown
    ]
    shown, _ = fitting(lines, str, 7_000)
    cut = len(shown) < len(lines) or len(tenant.changes) > _MOST_CHANGES
    more = (
        "- **The rest of this tenant's lines is left out.** `reconcile plan --tenant NAME` shows it.\n" if cut else ""
    )
    head = f"<details{opened}><summary>{_action(tenant, html=True)} {code(tenant.tenant)}</summary>\n\n"
    return "".join([head, *shown, more, "\n</details>\n\n"])


def _blockers(tenant: plans.TenantPlan) -> Iterator[str]:
    for blocker in tenant.blockers:
        at = f" ({code(str(blocker.where))})" if blocker.where else ""
        yield f"- **in the way** {code(blocker.code)}: {escaped(blocker.message)}{at}\n"
        if blocker.advice:
            yield f"  - → {escaped(blocker.advice)}\n"


def _change(change: Change, mark: str) -> Iterator[str]:
    yield f"- {mark}{code(change.step)} {plan.SIGNS.get(change.action, ('~',))[0]} {escaped(change.summary)}\n"
    for name, old, new in change.details[:_MOST_FIELDS]:
        yield f"  - {code(name)}: {code(old) or 'nothing'} → {code(new) or 'nothing'}\n"
    if (left := len(change.details) - _MOST_FIELDS) > 0:
        yield f"  - and {left} more fields\n"
    yield f"  - why: {escaped(change.reason)}; undo: {escaped(change.undo)}\n"


def _action(tenant: plans.TenantPlan, *, html: bool = False) -> str:
    word = tenant.action.value
    if risk.ORDER[tenant.action] > risk.ORDER[plans.Action.RESTORE]:
        return word
    return f"<b>{word}</b>" if html else f"**{word}**"


def _unknown(told: Sequence[plans.TenantPlan]) -> str:
    things: dict[str, dict[str, None]] = {}
    for tenant in told:
        for entry in tenant.unknown:
            things.setdefault(entry.privilege, {})[entry.what] = None
    if not things:
        return ""
    lines = [
        f"- {code(privilege)}: {_few(list(whats), lambda what: escaped(what, 120))}\n"
        for privilege, whats in list(things.items())[:_NAMES]
    ]
    return "".join(["**Not seen**, for want of a privilege:\n\n", *lines, "\n"])


def _orphans(found: plans.Plan) -> str:
    names = [tenant.tenant for tenant in found.tenants if tenant.action is plans.Action.ORPHANED]
    return f"**Orphaned**, without a spec and left as they are: {_few(names, code)}.\n\n" if names else ""


def _foot(found: plans.Plan) -> str:
    return f"Fingerprint of this plan: {code(found.fingerprint)}\n"


def _fault(fault: errors.Fault) -> str:
    hint = f"; {escaped(fault.hint)}" if fault.hint else ""
    return f"- {code(str(fault.where))}: {escaped(fault.message)} ({code(fault.rule)}){hint}\n"


def _few(texts: Sequence[str], shown: Callable[[str], str]) -> str:
    """At most a few of the texts, and how many more there are."""
    left = len(texts) - _NAMES
    return ", ".join(map(shown, texts[:_NAMES])) + (f" and {left} more" if left > 0 else "")


def fitting(things: Iterable[T], written: Callable[[T], str], room: int) -> tuple[list[str], int]:
    """What is written of the first things, as many as fit into ``room`` octets together; and how many octets."""
    made: list[str] = []
    used = 0
    for thing in things:
        text = written(thing)
        size = octets(text)
        if used + size > room:
            break
        made.append(text)
        used += size
    return made, used


def _more(left: int, shown: int) -> str:
    return f"{left} more tenant{'s' * (left != 1)}" if shown else f"{left} tenant{'s' * (left != 1)}"


def octets(text: str) -> int:
    """How long a text is in UTF-8."""
    return len(text.encode("utf-8"))
