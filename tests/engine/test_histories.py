"""Whatever tenants there are, and whatever happens to their specs: after every apply there is nothing left to do.

What the specs may say is drawn wide: what validates has to be applied without a failure.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from reconciler import errors
from reconciler.engine import reconcile
from reconciler.engine.progress import Progress
from reconciler.model import names
from reconciler.model.outcome import Result
from tests.support import server as servers
from tests.support.faults import Boundaries, Fault, SimulatedDeath
from tests.support.shop import Shop

AGENDA, POS = "AgendaTenant", "PosTenant"
MOST_BOUNDARIES = 300
"""About as many as one apply of one tenant crosses; a fault behind the last one never strikes."""

QUICK = settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # shrinking an example that takes seconds would take an hour
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
SWEEP = settings(QUICK, max_examples=40, derandomize="CI" in os.environ)

# --- what a person may write ------------------------------------------------------------------------------

HOSTILE = [
    "${HOME}",
    "$(id)",
    "`id`",
    "'; DROP DATABASE mysql; --",
    'O"Brien \\',
    "\\' \\\" \\\\",
    "100 % _ %s {0} %(x)s",
    "[1, 2]",
    '{"a": 1}',
    "null",
    "0123",
    " trailing and leading ",
    "Ñandú “quoted” 漢字 🦊",
    "\u202eabc\u2028\xa0\ufeff\ue000",
    "e\u0301 and \xe9",
    "[red]not markup[/red]",
]


def text(most: int = 200) -> st.SearchStrategy[str]:
    """One line of anything that a YAML file can hold."""
    drawn = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=min(most, 60))
    return st.one_of(st.sampled_from(HOSTILE), drawn, st.sampled_from(["é", "'", "🦊"]).map(lambda one: one * most))


NAME = st.from_regex(r"[a-z][a-z0-9-]{1,12}[a-z0-9]", fullmatch=True)
LONG = st.from_regex(r"[a-z][a-z0-9-]{38}[a-z0-9]", fullmatch=True)
# Longer than an account may be, and equal but for the end.
TWINS = st.sampled_from(["a", "b", "-1"]).map(lambda end: ("clinica-de-la-familia-" * 2)[: 40 - len(end)] + end)
NAMES = st.one_of(NAME, LONG, TWINS)

LOCAL = st.from_regex(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,64}", fullmatch=True)
EMAIL = st.builds(lambda local: f"{local}@example.com", LOCAL)
PLANS = st.sampled_from(["starter", "pro", "business"])
ZONES = st.sampled_from(["America/Mexico_City", "UTC", "America/Argentina/ComodRivadavia"])
STATES = st.sampled_from(["active", "suspended"])
EVENTS = st.lists(st.sampled_from(["appointment.created", "a.b", "x_1.y_2.z"]), min_size=1, max_size=3, unique=True)
URL = st.one_of(
    st.sampled_from(
        [
            "https://crm.example.com/hook",
            "https://a/${HOME}\\`$(id)`%s?x=1&y[]=ñ#🦊",
            "https://a/" + "é" * 2038,
            "https://a/{'quoted'}",  # refused
            "http://plain.example.com",  # refused
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map("https://h/".__add__),
)


def webhooks() -> st.SearchStrategy[list[dict[str, Any]]]:
    """Endpoints whose secrets get names of their own."""
    hook = st.fixed_dictionaries({"name": NAMES, "url": URL, "events": EVENTS})
    return st.lists(hook, max_size=2, unique_by=lambda entry: entry["name"])


def devices() -> st.SearchStrategy[list[dict[str, Any]]]:
    """Devices whose every component is their own."""
    value = st.builds(
        lambda number, tail: f"{number:032x}{tail}", st.integers(1 << 60, 1 << 124), st.text("éÑ🦊'\\$", max_size=5)
    )
    device = st.fixed_dictionaries(
        {"name": NAMES, "hardware": st.fixed_dictionaries({"machineId": value, "boardSerial": value})}
    )
    return st.lists(device, max_size=2, unique_by=lambda entry: entry["name"])


MATCH = st.sampled_from([1, 2, "any", "two"])
EXPIRES = st.one_of(st.dates().map(str), st.sampled_from(["2020-01-01", "2099-12-31", "2999-12-31", "9999-12-31"]))

CHANGES: dict[str, dict[tuple[str, ...], st.SearchStrategy[Any]]] = {
    AGENDA: {
        ("displayName",): text(),
        ("plan",): PLANS,
        ("locale",): st.sampled_from(["es-MX", "en", "zh-Hant-TW"]),
        ("timezone",): ZONES,
        ("admin", "name"): text(),
        ("admin", "email"): EMAIL,
        ("webhooks",): webhooks(),
        ("state",): STATES,
        ("domain",): st.integers(0, 10**9).map("New-{}.Example.com".format),
    },
    POS: {
        ("displayName",): text(),
        ("edition",): st.sampled_from(["lite", "standard", "enterprise"]),
        ("cloudSync",): st.just(True),
        ("license", "expires"): EXPIRES,
        ("license", "graceDays"): st.integers(0, 366),
        ("license", "maxDevices"): st.integers(1, 100_000),
        ("license", "hardware"): st.fixed_dictionaries({"match": MATCH, "of": st.just(["machineId", "boardSerial"])}),
        ("license", "devices"): devices(),
        ("state",): STATES,
    },
}
START: dict[str, Callable[[int], dict[str, Any]]] = {
    AGENDA: lambda number: {
        "displayName": "Sol",
        "plan": "pro",
        "domain": f"t{number}.example.com",
        "admin": {"name": "Ana", "email": "ana@example.com"},
    },
    POS: lambda number: {"displayName": "Lupita", "edition": "standard", "license": {"expires": "2099-12-31"}},
}


@dataclass
class Fleet:
    """The tenants of a shop, and what happens to them; a spec that is refused at once is taken back."""

    shop: Shop
    data: st.DataObject
    specs: dict[str, tuple[str, dict[str, Any]]]

    def grow(self) -> str | None:
        """A new tenant with some fields drawn; its name, or None if it is refused."""
        name = self.data.draw(NAMES.filter(lambda drawn: drawn not in self.specs))
        kind = self.data.draw(st.sampled_from([AGENDA, POS]))
        spec = START[kind](len(self.specs))
        for field in self.data.draw(st.lists(st.sampled_from(list(CHANGES[kind])), max_size=4, unique=True)):
            _set(spec, field, self.data.draw(CHANGES[kind][field]))
        return self._accepted(name, kind, spec)

    def change(self) -> str | None:
        """Another value for one field of some tenant; its name, or None if that is refused."""
        name = self.data.draw(st.sampled_from(sorted(self.specs)))
        kind, before = self.specs[name]
        spec = copy.deepcopy(before)
        field = self.data.draw(st.sampled_from(list(CHANGES[kind])))
        _set(spec, field, self.data.draw(CHANGES[kind][field]))
        return self._accepted(name, kind, spec)

    def _accepted(self, name: str, kind: str, spec: dict[str, Any]) -> str | None:
        self.shop.tenant(kind, name, spec)
        try:
            found = self.shop.setting()
        except errors.InvalidSpecs as refused:
            note(f"refused: {refused}")
            if name in self.specs:
                self.shop.tenant(self.specs[name][0], name, self.specs[name][1])
            else:
                self.shop.without(name)
            return None
        found.opened().close()
        self.specs[name] = (kind, spec)
        note(f"{name}: {spec}")
        return name

    def in_sync(self) -> None:
        """Nothing is left to do, by the deepest look; and what people see is what was written."""
        planned = self.shop.plan(deep=True)
        assert planned.empty, [(entry.tenant, entry.changes, entry.blockers) for entry in planned.tenants]
        rows = self.shop.server.records("SELECT name, display_name, state FROM license_manager.tenants")
        assert {row["name"]: (row["display_name"], row["state"]) for row in rows} == {
            name: (spec["displayName"], spec.get("state", "active")) for name, (_, spec) in self.specs.items()
        }
        for row in self.shop.server.sql("SELECT name, database_name FROM license_manager.tenants"):
            kind, spec = self.specs[row[0]]
            if kind == AGENDA:
                shown = self.shop.server.sql(f"SELECT display_name FROM `{row[1]}`.business_settings")
                assert shown == [(spec["displayName"],)]
                assert self.shop.server.sql(f"SELECT name, email FROM `{row[1]}`.users") == [
                    (spec["admin"]["name"], spec["admin"]["email"])
                ]


def _set(spec: dict[str, Any], field: tuple[str, ...], value: Any) -> None:
    for key in field[:-1]:
        spec = spec[key]
    spec[field[-1]] = value


def struck(shop: Shop, boundaries: Boundaries) -> bool:
    """Apply under a fault; whether the apply said that it ended well. Deaths are recovered from."""
    setting = boundaries.watch(shop.setting(boundaries.ports()))
    try:
        _, outcomes = reconcile.apply(setting, reconcile.Options(parallel=1), Progress())
    except errors.ReconcileError:
        return False
    except SimulatedDeath:
        boundaries.dead = False
        setting.opened().close()
        assert all(entry.result is not Result.STUCK for entry in shop.recover())
        return False
    finally:
        setting.opened().close()
    assert {outcome.result for outcome in outcomes} <= {Result.APPLIED, Result.UNCHANGED, Result.ROLLED_BACK}, outcomes
    if any(outcome.result is Result.ROLLED_BACK for outcome in outcomes):
        return False
    shop.recover()  # takes away what could not be tidied behind the commit
    return True


@pytest.fixture
def shop(tmp_path: Path, clean_server: servers.Server) -> Shop:
    """A repository whose platform has been laid, without tenants."""
    made = Shop(tmp_path, clean_server)
    made.apply()
    return made


def begin(shop: Shop, data: st.DataObject) -> Fleet:
    """A shop without tenants, as if it were the first one."""
    for path in (shop.root / "specs/tenants").iterdir():
        path.unlink()
    shop.reset()
    return Fleet(shop, data, {})


def a_history_ends_in_sync(shop: Shop, data: st.DataObject) -> None:
    """Some tenants at once, then one edit after the other."""
    fleet = begin(shop, data)
    for _ in range(data.draw(st.integers(1, 3))):
        fleet.grow()
    for _ in range(data.draw(st.integers(1, 4))):
        outcomes = shop.apply(parallel=data.draw(st.sampled_from([1, 2])))
        assert {outcome.result for outcome in outcomes.values()} <= {Result.APPLIED, Result.UNCHANGED}, outcomes
        fleet.in_sync()
        if not fleet.specs or data.draw(st.integers(0, 3)) == 0:
            fleet.grow()
        else:
            fleet.change()


def a_history_with_faults_knows_two_outcomes(shop: Shop, data: st.DataObject) -> None:
    """Each edit is struck by a fault: the world is as before, or the edit is done; then it is done in peace."""
    fleet = begin(shop, data)
    fleet.grow()
    shop.apply()
    for _ in range(data.draw(st.integers(1, 3))):
        grows = not fleet.specs or data.draw(st.booleans())
        edited = fleet.grow() if grows else fleet.change()
        if edited is None:
            continue
        before = shop.world()
        fault = data.draw(st.sampled_from(Fault))
        at = data.draw(st.integers(1, MOST_BOUNDARIES))
        boundaries = Boundaries({at: fault})
        well = struck(shop, boundaries)
        crossed = boundaries.log[at - 1] if at <= boundaries.count else "none"
        note(f"{fault} at {at} of {boundaries.count} ({crossed}): {'applied' if well else 'not applied'}")
        after = shop.world()
        if well or after != before:
            assert shop.plan(deep=True).empty, before.difference(after)[:20]
            assert not [path for path in after.files if ".reconciler-" in path]
        shop.apply()
        fleet.in_sync()


def refusals(shop: Shop) -> list[tuple[str, str]]:
    """What is refused before anything is touched: the rule and the file."""
    with pytest.raises(errors.InvalidSpecs) as refused:
        shop.setting()
    return [(fault.rule, fault.where.file) for fault in refused.value.faults]


@pytest.mark.parametrize("day", ["1999-12-31", "3000-01-01"])
def test_a_day_that_no_license_can_hold_is_refused_at_once(shop: Shop, day: str) -> None:
    shop.tenant(POS, "pos", {**START[POS](0), "license": {"expires": day}})
    assert refusals(shop) == [("license-expires", "specs/tenants/pos.yaml")]


def test_a_price_that_no_tenant_can_store_is_refused_at_once(shop: Shop) -> None:
    path = shop.root / "specs/products/agenda-ia/product.yaml"
    path.write_text(path.read_text().replace("priceCents: 29900", "priceCents: 4294967296"))
    assert [file for _, file in refusals(shop)] == ["specs/products/agenda-ia/product.yaml"]


@pytest.mark.parametrize(("kind", "prefix"), [(AGENDA, "agenda_"), (POS, "pos_")])
def test_a_name_that_is_the_shortened_one_of_another_tenant_is_refused_at_once(
    shop: Shop, kind: str, prefix: str
) -> None:
    long = "clinica-de-la-familia-de-la-calle-larga"
    account = names.owner(names.database(prefix, long))
    twin = account.removeprefix(prefix).removesuffix("_own").replace("_", "-")
    for number, name in enumerate((long, twin)):
        shop.tenant(kind, name, {**START[kind](number), **({"cloudSync": True} if kind == POS else {})})
    assert [rule for rule, _ in refusals(shop)] == ["duplicate-database"]


@QUICK
@given(data=st.data())
def test_after_every_apply_nothing_is_left_to_do(shop: Shop, data: st.DataObject) -> None:
    a_history_ends_in_sync(shop, data)


@QUICK
@given(data=st.data())
def test_an_edit_that_is_struck_by_a_fault_is_done_or_undone(shop: Shop, data: st.DataObject) -> None:
    a_history_with_faults_knows_two_outcomes(shop, data)


@pytest.mark.sweep
@pytest.mark.timeout(1800)
@SWEEP
@given(data=st.data())
def test_after_every_apply_of_many_histories_nothing_is_left_to_do(shop: Shop, data: st.DataObject) -> None:
    a_history_ends_in_sync(shop, data)


@pytest.mark.sweep
@pytest.mark.timeout(1800)
@SWEEP
@given(data=st.data())
def test_every_edit_of_many_histories_is_done_or_undone(shop: Shop, data: st.DataObject) -> None:
    a_history_with_faults_knows_two_outcomes(shop, data)
