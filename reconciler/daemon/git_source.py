"""Specs from a branch of a git remote: only ever forward, from one trusted commit to the next."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from reconciler import errors
from reconciler.daemon import committed
from reconciler.daemon.source import Checkout
from reconciler.daemon.trust import Trust
from reconciler.engine import specs
from reconciler.ports.clock import Clock
from reconciler.ports.exports import Exports
from reconciler.ports.files import Files
from reconciler.ports.mirror import Commit, Entry, Mirror
from reconciler.ports.objects import MirrorBroken
from reconciler.ports.remote import Remote
from reconciler.ports.store import sources
from reconciler.ports.store.store import Store
from reconciler.spec import kind

T = TypeVar("T")

FOLDER: Final = Path("state/source")

_TENANTS = f"{kind.TENANTS}/"
_NOTE: Final = "remote.json"


class GitSource:
    """``branch`` of ``url``, mirrored below ``root``; a ``Source``.

    ``store`` gives the store, or None as long as there is none: until then the trusted commit stands in the mirror
    alone. If the mirror is lost or damaged it is fetched again, and what the store trusts still has to be in it.

    Errors: ``UsageError`` for an address or a branch that can't be one.
    """

    def __init__(
        self,
        root: Path,
        url: str,
        branch: str,
        *,
        store: Callable[[], Store | None],
        clock: Clock,
        reads_only: bool = False,
    ) -> None:
        self._remote = Remote.parse(url, branch)
        place = root / FOLDER
        kinds = specs.kinds()
        self._mirror = Mirror(place, self._remote)
        self._exports = Exports(place / "exports", prune=not reads_only)
        self._note = place / _NOTE
        self._trust = Trust(self._mirror, kinds, place)
        self._committed = committed.Committed(kinds, root)
        self._store = store
        self._clock = clock
        self._given: str | None = None
        self._accepted: str | None = None
        self._judged: dict[str, str | None] = {}
        self._vouched: str | None = None
        self._files: tuple[str, dict[str, Entry]] | None = None
        self._untidy = False

    def look(self) -> Checkout | None:
        """As ``Source`` says. A rewritten history stays ``HistoryRewritten`` until it is accepted or put back."""
        return self._mended(self._look)

    def accept(self, checkout: Checkout) -> None:
        """As ``Source`` says."""
        try:
            self._mended(partial(self._accept, checkout.revision.rpartition(":")[2]))
        except BaseException:
            self._given = None  # so that the next look judges it again
            raise

    def accept_history(self, commit: str) -> None:
        """Trust ``commit`` on a person's word, once, if it is the branch's newest: neither what was trusted before nor
        a signature is asked for.

        Errors: ``UsageError`` unless it is a whole id.
        """
        if len(commit) != 40 or not set(commit) <= set("0123456789abcdef"):
            raise errors.UsageError(f"{commit!r} is no commit's id of 40 hexadecimal digits")
        self._vouched = commit

    def resting(self) -> Checkout | None:
        """What was trusted last, without a look at the remote; None where nothing was.

        Errors: ``SourceFailed``.
        """
        try:
            known = self._mirror.trusted()
            return None if known is None else self._checkout(known)
        except MirrorBroken as error:
            raise errors.SourceFailed(f"the mirror of {self._remote.shown} can't be read: {error}") from error

    def wait(self, seconds: float, wake: threading.Event) -> None:
        """Return after ``seconds``, or when ``wake`` is set. Packs the mirror first where much has piled up."""
        if self._untidy and not wake.is_set():
            self._untidy = False
            self._mirror.tidy()
        wake.wait(seconds)

    def close(self) -> None:
        """As ``Source`` says."""
        self._mirror.close()

    def _mended(self, action: Callable[[], T]) -> T:
        """What ``action`` returns; if the mirror turns out to be broken, from a new one."""
        try:
            return action()
        except MirrorBroken:
            self._files = None
        try:
            known = self._trusted()
            self._mirror.renew()
            if known is not None and self._mirror.has(known):
                self._mirror.trust(known)
            return action()
        except MirrorBroken as error:
            what = f"branch {self._remote.branch} of {self._remote.shown}"
            raise errors.SourceFailed(f"{what} was fetched anew and can't be read: {error}") from error

    def _look(self) -> Checkout | None:
        tip = self._mirror.fetch()
        trusted = self._trusted()
        if trusted not in (None, self._accepted):
            self._follow(trusted)
        if tip == self._given:
            return None
        if tip != self._vouched:
            self._trust.judge(trusted, tip)
        checkout = self._checkout(tip)
        self._given, self._judged = tip, {tip: trusted}
        return checkout

    def _accept(self, commit: str) -> None:
        trusted = self._trusted()
        if commit not in (trusted, self._vouched) and (commit not in self._judged or self._judged[commit] != trusted):
            self._judge_late(trusted, commit)
        store = self._store()
        if store is not None and store.read(sources.there):
            url, branch, now = self._remote.url, self._remote.branch, self._clock.stamp()
            store.write(lambda connection: sources.remember(connection, url, branch, commit, now=now))
        self._follow(commit)
        self._vouched = None
        self._untidy = True

    def _follow(self, commit: str) -> None:
        """Trust ``commit`` here as well, so that the commands beside this daemon know of it, if it is here already."""
        if not self._mirror.has(commit):
            return
        self._mirror.trust(commit)
        if self._accepted is None:
            Files().replace(self._note, json.dumps([self._remote.url, self._remote.branch]).encode())
        self._accepted = commit

    def _judge_late(self, trusted: str | None, commit: str) -> None:
        """Judge what was given by what the store trusts, which was not known, or was something else, at the look."""
        if trusted is not None and self._mirror.is_ancestor(commit, trusted):
            raise errors.SourceFailed(
                f"{trusted}, which came out of {commit}, is trusted already: somebody else accepted it",
                advice="The newest commit is fetched again by itself.",
            )
        self._trust.judge(trusted, commit)

    def _trusted(self) -> str | None:
        """What was trusted last: the store's word goes before the mirror's, which may be lost or left behind."""
        store = self._store()
        known = None
        if store is not None:
            known = store.read(lambda connection: sources.load(connection, self._remote.url, self._remote.branch))
        return known or self._mirror.trusted() or self._accepted

    def _checkout(self, commit: str) -> Checkout:
        files = self._files_of(commit)
        with self._mirror.objects() as objects:
            plain = {path: entry for path, entry in files.items() if not path.startswith(_TENANTS)}
            folder = self._exports.of(plain, objects)
            tree = self._committed.tree(files, objects, folder)
        checkout = Checkout(
            revision=f"{self._remote.branch}@sha1:{commit}",
            tree=tree,
            folder=folder,
            blobs=committed.blobs(tree, files),
            commits=partial(self._last, commit, committed.escaped(files)),
            merges=partial(self._merged, commit, committed.escaped(files)),
            ground=folder.name,
        )
        self._exports.used(folder, tree)
        self._exports.used(folder, checkout)
        self._files = commit, files
        return checkout

    def _files_of(self, commit: str) -> dict[str, Entry]:
        """What ``commit`` holds; of the one before only what differs is asked for."""
        if self._files is None:
            return self._mirror.files(commit)
        before, files = self._files
        found = dict(files)
        for path, entry in self._mirror.touched(before, commit).items():
            if entry is not None:
                found[path] = entry
            elif found.pop(path, None) is None:
                raise MirrorBroken(f"{path!r} was removed by {commit} and had not been there")
        return found

    def _merged(self, commit: str, escaped: Mapping[str, str], path: str) -> str:
        with suppress(errors.SourceFailed, MirrorBroken):
            return self._mirror.merged(commit, escaped.get(path, path))
        return ""

    def _last(self, commit: str, escaped: Mapping[str, str], path: str) -> Commit | None:
        """The last commit that touched a file. It is for people, so a mirror that does not answer is no failure."""
        with suppress(errors.SourceFailed, MirrorBroken):
            return self._mirror.last(commit, escaped.get(path, path))
        return None


def resting(root: Path, clock: Clock) -> Checkout | None:
    """What a daemon that works in ``root`` trusted last, for commands beside it; None where none works from git there.

    Errors: ``SourceFailed``.
    """
    note = Files().read(root / FOLDER / _NOTE)
    if note is None:
        return None
    try:
        url, branch = json.loads(note)
        source = GitSource(root, url, branch, store=lambda: None, clock=clock, reads_only=True)
    except (ValueError, TypeError) as error:
        raise errors.SourceFailed(f"{root / FOLDER / _NOTE} is damaged; the daemon writes it anew") from error
    return source.resting()
