"""The push hook: whether a call is to be believed, and whether it is about the branch that is watched.

A call only wakes the loop, which then looks for itself, so one that is replayed does no harm and nothing of what it
says is taken over. Three signatures are known, each over or beside the body exactly as it came:

- ``X-Hub-Signature-256: sha256=<hex>``, HMAC-SHA256 over the body: GitHub ("Validating webhook deliveries"), and
  what speaks like it.
- ``X-Gitlab-Token: <secret>``: GitLab ("Webhooks", "Secret token").
- ``X-Reconciler-Signature: t=<Unix seconds>,v1=<hex>``, HMAC-SHA256 over ``t.body``: anything else. Several ``v1`` may
  stand there; one that is good is enough, so that a secret can be changed without a gap.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

TOLERANCE_SECONDS: Final = 300
"""How far the time in ``X-Reconciler-Signature`` may be from ours, either way."""

_GITHUB: Final = "x-hub-signature-256"
_GITLAB: Final = "x-gitlab-token"
_OWN: Final = "x-reconciler-signature"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call is answered with: an HTTP status, a line of text, and whether the loop is woken."""

    status: int
    words: str
    wakes: bool = False


@dataclass(frozen=True, slots=True)
class Hook:
    """A hook with its secret; an empty one closes it.

    ``branch`` is the one that is watched, empty where there is none: then every push counts. ``now`` gives Unix
    seconds.
    """

    secret: str = field(repr=False)
    branch: str
    now: Callable[[], float]

    def answer(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Judge a call. ``headers`` have names in lower case, and values decoded as Latin-1."""
        if not self.secret:
            return Answer(404, "the hook is closed: no secret is configured for it")
        judges = {_GITHUB: self._github, _GITLAB: self._gitlab, _OWN: self._own}
        signed = [judge(headers[name], body) for name, judge in judges.items() if name in headers]
        if not signed:
            return Answer(401, f"a signature is missing: {', '.join(judges)}")
        if wrong := next(filter(None, signed), ""):
            return Answer(401, wrong)
        return self._judged(headers, body)

    def _github(self, said: str, body: bytes) -> str:
        good = _same(said, f"sha256={self._hmac(body)}".encode())
        return "" if good else f"the signature in {_GITHUB} is not good"

    def _gitlab(self, said: str, _body: bytes) -> str:
        return "" if _same(said, self.secret.encode()) else f"the token in {_GITLAB} is not good"

    def _own(self, said: str, body: bytes) -> str:
        parts = [part.strip().partition("=") for part in said.split(",")]
        times = [value for name, _, value in parts if name == "t"]
        if len(times) != 1 or not times[0].isascii() or not times[0].isdigit() or len(times[0]) > 12:
            return f"{_OWN} has to read t=<Unix seconds>,v1=<hex>"
        expected = self._hmac(times[0].encode() + b"." + body).encode()
        # All of them are compared, so that the time it takes tells nothing about which one was nearly good.
        if not any([_same(value, expected) for name, _, value in parts if name == "v1"]):
            return f"the signature in {_OWN} is not good"
        if abs(self.now() - int(times[0])) > TOLERANCE_SECONDS:
            return f"the signature in {_OWN} is more than {TOLERANCE_SECONDS} s old, or ahead: check both clocks"
        return ""

    def _hmac(self, content: bytes) -> str:
        return hmac.new(self.secret.encode(), content, hashlib.sha256).hexdigest()

    def _judged(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """The answer to a call that is signed."""
        event = ""
        if _GITHUB in headers:
            event = headers.get("x-github-event", "")
            if not event:
                return Answer(400, "x-github-event is missing")
        elif _GITLAB in headers:
            event = "push" if headers.get("x-gitlab-event") == "Push Hook" else "other"
        elif not body:
            return _WAKES
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            return Answer(415, "the body has to be application/json: set it as the hook's content type")
        said = _parsed(body)
        if said is None:
            return Answer(400, "the body is no JSON object")
        if event == "ping":
            return Answer(200, "pong")
        if event not in ("push", ""):
            return Answer(202, "nothing to do: this is no push")
        return self._pushed(said, needed=bool(event))

    def _pushed(self, said: Mapping[str, Any], *, needed: bool) -> Answer:
        ref = said.get("ref")
        if ref is None and not needed:
            return _WAKES
        if not isinstance(ref, str):
            return Answer(400, "`ref` is missing, or is no text")
        if self.branch and ref not in (f"refs/heads/{self.branch}", self.branch):
            return Answer(202, "nothing to do: another branch is watched")
        return _WAKES


_WAKES: Final = Answer(202, "woken", wakes=True)


def _same(said: str, expected: bytes) -> bool:
    """Compared in constant time, over digests, so that not even the length of a secret can be measured."""
    digests = (hashlib.sha256(text).digest() for text in (said.encode("latin-1", "replace"), expected))
    return hmac.compare_digest(*digests)


def _parsed(body: bytes) -> Mapping[str, Any] | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
