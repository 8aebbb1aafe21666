"""Contents of files, read from git by id: one `git cat-file --batch`, which is asked again and again."""

from __future__ import annotations

import subprocess
from typing import BinaryIO

_PIECE = 1 << 20  # bytes


class MirrorBroken(Exception):
    """The mirror itself can't be read: something in it is missing or damaged. A new one has to be made."""


class Objects:
    """Contents of files by id, asked one after the other. Errors: ``MirrorBroken`` for what is not there."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("the process has no pipes")
        self._questions, self._answers = process.stdin, process.stdout

    def read(self, identity: str, most: int) -> bytes:
        """The first octets of a file, at most one more than ``most``: the sign that there are more."""
        size = self._asked(identity)
        kept = self._taken(min(size, most + 1))
        rest = size - len(kept)
        while rest:
            rest -= len(self._taken(min(rest, _PIECE)))
        self._taken(1)
        return kept

    def copy(self, identity: str, target: BinaryIO) -> None:
        """Write a file to ``target``, in pieces."""
        rest = self._asked(identity)
        while rest:
            piece = self._taken(min(rest, _PIECE))
            target.write(piece)
            rest -= len(piece)
        self._taken(1)

    def _asked(self, identity: str) -> int:
        try:
            self._questions.write(f"{identity}\n".encode())
            self._questions.flush()
        except OSError as error:
            raise MirrorBroken(f"git ended when it was asked for {identity}") from error
        words = self._answers.readline().decode("ascii", "replace").split()
        if len(words) != 3 or words[1] != "blob":
            raise MirrorBroken(f"{identity} is not there as a file: {' '.join(words)}")
        return int(words[2])

    def _taken(self, count: int) -> bytes:
        found = self._answers.read(count)
        if len(found) != count:
            raise MirrorBroken("git ended within a file")
        return found
