"""What an apply says while it works, on a terminal: a line for every tenant that is being worked on, kept up to date.

This loads rich; whoever writes into a pipe uses ``report.progress``.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TextIO

from rich import progress_bar, spinner, table
from rich.live import Live

from reconciler.model.change import Change
from reconciler.model.outcome import Outcome, Result
from reconciler.report import outcomes, progress, terminal
from reconciler.report.styled import Style, line, styled

_MOST_SHOWN = 20
_A_SECOND = 8
_LONG_SECONDS = 0.5
_SHARE = " … "


def _whatever_the_screen_does() -> suppress:
    return suppress(OSError, ValueError)


@dataclass(slots=True)
class _Row:
    total: int = 0
    done: int = 0
    what: str = ""
    undoing: bool = False
    since: float = field(default_factory=lambda: time.monotonic())


class View(progress.Told):
    """The running tenants below, what ended above.

    As with ``progress.Lines``, a screen that can't be written is no reason to undo a tenant.
    """

    def __init__(self, stream: TextIO) -> None:
        self._console = terminal.console(stream)
        self._rows: dict[str, _Row] = {}
        self._guard = threading.Lock()
        self._live: Live | None = None
        self._spinner = spinner.Spinner("dots")

    def begins(self, tenant: str, changes: int) -> None:
        """A transaction with so many changes begins."""
        self._set(tenant, _Row(changes))

    def doing(self, tenant: str, number: int, change: Change) -> None:
        """The change with this number is about to be made."""
        row = self._rows.get(tenant) or _Row(number)
        self._set(tenant, _Row(row.total, number - 1, f"{change.step}: {change.summary}"))

    def advances(self, tenant: str, done: int, total: int) -> None:
        """So much of the change is done."""
        row = self._rows.get(tenant)
        now = time.monotonic()
        if row is not None and now - row.since >= _LONG_SECONDS:
            words = row.what.partition(_SHARE)[0]
            self._set(tenant, replace(row, what=f"{words}{_SHARE}{progress.share(done, total)}", since=now))

    def proving(self, tenant: str) -> None:
        """The tenant is observed again."""
        row = self._rows.get(tenant) or _Row()
        self._set(tenant, _Row(row.total, row.total, "looks at everything again"))

    def undoing(self, tenant: str, change: Change) -> None:
        """This change is about to be undone."""
        row = self._rows.get(tenant) or _Row()
        self._set(tenant, _Row(row.total, row.done, f"undoes {change.step}: {change.summary}", undoing=True))

    def ends(self, outcome: Outcome) -> None:
        """The work on a tenant ended."""
        with self._guard, _whatever_the_screen_does():
            self._rows.pop(outcome.tenant, None)
            self._show()
            if outcome.result is not Result.UNCHANGED:
                self._console.print(terminal.rich_line(outcomes.headline(outcome)), soft_wrap=True)

    def undelivered(self, receiver: str, reason: str) -> None:
        """A notification did not reach its receiver."""
        with self._guard, _whatever_the_screen_does():
            self._console.print(terminal.rich_line(progress.undelivered(receiver, reason)), soft_wrap=True)

    def close(self) -> None:
        """Take the view away; what ended stays."""
        with self._guard, _whatever_the_screen_does():
            shown, self._live = self._live, None
            if shown is not None:
                shown.stop()

    def _set(self, tenant: str, row: _Row) -> None:
        with self._guard, _whatever_the_screen_does():
            self._rows[tenant] = row
            self._show()

    def _show(self) -> None:
        if self._live is None:
            self._live = Live(
                console=self._console,
                transient=True,
                refresh_per_second=_A_SECOND,
                redirect_stdout=False,  # results must not end up on stderr
                redirect_stderr=False,
            )
            self._live.start()
        self._live.update(self._table())

    def _table(self) -> table.Table:
        made = table.Table.grid(padding=(0, 1), expand=False)
        for _ in range(4):
            made.add_column(no_wrap=True, overflow="ellipsis")
        for tenant, row in list(self._rows.items())[:_MOST_SHOWN]:
            style = Style.BAD if row.undoing else Style.PLAIN
            made.add_row(
                self._spinner,
                terminal.rich_line(line(styled(tenant, Style.HEADING))),
                progress_bar.ProgressBar(total=max(row.total, 1), completed=row.done, width=20),
                terminal.rich_line(line(f"{min(row.done + 1, row.total)}/{row.total} ", styled(row.what, style))),
            )
        if len(self._rows) > _MOST_SHOWN:
            made.add_row("", f"… and {len(self._rows) - _MOST_SHOWN} more", "", "")
        return made
