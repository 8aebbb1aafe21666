"""What may be forgotten at any time: files of one program's notes, each replaced whole, none of them believed blindly.

They stand in ``state/cache/`` of a repository that has a ``state/`` already; where there is none, nothing is written.
A file counts only if it and its folder belong to this user, nobody else may write there, it was written by this very
program, and it is whole and sealed with the user's own key. That key stands outside of every repository, so that notes
that came with one, as anything may that is committed, are nobody's. Whatever else is found is as good as nothing:
whoever asks does the work again. So there are no errors. Processes do not wait for each other: the last one's file
stays, and each is right by itself.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import os
import secrets
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
_KEY = 32  # bytes
_ABANDONED_SECONDS = 3600.0
_TICK = 2_000_000_000  # ns; no file system that is in use tells times more coarsely


def settled() -> int:
    """The moment up to which a change of a file shows in its times for certain, in nanoseconds since 1970."""
    return time.time_ns() - _TICK


def state(found: os.stat_result, before: int) -> bytes:
    """What tells that a file was not touched; empty for one that was changed after ``before``, and for all but plain
    files.

    Nobody can set the time of a file's last change of state (ctime), so a change shows there even where its maker put
    the other time back. It may only hide within one tick of the file system's clock.
    """
    if not stat.S_ISREG(found.st_mode) or found.st_mtime_ns > before or found.st_ctime_ns > before:
        return b""
    return b"%d %d %d %d %d %d" % (
        *(found.st_dev, found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns),
    )


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
        key = _key()
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
    return body if key and hmac.compare_digest(head, _head(key, stamp, body)) else b""


def write(root: Path, name: str, stamp: str, pieces: Iterable[bytes]) -> None:
    """Put notes in place of those before, in one step; where that can't be done, nothing happens."""
    folder = root / FOLDER
    aside = folder / f".{name}.{uuid.uuid4().hex}"
    body = b"".join(pieces)
    try:
        if not folder.parent.is_dir() or not (key := _key()):
            return
        if not folder.exists():
            folder.mkdir(mode=0o700)
        if not _ours(os.lstat(folder), stat.S_ISDIR):
            return
        _tidy(folder, name)
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_head(key, stamp, body))
                file.write(body)
            aside.replace(folder / name)
        except OSError:
            aside.unlink(missing_ok=True)
    except OSError:
        return


def _head(key: bytes, stamp: str, body: bytes) -> bytes:
    told = b" ".join((_FORMAT, stamp.encode()))
    seal = hmac.new(key, told + b"\n", "sha256")
    seal.update(body)
    return told + b" " + seal.hexdigest().encode() + b"\n"


def _key() -> bytes:
    """The user's key, made where there is none yet; empty where there is no place for one.

    The place is that of the XDG Base Directory Specification for what stays from one run to the next.
    """
    try:
        return _kept(Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "reconciler/cache.key")
    except (OSError, RuntimeError):  # the latter of a user without a home
        return b""


def _kept(path: Path) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        aside.touch(mode=0o600, exist_ok=False)
        try:
            aside.write_bytes(secrets.token_bytes(_KEY))
            os.link(aside, path)  # which fails where another process was first
        except FileExistsError:
            pass
        finally:
            aside.unlink(missing_ok=True)
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        found = file.read(_KEY)
        return found if _ours(os.fstat(handle), stat.S_ISREG) and len(found) == _KEY else b""


def _ours(state: os.stat_result, is_kind: Callable[[int], bool]) -> bool:
    """Whether a folder or file is of the right kind, this user's own, and closed to everybody else."""
    closed = not stat.S_IMODE(state.st_mode) & 0o077
    return is_kind(state.st_mode) and state.st_uid == os.geteuid() and closed


def _tidy(folder: Path, name: str) -> None:
    """Remove what processes that were killed while they wrote have left."""
    for path in folder.glob(f".{name}.*"):
        if time.time() - path.lstat().st_mtime > _ABANDONED_SECONDS:
            path.unlink(missing_ok=True)
