"""A command's help page, always in the same order: what it does, examples, exit statuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

EXITS: Final[Mapping[int, str]] = {
    0: "done: in sync, planned or applied",
    1: "unexpected error",
    2: "there are changes (only with --detailed-exitcode)",
    3: "refused before a tenant was touched: a guard, a check, a foreign object",
    4: "the saved plan is stale",
    5: "a tenant is leased by another living process",
    6: "failed, and every failed tenant was rolled back in full",
    7: "stuck: something is left over, listed exactly; `reconcile recover` or a person is needed",
    64: "wrong usage",
    65: "invalid specs",
    69: "a server is unreachable",
    78: "wrong platform configuration",
    130: "interrupted (SIGINT), after what was open was finished or undone",
    143: "terminated (SIGTERM), after what was open was finished or undone",
}
"""What each exit status means; where several hold: 7, 6, 1, 5, 4, 3, 69."""

_ALWAYS: Final = (1, 64)


def page(
    text: str,
    *,
    examples: Mapping[str, str],
    exits: Mapping[int, str] | None = None,
    also: tuple[int, ...] = (),
) -> str:
    """The help of a command.

    ``examples`` maps a call to what it does; ``exits`` has the statuses whose meaning is this command's own, ``also``
    those that mean what they always mean. 1 and 64 go for every command.
    """
    meanings = {status: EXITS[status] for status in (*also, *_ALWAYS)} | dict(exits or {0: EXITS[0]})
    wide = max(len(call) for call in examples)
    shown = [f"  {call:<{wide}}  # {what}" if what else f"  {call}" for call, what in examples.items()]
    ends = [f"  {status:>3}  {meanings[status]}" for status in sorted(meanings)]
    return "\n".join([text.strip(), "", "\b", "Examples:", *shown, "", "\b", "Exit status:", *ends])
