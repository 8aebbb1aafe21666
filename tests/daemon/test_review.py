"""Whether a merged change is what was reviewed: what the comment holds, who wrote it, and what is decided."""

from __future__ import annotations

import base64
import dataclasses
import json
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler import errors
from reconciler.daemon import review
from reconciler.model import reviewed
from reconciler.model.change import Change
from reconciler.model.plan import Action, Blocker, TenantPlan
from reconciler.ports.clock import Clock
from reconciler.ports.forge import forge
from reconciler.ports.forge.github import GitHub
from reconciler.ports.http import Http
from reconciler.report import markdown
from tests.report import samples
from tests.support import github as fakes
from tests.support.github import FakeGitHub

COMMIT = "c" * 40
BOT = "github-actions[bot]"
GRANTED = samples.change("accounts", "update", "grant SELECT", resource="grants", name="app")
REVOKED = samples.change("accounts", "update", "revoke DELETE", resource="grants", name="app", takes_away=True)
TAKEN = dataclasses.replace(REVOKED, taken=("DELETE ON a.*", "DROP ON a.*"))
WITHDRAWN = samples.change("values", "delete", "withdraw webhook crm", name="crm", takes_away=True)


def planned(action: Action, *changes: Change, tenant: str = "clinica-sol") -> TenantPlan:
    return TenantPlan(tenant, "agenda-ia", action, changes)


def reread(*changed: TenantPlan) -> reviewed.Review:
    """What is read of a comment that shows these plans."""
    found = reviewed.decode(markdown.render(dataclasses.replace(samples.PLAN, tenants=changed)))
    assert found is not None
    return found


REVIEWED = reread(planned(Action.UPDATE, GRANTED, REVOKED))


def test_the_reviewed_plan_goes() -> None:
    assert review.decide("require", REVIEWED, planned(Action.UPDATE, GRANTED, REVOKED)) == review.Go()


@pytest.mark.parametrize(
    "now",
    [
        planned(Action.UPDATE, GRANTED),
        planned(Action.REPAIR, GRANTED),
        planned(Action.UPDATE, dataclasses.replace(REVOKED, summary="revoke UPDATE")),
    ],
    ids=["less", "milder", "other words"],
)
def test_a_plan_that_is_no_riskier_goes(now: TenantPlan) -> None:
    assert review.decide("require", REVIEWED, now) == review.Go()


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (planned(Action.CREATE, GRANTED), "would create it, and the reviewed one would update it"),
        (planned(Action.TRASH, GRANTED), "would trash it, and the reviewed one would update it"),
        (planned(Action.UPDATE, REVOKED, WITHDRAWN), "takes away what the reviewed one leaves: values crm"),
        (planned(Action.REPAIR, WITHDRAWN), "takes away what the reviewed one leaves: values crm"),
        (planned(Action.UPDATE, GRANTED, tenant="other"), "would update it, and the reviewed one did not touch it"),
        (planned(Action.TRASH, GRANTED, tenant="other"), "would trash it, and the reviewed one did not touch it"),
    ],
)
def test_a_riskier_plan_is_stale_and_says_why(now: TenantPlan, words: str) -> None:
    said = f"the plan of tenant {now.tenant} {words}"
    refused = review.decide("require", REVIEWED, now)
    assert refused == review.Refuse(said)
    assert isinstance(refused, review.Refuse)
    assert (refused.error().code, refused.error().message) == ("stale", said)
    assert review.decide("warn", REVIEWED, now) == review.Warn(said)
    assert review.decide("off", REVIEWED, now) == review.Go()


def test_of_an_account_each_privilege_counts_for_itself() -> None:
    known = reread(planned(Action.UPDATE, GRANTED, TAKEN))
    fewer = dataclasses.replace(TAKEN, taken=("DROP ON a.*",))
    assert review.decide("require", known, planned(Action.UPDATE, fewer)) == review.Go()
    other = dataclasses.replace(TAKEN, taken=("DROP ON a.*", "DELETE ON a.t"))
    refused = review.decide("require", known, planned(Action.UPDATE, other))
    assert isinstance(refused, review.Refuse)
    assert refused.words.endswith("takes away what the reviewed one leaves: grants app (DELETE ON a.t)")


def test_what_many_things_are_taken_away_is_counted() -> None:
    changes = [dataclasses.replace(WITHDRAWN, name=f"hook{number}") for number in range(5)]
    found = review.decide("warn", REVIEWED, planned(Action.UPDATE, *changes))
    assert isinstance(found, review.Warn)
    assert found.words.endswith("values hook0, values hook1, values hook2 and 2 more")


