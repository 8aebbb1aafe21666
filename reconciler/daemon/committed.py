"""The documents of one commit, by the rules that `spec.folder` has for a folder; each file is parsed once.

What a commit can have that is not a plain file (a symbolic link, another repository) is never followed: where documents
may be behind it, it is a fault, so that nothing counts as absent.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from reconciler import errors
from reconciler.ports.mirror import Entry
from reconciler.ports.objects import Objects
from reconciler.spec import folder, kept, load
from reconciler.spec.kind import Kind
from reconciler.spec.source import unplaced
from reconciler.spec.tree import Tree

_LONGEST_LINK: Final = 4096  # bytes, as Linux has it
_NAME: Final = "committed"
_BELOW: Final = f"{folder.SPECS}/"


class Committed:
    """Reads the documents of commits. What was parsed of the last one is kept, by name and blob."""

    def __init__(self, kinds: Sequence[Kind], home: Path) -> None:
        """``home`` is the folder below which notes are kept from run to run."""
        self._kinds, self._home = kinds, home
        self._shelf: kept.Shelf | None = None
        self._parsed: dict[str, tuple[str, load.Parsed | None]] = {}

    def tree(self, files: Mapping[str, Entry], objects: Objects, root: Path) -> Tree:
        """The tree of a commit that holds ``files``; its products' files stand below ``root``."""
        shelf = self._shelf or kept.Shelf(self._home, self._kinds, _NAME)
        now: dict[str, tuple[str, load.Parsed | None]] = {}
        faults: list[errors.Fault] = []
        for path, entry in files.items():
            if not path.startswith(_BELOW):
                if path == folder.SPECS:
                    faults.append(_unread(path, "is not a folder"))
                continue
            if any(part.startswith(".") for part in path.split("/")):
                continue
            if (fault := _hidden(path, entry, files, objects)) is not None:
                faults.append(fault)
            elif entry.is_file and (folder.holds_documents(path) or folder.could_be_missed(path)):
                before = self._parsed.get(path)
                same = before is not None and before[0] == entry.id
                now[path] = before if before and same else (entry.id, self._read(path, entry, objects, shelf))
        if self._shelf is None:
            shelf.save()
            self._shelf = shelf  # what comes later is little, and not written
        self._parsed = now
        parsed = [one for _, one in now.values() if one is not None]
        hidden = [load.parse(fault, self._kinds) for fault in set(faults)]
        found = load.assemble(root, self._kinds, [*parsed, *hidden])
        return replace(load.told(found, shelf), home=self._home)

    def _read(self, path: str, entry: Entry, objects: Objects, shelf: kept.Shelf) -> load.Parsed | None:
        content = objects.read(entry.id, folder.MAX_OCTETS)
        if not folder.holds_documents(path) and not folder.is_ours(content):
            return None
        return load.remembered(folder.decode(folder.shown(path), content), self._kinds, shelf)


def blobs(tree: Tree, files: Mapping[str, Entry]) -> dict[str, str]:
    """The id of the blob that each tenant stands in, by the tenant's name."""
    names = {folder.shown(path): entry.id for path, entry in files.items() if path.startswith(_BELOW)}
    found: dict[str, str] = {}
    for document in tree.tenants:
        if document.name:
            found.setdefault(document.name, names[document.file])
    return found


def escaped(files: Mapping[str, Entry]) -> dict[str, str]:
    """The paths that are shown otherwise than they are, by how they are shown."""
    return {said: path for path in files if (said := folder.shown(path)) != path}


def _hidden(path: str, entry: Entry, files: Mapping[str, Entry], objects: Objects) -> errors.Fault | None:
    """The fault of what hides documents; None where there is nothing to hide."""
    parts = path.split("/")
    if len(parts) > folder.MAX_FOLDERS:
        above = "/".join(parts[: folder.MAX_FOLDERS])
        return _fault(above, f"deeper than {folder.MAX_FOLDERS} folders", rule="too-deep", hint="Flatten the folders.")
    if entry.is_file:
        return None
    if not entry.is_link:
        return _unread(path, "another repository stands here (a submodule), which is not read")
    if not folder.holds_documents(path) and _leads_to_a_file(path, entry, files, objects):
        return None  # such as a manual; no folder is behind it
    return _unread(path, "a symbolic link, which is not followed in git")


def _leads_to_a_file(path: str, entry: Entry, files: Mapping[str, Entry], objects: Objects) -> bool:
    target = objects.read(entry.id, _LONGEST_LINK).decode("utf-8", "surrogateescape")
    leads_to = files.get(posixpath.normpath(posixpath.join(posixpath.dirname(path), target)))
    return leads_to is not None and leads_to.is_file


def _unread(path: str, message: str) -> errors.Fault:
    return _fault(path, message, rule="unreadable", hint="Put here what is meant, as a plain file or folder.")


def _fault(path: str, message: str, *, rule: str, hint: str) -> errors.Fault:
    return unplaced(folder.shown(path), message, rule=rule, hint=hint)
