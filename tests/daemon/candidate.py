"""A process that stands for election, for the tests: it says on stdout what becomes of it.

``python -m tests.daemon.candidate STORE LEASE_SECONDS``; ends when its stdin does, and resigns then.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from reconciler.daemon.election import Election
from reconciler.ports.clock import Clock
from reconciler.ports.store import leases
from reconciler.ports.store import store as stores


def main(url: str, seconds: str) -> None:
    store = stores.open_store(url, Path.cwd())
    assert store is not None
    election = Election(leases.Leases(store, Clock().stamp, length=float(seconds)))
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    said = ""
    while not over.is_set():
        if said == "leads" and not election.leading:
            said = "lost"
            election.resign()
        else:
            state = "leads" if election.try_lead() else "follows"
            if state == said:
                over.wait(0.02 if state == "leads" else max(0.02, election.wait_seconds))
                continue
            said = state
        sys.stdout.write(said + "\n")
        sys.stdout.flush()
    election.close()
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
