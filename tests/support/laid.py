"""Platforms that were laid in this process, to be copied: laying one takes ten times as long."""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support import server as servers


@dataclass(frozen=True)
class _Platform:
    """The folders and files of a state by their paths below it, with their modes, and what makes its databases."""

    folders: Mapping[Path, int]
    files: Mapping[Path, tuple[int, bytes]]
    script: bytes


_KNOWN: dict[tuple[str, ...], _Platform] = {}
"""By the server, and the documents that a platform is laid by."""


def lay(root: Path, server: servers.Server, apply: Callable[[], object]) -> None:
    """Have the platform of the repository at ``root``, which has no tenants, on the empty server.

    The first time ``apply`` lays it. From then on it is a copy, of the same id and keys, if the documents of platform
    and servers say the same; where ``apply`` does something to accounts, too, it lays it each time.
    """
    assert not [*(root / "specs/tenants").iterdir()]
    documents = [root / "specs/platform.yaml", *sorted((root / "specs/servers").iterdir())]
    key = (server.label, *(path.read_text(encoding="utf-8") for path in documents))
    if key in _KNOWN:
        _put(root / "state", server, _KNOWN[key])
    else:
        apply()
        if server.has_first_accounts():
            _KNOWN[key] = _taken(root / "state", server)


def _taken(state: Path, server: servers.Server) -> _Platform:
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [state, *sorted(state.rglob("*"))]}
    return _Platform(
        {path.relative_to(state): mode for path, mode in modes.items() if path.is_dir()},
        {path.relative_to(state): (mode, path.read_bytes()) for path, mode in modes.items() if path.is_file()},
        server.script(server.databases()),
    )


def _put(state: Path, server: servers.Server, platform: _Platform) -> None:
    for folder, mode in platform.folders.items():
        (state / folder).mkdir(mode)
    for file, (mode, content) in platform.files.items():
        (state / file).touch(mode)
        (state / file).write_bytes(content)
    server.run(platform.script)
