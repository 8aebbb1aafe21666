"""A stand-in for GitHub: a real HTTP server that answers as the documentation of its REST API says.

It knows commits, pull requests, comments, statuses and accounts of one repository; who asks is told by the token. It
keeps every request, and refuses what GitHub refuses: 401, 403, 404, 422, and a used-up rate limit.
"""

from __future__ import annotations

import http.server
import json
import re
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

REPOSITORY = "acme/tenants"
TOKEN = "ghp_canary0123456789"
APP_TOKEN = "ghs_canary0123456789"


class Refused(Exception):
    """The reply is an error."""

    def __init__(self, status: int, message: str, *, headers: dict[str, str] | None = None, **more: Any) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers or {}
        self.body = {"message": message, "documentation_url": "https://docs.github.com/rest", "status": str(status)}
        self.body.update(more)


@dataclass
class FakeGitHub:
    """The repository and its accounts. ``refuse`` is called with method and path before each request; further pages are
    said to be at ``next_pages_at`` if it is not empty.
    """

    url: str = ""
    next_pages_at: str = ""
    accounts: dict[str, tuple[str, str]] = field(
        default_factory=lambda: {TOKEN: ("reconciler-robot", "User"), APP_TOKEN: ("reconciler[bot]", "Bot")}
    )
    commits: set[str] = field(default_factory=set)
    pulls: dict[int, dict[str, Any]] = field(default_factory=dict)
    comments: dict[int, dict[str, Any]] = field(default_factory=dict)
    statuses: list[dict[str, Any]] = field(default_factory=list)
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    refuse: Callable[[str, str], None] = lambda _method, _path: None
    read_only: bool = False
    moved: bool = False

    def pull(self, number: int, commit: str, *, base: str = "main", merged: bool = True) -> None:
        """Make a pull request that brought ``commit``."""
        self.commits.add(commit)
        at = "2027-01-31T12:00:00Z" if merged else None
        self.pulls[number] = {
            "number": number,
            "state": "closed" if merged else "open",
            "merged_at": at,
            "head": {"ref": f"change-{number}", "sha": f"{number:040x}"},
            "base": {"ref": base, "sha": "b" * 40},
            "commit": commit,
        }

    def comment(self, number: int, body: str, author: str = "ana", kind: str = "User") -> int:
        """Write a comment as somebody; its id."""
        identity = 1000 + len(self.requests) + len(self.comments)
        user = {"login": author, "type": kind} if author else None
        self.comments[identity] = {"id": identity, "body": body, "user": user, "number": number}
        return identity

    def bodies(self, number: int) -> list[str]:
        """All comments of a pull request."""
        return [entry["body"] for entry in self.comments.values() if entry["number"] == number]

    def written(self) -> list[tuple[str, str, str]]:
        """The requests that change something."""
        return [entry for entry in self.requests if entry[0] != "GET"]

    def answer(self, method: str, target: str, token: str, said: Any) -> tuple[int, Any, dict[str, str]]:
        """Status, body and headers of the reply."""
        address = urllib.parse.urlsplit(target)
        path, query = address.path, dict(urllib.parse.parse_qsl(address.query))
        self.requests.append((method, path, json.dumps(said)))
        if token not in self.accounts:
            raise Refused(401, "Bad credentials")
        self.refuse(method, path)
        if path == "/user":
            if self.accounts[token][1] == "Bot":
                raise Refused(403, "Resource not accessible by integration")
            return 200, {"login": self.accounts[token][0], "type": "User"}, {}
        here = "/repositories/7" if self.moved else f"/repos/{REPOSITORY}"
        if self.moved and path.startswith(f"/repos/{REPOSITORY}"):
            place = self.url + target.replace(f"/repos/{REPOSITORY}", here, 1)
            return 301, {"message": "Moved Permanently", "url": place}, {"Location": place}
        if not path.startswith(f"{here}/"):
            raise Refused(404, "Not Found")
        if self.read_only and method != "GET":
            raise Refused(403, "Resource not accessible by personal access token")
        for pattern, verb, handler in self._routes():
            if (found := re.fullmatch(pattern, path.removeprefix(here))) and verb == method:
                status, body = handler(found[1], said, token)
                if isinstance(body, list):
                    return status, *self._page(body, path, query)
                if "statuses" in body and method == "GET":
                    page, headers = self._page(body["statuses"], path, query)
                    return status, {**body, "statuses": page}, headers
                return status, body, {}
        raise Refused(404, "Not Found")

    def _routes(self) -> list[tuple[str, str, Callable[[str, Any, str], tuple[int, Any]]]]:
        return [
            (r"/commits/(\w+)/pulls", "GET", self._pulls_of),
            (r"/commits/(\w+)/status", "GET", self._combined),
            (r"/statuses/(\w+)", "POST", self._set_status),
            (r"/issues/(\d+)/comments", "GET", self._comments_of),
            (r"/issues/(\d+)/comments", "POST", self._add_comment),
            (r"/issues/comments/(\d+)", "PATCH", self._edit_comment),
            (r"/issues/comments/(\d+)", "DELETE", self._delete_comment),
        ]

    def _page(self, entries: list[Any], path: str, query: dict[str, str]) -> tuple[list[Any], dict[str, str]]:
        size, number = min(int(query.get("per_page", 30)), 100), int(query.get("page", 1))
        last = max(1, -(-len(entries) // size))
        links = [("prev", number - 1), ("next", number + 1), ("last", last), ("first", 1)]
        wanted = [(rel, at) for rel, at in links if 1 <= at <= last and (at != number or rel not in ("first", "last"))]
        place = (self.next_pages_at or self.url) + path
        link = ", ".join(f'<{place}?per_page={size}&page={at}>; rel="{rel}"' for rel, at in wanted)
        return entries[(number - 1) * size : number * size], {"Link": link} if last > 1 else {}

    def _known(self, commit: str) -> None:
        if commit not in self.commits:
            raise Refused(422, f"No commit found for SHA: {commit}")

    def _pulls_of(self, commit: str, _said: Any, _token: str) -> tuple[int, Any]:
        self._known(commit)
        return 200, [entry for entry in self.pulls.values() if entry["commit"] == commit]

    def _combined(self, commit: str, _said: Any, _token: str) -> tuple[int, Any]:
        self._known(commit)
        newest = {entry["context"]: entry for entry in self.statuses if entry["sha"] == commit}
        return 200, {"state": "pending", "sha": commit, "statuses": list(newest.values())}

    def _set_status(self, commit: str, said: Any, _token: str) -> tuple[int, Any]:
        self._known(commit)
        if said.get("state") not in ("error", "failure", "pending", "success"):
            raise Refused(
                422, "Validation Failed", errors=[{"resource": "Status", "code": "invalid", "field": "state"}]
            )
        if len(said.get("description") or "") > 140:
            words = "description is too long (maximum is 140 characters)"
            raise Refused(422, "Validation Failed", errors=[{"resource": "Status", "code": "custom", "message": words}])
        made = {"target_url": None, "description": None, "context": "default", **said, "sha": commit}
        self.statuses.append(made)
        return 201, made

    def _comments_of(self, number: str, _said: Any, _token: str) -> tuple[int, Any]:
        self._pull(number)
        return 200, [entry for entry in self.comments.values() if entry["number"] == int(number)]

    def _add_comment(self, number: str, said: Any, token: str) -> tuple[int, Any]:
        self._pull(number)
        self._fits(said)
        return 201, self.comments[self.comment(int(number), said["body"], *self.accounts[token])]

    def _edit_comment(self, identity: str, said: Any, _token: str) -> tuple[int, Any]:
        self._fits(said)
        self._there(identity)["body"] = said["body"]
        return 200, self._there(identity)

    def _delete_comment(self, identity: str, _said: Any, _token: str) -> tuple[int, Any]:
        del self.comments[self._there(identity)["id"]]
        return 204, {}

    def _pull(self, number: str) -> None:
        if int(number) not in self.pulls:
            raise Refused(404, "Not Found")

    def _there(self, identity: str) -> dict[str, Any]:
        if int(identity) not in self.comments:
            raise Refused(404, "Not Found")
        return self.comments[int(identity)]

    def _fits(self, said: Any) -> None:
        if len(said["body"]) > 65_536:
            words = "body is too long (maximum is 65536 characters)"
            raise Refused(422, "Validation Failed", errors=[{"resource": "IssueComment", "message": words}])


@contextmanager
def running() -> Iterator[FakeGitHub]:
    """A stand-in that answers until the block ends."""
    fake = FakeGitHub()

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers["Content-Length"] or 0)
            said = json.loads(self.rfile.read(length)) if length else None
            token = (self.headers["Authorization"] or "").removeprefix("Bearer ")
            try:
                status, body, headers = fake.answer(self.command, self.path, token, said)
            except Refused as refused:
                status, body, headers = refused.status, refused.body, refused.headers
            text = b"" if status == 204 else json.dumps(body).encode() if not isinstance(body, bytes) else body
            self.send_response(status)
            for name, value in {"X-RateLimit-Remaining": "4999", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = do_DELETE = answer

        def log_message(self, *_arguments: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
