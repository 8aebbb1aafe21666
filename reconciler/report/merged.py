"""How what was merged ended, for the forge: a commit's status in a line, and one comment on its pull request.

As in ``report.markdown``: the worst comes first, what does not fit is left out from the other end and counted, and
every text that comes from a spec or a server is escaped.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from reconciler.model import plan as plans
from reconciler.model.outcome import Leftover, Outcome, Result
from reconciler.report import markdown
from reconciler.report.markdown import code, escaped, fitting, octets

MARKER: Final = "<!-- reconciler-apply -->"
"""By which the comment is found again, to be edited in place."""

MOST: Final = markdown.MOST
"""Octets of a whole comment."""

_WORST_FIRST: Final = (
    Result.STUCK,
    Result.ROLLED_BACK,
    Result.STALE,
    Result.BLOCKED,
    Result.LEASED,
    Result.SKIPPED,
    Result.APPLIED,
    Result.UNCHANGED,
)
BAD: Final = frozenset(_WORST_FIRST[:4])
WAITING: Final = frozenset(_WORST_FIRST[4:6])
_WORDS: Final = {Result.ROLLED_BACK: "rolled back", Result.LEASED: "waiting", Result.SKIPPED: "not started"}
_HEAD: Final = "| | tenant | transaction | what was in the way |\n|---|---|---|---|\n"


@dataclass(frozen=True, slots=True)
class Digest:
    """What is told of a merge: how its tenants ended, what is said although they were applied, and the fresh plans of
    those whose reviewed plan does not hold any more.
    """

    outcomes: Sequence[Outcome]
    warnings: Mapping[str, str] = field(default_factory=dict)
    plans: Mapping[str, plans.TenantPlan] = field(default_factory=dict)


def counts(outcomes: Collection[Outcome]) -> str:
    """How many tenants ended how, the worst first: ``1 rolled back, 4 applied``."""
    found = [(result, sum(outcome.result is result for outcome in outcomes)) for result in _WORST_FIRST]
    return ", ".join(f"{count} {_word(result)}" for result, count in found if count) or "no tenants"


def comment(digest: Digest, revisions: Sequence[str]) -> str:
    """The whole comment, at most ``MOST`` octets."""
    outcomes = sorted(digest.outcomes, key=lambda entry: (_WORST_FIRST.index(entry.result), entry.tenant))
    head = f"{MARKER}\n## After the merge: {counts(outcomes)}\n\nOf {', '.join(map(code, revisions[:5]))}.\n\n"
    stale = [digest.plans[entry.tenant] for entry in outcomes if entry.tenant in digest.plans]
    warned = sorted(digest.warnings.items())
    room = MOST - octets(head) - octets(_HEAD) - 600  # the lines that count what is left out
    rows, used = fitting(outcomes, _row, room // 2)
    leftovers = [(entry.tenant, left) for entry in outcomes for left in entry.leftovers]
    left_over, more = fitting(leftovers, _leftover, (room - used) // 3)
    used += more
    said, more = fitting(warned, _warning, (room - used) // 3)
    fresh, _ = fitting(stale, markdown.details_of, room - used - more)
    parts = [head]
    if rows:
        parts += [_HEAD, *rows, _left_out(len(outcomes) - len(rows), "tenants"), "\n"]
    if left_over:
        parts += ["**Left over**, and to be cleared before `reconcile recover`:\n\n", *left_over]
        parts += [_left_out(len(leftovers) - len(left_over), "leftovers"), "\n"]
    if said:
        parts += ["**Applied although**\n\n", *said, _left_out(len(warned) - len(said), "warnings"), "\n"]
    if fresh:
        parts += ["**What would be done now** in place of what was reviewed:\n\n", *fresh]
        parts += [_left_out(len(stale) - len(fresh), "plans")]
    return "".join(parts).rstrip("\n") + "\n"


def _row(outcome: Outcome) -> str:
    said = ""
    if (failure := outcome.failure) is not None:
        step = f"step {code(failure.step)}, " if failure.step else ""
        advice = f" → {escaped(failure.advice)}" if failure.advice else ""
        said = f"{step}{code(failure.code)}: {escaped(failure.message)}{advice}"
    word = _word(outcome.result)
    shown = f"**{word}**" if outcome.result in BAD else word
    return f"| {shown} | {code(outcome.tenant)} | {code(outcome.transaction[:8])} | {said} |\n"


def _leftover(found: tuple[str, Leftover]) -> str:
    tenant, left = found
    clear = f"; clear it: {code(left.clear)}" if left.clear else ""
    return f"- {code(tenant)}: {code(left.resource)} {code(left.name)}, {escaped(left.reason, 200)}{clear}\n"


def _warning(found: tuple[str, str]) -> str:
    tenant, words = found
    return f"- {code(tenant)}: {escaped(words)}\n"


def _left_out(count: int, what: str) -> str:
    return f"\n**{count} more {what} are left out.** `reconcile status` shows everything.\n" if count else ""


def _word(result: Result) -> str:
    return _WORDS.get(result, result.value)
