"""Whether a commit may be trusted: it has to come out of the one that was trusted last, and be signed if that is asked.

What is asked, and whose signatures are good, is never read from a commit that is being judged: it stands in the last
trusted one, or outside of the repository.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from reconciler import errors
from reconciler.ports.mirror import Entry, Mirror, Signature
from reconciler.spec import folder, load, platform
from reconciler.spec.kind import Kind

_PLATFORM: Final = ("specs/platform.yaml", "specs/platform.yml")
_SAID: Final = {
    "N": "it has no signature",
    "B": "its signature is bad",
    "U": "its signer is not an allowed one",
    "X": "its signature has expired",
    "Y": "its key had expired",
    "R": "its key was revoked",
    "E": "its signature can't be checked here: the key or the program is missing",
    "G": "its key is not trusted in full",
}
_MOST_SHOWN: Final = 5


class Trust:
    """Judges commits of ``mirror``; files that git has to read are written into ``place``.

    Errors: ``HistoryRewritten``, ``SourceUnverified``, ``SourceFailed``; ``MirrorBroken``.
    """

    def __init__(self, mirror: Mirror, kinds: Sequence[Kind], place: Path) -> None:
        self._mirror = mirror
        self._kinds = kinds
        self._place = place

    def judge(self, trusted: str | None, new: str) -> None:
        """Return if ``new`` may follow ``trusted``; where nothing was trusted yet, if it may be the first."""
        if trusted is None:
            self._first(new)
            return
        if trusted == new:
            return
        if not self._mirror.is_ancestor(trusted, new):
            remote = self._mirror.remote
            raise errors.HistoryRewritten(
                f"branch {remote.branch} of {remote.shown} does not hold {trusted} any more, which was trusted last; "
                f"its newest commit is {new}{self._verdict(trusted, new)}",
                advice="Find out who rewrote it. If it was meant, and this very commit is to be trusted as it is: "
                f"`reconcile daemon --accept-history {new}`, once.",
            )
        while trusted != new:
            trusted = self._further(trusted, new)

    def _further(self, trusted: str, new: str) -> str:
        """The next commit on the way to ``new`` that may be trusted: the first one that changes who may sign, so that
        it counts for what comes after it, however many commits are fetched at once.
        """
        verify = self._asked(trusted)
        signers = [verify.removeprefix("./")] if verify and not Path(verify).is_absolute() else []
        stations = self._mirror.stations(trusted, new, *_PLATFORM, *signers)
        next_one = next((one for one in stations if self._mirror.is_ancestor(trusted, one)), new)
        if verify is not None and (bad := self._unsigned(verify, trusted, next_one)):
            raise self._unverified(bad)
        return next_one

    def _first(self, new: str) -> None:
        verify = self._asked(new)
        if verify is None:
            return
        if not Path(verify).is_absolute():
            raise errors.SourceUnverified(
                f"no commit was trusted yet, and the allowed signers ({verify}) stand in {new} itself",
                advice="If this very commit is to be trusted: `reconcile daemon --accept-history "
                f"{new}`, once. Or keep the signers' file outside of the repository, under an absolute path.",
            )
        if bad := self._unsigned(verify, None, new):
            raise self._unverified(bad)

    def _verdict(self, trusted: str, new: str) -> str:
        """What the signatures of a rewritten history say, for who has to decide about it."""
        if not self._mirror.has(trusted):
            return ", whose signatures can't be judged: the trusted commit is gone"
        verify = self._asked(trusted)
        if verify is None:
            return ""
        bad = self._unsigned(verify, trusted, new)
        if not bad:
            return ", and all of its new commits are signed by allowed signers"
        return f", and {self._listed(bad)}"

    def _asked(self, commit: str) -> str | None:
        """Whose signatures are asked for in ``commit``, or where that can't be read, in the newest before it.

        So nobody gets rid of the question with a platform that can't be read.
        """
        found, verify = self._read(commit)
        if found:
            return verify
        for before in self._mirror.history(commit, *_PLATFORM):
            found, verify = self._read(before)
            if found:
                return verify
        return None

    def _read(self, commit: str) -> tuple[bool, str | None]:
        """Whether the platform of ``commit`` can be read as far as this goes, and what it asks for."""
        found = False
        for path, entry in self._mirror.files(commit, *_PLATFORM).items():
            if not entry.is_file:
                continue
            parsed = load.parse(folder.decode(path, self._content(entry)), self._kinds)
            for document in parsed.documents:
                said = document.get("spec", "daemon", "verify")
                signers = said.get("signers") if isinstance(said, dict) else None
                if document.kind != platform.PLATFORM.name or (said is not None and not isinstance(signers, str)):
                    continue
                if signers:
                    return True, signers
                found = found or parsed.complete
        return found, None

    def _unsigned(self, verify: str, trusted: str | None, new: str) -> list[Signature]:
        signers = Path(verify)
        if signers.is_absolute():
            if not signers.is_file():
                raise errors.SourceUnverified(
                    f"there is no file of allowed signers {signers}", advice="Put it back, or correct its path."
                )
            return [entry for entry in self._mirror.signatures(trusted, new, signers) if not entry.good]
        path = verify.removeprefix("./")
        entry = self._mirror.files(trusted, path).get(path) if trusted is not None else None
        if entry is None or not entry.is_file:
            raise errors.SourceUnverified(
                f"the trusted commit {trusted} holds no file of allowed signers {path}",
                advice=f"If {new} is to be trusted as it is: `reconcile daemon --accept-history {new}`, once.",
            )
        copy = self._place / "allowed-signers"
        try:
            copy.write_bytes(self._content(entry))
        except OSError as error:
            raise errors.SourceFailed(f"{copy} can't be written: {error}") from error
        return [found for found in self._mirror.signatures(trusted, new, copy) if not found.good]

    def _content(self, entry: Entry) -> bytes:
        with self._mirror.objects() as objects:
            return objects.read(entry.id, folder.MAX_OCTETS)

    def _unverified(self, bad: Sequence[Signature]) -> errors.SourceUnverified:
        remote = self._mirror.remote
        return errors.SourceUnverified(f"branch {remote.branch} of {remote.shown}: {self._listed(bad)}")

    def _listed(self, bad: Sequence[Signature]) -> str:
        count = f"{len(bad)} commit{'s' if len(bad) != 1 else ''} can't be trusted"
        more = f", and {len(bad) - _MOST_SHOWN} more" if len(bad) > _MOST_SHOWN else ""
        return f"{count}: {'; '.join(self._one(entry) for entry in bad[:_MOST_SHOWN])}{more}"

    def _one(self, entry: Signature) -> str:
        commit = self._mirror.last(entry.commit)
        who = f" by {commit.author} ({commit.subject})" if commit else ""
        return f"{entry.commit}{who}: {_SAID.get(entry.verdict, 'its signature is not good')}"
