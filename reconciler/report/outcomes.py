"""How an apply or a recovery ended, for people: what failed, why, what is left over, and what clears it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from reconciler.model.outcome import Outcome, Result
from reconciler.report import problem
from reconciler.report.styled import EMPTY, Line, Style, line, styled

LOOKS: Final[dict[Result, tuple[str, Style]]] = {
    Result.APPLIED: ("+", Style.GOOD),
    Result.UNCHANGED: ("=", Style.FAINT),
    Result.ROLLED_BACK: ("!", Style.BAD),
    Result.STUCK: ("!", Style.BAD),
    Result.STALE: ("!", Style.BAD),
    Result.BLOCKED: ("!", Style.BAD),
    Result.LEASED: ("!", Style.UPDATE),
    Result.SKIPPED: ("-", Style.FAINT),
}
_WORDS: Final = {Result.ROLLED_BACK: "rolled back"}
_SHORT = 8


def lines(outcomes: Sequence[Outcome], *, verb: str = "Apply") -> Iterator[Line]:
    """All that is not unchanged, and a line of counts; ``verb`` begins it."""
    told = False
    for outcome in outcomes:
        if outcome.result is not Result.UNCHANGED:
            yield from of_tenant(outcome)
            told = True
    if told:
        yield EMPTY
    yield summary(outcomes, verb)


def of_tenant(outcome: Outcome) -> Iterator[Line]:
    """One tenant's end."""
    yield headline(outcome)
    failure = outcome.failure
    if failure is not None:
        step = f"step {failure.step}, " if failure.step else ""
        yield line(styled(f"{step}{failure.code}: ", Style.FAINT), failure.message, indent=4)
        if failure.advice:
            yield problem.advice(failure.advice, indent=4)
    for left in outcome.leftovers:
        yield line(styled("left over: ", Style.BAD), f"{left.resource} {left.name}: {left.reason}", indent=4)
        if left.clear:
            yield line(styled("clear it: ", Style.ADVICE), left.clear, indent=6)
    if outcome.leftovers:
        yield problem.advice("Clear what is left over, then run `reconcile recover`.", indent=4)


def headline(outcome: Outcome) -> Line:
    """``+ clinica-sol  applied  1.2 s  1f0c33aa``."""
    mark, style = LOOKS[outcome.result]
    transaction = f"  {outcome.transaction[:_SHORT]}" if outcome.transaction else ""
    time = f"  {outcome.seconds:.1f} s" if outcome.seconds else ""
    return line(
        styled(mark, style),
        " ",
        styled(outcome.tenant, Style.HEADING),
        "  ",
        styled(_word(outcome.result), style),
        styled(f"{time}{transaction}", Style.FAINT),
    )


def summary(outcomes: Sequence[Outcome], verb: str) -> Line:
    """How many tenants ended how."""
    counts = {result: sum(outcome.result is result for outcome in outcomes) for result in Result}
    parts = [f"{count} {_word(result)}" for result, count in counts.items() if count]
    bad = any(counts[result] for result in Result if LOOKS[result][1] in (Style.BAD, Style.UPDATE))
    return line(styled(f"{verb}: ", Style.BAD if bad else Style.GOOD), ", ".join(parts) or "nothing to do", ".")


def _word(result: Result) -> str:
    return _WORDS.get(result, result.value)
