"""The forge port on a stand-in for GitHub, over real HTTP."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator

import pytest

from reconciler import errors
from reconciler.ports.clock import Clock
from reconciler.ports.forge import forge
from reconciler.ports.forge.github import GitHub
from reconciler.ports.http import Http
from tests.support import github as fakes
from tests.support.github import FakeGitHub, Refused

COMMIT = "c" * 40
MARKER = "<!-- mine -->"


class Still(Clock):
    """A clock that only goes when it is told to."""

    def __init__(self) -> None:
        self.gone = 0.0

    def monotonic(self) -> float:
        """Seconds since the beginning."""
        return self.gone

    def now(self) -> dt.datetime:
        """The beginning and the seconds since."""
        return dt.datetime(2027, 1, 31, 12, tzinfo=dt.UTC) + dt.timedelta(seconds=self.gone)


@pytest.fixture
def fake() -> Iterator[FakeGitHub]:
    with fakes.running() as found:
        found.pull(7, COMMIT)
        yield found


def of(fake: FakeGitHub, token: str = fakes.TOKEN, clock: Clock | None = None, api: str = "") -> GitHub:
    return GitHub(Http(), clock or Still(), repository=fakes.REPOSITORY, token=lambda: token, api=api or f"{fake.url}/")


def test_a_status_is_written_once(fake: FakeGitHub) -> None:
    port: forge.Forge = of(fake)
    for _ in range(2):
        port.status(COMMIT, "reconcile/apply", "pending", "3 tenants")
    of(fake).status(COMMIT, "reconcile/apply", "pending", "3 tenants")
    assert [(entry["state"], entry["description"]) for entry in fake.statuses] == [("pending", "3 tenants")]
    port.status(COMMIT, "reconcile/apply", "success", "3 applied", "https://ci.example.com/1")
    port.status(COMMIT, "reconcile/apply", "success", "3 applied", "https://ci.example.com/1")
    assert len(fake.statuses) == 2
    assert fake.statuses[-1]["target_url"] == "https://ci.example.com/1"


def test_a_status_of_another_context_is_another_one(fake: FakeGitHub) -> None:
    for number in range(130):
        of(fake).status(COMMIT, f"ci/{number}", "success", "x")
    of(fake).status(COMMIT, "ci/129", "success", "x")
    assert len(fake.statuses) == 130


def test_a_long_description_is_cut(fake: FakeGitHub) -> None:
    of(fake).status(COMMIT, "reconcile/apply", "failure", "ñ" * 141)
    assert fake.statuses[0]["description"] == "ñ" * 139 + "…"


def test_pull_requests_are_read_with_what_became_of_them(fake: FakeGitHub) -> None:
    fake.pull(9, COMMIT, base="feature", merged=False)
    assert of(fake).pull_requests_of(COMMIT) == [
        forge.PullRequest(7, f"{7:040x}", merged=True, base="main"),
        forge.PullRequest(9, f"{9:040x}", merged=False, base="feature"),
    ]


def test_the_merged_pull_request_of_the_branch_is_the_one_that_counts() -> None:
    found = [
        forge.PullRequest(3, "", merged=True, base="main"),
        forge.PullRequest(4, "", merged=True, base="main"),
        forge.PullRequest(5, "", merged=True, base="feature"),
        forge.PullRequest(6, "", merged=False, base="main"),
    ]
    chosen = [forge.merged_into(found, branch) for branch in ("main", "", "other")]
    assert [entry and entry.number for entry in chosen] == [4, 5, None]


def test_all_pages_of_comments_are_read(fake: FakeGitHub) -> None:
    for number in range(250):
        fake.comment(7, f"{number}")
    assert [entry.body for entry in of(fake).comments(7)] == [f"{number}" for number in range(250)]


def test_a_comment_of_an_account_that_is_gone_has_no_author(fake: FakeGitHub) -> None:
    fake.comment(7, "x", author="")
    assert [entry.author for entry in of(fake).comments(7)] == [""]


@pytest.mark.parametrize("token", [fakes.TOKEN, fakes.APP_TOKEN], ids=["person", "app"])
def test_the_comment_is_made_once_and_then_edited_in_place(token: str, fake: FakeGitHub) -> None:
    for number in range(120):
        fake.comment(7, f"{number}")
    for text in ("one", "one", "two", "two"):
        of(fake, token).put_comment(7, MARKER, f"{MARKER}\n{text}\n")
    assert [method for method, _, _ in fake.written()] == ["POST", "PATCH"]
    assert [body for body in fake.bodies(7) if body.startswith(MARKER)] == [f"{MARKER}\ntwo\n"]


def test_of_two_comments_the_older_is_kept(fake: FakeGitHub) -> None:
    older = fake.comment(7, f"{MARKER}\nolder", "reconciler-robot")
    fake.comment(7, f"{MARKER}\nyounger", "reconciler-robot")
    of(fake).put_comment(7, MARKER, f"{MARKER}\nnew")
    assert {key: entry["body"] for key, entry in fake.comments.items()} == {older: f"{MARKER}\nnew"}


@pytest.mark.parametrize("token", [fakes.TOKEN, fakes.APP_TOKEN], ids=["person", "app"])
def test_a_comment_of_somebody_else_is_never_taken_for_ours(token: str, fake: FakeGitHub) -> None:
    fake.comment(7, f"{MARKER}\nforged", "mallory")
    fake.comment(7, f"> {MARKER}\nquoted", "reconciler-robot")
    of(fake, token).put_comment(7, MARKER, f"{MARKER}\nours")
    assert fake.bodies(7) == [f"{MARKER}\nforged", f"> {MARKER}\nquoted", f"{MARKER}\nours"]


def test_a_body_that_was_kept_with_other_line_ends_is_not_written_again(fake: FakeGitHub) -> None:
    fake.comment(7, f"{MARKER}\r\nsame", "reconciler-robot")
    of(fake).put_comment(7, MARKER, f"{MARKER}\nsame\n")
    assert fake.written() == []


def test_an_endless_body_is_cut_to_what_is_taken(fake: FakeGitHub) -> None:
    of(fake).put_comment(7, MARKER, MARKER + "x" * 70_000)
    assert [len(body) for body in fake.bodies(7)] == [65_536]


def test_a_repository_that_was_renamed_is_still_reached(fake: FakeGitHub) -> None:
    fake.moved = True
    of(fake).status(COMMIT, "reconcile/apply", "success", "1 applied")
    of(fake).put_comment(7, MARKER, f"{MARKER}\nx")
    assert (len(fake.statuses), fake.bodies(7)) == (1, [f"{MARKER}\nx"])


def test_nothing_is_sent_to_another_host(fake: FakeGitHub) -> None:
    with fakes.running() as other:
        other.pull(7, COMMIT)

        def elsewhere(_method: str, path: str) -> None:
            raise Refused(307, "moved", headers={"Location": f"{other.url}{path}"})

        fake.refuse = elsewhere
        with pytest.raises(errors.ForgeFailed, match="another host"):
            of(fake).pull_requests_of(COMMIT)
        fake.refuse = lambda _method, _path: None
        fake.next_pages_at = other.url
        for number in range(101):
            fake.comment(7, f"{number}")
        with pytest.raises(errors.ForgeFailed, match="another host"):
            of(fake).comments(7)
        assert other.requests == []


def test_redirects_without_end_are_left(fake: FakeGitHub) -> None:
    def around(_method: str, path: str) -> None:
        raise Refused(302, "moved", headers={"Location": path})

    fake.refuse = around
    with pytest.raises(errors.ForgeFailed, match="without end"):
        of(fake).pull_requests_of(COMMIT)


@pytest.mark.parametrize(
    ("status", "message", "headers", "seconds"),
    [
        (403, "You have exceeded a secondary rate limit.", {"Retry-After": "90"}, 90.0),
        (429, "slow down", {"Retry-After": "7"}, 7.0),
        (403, "API rate limit exceeded", {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1801397400"}, 600.0),
        (403, "API rate limit exceeded", {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}, 1.0),
        (403, "You have exceeded a secondary rate limit.", {}, 60.0),
        (429, "", {"Retry-After": "Sun, 31 Jan 2027 12:05:00 GMT"}, 60.0),
    ],
)
def test_a_rate_limit_says_until_when_and_nothing_is_sent_before(
    status: int, message: str, headers: dict[str, str], seconds: float, fake: FakeGitHub
) -> None:
    def limited(_method: str, _path: str) -> None:
        raise Refused(status, message, headers=headers)

    fake.refuse, clock = limited, Still()
    port = of(fake, clock=clock)
    until = (clock.now() + dt.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for _ in range(3):
        with pytest.raises(errors.ForgeFailed, match=until) as caught:
            port.pull_requests_of(COMMIT)
        assert caught.value.wait == seconds
    assert len(fake.requests) == 1
    fake.refuse = lambda _method, _path: None
    clock.gone = seconds
    assert port.pull_requests_of(COMMIT)


def test_every_refusal_says_what_can_be_done(fake: FakeGitHub) -> None:
    with pytest.raises(errors.ForgeFailed, match=r"401 to GET .*: Bad credentials") as caught:
        of(fake, "ghp_wrong").pull_requests_of(COMMIT)
    assert "tokenFrom" in caught.value.next
    fake.read_only = True
    with pytest.raises(errors.ForgeFailed, match=r"403 to POST .*: Resource not accessible") as caught:
        of(fake).status(COMMIT, "x", "success", "x")
    assert ("Let the token" in caught.value.next, caught.value.wait) == (True, 0.0)
    with pytest.raises(errors.ForgeFailed, match="404 to GET") as caught:
        of(fake).comments(8)
    assert "repository" in caught.value.next
    with pytest.raises(errors.ForgeFailed, match=r"422 to GET .*: No commit found"):
        of(fake).pull_requests_of("d" * 40)
    with pytest.raises(errors.ForgeFailed, match="no commit's full digest"):
        of(fake).pull_requests_of("../../user")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"[{}]", b"{}", b"null", b"[" * 100_000, b"\xff"])
def test_an_answer_that_is_not_github_s_is_a_failure_and_no_crash(body: bytes, fake: FakeGitHub) -> None:
    fake.answer = lambda *_arguments: (200, body, {})  # type: ignore[method-assign]
    calls: list[Callable[[GitHub], object]] = [
        lambda port: port.comments(7),
        lambda port: port.pull_requests_of(COMMIT),
        lambda port: port.put_comment(7, MARKER, MARKER),
        lambda port: port.status(COMMIT, "x", "success", "x"),
    ]
    for call in calls:
        with pytest.raises(errors.ForgeFailed, match="not what its API promises"):
            call(of(fake))


def test_the_token_is_in_no_message(fake: FakeGitHub) -> None:
    said = []

    def echo(_method: str, _path: str) -> None:
        raise Refused(400, f"what is {fakes.TOKEN}?")

    fake.refuse = echo
    for token in (fakes.TOKEN, f"{fakes.TOKEN}\nx", f"{fakes.TOKEN}ñ…", f"{fakes.TOKEN} "):
        with pytest.raises(errors.ForgeFailed) as caught:
            of(fake, token).comments(7)
        said.append(repr(caught.value) + str(caught.value.__cause__) + caught.value.next)
    with pytest.raises(errors.ForgeFailed) as caught:
        of(fake, api="http://127.0.0.1:1").comments(7)
    assert "canary" not in "".join([*said, str(caught.value), str(caught.value.__cause__)])


def test_a_token_that_can_not_be_read_is_the_forge_s_failure(fake: FakeGitHub) -> None:
    def missing() -> str:
        raise errors.PlatformMisconfigured("the token comes from NOWHERE")

    port = GitHub(Http(), Still(), repository=fakes.REPOSITORY, token=missing, api=fake.url)
    with pytest.raises(errors.ForgeFailed, match="NOWHERE"):
        port.comments(7)
    with pytest.raises(errors.ForgeFailed, match="is empty"):
        of(fake, "").comments(7)


def test_a_renewed_token_is_taken_at_once_and_its_account_with_it(fake: FakeGitHub) -> None:
    tokens = [fakes.TOKEN]
    port = GitHub(Http(), Still(), repository=fakes.REPOSITORY, token=lambda: tokens[-1], api=fake.url)
    port.put_comment(7, MARKER, f"{MARKER}\nx")
    fake.accounts = {"ghp_next": ("other-robot", "User")}
    tokens.append("ghp_next")
    port.put_comment(7, MARKER, f"{MARKER}\ny")
    assert [entry["user"]["login"] for entry in fake.comments.values()] == ["reconciler-robot", "other-robot"]
