"""One bare mirror of one branch of a git remote; the only place where the daemon runs git.

There is never a work tree: files are read as objects, so no filter, hook or attribute of the repository is ever asked.
The branch is fetched, without tags, into references of ours under ``refs/reconciler/``. What is asked of the mirror is
asked by a commit's full id, never by a name. Everything in the mirror can be fetched again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from reconciler import errors
from reconciler.ports.gitprocess import LOCAL_SECONDS, Git
from reconciler.ports.objects import MirrorBroken, Objects
from reconciler.ports.remote import Remote

FETCH_SECONDS = 120.0
FIRST_SECONDS = 1800.0

_FOLDER = "mirror.git"
_HEX = frozenset("0123456789abcdef")
_SIGNED_SECONDS = 2.0  # for one commit; each asks a program or two
_LONGEST_SHOWN = 200
_PLAIN = ("--no-show-signature", "--no-color", "--no-mailmap")


@dataclass(frozen=True, slots=True)
class Entry:
    """What a commit holds under one path: git's mode, in octal digits, and the object's id."""

    mode: str
    id: str

    @property
    def is_file(self) -> bool:
        """Whether it is a plain file."""
        return self.mode.startswith("100")

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link; the object is its target then."""
        return self.mode == "120000"


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit as people know it. ``time`` is when it was made part of the history, ISO 8601 with its zone."""

    id: str
    author: str
    time: str
    subject: str


@dataclass(frozen=True, slots=True)
class Signature:
    """What git says of one commit's signature: the letter of ``%G?`` and the trust in its key (git-log(1))."""

    commit: str
    verdict: str
    trust: str

    @property
    def good(self) -> bool:
        """Made by an allowed signer, or by a key that the keyring of this process's user trusts in full."""
        return self.verdict == "G" and self.trust in ("fully", "ultimate")


