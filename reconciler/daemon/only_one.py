"""One daemon a state folder: a lock that the kernel takes back when its process ends, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from reconciler import errors

LOCK: Final = "daemon.lock"


@contextlib.contextmanager
def only_one(state: Path) -> Iterator[None]:
    """Hold the lock of the folder ``state``, which is made if it is not there, until the block ends.

    The file stays, with the last holder's process id for people; what counts is the lock. Programs that are started
    meanwhile don't inherit it. Errors: ``AlreadyRunning``, ``FileFailed``.
    """
    path = state / LOCK
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise errors.FileFailed(f"could not open the daemon's lock {path}: {error.strerror or error}") from error
    with os.fdopen(descriptor, "r+b", buffering=0) as file:
        _lock(file.fileno(), path)
        yield


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        said = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        who = f"process {said}" if said else "a process that just starts"
        raise errors.AlreadyRunning(f"a daemon works with {path.parent} already: {who}") from None
    except OSError as error:
        raise errors.FileFailed(f"could not lock {path}: {error.strerror or error}") from error
    try:
        os.fchmod(descriptor, 0o600)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except OSError as error:
        raise errors.FileFailed(f"could not write {path}: {error.strerror or error}") from error
