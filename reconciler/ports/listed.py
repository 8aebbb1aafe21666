"""Folders as they were listed at the time of a snapshot: names, kinds, modes and sizes, and who wrote a delivery."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reconciler.ports.files import Files
from reconciler.ports.mysql import census
from reconciler.ports.mysql.remembered import A_SNAPSHOT

Folder = Mapping[str, Any]


def taken(files: Files, folder: Path, manifest: str) -> dict[str, Any]:
    """What stands in ``folder``, by name, and in each folder there; of the ``manifest`` only the transaction."""
    found = {}
    for name, state in sorted((files.listing(folder) or {}).items()):
        entry: dict[str, Any] = _entry(state)
        if stat.S_ISDIR(state.st_mode):
            inner = files.listing(folder / name) or {}
            entry["entries"] = {file: _entry(said) for file, said in sorted(inner.items())}
            entry["manifest"] = _written(files.read(folder / name / manifest))
        found[name] = entry
    return found


class Listed(Files):
    """The folders in ``shelves`` as ``taken`` wrote them down, wherever they would be now. Nothing else is known."""

    def __init__(self, shelves: Mapping[Path, Folder], manifest: str) -> None:
        self._shelves = shelves
        self._manifest = manifest

    def listing(self, folder: Path) -> dict[str, os.stat_result] | None:
        """What was in a folder, by name; None where there was no such folder."""
        if folder in self._shelves:
            return {name: _state(entry) for name, entry in self._shelves[folder].items()}
        entries = self._found(folder).get("entries")
        return None if entries is None else {name: _state(entry) for name, entry in entries.items()}

    def state(self, path: Path) -> os.stat_result | None:
        """What bore this name."""
        entry = self._found(path)
        return _state(entry) if entry else None

    def there(self, path: Path) -> bool:
        """Whether anything bore this name."""
        return bool(self._found(path))

    def read(self, path: Path) -> bytes | None:
        """Of a manifest, who wrote it; of other files nothing is known. Errors: ``census.Unseen``."""
        if path.name != self._manifest:
            raise census.Unseen(f"the contents of {path.name}", A_SNAPSHOT)
        said = self._found(path.parent).get("manifest")
        return None if said is None else json.dumps(said).encode()

    def _found(self, path: Path) -> Folder:
        if path.parent not in self._shelves:
            raise census.Unseen(f"what is in {path}", A_SNAPSHOT)
        entry: Folder = self._shelves[path.parent].get(path.name, {})
        return entry


def _entry(state: os.stat_result) -> dict[str, Any]:
    return {"mode": state.st_mode, "size": state.st_size}


def _state(entry: Folder) -> os.stat_result:
    return os.stat_result((entry["mode"], 0, 0, 1, 0, 0, entry["size"], 0, 0, 0))


def _written(data: bytes | None) -> dict[str, Any] | None:
    if data is None:
        return None
    try:
        return {"transaction": str(json.loads(data)["transaction"])}
    except (ValueError, KeyError, TypeError):
        return {}