class Mirror:
    """The mirror of ``remote`` in ``folder``, which is made when it is first fetched.

    Errors, of every method: ``SourceFailed`` if git is not there, does not end in time or was stopped by ``close``;
    ``MirrorBroken``. May be asked from several threads; only one of them may ``fetch`` or ``renew``.
    """

    def __init__(self, folder: Path, remote: Remote) -> None:
        self.remote = remote
        self._above = folder.resolve()
        self._place = self._above / _FOLDER
        key = hashlib.sha256(f"{remote.url}\0{remote.branch}".encode("utf-8", "surrogateescape")).hexdigest()[:16]
        self._refs = f"refs/reconciler/{key}"
        self._git = Git(self._above)

    def fetch(self) -> str:
        """The id of the branch's newest commit, which is here with all its history when this returns.

        Errors: ``SourceFailed`` if the remote does not answer, or has no such branch; nothing is changed then.
        """
        self._make(self._place)
        said = self._fetched(self._place)
        if said is not None and (self._unlocked() or self._answers()):
            said = self._fetched(self._place)
        if said is not None:
            self._answers()
            raise MirrorBroken(said)
        return self._tip(self._place)

    def renew(self) -> None:
        """Fetch everything again into a new mirror, which takes the place of this one. Errors: as for ``fetch``."""
        beside = self._above / f"{_FOLDER}.new"
        shutil.rmtree(beside, ignore_errors=True)
        try:
            self._make(beside)
            said = self._fetched(beside)
            if said is not None:
                raise errors.SourceFailed(f"{self._what()} can't be fetched: {said}")
            self._tip(beside)
            shutil.rmtree(self._place, ignore_errors=True)
            beside.rename(self._place)
        except OSError as error:
            raise errors.SourceFailed(f"the mirror {self._place} can't be made again: {error}") from error
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    def trusted(self) -> str | None:
        """The commit that was last given to ``trust``; None where there is none."""
        if not self._place.exists():
            return None
        code, out, _ = self._git.run(self._place, "rev-parse", "--verify", "--quiet", f"{self._refs}/trusted")
        return _id(out.decode().strip()) if code == 0 else None

    def trust(self, commit: str) -> None:
        """Remember ``commit`` as trusted; it is kept here whatever becomes of the branch."""
        self._local("update-ref", "--no-deref", f"{self._refs}/trusted", commit)

    def has(self, commit: str) -> bool:
        """Whether ``commit`` is here."""
        return self._git.run(self._place, "cat-file", "-e", f"{commit}^{{commit}}")[0] == 0

    def is_ancestor(self, old: str, new: str) -> bool:
        """Whether ``new`` is ``old`` or came out of it; not so where one of them is not here."""
        if old == new:
            return True
        code, _, said = self._git.run(self._place, "merge-base", "--is-ancestor", old, new)
        if code not in (0, 1) and self.has(old) and self.has(new):
            raise MirrorBroken(said)
        return code == 0

    def files(self, commit: str, *paths: str) -> dict[str, Entry]:
        """What ``commit`` holds by path, without folders; with ``paths`` only what stands there. Octets of a path that
        are not UTF-8 are surrogate escapes.

        Errors: ``SourceFailed`` for a tree that no file system could hold.
        """
        found: dict[str, Entry] = {}
        out = self._local("ls-tree", "-r", "-z", "--full-tree", commit, *(("--", *paths) if paths else ()))
        for line in out.split(b"\0")[:-1]:
            said, _, name = line.partition(b"\t")
            mode, _, identity = said.decode().split(" ")
            path = os.fsdecode(name)
            if path in found:
                raise errors.SourceFailed(f"commit {commit} holds two files of the name {path!r}")
            found[_sound(path, commit)] = Entry(sys.intern(mode), identity)
        return found

    def touched(self, old: str, new: str) -> dict[str, Entry | None]:
        """What differs between two commits, by path: what ``new`` holds there, or None. Errors: as for ``files``."""
        out = self._local("diff-tree", "-r", "-z", "--raw", "--no-renames", "--ignore-submodules=none", old, new)
        fields = iter(out.split(b"\0")[:-1])
        changed: dict[str, Entry | None] = {}
        for said, name in zip(fields, fields, strict=True):
            _, mode, _, identity, status = said.decode().split(" ")
            path = _sound(os.fsdecode(name), new)
            changed[path] = None if status == "D" else Entry(sys.intern(mode), identity)
        return changed

    def last(self, commit: str, *paths: str) -> Commit | None:
        """The newest commit, up to ``commit``, that touched one of ``paths``; None where none did."""
        form = "--format=%H%x00%an <%ae>%x00%cI%x00%s"
        out = self._local("log", "-1", form, *_PLAIN, "--encoding=UTF-8", commit, "--", *paths)
        fields = [_plain(text) for text in out.decode("utf-8", "replace").rstrip("\n").split("\0")]
        return Commit(*fields) if len(fields) == 4 else None

    def merged(self, commit: str, *paths: str) -> str:
        """The id of the newest commit on the first parents' way to ``commit`` that changed one of ``paths`` against its
        first parent: the merge itself where there was one. Empty where none did.
        """
        way = ("--first-parent", "--diff-merges=first-parent")
        return self._local("log", "-1", "--format=%H", *way, *_PLAIN, commit, "--", *paths).decode().strip()

    def history(self, commit: str, *paths: str) -> list[str]:
        """The ids of the commits, from ``commit`` backwards, that touched one of ``paths``; newest first."""
        return self._local("rev-list", commit, "--", *paths).decode().split()

    def stations(self, old: str, new: str, *paths: str) -> list[str]:
        """The commits of ``new``'s own line that are not part of ``old`` and changed one of ``paths``; oldest first."""
        return self._local("rev-list", "--first-parent", "--reverse", new, f"^{old}", "--", *paths).decode().split()

    def range(self, old: str | None, new: str) -> list[str]:
        """Every commit that is part of ``new`` and not of ``old``, all sides of merges; without ``old`` only ``new``.

        Newest first.
        """
        return self._local("rev-list", *_between(old, new)).decode().split()

    def signatures(self, old: str | None, new: str, signers: Path) -> list[Signature]:
        """What git says of the signature of every commit in the ``range``, against the allowed ``signers``.

        A GPG signature is checked against the keyring of this process's user.
        """
        wanted = self.range(old, new)
        out = self._local(
            *("-c", f"gpg.ssh.allowedSignersFile={signers}"),
            *("log", "--format=%H %G? %GT", *_PLAIN, *_between(old, new)),
            seconds=LOCAL_SECONDS + _SIGNED_SECONDS * len(wanted),
        )
        found = {}
        for line in out.decode("ascii", "replace").splitlines():
            commit, verdict, trust = line.split(" ")
            found[commit] = Signature(commit, verdict, trust)
        if found.keys() != set(wanted):
            raise MirrorBroken(f"git judged {len(found)} commits of {len(wanted)}")
        return [found[commit] for commit in wanted]

    @contextmanager
    def objects(self) -> Iterator[Objects]:
        """The contents of files, by id."""
        with self._git.started(self._place, "cat-file", "--batch") as (process, _):
            yield Objects(process)

    def tidy(self) -> None:
        """Let git pack what has piled up, if it is much. What fails is tried again by the next one."""
        with suppress(errors.SourceFailed):
            self._git.run(self._place, "gc", "--auto", "--quiet", seconds=LOCAL_SECONDS)

    def close(self) -> None:
        """End what runs, also in other threads; nothing can be asked any more."""
        self._git.close()

    def _make(self, place: Path) -> None:
        if (place / "HEAD").exists():
            return
        try:
            self._above.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._above.chmod(0o700)
        except OSError as error:
            raise errors.SourceFailed(f"the folder {self._above} can't be made: {error}") from error
        code, _, said = self._git.run(place, "init", "--bare", "--quiet", "--template=", "--object-format=sha1")
        if code != 0:
            raise MirrorBroken(self.remote.said(said))

    def _fetched(self, place: Path) -> str | None:
        """Fetch into the mirror at ``place``; None, or what git said against it."""
        fetched_before = (place / self._refs / "tip").exists() or (place / "packed-refs").exists()
        try:
            (place / "FETCH_HEAD").unlink(missing_ok=True)
        except OSError as error:
            raise errors.SourceFailed(f"the mirror {place} can't be written: {error}") from error
        code, _, said = self._git.run(
            place,
            *self.remote.options(),
            *("fetch", "--quiet", "--no-tags", "--force", "--no-auto-maintenance", "--no-recurse-submodules"),
            *("--", self.remote.url, f"+refs/heads/{self.remote.branch}:{self._refs}/tip"),
            environment=self.remote.environment(),
            seconds=FETCH_SECONDS if fetched_before else FIRST_SECONDS,
        )
        return None if code == 0 else self.remote.said(said)

    def _tip(self, place: Path) -> str:
        # Of a shallow remote git takes nothing and says that all is well; only this file tells what was taken.
        try:
            tip = _id((place / "FETCH_HEAD").read_text(encoding="utf-8", errors="replace")[:40])
        except (OSError, MirrorBroken):
            message = f"{self._what()} gives no whole history: the remote is a shallow copy"
            raise errors.SourceFailed(message, advice="Fetch it whole there: `git fetch --unshallow`.") from None
        if self._git.run(place, "cat-file", "-e", f"{tip}^{{commit}}")[0] != 0:
            raise MirrorBroken(f"{tip} was fetched and is not there")
        return tip

    def _unlocked(self) -> bool:
        """Whether a git that was killed had left locks, which are gone now. Nobody else works in this mirror."""
        found = [
            path for part in ("*.lock", "refs/**/*.lock", "objects/info/*.lock") for path in self._place.glob(part)
        ]
        for path in found:
            with suppress(OSError):  # git will say what hinders it
                path.unlink()
        return bool(found)

    def _answers(self) -> bool:
        """Whether the remote answers and has the branch, so that a fetch can only fail because of what is here.

        Errors: ``SourceFailed`` with what the remote says, if not.
        """
        code, _, said = self._git.run(
            None,
            *self.remote.options(),
            *("ls-remote", "--exit-code", "--", self.remote.url, f"refs/heads/{self.remote.branch}"),
            environment=self.remote.environment(),
            seconds=FETCH_SECONDS,
        )
        if code == 2:
            raise errors.SourceFailed(f"the remote {self.remote.shown} has no branch {self.remote.branch}")
        if code != 0:
            raise errors.SourceFailed(f"{self._what()} can't be fetched: {self.remote.said(said)}")
        return True

    def _what(self) -> str:
        return f"branch {self.remote.branch} of {self.remote.shown}"

    def _local(self, *arguments: str, seconds: float = LOCAL_SECONDS) -> bytes:
        code, out, said = self._git.run(self._place, *arguments, seconds=seconds)
        if code != 0:
            raise MirrorBroken(self.remote.said(said))
        return out


def _between(old: str | None, new: str) -> tuple[str, ...]:
    return ("--no-walk", new) if old is None else (new, f"^{old}")


def _plain(text: str) -> str:
    """What somebody wrote into a commit, as a message shows it."""
    return "".join(letter for letter in text if letter.isprintable())[:_LONGEST_SHOWN]


def _id(text: str) -> str:
    if len(text) != 40 or not _HEX.issuperset(text):
        raise MirrorBroken(f"{text!r} is no id of a commit")
    return text


def _sound(path: str, commit: str) -> str:
    if any(part in ("", ".", "..") for part in path.split("/")):
        raise errors.SourceFailed(f"commit {commit} holds a file of the name {path!r}, which leads elsewhere")
    return path
