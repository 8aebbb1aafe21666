"""Files of a commit on disk, for what has to be read from a folder: one folder for each content, which never changes.

A folder is called by a digest over the paths and blobs in it. It is written under another name and renamed, so it is
whole or not there. One that an earlier process left is only used after every file was compared with its blob's id: a
host that lost its power may have kept the name and lost what was in the files. What is no plain file becomes a link to
nowhere, so that who needs it fails instead of missing it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
import weakref
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from reconciler import errors
from reconciler.ports.mirror import Entry
from reconciler.ports.objects import Objects

KEPT: Final = 2

_NOWHERE = ".not-followed"
_PIECE = 1 << 20  # bytes


class Exports:
    """The exports below ``folder``. Besides the newest, those stay that somebody uses. For one process, one thread; a
    further process that only reads does not ``prune``, because it can't know what the other one uses.

    Errors: ``SourceFailed`` if the disk refuses.
    """

    def __init__(self, folder: Path, *, prune: bool = True) -> None:
        self._folder = folder
        self._prunes = prune
        self._made: dict[Path, weakref.WeakSet[object]] = {}

    def of(self, files: Mapping[str, Entry], objects: Objects) -> Path:
        """The folder in which ``files`` stand."""
        wanted = self._folder / _digest(files)
        try:
            if wanted not in self._made and not (wanted.is_dir() and _whole(wanted, files)):
                self._make(wanted, files, objects)
            self._made[wanted] = self._made.pop(wanted, weakref.WeakSet())  # the newest stands last
            if self._prunes:
                self._prune()
        except OSError as error:
            raise errors.SourceFailed(
                f"the products' files can't be put into {wanted}: {error.strerror or error}",
                advice="Check space and permissions of the folder.",
            ) from error
        return wanted

    def used(self, folder: Path, user: object) -> None:
        """Keep ``folder`` as long as ``user`` lives."""
        self._made[folder].add(user)

    def _make(self, wanted: Path, files: Mapping[str, Entry], objects: Objects) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside = self._folder / f".{uuid.uuid4().hex}"
        try:
            aside.mkdir(mode=0o700)
            for path, entry in files.items():
                place = aside / path
                place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                if entry.is_file:
                    with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "wb") as file:
                        objects.copy(entry.id, file)
                else:
                    place.symlink_to(_NOWHERE)
            shutil.rmtree(wanted, ignore_errors=True)
            aside.rename(wanted)
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _prune(self) -> None:
        newest = list(self._made)[-KEPT:]
        kept = {*newest, *(folder for folder, users in self._made.items() if len(users))}
        for place in self._folder.iterdir():
            if place not in kept:
                self._made.pop(place, None)
                with suppress(OSError):
                    shutil.rmtree(place)


def _digest(files: Mapping[str, Entry]) -> str:
    digest = hashlib.sha256()
    for path, entry in sorted(files.items()):
        digest.update(os.fsencode(path) + f"\0{entry.mode} {entry.id}\0".encode())
    return digest.hexdigest()


def _whole(folder: Path, files: Mapping[str, Entry]) -> bool:
    """Whether exactly ``files`` stand in ``folder``, each with the content that its id is the digest of."""
    found = {os.path.join(above, name) for above, _, names in os.walk(folder) for name in names}
    if found != {os.path.join(folder, path) for path in files}:
        return False
    return all(_is(folder / path, entry) for path, entry in files.items())


def _is(place: Path, entry: Entry) -> bool:
    if not entry.is_file:
        return place.is_symlink() and os.readlink(place) == _NOWHERE
    if place.is_symlink():
        return False
    with place.open("rb") as file:
        return _blob(file, os.fstat(file.fileno()).st_size) == entry.id


def _blob(file: BinaryIO, size: int) -> str:
    """A file's id as git makes it: SHA-1 over its size and content."""
    digest = hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    while piece := file.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest()
