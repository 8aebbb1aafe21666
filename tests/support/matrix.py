"""The fault matrix: what was done to an operation, how it ended, and in which world; collected from the tests that ran.

A test asks for the fixture ``cells`` and adds one cell for each fault that it made and judged. The cells travel on the
test's report, so that they also arrive from other processes (pytest-xdist).
"""

from __future__ import annotations

import dataclasses
import enum
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

WRITE = "RECONCILE_WRITE_FAULTS"
PAGE = Path(__file__).parents[2] / "docs/faults.md"
PROPERTY = "fault-matrix"
PRODUCTS = {"agenda-ia": "Agenda IA", "pos-tree-codes": "POS Tree Codes"}


class Operation(enum.StrEnum):
    """What was under way."""

    CREATE = "create"
    UPDATE = "update"
    SUSPEND = "suspend"
    RESUME = "resume"
    TRASH = "trash"
    RESTORE = "restore"
    PURGE = "purge"


class Row(enum.Enum):
    """A fault, in words; the matrix has a line for each and product. How it is made stands beside it."""

    DEATH_STATEMENT = ("our process killed before or after a statement or a login, in apply", "port")
    DEATH_STORE = ("our process killed before or after a write of the journal, in apply", "port")
    DEATH_FILE = ("our process killed before or after a file operation, in apply", "port")
    ROLLBACK_STATEMENT = ("our process killed before or after a statement or a login, in rollback", "port")
    ROLLBACK_STORE = ("our process killed before or after a write of the journal, in rollback", "port")
    ROLLBACK_FILE = ("our process killed before or after a file operation, in rollback", "port")
    RECOVERY_STATEMENT = ("our process killed before or after a statement or a login, in recovery", "port")
    RECOVERY_STORE = ("our process killed before or after a write of the journal, in recovery", "port")
    RECOVERY_FILE = ("our process killed before or after a file operation, in recovery", "port")
    KILLED = ("our process killed with SIGKILL at a random moment", "process")
    KILLED_LOAD = ("our processes killed with SIGKILL at random moments, several applies at once", "process")
    KILLED_MANY = ("an apply of many tenants (50 in the sweep) killed with SIGKILL at a random moment", "process")
    ERROR_REPLY = ("an error reply to a statement, or a login refused", "port")
    LOST_BEFORE = ("the connection lost before a statement", "port")
    LOST_AFTER = ("the connection lost after a statement, so that nobody knows whether it ran", "port")
    FILE_FAILED = ("a file operation fails, or fails after it was done", "port")
    STORE_FAILED = ("a write of the store fails, or its answer is lost", "port")
    SERVER_STATEMENT = ("MariaDB killed during a statement (DDL where there is any), and restarted", "server")
    SERVER_DROP = ("MariaDB killed during DROP DATABASE, and restarted", "server")
    SERVER_HALF_DROPPED = ("DROP DATABASE stops with some tables left and the mark gone", "port")
    SERVER_GONE = ("MariaDB gone for a while (30 s in the sweep), and back", "server")
    SERVER_GONE_LONGER = ("MariaDB gone for longer than an undo waits, then recover", "server")
    STORE_LOCKED = ("the store locked by another process, and free again in time", "process")
    STORE_LOCKED_LONGER = ("the store locked for longer than a write waits", "process")
    STORE_FULL = ("the store full", "port")
    STORE_READ_ONLY = ("the store read-only", "port")
    STORE_TORN = ("the store's last write torn", "file")
    DELIVERY_FULL = ("the delivery folder full, a file half written", "port")
    DISK_FULL = ("the disk with store and deliveries full", "file")
    PAUSED = ("our process paused past its lease, taken over by another host, then going on", "port")
    STOPPED = ("our process stopped with SIGSTOP past its lease, taken over, then SIGCONT", "process")
    TWO_APPLIES = ("two applies of one tenant at once", "process")
    FOREIGN_BEFORE = ("a foreigner makes what the tenant needs, between plan and apply", "port")
    FOREIGN_WITHIN = ("a foreigner makes what the tenant needs, between intent and act", "port")
    CLOCK_BACK = ("the clock set back by a day", "port")
    TOLD_TO_STOP = ("SIGTERM or Ctrl-C, as the engine hears of it, before any act", "port")
    SIGNALLED = ("SIGTERM or Ctrl-C to the process", "process")

    @property
    def title(self) -> str:
        """The fault in words."""
        return self.value[0]

    @property
    def how(self) -> str:
        """How it is made: `port`, `process`, `server` or `file`."""
        return self.value[1]


