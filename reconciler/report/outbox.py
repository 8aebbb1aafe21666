"""Notifications that wait, and dead letters: for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from reconciler.ports.store.outbox import Letter
from reconciler.report import data as formats
from reconciler.report import tenants
from reconciler.report.styled import Line, Style, line, styled, table


def lines(found: Sequence[Letter]) -> Iterator[Line]:
    """A line a letter, and why it was not taken."""
    heads = ("LETTER", "TO", "TENANT", "EVENT", "WRITTEN", "ATTEMPTS", "STATE")
    rows = [tuple(styled(text, Style.FAINT) for text in heads)]
    rows += [
        (
            styled(letter.id, Style.PLAIN),
            styled(letter.receiver, Style.HEADING),
            styled(letter.tenant, Style.PLAIN),
            styled(letter.event, Style.PLAIN),
            styled(tenants.moment(letter.written_at), Style.FAINT),
            styled(str(letter.attempts), Style.PLAIN),
            styled("dead", Style.BAD) if letter.dead else styled("waits", Style.UPDATE),
        )
        for letter in found
    ]
    for letter, shown in zip((None, *found), table(rows), strict=True):
        yield shown
        if letter is not None and letter.error:
            yield line(styled(letter.error, Style.FAINT), indent=4)


def summary(found: Sequence[Letter]) -> Iterator[Line]:
    """What ``status`` says of the outbox: nothing where it is empty."""
    dead = [letter for letter in found if letter.dead]
    waits = len(found) - len(dead)
    if waits:
        yield line(f"{waits} notification{'s' * (waits != 1)} wait{'s' * (waits == 1)} in the outbox.")
    for letter in dead:
        yield line(
            styled("dead letter: ", Style.BAD),
            f"{letter.event} of {letter.tenant} to {letter.receiver}, {letter.attempts} attempts, {letter.error}; "
            f"`reconcile outbox retry {letter.id}` sends it again",
        )


def data(found: Sequence[Letter]) -> dict[str, Any]:
    """``reconcile outbox list --format json``, and the outbox in ``status --format json``."""
    return {
        "formatVersion": formats.FORMAT,
        "letters": [
            {
                "id": letter.id,
                "receiver": letter.receiver,
                "tenant": letter.tenant,
                "event": letter.event,
                "state": "dead" if letter.dead else "waiting",
                "writtenAt": letter.written_at,
                "attempts": letter.attempts,
                "triedAt": letter.tried_at,
                "dueAt": None if letter.dead else letter.due_at,
                "error": letter.error,
            }
            for letter in found
        ],
    }
