"""What may be forgotten at any time: files of one program's notes, each replaced whole, none of them believed blindly.

They stand in ``state/cache/`` of a repository that has a ``state/`` already; where there is none, nothing is written.
A file counts only if it and its folder belong to this user, nobody else may write there, it was written by this very
program, and it is whole. Whatever else is found is as good as nothing: whoever asks does the work again. So there are
no errors. Processes do not wait for each other: the last one's file stays, and each is right by itself.
"""

from __future__ import annotations

import functools
import hashlib
import os
import stat
import sys
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

import reconciler

FOLDER = Path("state/cache")
_FORMAT = b"reconciler cache 1"
_MOST = 1 << 30  # bytes
_ABANDONED_SECONDS = 3600.0


def program(*more: str) -> str:
    """A digest over the program's files by name, size and time, as Python tells whether to compile one again, and over
    ``more`` that the notes stand on.
    """
    return hashlib.sha256("\0".join([*_files(), *more]).encode("utf-8", "surrogateescape")).hexdigest()


@functools.cache
def _files() -> tuple[str, ...]:
    """As they were when this was first asked: a process goes on with what it has loaded."""
    top = Path(reconciler.__file__).parent
    found = [sys.version, reconciler.__version__]
    for folder, below, names in os.walk(top):
        below[:] = sorted(name for name in below if name != "__pycache__")
        for name in sorted(names):
            if name.endswith(".py"):
                state = os.stat(f"{folder}/{name}")
                found.append(f"{folder}/{name} {state.st_size} {state.st_mtime_ns}")
    return tuple(found)


def read(root: Path, name: str, stamp: str) -> bytes:
    """The notes ``name`` of the repository at ``root``, if ``stamp`` is that of who wrote them; else nothing."""
    try:
        if not _ours(os.lstat(root / FOLDER), stat.S_ISDIR):
            return b""
        handle = os.open(root / FOLDER / name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            state = os.fstat(handle)
            if not _ours(state, stat.S_ISREG) or state.st_size > _MOST:
                return b""
            head, body = file.readline(256), file.read(_MOST)
    except OSError:
        return b""
    return body if head == _head(stamp, body) else b""


def write(root: Path, name: str, stamp: str, pieces: Iterable[bytes]) -> None:
    """Put notes in place of those before, in one step; where that can't be done, nothing happens."""
    folder = root / FOLDER
    aside = folder / f".{name}.{uuid.uuid4().hex}"
    body = b"".join(pieces)
    try:
        if not folder.parent.is_dir():
            return
        if not folder.exists():
            folder.mkdir(mode=0o700)
        if not _ours(os.lstat(folder), stat.S_ISDIR):
            return
        _tidy(folder, name)
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_head(stamp, body))
                file.write(body)
            aside.replace(folder / name)
        except OSError:
            aside.unlink(missing_ok=True)
    except OSError:
        return


def _head(stamp: str, body: bytes) -> bytes:
    return b" ".join((_FORMAT, stamp.encode(), hashlib.sha256(body).hexdigest().encode())) + b"\n"


def _ours(state: os.stat_result, is_kind: Callable[[int], bool]) -> bool:
    """Whether a folder or file is of the right kind, this user's own, and closed to everybody else."""
    closed = not stat.S_IMODE(state.st_mode) & 0o077
    return is_kind(state.st_mode) and state.st_uid == os.geteuid() and closed


def _tidy(folder: Path, name: str) -> None:
    """Remove what processes that were killed while they wrote have left."""
    for path in folder.glob(f".{name}.*"):
        if time.time() - path.lstat().st_mtime > _ABANDONED_SECONDS:
            path.unlink(missing_ok=True)
