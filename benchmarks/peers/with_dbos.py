"""A durable workflow of DBOS a tenant, each step a step, undone in reverse if one fails; system database in SQLite.

`python with_dbos.py WORK DATABASE`
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import steps
from dbos import DBOS

WORK = steps.Work(sys.argv[1])

DBOS(
    config={
        "name": "benchmark",
        "system_database_url": f"sqlite:///{sys.argv[2]}",
        "run_admin_server": False,
        "log_level": "ERROR",
    }
)


@DBOS.step()
def do(tenant: int, at: int) -> None:
    """One step."""
    WORK.do(WORK.tenants[tenant]["steps"][at])


@DBOS.step()
def undo(tenant: int, at: int) -> None:
    """Take one step back."""
    WORK.undo(WORK.tenants[tenant]["steps"][at])


@DBOS.workflow()
def make(tenant: int) -> None:
    """One tenant, whole or not at all."""
    at = 0
    try:
        for at in range(len(WORK.tenants[tenant]["steps"])):
            do(tenant, at)
    except Exception:
        for back in range(at, -1, -1):
            undo(tenant, back)
        raise


DBOS.launch()
with ThreadPoolExecutor(WORK.parallel) as pool:
    for _ in pool.map(make, range(len(WORK.tenants))):
        pass
DBOS.destroy()
