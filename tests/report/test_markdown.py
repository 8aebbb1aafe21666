from __future__ import annotations

import dataclasses
import html
import re
from collections.abc import Iterator

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from reconciler import errors
from reconciler.model import reviewed
from reconciler.model.plan import Action, Blocker, Plan, TenantPlan, Unknown
from reconciler.report import markdown
from tests.report import reports, samples

LIMIT = 65_536
MENTION = re.compile(r"(?<![A-Za-z0-9_])@[A-Za-z0-9]")
REFERENCE = re.compile(r"[#!&]\d|\bGH-\d", re.IGNORECASE)


def plan_of(count: int, action: Action = Action.CREATE, text: str = "") -> Plan:
    """A plan with a blocked tenant, one that goes to the trash, and ``count`` others."""
    changes = tuple(dataclasses.replace(change, reason=change.reason + text) for change in samples.CREATE.changes)
    tenants = [
        dataclasses.replace(samples.CREATE, tenant=f"t{number:05}{text}", action=action, changes=changes)
        for number in range(count)
    ]
    tenants.append(dataclasses.replace(samples.BLOCKED, tenant="zz-blocked"))
    tenants.append(dataclasses.replace(samples.REPAIR, tenant="zz-trash", action=Action.TRASH))
    return dataclasses.replace(samples.PLAN, tenants=tuple(tenants))


def sized(text: str) -> str:
    """The text, once it is proven to fit, by characters and by octets."""
    assert len(text) < LIMIT
    assert len(text.encode("utf-8")) < LIMIT
    return text


@pytest.mark.parametrize("text", ["", "ñ🐘" * 100, "`|<@x&" * 100], ids=["plain", "wide", "escaped"])
@pytest.mark.parametrize("action", [Action.CREATE, Action.UPDATE, Action.REPAIR, Action.TRASH])
def test_a_plan_of_2000_tenants_fits_into_a_comment(action: Action, text: str) -> None:
    found = sized(markdown.render(plan_of(2_000, action, text)))
    assert len(found) > LIMIT // 4
    assert found.count("<details") == found.count("</details>")


def test_a_plan_of_2000_tenants_says_what_it_leaves_out() -> None:
    found = sized(markdown.render(plan_of(2_000)))
    rows = len(re.findall(r"^\| (?!action|---)", found, re.MULTILINE))
    assert 0 < rows < 2_002
    assert f"**{2_002 - rows} more tenants are left out, the least risky ones.** `reconcile plan` shows" in found
    assert f"**The details of {2_002 - found.count('<details')} more tenants are left out" in found
    assert found.endswith(f"<code>{plan_of(2_000).fingerprint}</code>\n")


def test_details_go_before_rows() -> None:
    found = sized(markdown.render(plan_of(120)))
    assert len(re.findall(r"^\| (?!action|---)", found, re.MULTILINE)) == 122
    assert 0 < found.count("<details") < 122
    assert "details of" in found


def test_what_is_risky_is_there_with_its_details_whatever_the_size() -> None:
    found = markdown.render(plan_of(10_000))
    for tenant in ("zz-blocked", "zz-trash"):
        assert f"</b> <code>{tenant}</code></summary>" in found
    assert found.index("zz-blocked") < found.index("zz-trash") < found.index("t00000")


def test_a_small_plan_is_shown_in_full() -> None:
    assert "left out" not in markdown.render(samples.PLAN)


def test_no_single_thing_may_take_all_the_room() -> None:
    long = "|" * 2_000
    change = samples.change(long, "update", long, reason=long, undo=long, details=((long,) * 3,) * 20)
    unknown = tuple(Unknown(f"{number}{long}", f"{number}{long}") for number in range(100))
    blockers = tuple(Blocker(f"{number}", long, long) for number in range(300))
    tenant = TenantPlan(long, long, Action.BLOCKED, (change,) * 70, blockers, unknown, errors.Where(long))
    orphans = tuple(TenantPlan(f"{number}{long}", "p", Action.ORPHANED) for number in range(100))
    found = dataclasses.replace(samples.PLAN, platform=(change,) * 70, tenants=(tenant, *orphans))
    assert "left out" in sized(markdown.render(found))


def test_faults_without_end_fit_too() -> None:
    faults = [errors.Fault(errors.Where("a.yaml", 1), "x" * 300, "rule") for _ in range(5_000)]
    found = sized(markdown.failed(errors.InvalidSpecs(faults)))
    shown = found.count("a.yaml")
    assert f"**{5_000 - shown} more faults are left out.**" in found


