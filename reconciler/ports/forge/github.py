"""GitHub's REST API, version 2022-11-28, of github.com and of GitHub Enterprise Server.

Sources: GitHub's documentation of the REST API: "Commit statuses", "Commits", "Issue comments", "Using pagination",
"Rate limits", "Best practices" (one request at a time, redirects are followed with the same method).
"""

from __future__ import annotations

import datetime as dt
import json
import re
import threading
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from reconciler import errors
from reconciler.ports import clock as clocks
from reconciler.ports.forge.forge import MOST_OF_COMMENT, MOST_OF_DESCRIPTION, Comment, PullRequest, State
from reconciler.ports.http import Http, Reply

_PAGE: Final = 100
_MOST_PAGES: Final = 100
_MOST_REDIRECTS: Final = 3
_REDIRECTS: Final = frozenset({301, 302, 307, 308})
_LIMITED: Final = frozenset({403, 429})
_UNTOLD_SECONDS: Final = 60.0  # what the documentation asks for where the reply names no time
_LONGEST_SECONDS: Final = 86_400.0
_NEXT: Final = re.compile(r'<([^<>]*)>; *rel="next"')
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ADVICE: Final = {
    401: "Put a valid token where `tokenFrom` of specs/platform.yaml points; this one is wrong or has expired.",
    403: "Let the token write commit statuses and pull requests of the repository.",
    404: "Check `repository` and `api` in specs/platform.yaml, and that the token may see the repository.",
}


class GitHub:
    """One repository on GitHub; a ``forge.Forge``.

    ``repository`` is OWNER/NAME, ``api`` the API's address. ``token`` is asked before every request, so that one that
    is renewed in its file is taken at once. After a rate limit nothing is sent until the time that GitHub named.
    """

    def __init__(self, http: Http, clock: clocks.Clock, *, repository: str, token: Callable[[], str], api: str) -> None:
        self._http, self._clock, self._token = http, clock, token
        self._api = api.rstrip("/")
        self._repository = f"/repos/{repository}"
        self._one_at_a_time = threading.Lock()
        self._quiet_until = 0.0
        self._account = ("", "")

    def status(self, commit: str, context: str, state: State, description: str, url: str = "") -> None:
        """As ``Forge.status``."""
        said = {"state": state, "context": context, "description": _cut(description, MOST_OF_DESCRIPTION)}
        if url:
            said["target_url"] = url
        path = f"{self._repository}/commits/{_sha(commit)}/status"
        with _understood(path):
            known = (entry for entry in self._all(path, "statuses") if entry["context"] == context)
            held: Mapping[str, Any] = next(known, {})
            if all((held.get(name) or "") == said.get(name, "") for name in (*said, "target_url")):
                return
        self._ask("POST", f"{self._repository}/statuses/{_sha(commit)}", said)

    def pull_requests_of(self, commit: str) -> list[PullRequest]:
        """As ``Forge.pull_requests_of``."""
        with _understood("pull requests"):
            return [
                PullRequest(
                    number=int(entry["number"]),
                    head=str(entry["head"]["sha"]),
                    merged=bool(entry.get("merged_at")),
                    base=str(entry["base"]["ref"]),
                )
                for entry in self._all(f"{self._repository}/commits/{_sha(commit)}/pulls")
            ]

    def comments(self, number: int) -> list[Comment]:
        """As ``Forge.comments``."""
        with _understood("comments"):
            found = [_comment(entry) for entry in self._all(f"{self._repository}/issues/{int(number)}/comments")]
        return sorted(found, key=lambda entry: entry.id)

    def put_comment(self, number: int, marker: str, body: str) -> None:
        """As ``Forge.put_comment``."""
        said = {"body": _cut(body, MOST_OF_COMMENT)}
        account = self._own()
        mine = [entry for entry in self.comments(number) if entry.body.startswith(marker) and _is_by(entry, account)]
        if not mine:
            self._ask("POST", f"{self._repository}/issues/{int(number)}/comments", said)
            return
        if _plain(mine[0].body) != _plain(said["body"]):
            self._ask("PATCH", f"{self._repository}/issues/comments/{mine[0].id}", said)
        for entry in mine[1:]:
            self._ask("DELETE", f"{self._repository}/issues/comments/{entry.id}", good=(404,))

    def _own(self) -> str:
        """The name of the token's account; empty for an app's, which is not told its own name."""
        token = self._known_token()
        if self._account[0] != token:
            reply = self._ask("GET", "/user", good=(403,))
            with _understood("/user"):
                self._account = (token, "" if reply.status == 403 else str(_read(reply)["login"]))
        return self._account[1]

    def _all(self, path: str, member: str = "") -> Iterator[Any]:
        """The entries of all pages of a list, or of the list under ``member``."""
        url = f"{path}?per_page={_PAGE}"
        for _ in range(_MOST_PAGES):
            reply = self._ask("GET", url)
            with _understood(path):
                page = _read(reply)[member] if member else _read(reply)
                if not isinstance(page, list):
                    raise TypeError("no list")
            yield from page
            found = _NEXT.search(reply.headers.get("link", ""))
            if found is None:
                return
            url = self._ours(found[1], path)
        raise errors.ForgeFailed(f"GitHub has more than {_MOST_PAGES} pages of {path}")

    def _ask(self, method: str, path: str, said: Mapping[str, Any] | None = None, *, good: Iterable[int] = ()) -> Reply:
        """The reply to a request; one that says no is an error, unless its status is in ``good``.

        ``path`` is below the API's address, or a whole address that was found to be ours.
        """
        url = self._api + path if path.startswith("/") else path
        told = urllib.parse.urlsplit(url).path
        with self._one_at_a_time:
            for _ in range(_MOST_REDIRECTS + 1):
                reply = self._sent(method, url, told, said)
                if reply.status not in _REDIRECTS:
                    break
                url = self._ours(urllib.parse.urljoin(url, reply.headers.get("location", "")), told)
            else:
                raise errors.ForgeFailed(f"GitHub redirects {method} {told} without end")
        if 200 <= reply.status < 300 or reply.status in good:
            return reply
        reason = _message(reply).replace(self._known_token(), "…")
        raise errors.ForgeFailed(
            f"GitHub answers {reply.status} to {method} {told}{reason and ': '}{reason}",
            advice=_ADVICE.get(reply.status, ""),
        )

    def _sent(self, method: str, url: str, told: str, said: Mapping[str, Any] | None) -> Reply:
        left = self._quiet_until - self._clock.monotonic()
        if left > 0:
            raise self._limited(left)
        token = self._known_token()
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {token}",
            "User-Agent": "reconciler",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        body = None
        if said is not None:
            headers["Content-Type"] = "application/json; charset=utf-8"
            body = json.dumps(said).encode()
        try:
            reply = self._http.request(method, url, headers, body)
        except errors.NotDelivered as error:
            reason = error.message.replace(token, "…")
            raise errors.ForgeFailed(
                f"GitHub does not answer {method} {told}: {reason}", advice="It is tried again by itself."
            ) from None
        wait = self._wait(reply)
        if wait > 0:
            self._quiet_until = self._clock.monotonic() + wait
            raise self._limited(wait)
        return reply

    def _known_token(self) -> str:
        try:
            token = self._token()
        except errors.ReconcileError as error:
            raise errors.ForgeFailed(error.message, advice=error.next) from error
        # What can't stand in a header would come back inside of an error's words.
        if not token or not re.fullmatch(r"[!-~]+", token):
            raise errors.ForgeFailed(
                f"the token for GitHub {'holds spaces or letters that no token has' if token else 'is empty'}",
                advice=_ADVICE[401],
            )
        return token

    def _ours(self, url: str, path: str) -> str:
        """An address that GitHub named, if the token may be sent there."""
        if _origin(url) != _origin(self._api):
            raise errors.ForgeFailed(
                f"GitHub answers {path} with an address on another host, which is not followed",
                advice="Write the address that the API really has under `api` in specs/platform.yaml.",
            )
        return url

    def _wait(self, reply: Reply) -> float:
        """For how many seconds GitHub wants nothing more; 0 if it did not refuse for a rate limit."""
        if reply.status not in _LIMITED:
            return 0.0
        after, left = reply.headers.get("retry-after", ""), reply.headers.get("x-ratelimit-remaining", "")
        if after.isdecimal():
            return _bounded(float(after[:9]))
        if left == "0":
            reset = reply.headers.get("x-ratelimit-reset", "")
            return _bounded(float(reset[:12]) - self._clock.now().timestamp()) if reset.isdecimal() else _UNTOLD_SECONDS
        # A secondary limit may come with words only.
        limited = reply.status == 429 or "rate limit" in _message(reply).lower()
        return _UNTOLD_SECONDS if limited else 0.0

    def _limited(self, seconds: float) -> errors.ForgeFailed:
        until = clocks.stamp(self._clock.now() + dt.timedelta(seconds=seconds))[:19]
        return errors.ForgeFailed(
            f"GitHub's rate limit is used up until {until}Z",
            advice="Nothing to do: it goes on by itself.",
            wait=seconds,
        )


