"""Hearing that something changed below a folder, and telling whether it did.

A thread listens to the kernel. Where that can't be had (its watches are used up, a file system of another host) nothing
is heard, and who asks from time to time still sees it by the ``states``.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import watchfiles

_QUIET_MILLISECONDS: Final = 200  # nothing more may happen for so long before a change is told
_LONGEST_MILLISECONDS: Final = 2000  # told then even if it goes on
_LOOK_MILLISECONDS: Final = 5000  # how often the folder itself is looked at
_AGAIN_SECONDS: Final = 30.0

State = tuple[int, ...]
States = dict[str, State]


class Watch:
    """Calls ``changed``, in a thread of its own, after something changed below ``folder``, until it is closed."""

    def __init__(self, folder: Path, changed: Callable[[], None]) -> None:
        self._folder = folder
        self._changed = changed
        self._stop = threading.Event()
        self._before: States | None = states(folder)
        self._thread = threading.Thread(target=self._work, name="watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; a second time does nothing."""
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                self._listen()
            except (OSError, RuntimeError):  # the folder is gone, or no watch can be had
                self._stop.wait(_AGAIN_SECONDS if self._folder.is_dir() else 1.0)

    def _listen(self) -> None:
        """Until it is closed, or another folder bears the name."""
        began = _identity(self._folder)
        before: States | None = self._before or states(self._folder)
        self._before = None
        for changes in watchfiles.watch(
            self._folder,
            watch_filter=None,
            debounce=_LONGEST_MILLISECONDS,
            step=_QUIET_MILLISECONDS,
            rust_timeout=_LOOK_MILLISECONDS,
            yield_on_timeout=True,
            stop_event=self._stop,
            raise_interrupt=False,
            force_polling=False,
            ignore_permission_denied=True,
        ):
            replaced = _identity(self._folder) != began
            # What changed before the kernel was listened to is in none of its words.
            missed = not changes and before is not None and before != states(self._folder)
            before = None
            if changes or replaced or missed:
                self._changed()
            if replaced:
                return


def states(folder: Path) -> States:
    """What can be told, without reading it, of everything below ``folder``, by path: equal as long as nothing changed.

    Links are followed, each folder is gone into once. What can't be looked at is told by its own state.
    """
    found: States = {}
    _look(str(folder), found, set())
    return found


def _look(folder: str, found: States, been: set[tuple[int, int]]) -> None:
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                try:
                    state = entry.stat()
                except OSError:
                    state = entry.stat(follow_symlinks=False)
                number = state.st_dev, state.st_ino
                found[entry.path] = (*number, state.st_mode, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
                if stat.S_ISDIR(state.st_mode) and number not in been:
                    been.add(number)
                    _look(entry.path, found, been)


def is_file(state: State) -> bool:
    """Whether a state is a plain file's."""
    return stat.S_ISREG(state[2])


def _identity(folder: Path) -> tuple[int, int]:
    state = os.stat(folder)
    return state.st_dev, state.st_ino