@pytest.mark.parametrize("case", reports.CASES)
def test_the_marker_comes_first_and_then_what_was_reviewed_if_there_is_a_plan(case: str) -> None:
    marker, second, *rest = reports.rendered(case, "markdown").split("\n")
    assert marker == "<!-- reconciler-plan -->"
    planned = isinstance(reports.CASES[case], Plan)
    assert second.startswith("<!-- reconciler-review:{" if planned else "## No plan")
    assert not planned or rest[0].startswith("## Plan")


@pytest.mark.parametrize("text", ["", "ñ🐘" * 100], ids=["plain", "wide"])
@pytest.mark.parametrize(("count", "whole"), [(0, True), (100, True), (2_000, False)])
def test_what_was_reviewed_is_read_out_of_the_comment_again(count: int, whole: bool, text: str) -> None:
    found = plan_of(count, text=text)
    comment = sized(markdown.render(found))
    review = reviewed.decode(comment)
    assert review is not None
    assert review.fingerprint == found.fingerprint
    assert len(comment.split("\n")[1]) <= reviewed.MOST
    assert not reviewed.objection(review, found.changed[-1])
    assert len(review.tenants) == (count + 1 if whole else 0)
    assert not reviewed.decode(markdown.failed(errors.ServerUnreachable("away")))


@pytest.mark.parametrize("case", reports.CASES)
def test_the_only_html_is_our_own(case: str) -> None:
    for token in tokens(case):
        if token.type == "html_inline":
            assert token.content in ("<code>", "</code>")
        if token.type == "html_block":
            tags = re.findall(r"<[^>]*>", re.sub(r"<!-- reconciler-review:\{.*\} -->", "", token.content))
            assert set(tags) <= {
                "<!-- reconciler-plan -->",
                "<details>",
                "<details open>",
                "</details>",
                "<summary>",
                "</summary>",
                "<b>",
                "</b>",
                "<code>",
                "</code>",
            }
        assert token.type not in ("link_open", "image", "code_block", "fence", "blockquote_open", "ordered_list_open")
        if token.type == "heading_open":
            assert token.tag == "h2"


def test_a_row_keeps_its_cells_whatever_is_in_them() -> None:
    assert len([token for token in tokens("hostile") if token.type == "td_open"]) == 5


def test_what_is_escaped_reads_as_it_was() -> None:
    for text in ("a|b", "<b>", "`x`", "*x* _y_ ~z~", "[x](y)", "https://x.example", "a_b", "$x$", "\\", "&amp;"):
        assert shown(markdown.escaped(text)) == text
        assert shown(markdown.code(text)) == text


@pytest.mark.parametrize("text", ["@ana", "x @ana", "é@ana", "(@ana)", "-@ana", "@org/team", "@@ana", "`@ana`"])
def test_nobody_is_mentioned(text: str) -> None:
    assert not MENTION.search(shown(markdown.escaped(text)))


def test_an_account_or_an_address_stays_as_it_is() -> None:
    for text in ("agenda_x_app@%", "agenda_x_app@db.example.com", "ana@example.com"):
        assert shown(markdown.escaped(text)) == text


@pytest.mark.parametrize("text", ["#12", "o/r#12", "!12", "gh-12", "&12", "GH-12"])
def test_no_issue_is_referred_to(text: str) -> None:
    assert not REFERENCE.search(shown(markdown.escaped(text)))


@pytest.mark.parametrize("case", reports.CASES)
def test_outside_of_code_nobody_is_mentioned_and_nothing_referred_to(case: str) -> None:
    text = re.sub(r"<code>.*?</code>", "", reports.rendered(case, "markdown"))
    assert not MENTION.search(html.unescape(text))
    assert not REFERENCE.search(html.unescape(text))


def tokens(case: str) -> Iterator[Token]:
    for token in MarkdownIt("commonmark", {"html": True}).enable("table").parse(reports.rendered(case, "markdown")):
        yield token
        yield from token.children or ()


def shown(text: str) -> str:
    """What a reader sees of a paragraph; zero width spaces are seen, because they part what stands around them."""
    parsed = MarkdownIt("commonmark", {"html": True}).enable(["strikethrough"]).parse(f"- x {text}")
    inline = next(token for token in parsed if token.type == "inline")
    allowed = {"text", "text_special", "html_inline"}
    assert {child.type for child in inline.children or ()} <= allowed
    return "".join(child.content for child in inline.children or () if child.type != "html_inline").removeprefix("x ")
