"""One apply in this process, with a look at where its time goes.

    python -m benchmarks.inside REPOSITORY [--parallel N]

Prints JSON: seconds of the apply, seconds that its workers waited for ``Store.write`` (the renewal of leases, which no
tenant waits for, is left out), commits of the store, statements (each a round trip) and logins.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from pathlib import Path
from typing import Any

from reconciler.engine import reconcile, setting
from reconciler.engine.progress import Progress
from reconciler.model.outcome import Result
from reconciler.ports.mysql import connection as mysql
from reconciler.ports.ports import Ports
from reconciler.ports.store.store import Store


class Counts:
    """What was counted so far."""

    def __init__(self) -> None:
        self.statements = self.logins = self.writes = 0
        self.waited = 0.0
        self._lock = threading.Lock()

    def watch(self) -> Ports:
        """Count from now on, in every store and connection of this process."""
        send, write = mysql.Connection.send, Store.write

        def sending(connection: mysql.Connection, *given: Any, **named: Any) -> Any:
            with self._lock:
                self.statements += 1
            return send(connection, *given, **named)

        def writing(store: Store, action: Any) -> Any:
            began = time.perf_counter()
            try:
                return write(store, action)
            finally:
                if threading.current_thread().name != "lease-renewal":
                    with self._lock:
                        self.waited += time.perf_counter() - began
                        self.writes += 1

        def connect(*given: Any, **named: Any) -> mysql.Connection:
            with self._lock:
                self.logins += 1
            return mysql.connect(*given, **named)

        mysql.Connection.send = sending  # type: ignore[assignment,method-assign]
        Store.write = writing  # type: ignore[assignment,method-assign]
        return Ports(connect=connect)


def main() -> None:
    """Apply, and print what was counted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("repository", type=Path)
    parser.add_argument("--parallel", type=int, default=1)
    given = parser.parse_args()
    counts = Counts()
    found = setting.load_setting(given.repository, counts.watch())
    began = time.perf_counter()
    _, outcomes = reconcile.apply(found, reconcile.Options(parallel=given.parallel), Progress())
    seconds = time.perf_counter() - began
    applied = sum(outcome.result is Result.APPLIED for outcome in outcomes)
    print(
        json.dumps(
            {
                "tenants": applied,
                "parallel": given.parallel,
                "seconds": seconds,
                "journal_seconds": counts.waited,
                "journal_share": counts.waited / (seconds * given.parallel),
                "writes": counts.writes,
                "statements": counts.statements,
                "logins": counts.logins,
            }
        )
    )


if __name__ == "__main__":
    main()