def _sha(commit: str) -> str:
    if not _COMMIT.fullmatch(commit):
        raise errors.ForgeFailed(f"{commit[:80]!r} is no commit's full digest")
    return commit


def _comment(entry: Mapping[str, Any]) -> Comment:
    # An account that was deleted is null.
    user = entry["user"] or {}
    return Comment(
        id=int(entry["id"]),
        body=str(entry["body"] or ""),
        author=str(user.get("login", "")),
        by_program=user.get("type") == "Bot",
    )


def _is_by(found: Comment, account: str) -> bool:
    return found.author.lower() == account.lower() if account else found.by_program


def _origin(url: str) -> tuple[str, str, int | None]:
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
        return parts.scheme, parts.hostname or "", port
    except ValueError:
        return "", "", None


def _read(reply: Reply) -> Any:
    return json.loads(reply.body)


@contextmanager
def _understood(path: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise errors.ForgeFailed(
            f"GitHub's answer about {path} is not what its API promises: {type(error).__name__}",
            advice="Check `api` in specs/platform.yaml.",
        ) from error


def _message(reply: Reply) -> str:
    """Why GitHub says no, in its own words, as one line."""
    try:
        said = _read(reply)
        parts = [said.get("message", ""), *(said.get("errors") or ())]
    except (ValueError, TypeError, AttributeError, RecursionError):
        return ""
    words = [
        str(part.get("message") or part.get("code") or "") if isinstance(part, dict) else str(part) for part in parts
    ]
    line = " ".join(" ".join(words).split())
    return "".join(letter for letter in line if letter.isprintable())[:300]


def _bounded(seconds: float) -> float:
    return min(max(seconds, 1.0), _LONGEST_SECONDS)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").strip()