@pytest.mark.parametrize("known", [REVIEWED, None, reviewed.Review("x", digests=frozenset({"0" * 32}))])
def test_drift_that_the_merge_did_not_bring_is_repaired(known: reviewed.Review | None) -> None:
    assert review.decide("require", known, planned(Action.REPAIR, REVOKED, tenant="other")) == review.Go()


@pytest.mark.parametrize("known", [REVIEWED, None])
def test_what_does_nothing_needs_no_review(known: reviewed.Review | None) -> None:
    blocked = dataclasses.replace(planned(Action.BLOCKED, REVOKED), blockers=(Blocker("foreign", "x"),))
    for now in (planned(Action.UNCHANGED, tenant="other"), planned(Action.ORPHANED), blocked):
        assert review.decide("require", known, now) == review.Go()


def test_without_a_review_the_policy_decides() -> None:
    now = planned(Action.CREATE, GRANTED)
    words = "the plan of tenant clinica-sol was not reviewed: its pull request shows none"
    found = [review.decide(policy, None, now) for policy in ("off", "warn", "require")]
    assert found == [review.Go(), review.Warn(words), review.Refuse(words)]


def test_of_a_plan_that_is_too_big_equal_tenants_are_known_again_and_others_are_stale() -> None:
    many = [planned(Action.UPDATE, GRANTED, tenant=f"t{number:04}") for number in range(2_000)]
    found = reread(*many, planned(Action.TRASH, REVOKED, tenant="zz"))
    assert 500 < len(found.digests) < 2_000
    assert found.left == 2_001 - len(found.digests)
    assert review.decide("require", found, planned(Action.TRASH, REVOKED, tenant="zz")) == review.Go()
    assert review.decide("require", found, many[0]) == review.Go()
    refused = review.decide("require", found, planned(Action.UPDATE, GRANTED, tenant="t1999"))
    assert isinstance(refused, review.Refuse)
    assert f"which left {found.left} tenants out" in refused.words
    assert isinstance(review.decide("require", found, planned(Action.UPDATE, WITHDRAWN, tenant="t0000")), review.Refuse)


def test_the_hidden_comment_is_one_that_html_can_hold() -> None:
    line = reviewed.encode("sha256:x", [planned(Action.UPDATE, REVOKED, tenant="--> <b>")])
    inner = line.removeprefix("<!--").removesuffix("-->")
    assert "--" not in inner
    assert ">" not in inner
    found = reviewed.decode(f"{markdown.MARKER}\r\n{line}\r\n## x")
    assert found is not None
    assert set(found.tenants) == {"--> <b>"}


def line_of(said: object) -> str:
    return packed(json.dumps(said).encode())


def packed(text: bytes) -> str:
    return f"x\n<!-- reconciler-review:{base64.b64encode(zlib.compress(text, 9)).decode()} -->\n"


DIGEST = "0" * 32


@pytest.mark.parametrize(
    "body",
    [
        "",
        "x",
        "x\ny\nz",
        "x\n<!-- reconciler-review: -->",
        "x\n<!-- reconciler-review:AAAA -->",
        "x\n<!-- reconciler-review:A -->",
        f"{reviewed.encode('p', [])}\nx",
        f"x\ny\n{reviewed.encode('p', [])}",
        f"x\n {reviewed.encode('p', [])}",
        packed(b"[" * 1_000_000),
        packed(b" " * 12_000_000 + b"{}"),
        packed(b"\xff"),
        packed(b'{"f":1,"p":"x","t":' + b"1" * 5_000 + b"}"),
        *map(
            line_of,
            [
                None,
                [],
                {},
                {"f": 2, "p": "x", "t": []},
                {"f": 1, "t": []},
                {"f": 1, "p": 1, "t": []},
                {"f": 1, "p": "x"},
                {"f": 1, "p": "x", "t": [1]},
                {"f": 1, "p": "x", "t": [["a", "update", DIGEST]]},
                {"f": 1, "p": "x", "t": [["a", "destroy", DIGEST, []]]},
                {"f": 1, "p": "x", "t": [[["a"], "update", DIGEST, []]]},
                {"f": 1, "p": "x", "t": [["a", "update", "x", []]]},
                {"f": 1, "p": "x", "t": [["a", "update", DIGEST, [1]]]},
                {"f": 1, "p": "x", "d": "0", "left": 0},
                {"f": 1, "p": "x", "d": "", "left": -1},
                {"f": 1, "p": "x", "d": "", "left": float("inf")},
                {"f": 1, "p": "x", "d": ["0" * 32], "left": 0},
            ],
        ),
    ],
)
def test_what_can_not_be_read_is_no_review(body: str) -> None:
    assert reviewed.decode(body) is None


