"""The limit: the same statements by PyMySQL alone, on one connection a thread. `python bare.py WORK`."""

from __future__ import annotations

import secrets
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import steps


def main() -> None:
    """Make every tenant."""
    work = steps.Work(sys.argv[1])
    hashed: Any = None
    if work.hashing:
        import argon2

        hashed = argon2.PasswordHasher(**work.hashing).hash

    def one(tenant: dict[str, Any]) -> None:
        if hashed is not None:
            hashed(secrets.token_urlsafe(15))
        for step in tenant["steps"]:
            work.do(step)

    with ThreadPoolExecutor(work.parallel) as pool:
        for _ in pool.map(one, work.tenants):
            pass


main()
