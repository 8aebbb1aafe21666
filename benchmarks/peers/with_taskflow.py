"""A linear flow of TaskFlow a tenant, each step a task with a revert, the logbook in SQLite.

`python with_taskflow.py WORK DATABASE`
"""

from __future__ import annotations

import contextlib
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import steps
from taskflow import engines, task
from taskflow.patterns import linear_flow
from taskflow.persistence import backends


class Step(task.Task):  # type: ignore[misc]
    """One step of one tenant."""

    def __init__(self, work: steps.Work, tenant: str, step: dict[str, Any]) -> None:
        super().__init__(name=f"{tenant}:{step['name']}")
        self._work = work
        self._step = step

    def execute(self) -> None:
        """Do it."""
        self._work.do(self._step)

    def revert(self, *_: Any, **__: Any) -> None:
        """Take it back."""
        self._work.undo(self._step)


def main() -> None:
    """Make every tenant."""
    work = steps.Work(sys.argv[1])
    backend = backends.fetch({"connection": f"sqlite:///{sys.argv[2]}"})
    with contextlib.closing(backend.get_connection()) as connection:
        connection.upgrade()

    def one(tenant: dict[str, Any]) -> None:
        flow = linear_flow.Flow(tenant["name"])
        flow.add(*(Step(work, tenant["name"], step) for step in tenant["steps"]))
        engines.run(flow, backend=backend)

    with ThreadPoolExecutor(work.parallel) as pool:
        for _ in pool.map(one, work.tenants):
            pass


main()