@given(st.binary(max_size=400), st.booleans())
def test_no_text_of_a_comment_raises(noise: bytes, whole: bool) -> None:
    text = base64.b64encode(zlib.compress(noise) if whole else noise).decode()
    assert reviewed.decode(f"x\n<!-- reconciler-review:{text} -->") is None


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_no_data_of_a_comment_raises(said: object) -> None:
    found = reviewed.decode(line_of({"f": 1, "p": "x", "t": said}))
    assert found is None or not found.tenants


class Still(Clock):
    """A clock that only goes when it is told to."""

    gone = 0.0

    def monotonic(self) -> float:
        """Seconds since the beginning."""
        return self.gone


@pytest.fixture
def fake() -> Iterator[FakeGitHub]:
    with fakes.running() as found:
        found.pull(7, COMMIT)
        yield found


def reviews(fake: FakeGitHub, clock: Clock) -> review.Reviews:
    port = GitHub(Http(), clock, repository=fakes.REPOSITORY, token=lambda: fakes.TOKEN, api=fake.url)
    return review.Reviews(port, clock, branch="main", reviewers=[BOT])


def comment(*changed: TenantPlan) -> str:
    return markdown.render(dataclasses.replace(samples.PLAN, tenants=changed))


GOOD = comment(planned(Action.UPDATE, GRANTED))


def test_the_comment_of_ci_on_the_merged_pull_request_is_the_review(fake: FakeGitHub) -> None:
    fake.comment(7, "looks good")
    fake.comment(7, GOOD, "GitHub-Actions[bot]", "Bot")
    fake.comment(7, comment(), BOT, "Bot")
    found = reviews(fake, Still()).of(COMMIT)
    assert found is not None
    assert set(found.tenants) == {"clinica-sol"}


@pytest.mark.parametrize("author", ["mallory", "github-actions", "", "reconciler-robot"])
def test_what_somebody_else_wrote_is_no_review(author: str, fake: FakeGitHub) -> None:
    fake.comment(7, GOOD, author)
    assert reviews(fake, Still()).of(COMMIT) is None


def test_what_only_quotes_a_plan_or_could_not_plan_is_no_review(fake: FakeGitHub) -> None:
    fake.comment(7, f"hello\n{GOOD}", BOT, "Bot")
    fake.comment(7, markdown.failed(errors.ServerUnreachable("away")), BOT, "Bot")
    fake.comment(7, GOOD, BOT, "Bot")
    assert reviews(fake, Still()).of(COMMIT) is None


@pytest.mark.parametrize(("base", "merged"), [("main", False), ("feature", True)])
def test_a_pull_request_that_was_not_merged_into_the_branch_counts_for_nothing(
    base: str, merged: bool, fake: FakeGitHub
) -> None:
    fake.pull(7, COMMIT, base=base, merged=merged)
    fake.comment(7, GOOD, BOT, "Bot")
    assert reviews(fake, Still()).of(COMMIT) is None


def test_the_forge_is_asked_once_for_all_tenants_of_a_merge_and_again_after_a_minute(fake: FakeGitHub) -> None:
    clock = Still()
    found = reviews(fake, clock)
    assert [found.of(COMMIT) for _ in range(5)] == [None] * 5
    assert len(fake.requests) == 2
    fake.comment(7, GOOD, BOT, "Bot")
    clock.gone = review.FRESH_SECONDS
    assert found.of(COMMIT) is not None


def test_a_forge_that_is_away_is_no_missing_review(fake: FakeGitHub) -> None:
    fake.comment(7, GOOD, BOT, "Bot")
    fake.accounts.clear()
    clock = Still()
    found = reviews(fake, clock)
    for _ in range(3):
        with pytest.raises(errors.ForgeFailed, match="Bad credentials"):
            found.of(COMMIT)
    assert len(fake.requests) == 1
    fake.accounts[fakes.TOKEN] = ("reconciler-robot", "User")
    clock.gone = review.FRESH_SECONDS
    assert found.of(COMMIT) is not None


def test_only_the_last_commits_are_remembered(fake: FakeGitHub) -> None:
    found = reviews(fake, Still())
    for number in range(70):
        fake.commits.add(f"{number:040x}")
        found.of(f"{number:040x}")
    asked = len(fake.requests)
    found.of(f"{69:040x}")
    assert len(fake.requests) == asked
    found.of(f"{0:040x}")
    assert len(fake.requests) == asked + 1
    assert forge.merged_into([], "main") is None