class Recovery(enum.StrEnum):
    """Who brought the tenant to one of the two worlds."""

    NONE = "nothing was to be done"
    APPLY = "apply undid it"
    SUCCESSOR = "apply undid it as its own successor"
    RECOVER = "recover undid it"
    NEXT = "the next apply undid it and went on"
    FORWARD = "recover finished it"
    SUCCESSOR_FORWARD = "its successor finished it"


@dataclasses.dataclass(frozen=True, slots=True)
class Cell:
    """One fault and what came of it. ``world`` is ``before`` or ``after``: nothing else is ever recorded."""

    row: str
    product: str
    operation: str
    outcome: str
    world: str
    recovery: str


class Cells:
    """The cells of one test."""

    def __init__(self) -> None:
        self.counted: Counter[Cell] = Counter()

    def add(
        self, row: Row, product: str, operation: Operation, outcome: str, *, after: bool, recovery: Recovery
    ) -> None:
        """Record one: the tenant is as it should be (``after``), or the world is as it was."""
        world = "after" if after else "before"
        self.counted[Cell(row.name, product, operation.value, outcome, world, recovery.value)] += 1

    def __len__(self) -> int:
        return self.counted.total()


class Collector:
    """A pytest plugin that collects the cells of all tests, counts them, and writes the page."""

    def __init__(self) -> None:
        self.counted: Counter[Cell] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" or not report.passed:
            return
        for name, value in report.user_properties:
            if name == PROPERTY and isinstance(value, list):
                self.counted.update({Cell(*fields): count for fields, count in _listed(value)})

    def pytest_terminal_summary(self, terminalreporter: Any, exitstatus: int) -> None:
        if not self.counted:
            return
        for row in Row:
            if found := {cell: count for cell, count in self.counted.items() if cell.row == row.name}:
                terminalreporter.write_line(f"{sum(found.values()):6} {row.title}: {_worlds(found)}")
        terminalreporter.write_line(
            f"fault matrix: {self.counted.total()} cells in {len({cell.row for cell in self.counted})} of {len(Row)} "
            f"rows, {_worlds(self.counted)}"
        )
        if os.environ.get(WRITE):
            terminalreporter.write_line(self._written(exitstatus))

    def _written(self, status: int) -> str:
        missing = sorted({row.name for row in Row} - {cell.row for cell in self.counted})
        if status or missing:
            return f"docs/faults.md is left as it is: {'a test failed' if status else f'no cell of {missing}'}"
        PAGE.write_text(page(self.counted), encoding="utf-8")
        return "docs/faults.md is written"


def carried(cells: Cells) -> tuple[str, Any]:
    """The cells as a property of a test's report: plain lists, which travel between processes."""
    return PROPERTY, [[list(dataclasses.astuple(cell)), count] for cell, count in cells.counted.items()]


def _listed(value: Iterable[Any]) -> Iterator[tuple[list[str], int]]:
    for fields, count in value:
        yield list(fields), int(count)


def _worlds(found: Counter[Cell] | dict[Cell, int]) -> str:
    counts = Counter[str]()
    for cell, count in found.items():
        counts[cell.world] += count
    return ", ".join(f"{counts[world]} {world}" for world in ("before", "after") if counts[world])


# --- the page ---------------------------------------------------------------------------------------------

