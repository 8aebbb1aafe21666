"""File operations that leave a whole file or none, each a method, so that a test can make any one of them fail.

Errors: ``FileFailed`` with the operation, the path and the system's words.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import ParamSpec, TypeVar

from reconciler import errors

P = ParamSpec("P")
R = TypeVar("R")

_NOREPLACE, _EXCHANGE = 1, 2
_AT_FDCWD = -100
_PIECE = 1 << 20  # bytes


class Files:
    """The file system."""

    def make_folder(self, path: Path) -> None:
        """Make one folder, 0700 whatever the umask; there must be none."""

        def make() -> None:
            path.mkdir(mode=0o700)
            path.chmod(0o700)

        self._do("make the folder", path, make)

    def write(self, path: Path, content: bytes) -> None:
        """Write a new file, 0600 before it has content, durable when this returns; there must be none."""

        def write() -> None:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, 0o600)
                file.write(content)
                file.flush()
                os.fsync(descriptor)

        self._do("write", path, write)

    def write_all(self, path: Path, chunks: Iterable[bytes]) -> None:
        """Write a new file from pieces, as ``write`` does; whoever makes the pieces may raise, and part of it stays."""

        def write() -> None:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, 0o600)
                for chunk in chunks:
                    file.write(chunk)
                file.flush()
                os.fsync(descriptor)

        self._do("write", path, write)

    def replace(self, path: Path, content: bytes) -> None:
        """Write a file, 0600 and durable, in one step in place of what bore its name."""
        aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            self.write(aside, content)
            self._do("replace", path, lambda: aside.replace(path))
        except errors.FileFailed:
            aside.unlink(missing_ok=True)
            raise
        self.settle(path.parent)

    def chunks(self, path: Path) -> Iterator[bytes]:
        """A file's bytes in pieces. Errors: also where there is none."""
        file = self._do("open", path, lambda: path.open("rb"))
        with file:
            while piece := file.read(_PIECE):
                yield piece

    def settle(self, folder: Path) -> None:
        """Make what was created, renamed or removed in ``folder`` durable."""

        def sync() -> None:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

        self._do("sync the folder", folder, sync)

    def rename(self, source: Path, target: Path) -> None:
        """Rename; refused where ``target`` exists, be it an empty folder (renameat2 with RENAME_NOREPLACE)."""
        self._do("rename to", target, lambda: _renameat2(source, target, _NOREPLACE))

    def exchange(self, one: Path, other: Path) -> None:
        """Swap two names in one step (renameat2 with RENAME_EXCHANGE)."""
        self._do("exchange", other, lambda: _renameat2(one, other, _EXCHANGE))

    def remove(self, path: Path) -> None:
        """Remove one file or symlink; one that is gone is fine."""
        self._do("remove", path, lambda: path.unlink(missing_ok=True))

    def remove_folder(self, path: Path) -> None:
        """Remove one empty folder; one that is gone is fine."""

        def remove() -> None:
            if path.is_dir():
                path.rmdir()

        self._do("remove the folder", path, remove)

    def remove_tree(self, path: Path) -> None:
        """Remove a folder with all that is in it, without following a symlink; one that is gone is fine."""
        found = self.listing(path)
        if found is None:
            return
        for name, state in sorted(found.items()):
            if stat.S_ISDIR(state.st_mode):
                self.remove_tree(path / name)
            else:
                self.remove(path / name)
        self.remove_folder(path)

    def read(self, path: Path) -> bytes | None:
        """A file's bytes; None where there is none."""

        def read() -> bytes | None:
            try:
                return path.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

        return self._do("read", path, read)

    def there(self, path: Path) -> bool:
        """Whether anything bears this name, be it a symlink that leads nowhere."""
        return self._do("look for", path, lambda: os.path.lexists(path))

    def state(self, path: Path) -> os.stat_result | None:
        """What bears this name, by its own lstat; None where nothing does."""

        def look() -> os.stat_result | None:
            try:
                return os.lstat(path)
            except (FileNotFoundError, NotADirectoryError):
                return None

        return self._do("look for", path, look)

    def listing(self, folder: Path) -> dict[str, os.stat_result] | None:
        """What is in a folder, by name, with each entry's own lstat; None where there is no such folder."""

        def scan() -> dict[str, os.stat_result] | None:
            try:
                if stat.S_ISLNK(os.lstat(folder).st_mode):
                    return None
                with os.scandir(folder) as entries:
                    return {entry.name: entry.stat(follow_symlinks=False) for entry in entries}
            except (FileNotFoundError, NotADirectoryError):
                return None

        return self._do("list", folder, scan)

    def _do(self, verb: str, path: Path, action: Callable[[], R]) -> R:
        try:
            return action()
        except OSError as error:
            raise errors.FileFailed(f"could not {verb} {path}: {error.strerror or error}") from error


def _renameat2(source: Path, target: Path, flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), flags) != 0:
        number = ctypes.get_errno()
        if number in (errno.EINVAL, errno.ENOSYS):
            raise OSError(number, "this file system can't rename without replacing or exchange (renameat2)")
        raise OSError(number, os.strerror(number), str(target))
