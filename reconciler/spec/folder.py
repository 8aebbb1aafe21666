"""The files of a specs repository, and the faults of those that can't be read.

What can't be read is a fault and never an absence: a tenant whose file is unreadable must not look like a
tenant that was removed. Only regular files inside the repository are opened; a link that leads out of it is
refused, so that a spec can't pull in a file of the host.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

from reconciler import errors
from reconciler.spec.source import Source, unplaced

T = TypeVar("T")

MAX_OCTETS: Final = 1024 * 1024
MAX_FOLDERS: Final = 32
SPECS: Final = "specs"

_SUFFIXES: Final = (".yaml", ".yml")
_OURS = re.compile(rb"^apiVersion:\s*[\"']?reconciler/", re.MULTILINE)
_PLACES: Final = (
    re.compile(r"specs/tenants/.+\.ya?ml", re.IGNORECASE | re.DOTALL),
    re.compile(r"specs/platform\.ya?ml", re.IGNORECASE),
    re.compile(r"specs/servers/[^/]+\.ya?ml", re.IGNORECASE),
    re.compile(r"specs/products/[^/]+/product\.ya?ml", re.IGNORECASE),
)


def holds_documents(file: str) -> bool:
    """Whether a file of this name (relative, with ``/``) is read as documents.

    Names that begin with a dot are not: editors and tools put their own files there.
    """
    hidden = file.startswith(".") or "/." in file
    return not hidden and any(place.fullmatch(file) for place in _PLACES)


def could_be_missed(file: str) -> bool:
    """Whether a file of this name is not read as documents although a person may take it for one of ours."""
    hidden = any(part.startswith(".") for part in file.split("/"))
    return not hidden and file.lower().endswith(_SUFFIXES) and not holds_documents(file)


def is_ours(content: bytes) -> bool:
    """Whether a file calls itself a document of ours, wherever it stands."""
    return _OURS.search(content) is not None


def shown(name: str) -> str:
    """A file's name as faults show it: octets that are not UTF-8 are escaped."""
    if name.isascii():
        return name
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def read(
    root: Path, known: Callable[[str, os.stat_result], T | None] = lambda file, state: None
) -> Iterator[Source | errors.Fault | T]:
    """Every file with documents below ``root``, in the order of names, or the fault that hides it.

    A YAML file in any other place under ``specs/`` is given too when it calls itself a document of ours:
    it would be missed in silence otherwise. ``known`` is asked of every file, by how its name is shown and its lstat;
    what it has is given in place of the file, which is not opened then.
    """
    top = root / SPECS
    if not top.is_dir():
        hint = "Name the repository with -C DIR, or make one with `reconcile init DIR`."
        yield unplaced(SPECS, "there is no folder `specs` here", rule="no-specs", hint=hint)
        return
    yield from _folder(root, SPECS, (root.resolve(), top.resolve()), known)


def decode(file: str, content: bytes) -> Source | errors.Fault:
    """A file's octets as text, or the fault: too large, or not UTF-8. A byte order mark is dropped."""
    if len(content) > MAX_OCTETS:
        message = f"larger than {MAX_OCTETS // 1024:,} KiB"
        return unplaced(file, message, rule="too-large", hint="Split the file.")
    try:
        return Source(file, content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8", "replace").split("\n")
        message = f"not UTF-8: octet 0x{content[error.start]:02x}"
        where = errors.Where(file, len(before), len(before[-1]) + 1)
        return errors.Fault(where, message, rule="not-utf-8", hint="Save the file as UTF-8.")


def _folder(
    root: Path, folder: str, above: tuple[Path, ...], known: Callable[[str, os.stat_result], T | None]
) -> Iterator[Source | errors.Fault | T]:
    """What stands below ``folder`` (relative); ``above`` are the real folders from the root down to it."""
    if len(above) > MAX_FOLDERS:
        yield _fault(folder, f"deeper than {MAX_FOLDERS} folders", rule="too-deep", hint="Flatten the folders.")
        return
    try:
        with os.scandir(root / folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        yield _unreadable(folder, error)
        return
    for entry in found:
        name = f"{folder}/{entry.name}"
        if entry.name.startswith("."):
            continue
        if entry.is_symlink():
            yield from _link(root, name, Path(entry.path), above, known)
        elif entry.is_dir():
            yield from _folder(root, name, (*above, above[-1] / entry.name), known)
        elif entry.name.lower().endswith(_SUFFIXES):
            kept = _known(entry, shown(name), known)
            if kept is not None:
                yield kept
            else:
                yield from _file(name, entry.path)


def _known(entry: os.DirEntry[str], file: str, known: Callable[[str, os.stat_result], T | None]) -> T | None:
    try:
        return known(file, entry.stat(follow_symlinks=False))
    except OSError:
        return None  # who opens it says what is wrong


def _link(
    root: Path, name: str, path: Path, above: tuple[Path, ...], known: Callable[[str, os.stat_result], T | None]
) -> Iterator[Source | errors.Fault | T]:
    """What a symbolic link leads to, unless it leads out, in a circle, or to nothing."""
    try:
        target = path.resolve(strict=True)
        is_folder = target.is_dir()
    except (OSError, RuntimeError) as error:  # RuntimeError: a circle of links, before Python 3.13
        if _could_hold(name):
            yield _unreadable(name, error)
        return
    if not is_folder and not _could_hold(name):
        return
    if not target.is_relative_to(above[0]):
        message = "a link that leads out of the repository"
        yield _fault(name, message, rule="link-out", hint="Put what it leads to here.")
    elif is_folder and target in above:
        yield _fault(name, "a link to a folder that it stands in", rule="link-loop", hint="Remove it.")
    elif is_folder:
        yield from _folder(root, name, (*above, target), known)
    else:
        yield from _file(name, str(target))


def _file(name: str, path: str) -> Iterator[Source | errors.Fault]:
    expected = holds_documents(name)
    try:
        found = content(path)
    except OSError as error:
        if expected:
            yield _unreadable(name, error)
        return
    if expected or is_ours(found):
        yield decode(shown(name), found)


def content(path: str) -> bytes:
    """What is in a file; at most one octet more than is allowed, so that a huge file is not read to its end.

    Not blocking: opening a named pipe would wait for a writer for ever.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        state = os.fstat(handle)
        if not stat.S_ISREG(state.st_mode):
            raise OSError("not a regular file")
        found = os.read(handle, min(state.st_size, MAX_OCTETS) + 1)
        while len(found) != state.st_size and len(found) <= MAX_OCTETS:  # somebody writes to it just now
            more = os.read(handle, MAX_OCTETS + 1 - len(found))
            if not more:
                break
            found += more
        return found
    finally:
        os.close(handle)


def _could_hold(name: str) -> bool:
    """Whether documents could be behind a link: its name is a YAML file's that is read, or a folder's."""
    return "." not in name.rpartition("/")[2] or holds_documents(name)


def _unreadable(name: str, error: Exception) -> errors.Fault:
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    hint = "Until it can be read, what it holds counts as unchanged, never as removed."
    return _fault(name, f"can't be read: {reason}", rule="unreadable", hint=hint)


def _fault(name: str, message: str, *, rule: str, hint: str) -> errors.Fault:
    return unplaced(shown(name), message, rule=rule, hint=hint)