_HEAD = """\
# Faults that are survived

<!-- Made by the tests that ran, with
RECONCILE_WRITE_FAULTS=1 .venv/bin/python -m pytest tests/engine tests/acceptance
Add `-m "not sweep"` for a quick run with fewer cells a line. Do not edit the tables by hand. -->

Whatever interrupts an operation on a tenant, its world is afterwards one of two:

- **before**: exactly what it was. Databases by dump (tables, rows, routines, triggers, events), accounts with their
  password hashes and locks, grants, rows of the central database in every column, and delivered files with their modes
  are compared with a picture that was taken before.
- **after**: exactly what the spec asks for. A deep plan is empty: everything was looked at again, and nothing is left
  to do. Nothing of the transaction's own lies about. A tenant in the trash is shut, withdrawn and hidden; one that was
  restored is what it was before it was trashed; of one that was purged nothing is left but its sealed dump.

"Afterwards" is when `apply` has ended by itself, or where it could not, when `reconcile recover` (or the next `apply`)
has run. There is no third world: a test that finds one fails, and the run with it. What a foreigner made is no part of
either, and has to be there unchanged. A purge has a point of no return: behind it, and only there, a fault ends in the
world after.

## How faults are made

A clean run counts the boundaries that an operation crosses: statements and logins, file operations, writes of the
store. Then the operation is begun again and again, each time with a fault at another boundary, so a longer flow has
more cells. The program has no switch for this. The last column says how:

- `port`: the tests hand the engine ports (connections, files, clock, store) that do as told at one boundary. A death is
  an exception that nothing catches, after which every port is dead and every connection closed, as after SIGKILL.
- `process`: real `reconcile` processes, and real signals or locks of other processes.
- `server`: a real MariaDB, killed with SIGKILL while it works on the statement, and started again.
- `file`: the real file system: a full one, or a store whose write-ahead log lost its last bytes.

`tests/engine/test_mutations.py` breaks the engine on purpose (the intent written after the act, an undo that does not
look whose a thing is, no fencing, and others) and shows that the same checks then fail.

## How to run it

```sh
scripts/test tests/engine tests/acceptance          # samples of every line, in minutes
scripts/test --all tests/engine tests/acceptance    # with the sweeps over all boundaries, as CI does
```

Of trash, restore and purge the sweeps take every fourth boundary: a purge also loads a dump and compares it.

The end of the output counts the cells.
"""


def page(counted: Counter[Cell]) -> str:
    """docs/faults.md."""
    parts = [_HEAD]
    parts.append(f"## The matrix\n\n{counted.total():,} cells: {_worlds(counted)}.\n")
    parts.append("A number is how often an operation was hit, and in which world it was afterwards; — is where there")
    parts.append("is nothing that the fault could hit, or where a quick run left it out.\n")
    parts += _table(counted)
    parts.append("\n## How it ended, and who put it right\n")
    parts.append("The outcome is what `apply` said; `killed` where it could not say anything any more.\n")
    parts += _endings(counted)
    return "\n".join(parts) + "\n"


def _table(counted: Counter[Cell]) -> Iterator[str]:
    yield f"| fault | product | {' | '.join(Operation)} | made by |"
    yield "|---" * (len(Operation) + 3) + "|"
    for row in Row:
        for product, label in PRODUCTS.items():
            cells = []
            for operation in Operation:
                found = {
                    cell: count
                    for cell, count in counted.items()
                    if (cell.row, cell.product, cell.operation) == (row.name, product, operation.value)
                }
                cells.append(_worlds(found) or "—")
            yield f"| {row.title} | {label} | {' | '.join(cells)} | `{row.how}` |"


def _endings(counted: Counter[Cell]) -> Iterator[str]:
    yield "| fault | outcome | world | who put it right | cells |"
    yield "|---|---|---|---|---|"
    for row in Row:
        ends = Counter[tuple[str, str, str]]()
        for cell, count in counted.items():
            if cell.row == row.name:
                ends[cell.outcome, cell.world, cell.recovery] += count
        for (outcome, world, recovery), count in sorted(ends.items()):
            yield f"| {row.title} | {outcome} | {world} | {recovery} | {count:,} |"


def titles(text: str) -> set[tuple[str, str]]:
    """The lines of a page's matrix: fault and product."""
    rows = (line.split(" | ") for line in text.splitlines() if line.startswith("| "))
    return {(row[0].removeprefix("| "), row[1]) for row in rows if row[1] in PRODUCTS.values()}
