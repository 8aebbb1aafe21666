"""Specs from a local folder, as it is: what is in it counts once it has been quiet for a moment."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from typing import Final

from reconciler import errors
from reconciler.daemon.source import Checkout
from reconciler.engine import specs
from reconciler.ports import git, watch
from reconciler.ports.mirror import Commit
from reconciler.spec import folder, load
from reconciler.spec.tree import Tree

_SETTLE_SECONDS: Final = 1.0
_TRIES: Final = 5

_Read = dict[str, tuple[str, load.Parsed]]


class FolderSource:
    """The specs below ``root``; a ``Source``. Files that ``specs/`` does not hold are not looked at for changes.

    What can't be read is a fault of the tree. A file that is gone has to be gone twice, a second apart: it may be in
    the middle of being replaced.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._specs = root / folder.SPECS
        self._kinds = specs.kinds()
        self._seen: watch.States | None = None
        self._read: _Read = {}
        self._hashed: dict[str, tuple[watch.State, str]] = {}
        self._given = ""
        self._changed = threading.Event()
        self._closed = threading.Event()
        self._wake: threading.Event | None = None
        self._watch = watch.Watch(self._specs, self._heard)

    def look(self) -> Checkout | None:
        """As ``Source`` says."""
        if not self._specs.is_dir():
            raise errors.SourceFailed(
                f"there is no folder {self._specs}",
                advice="Put it back, or mount it; until then what was read last goes on to hold.",
            )
        self._changed.clear()
        if watch.states(self._specs) == self._seen:
            return None
        before = git.revision(self._root)
        found, self._seen = self._settled()
        digest, ground = self._digest(found, self._seen)
        if digest == self._given:
            return None
        after = git.revision(self._root)
        tree = load.assemble(self._root, self._kinds, [parsed for _, parsed in found.values()])
        self._read, self._given = found, digest
        return Checkout(
            revision=after if after is not None and after == before else f"specs@sha256:{digest}",
            tree=tree,
            folder=self._root,
            blobs=_blobs(tree, found),
            commits=_unknown,
            merges=lambda _: "",
            ground=ground,
        )

    def accept(self, checkout: Checkout) -> None:
        """Nothing to remember: a folder has no history that could be rewritten."""

    def wait(self, seconds: float, wake: threading.Event) -> None:
        """Return after ``seconds``, when ``wake`` is set, or when something changed, which sets ``wake`` too."""
        self._wake = wake
        if self._changed.is_set():
            wake.set()
        wake.wait(seconds)
        self._wake = None

    def close(self) -> None:
        """As ``Source`` says."""
        self._closed.set()
        self._watch.close()

    def _heard(self) -> None:
        self._changed.set()
        wake = self._wake
        if wake is not None:
            wake.set()

    def _settled(self) -> tuple[_Read, watch.States]:
        """The documents, read while nothing changed; after some tries as they are."""
        gone: set[str] = set()
        for attempt in range(_TRIES):
            seen = watch.states(self._specs)
            found = self._documents()
            missing = self._read.keys() - found.keys()
            if seen == watch.states(self._specs) and missing <= gone:
                break
            if attempt < _TRIES - 1:
                gone |= missing
                self._closed.wait(_SETTLE_SECONDS)
        return found, seen

    def _documents(self) -> _Read:
        found: _Read = {}
        for source in folder.read(self._root):
            if isinstance(source, errors.Fault):
                found[source.where.file] = (f"fault: {source.message}", load.parse(source, self._kinds))
                continue
            digest = hashlib.sha256(source.text.encode()).hexdigest()
            before = self._read.get(source.file)
            known = before is not None and before[0] == digest
            found[source.file] = before if before and known else (digest, load.parse(source, self._kinds))
        return found

    def _digest(self, found: _Read, seen: watch.States) -> tuple[str, str]:
        """A digest over everything below ``specs/`` by name and content, and one over what holds no documents of it."""
        all_of_it, others = hashlib.sha256(), hashlib.sha256()
        for file, (digest, _) in sorted(found.items()):
            all_of_it.update(f"{file}\0{digest}\0".encode())
        hashed = {}
        for path, state in sorted(seen.items()):
            if watch.is_file(state) and folder.shown(os.path.relpath(path, self._root)) not in found:
                before = self._hashed.get(path)
                hashed[path] = before if before is not None and before[0] == state else (state, _sum(path))
                said = os.fsencode(path) + f"\0{hashed[path][1]}\0".encode()
                all_of_it.update(said)
                others.update(said)
        self._hashed = hashed
        return all_of_it.hexdigest(), others.hexdigest()


def _sum(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"unreadable: {error.strerror}"


def _blobs(tree: Tree, found: _Read) -> dict[str, str]:
    blobs: dict[str, str] = {}
    for document in tree.tenants:
        if document.name:
            blobs.setdefault(document.name, found[document.file][0])
    return blobs


def _unknown(_path: str) -> Commit | None:
    """A folder does not tell who changed a file."""
    return None
