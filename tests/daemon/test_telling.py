"""What the forge is told of a merge, and when."""

from __future__ import annotations

import dataclasses
import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from reconciler import errors
from reconciler.daemon import forges, telling
from reconciler.daemon.telling import Merge, Telling
from reconciler.model.outcome import Failure, Leftover, Outcome, Result
from reconciler.model.plan import Action
from reconciler.ports.clock import Clock
from reconciler.ports.forge.github import GitHub
from reconciler.ports.http import Http
from reconciler.ports.ports import Ports
from reconciler.report import merged
from reconciler.spec import daemon as spec
from reconciler.spec.passwords import PasswordFrom
from tests.report import reports, samples
from tests.support import github as fakes
from tests.support.github import FakeGitHub, Refused

COMMIT, OTHER = "c" * 40, "d" * 40
FAILED = Outcome("sol", Result.ROLLED_BACK, "1f0c33aa5b", 2.5, Failure("script-failed", "schema", "no such column x"))
WELL = Outcome("sol", Result.APPLIED, "2f0c33aa5b", 1.0)


@pytest.fixture
def fake() -> Iterator[FakeGitHub]:
    with fakes.running() as found:
        found.pull(7, COMMIT)
        yield found


class Log:
    """Keeps what could not be told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def __call__(self, commit: str, error: errors.ReconcileError) -> None:
        self.said.append(f"{commit[:1]}: {error.message}")


def to(fake: FakeGitHub, log: Log | None = None) -> Telling:
    port = GitHub(Http(), Clock(), repository=fakes.REPOSITORY, token=lambda: fakes.TOKEN, api=fake.url)
    return Telling(port, branch="main", log=log or Log())


def told(fake: FakeGitHub) -> list[tuple[str, str]]:
    return [(entry["state"], entry["description"]) for entry in fake.statuses]


def test_a_merge_is_pending_and_then_told_with_its_counts(fake: FakeGitHub) -> None:
    tell = to(fake).tell
    assert tell(Merge(COMMIT, {"sol": None, "luna": None}))
    assert tell(Merge(COMMIT, {"sol": WELL, "luna": None}))
    assert fake.bodies(7) == []
    assert tell(Merge(COMMIT, {"sol": WELL, "luna": Outcome("luna", Result.UNCHANGED)}))
    assert told(fake) == [("pending", "2 tenants to be looked at"), ("success", "1 applied, 1 unchanged")]
    assert {(entry["context"], entry["sha"]) for entry in fake.statuses} == {("reconcile/apply", COMMIT)}
    (body,) = fake.bodies(7)
    assert body.startswith("<!-- reconciler-apply -->\n## After the merge: 1 applied, 1 unchanged\n")


def test_what_ends_as_before_is_no_news(fake: FakeGitHub) -> None:
    tell = to(fake).tell
    tell(Merge(COMMIT, {"sol": FAILED}))
    before = len(fake.requests)
    again = dataclasses.replace(FAILED, transaction="9" * 10, seconds=99.0)
    for end in (None, again, None, FAILED):
        assert tell(Merge(COMMIT, {"sol": end}))
    assert len(fake.requests) == before
    assert told(fake) == [("failure", "1 rolled back")]


def test_a_retry_that_heals_is_told_in_the_same_comment(fake: FakeGitHub) -> None:
    tell = to(fake).tell
    tell(Merge(COMMIT, {"sol": FAILED}))
    tell(Merge(COMMIT, {"sol": WELL}))
    assert told(fake) == [("failure", "1 rolled back"), ("success", "1 applied")]
    (body,) = fake.bodies(7)
    assert "1 applied" in body
    assert "rolled back" not in body


def test_a_new_process_writes_nothing_that_stands_there(fake: FakeGitHub) -> None:
    to(fake).tell(Merge(COMMIT, {"sol": FAILED}))
    before = fake.written()
    to(fake).tell(Merge(COMMIT, {"sol": FAILED}))
    assert fake.written() == before


def test_what_the_forge_does_not_take_is_logged_and_told_by_the_next_call(fake: FakeGitHub) -> None:
    log = Log()
    tell = to(fake, log).tell

    def away(method: str, path: str) -> None:
        if path.endswith("/comments") and method == "POST":
            raise Refused(502, "Bad Gateway")

    fake.refuse = away
    assert not tell(Merge(COMMIT, {"sol": WELL}))
    assert not tell(Merge(COMMIT, {"sol": WELL}))
    assert len(log.said) == 2
    assert log.said[0].startswith("c: GitHub answers 502 to POST")
    fake.refuse = lambda _method, _path: None
    assert tell(Merge(COMMIT, {"sol": WELL}))
    assert told(fake) == [("success", "1 applied")]
    assert len(fake.bodies(7)) == 1


def test_a_commit_without_a_pull_request_has_its_status_only(fake: FakeGitHub) -> None:
    fake.commits.add(OTHER)
    assert to(fake).tell(Merge(OTHER, {"sol": WELL}))
    assert told(fake) == [("success", "1 applied")]
    assert fake.comments == {}


def test_the_commits_of_one_pull_request_share_its_comment(fake: FakeGitHub) -> None:
    fake.commits.add(OTHER)
    fake._pulls_of = lambda *_arguments: (200, [fake.pulls[7]])  # type: ignore[method-assign]
    tell = to(fake).tell
    tell(Merge(COMMIT, {"sol": FAILED, "mar": FAILED}, warnings={"sol": "early"}))
    tell(Merge(OTHER, {"luna": Outcome("luna", Result.APPLIED), "sol": WELL}))
    (body,) = fake.bodies(7)
    assert body.startswith("<!-- reconciler-apply -->\n## After the merge: 1 rolled back, 2 applied\n")
    assert "early" not in body
    assert (COMMIT in body, OTHER in body) == (True, True)


@pytest.mark.parametrize(
    ("results", "state", "counts"),
    [
        ([Result.APPLIED, Result.STUCK], "failure", "1 stuck, 1 applied"),
        ([Result.STALE, Result.BLOCKED], "failure", "1 stale, 1 blocked"),
        ([Result.LEASED, Result.SKIPPED, Result.APPLIED], "pending", "1 waiting, 1 not started, 1 applied"),
        ([Result.LEASED, Result.ROLLED_BACK], "failure", "1 rolled back, 1 waiting"),
        ([Result.UNCHANGED], "success", "1 unchanged"),
        ([], "success", "no tenants"),
    ],
)
def test_the_status_is_that_of_the_worst_end(results: list[Result], state: str, counts: str) -> None:
    ends = {f"t{number}": Outcome(f"t{number}", result) for number, result in enumerate(results)}
    assert telling.status(Merge(COMMIT, ends)) == (state, counts)


def test_any_number_of_tenants_fits_into_a_status() -> None:
    ends = {f"{result}{number}": Outcome("x", result) for result in Result for number in range(10_000)}
    assert len(telling.status(Merge(COMMIT, ends))[1]) <= 140


def many(count: int, text: str = "") -> merged.Digest:
    left = tuple(Leftover("database", f"main/x{text}", f"not undone{text}", f"DROP{text}") for _ in range(30))
    failure = Failure("script-failed", f"schema{text}", f"no such column{text}", f"Mend it{text}")
    outcomes = [
        Outcome(
            f"{result}-{number:05}{text}", result, "1f0c33aa5b", 1.0, failure, left if result is Result.STUCK else ()
        )
        for result in Result
        for number in range(count)
    ]
    plans = {f"stale-{number:05}{text}": samples.CREATE for number in range(count)}
    warnings = {f"applied-{number:05}{text}": f"not reviewed{text}" for number in range(count)}
    return merged.Digest(outcomes, warnings, plans)


@pytest.mark.parametrize("text", ["", "ñ🐘" * 300, "`|<@x&" * 300], ids=["plain", "wide", "escaped"])
@pytest.mark.parametrize("count", [1, 30, 400])
def test_the_comment_fits_whatever_is_told(count: int, text: str) -> None:
    found = merged.comment(many(count, text), [COMMIT] * 50)
    assert len(found.encode()) <= merged.MOST
    for part in ("**stuck** |", "**Left over**", "**Applied although**", "**What would be done now**"):
        assert part in found


def test_the_worst_comes_first_and_what_is_left_out_is_counted() -> None:
    found = merged.comment(many(2_000), [COMMIT])
    rows = re.findall(r"^\| \**([a-z ]+)\** \| <code>", found, re.MULTILINE)
    assert set(rows) == {"stuck"}
    assert f"**{16_000 - len(rows)} more tenants are left out.**" in found
    small = merged.comment(many(1), [COMMIT])
    assert re.findall(r"^\| \**([a-z ]+?)\** \| <code>", small, re.MULTILINE) == [
        *("stuck", "rolled back", "stale", "blocked", "waiting", "not started", "applied", "unchanged")
    ]
    assert "left out" not in small


def test_the_fresh_plan_of_a_stale_tenant_is_shown(fake: FakeGitHub) -> None:
    now = dataclasses.replace(samples.CREATE, action=Action.TRASH)
    stale = Outcome(now.tenant, Result.STALE, failure=Failure("stale", "", "it would trash it", "Read it."))
    to(fake).tell(Merge(COMMIT, {now.tenant: stale}, plans={now.tenant: now}))
    (body,) = fake.bodies(7)
    assert "**What would be done now** in place of what was reviewed:" in body
    assert f"<details><summary><b>trash</b> <code>{now.tenant}</code></summary>" in body


def test_nothing_that_somebody_named_is_taken_for_markdown() -> None:
    evil = reports._EVIL
    failure = Failure(evil, evil, evil, evil)
    outcome = Outcome(evil, Result.STUCK, evil, 1.0, failure, (Leftover(evil, evil, evil, evil),))
    hostile = dataclasses.replace(samples.CREATE, tenant=evil, product=evil)
    found = merged.comment(merged.Digest([outcome], {evil: evil}, {evil: hostile}), [evil])
    cells = 0
    for token in MarkdownIt("commonmark", {"html": True}).enable("table").parse(found):
        cells += token.type == "td_open"
        assert token.type not in ("code_block", "fence", "blockquote_open", "ordered_list_open")
        if token.type == "heading_open":
            assert token.tag == "h2"
        for child in token.children or ():
            assert child.type not in ("link_open", "image")
            assert child.type != "html_inline" or child.content in ("<code>", "</code>")
    assert cells == 4
    text = html.unescape(re.sub(r"<code>.*?</code>", "", found))
    assert not re.search(r"(?<![A-Za-z0-9_])@[A-Za-z0-9]|[#!&]\d|\bGH-\d", text, re.IGNORECASE)


def test_the_forge_of_the_platform_is_opened_with_its_token(fake: FakeGitHub, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{fakes.TOKEN}\n", encoding="utf-8")
    named = spec.GitHub(repository=fakes.REPOSITORY, token_from=PasswordFrom(file="token"), api=fake.url)
    port = forges.opened(spec.Forge(github=named), tmp_path, Ports())
    assert [entry.number for entry in port.pull_requests_of(COMMIT)] == [7]
    assert named.reviewers == ("github-actions[bot]",)
    with pytest.raises(errors.PlatformMisconfigured):
        forges.opened(spec.Forge(), tmp_path, Ports())
