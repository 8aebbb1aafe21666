"""Asking the ``git`` command about the folder that the specs stand in."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.ports.mirror import Commit

_SECONDS = 10


def revision(root: Path) -> str | None:
    """``<branch>@sha1:<40 hex>`` if ``root`` is a checkout whose ``specs/`` is as committed; None otherwise.

    None too where git is missing or does not answer: then the specs themselves are the revision.
    """
    if not any((folder / ".git").exists() for folder in (root, *root.resolve().parents)):
        return None
    commit, branch = _git(root, "rev-parse", "HEAD"), _git(root, "rev-parse", "--abbrev-ref", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=all", "--", "specs")
    # A folder that git ignores or never saw is clean too, so something in it must be tracked.
    tracked = _git(root, "ls-files", "--", "specs/platform.yaml")
    if not commit or not branch or not tracked or changed != "":
        return None
    return f"{branch}@sha1:{commit}"


def folder_in_checkout(root: Path) -> str:
    """Where ``root`` stands in its checkout: ``""`` at the top or outside of any, else a path that ends with ``/``."""
    place = root.resolve()
    top = next((folder for folder in (place, *place.parents) if (folder / ".git").exists()), place)
    return "".join(f"{part}/" for part in place.relative_to(top).parts)


def would_commit(path: Path) -> bool:
    """Whether ``path`` lies in a git work tree that does not ignore it, so that `git add` would take it."""
    folder = path
    while not folder.is_dir():
        folder = folder.parent
    if not any((parent / ".git").exists() for parent in (folder.resolve(), *folder.resolve().parents)):
        return False
    answer = _run(folder, "check-ignore", "--quiet", str(path / "any"))
    return answer is not None and answer.returncode == 1


def last_commit(root: Path, path: str) -> Commit | None:
    """The last commit of the checkout that touched ``path`` below ``root``; None if there is none, or no checkout."""
    if not any((folder / ".git").exists() for folder in (root, *root.resolve().parents)):
        return None
    from reconciler.ports.mirror import Commit

    found = (_git(root, "log", "-1", "--format=%H%x00%an <%ae>%x00%cI%x00%s", "--", path) or "").split("\0")
    return Commit(*found) if len(found) == 4 else None


def _git(root: Path, *arguments: str) -> str | None:
    answer = _run(root, *arguments)
    return answer.stdout.strip() if answer is not None and answer.returncode == 0 else None


def _run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(  # noqa: S603 - a fixed program, and arguments of ours
            ["git", "-C", str(root), *arguments],  # noqa: S607 - the git of the person who calls
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
