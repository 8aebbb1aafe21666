"""What a command loads. Nothing here is measured in seconds: a module that is not loaded takes none."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import reconciler
from reconciler import resources
from reconciler.resources import kinds
from tests.support import server as servers
from tests.support.shop import Shop

SPARED = (
    "alembic",
    "argon2",
    "jsonschema",
    "prometheus_client",
    "rich",
    "structlog",
    "watchfiles",
    "yaml",
    "reconciler.daemon",
    "reconciler.engine.crew",
    "reconciler.engine.doctor",
    "reconciler.engine.recovery",
    "reconciler.engine.saga",
    "reconciler.engine.snapshot",
    "reconciler.licensing.format",
    "reconciler.licensing.keys",
    "reconciler.licensing.policy",
    "reconciler.licensing.verify",
    "reconciler.model.reviewed",
    "reconciler.model.saved",
    "reconciler.model.snapshot",
    "reconciler.ports.central.migrations",
    "reconciler.ports.forge",
    "reconciler.ports.mirror",
    "reconciler.ports.mysql.remembered",
    "reconciler.report.data",
    "reconciler.report.findings",
    "reconciler.report.github",
    "reconciler.report.markdown",
    "reconciler.report.sarif",
    "reconciler.spec.check",
    "reconciler.spec.reader",
    "reconciler.spec.wording",
    "reconciler.sql",
    *sorted({f"reconciler.resources.{file}" for file in resources.KINDS.values()}),
)
"""What a plan where nothing is to be done never needs, each with what is below it."""

SHARE = 0.5
"""So much of the program may be loaded by such a plan."""

AGENDA = {
    "displayName": "Clínica Sol",
    "plan": "pro",
    "domain": "sol.example.com",
    "admin": {"name": "Sol", "email": "sol@example.com"},
}
POS = {
    "displayName": "Abarrotes Lupita",
    "edition": "standard",
    "cloudSync": True,
    "license": {"expires": "2099-12-31"},
}


@pytest.fixture
def shop(tmp_path: Path, clean_server: servers.Server) -> Shop:
    """A repository with a tenant of each product, in sync."""
    made = Shop(tmp_path, clean_server)
    made.tenant("AgendaTenant", "clinica-sol", AGENDA)
    made.tenant("PosTenant", "abarrotes-lupita", POS)
    made.apply()
    return made


def loaded(*words: str) -> tuple[str, set[str]]:
    """What a process of its own says on stdout, and the modules that are loaded in it at its end."""
    code = f"import sys; from reconciler import cli; cli.main({list(words)!r}); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout, set(done.stderr.splitlines()[-1].split())


def among(modules: set[str], spared: tuple[str, ...]) -> list[str]:
    """Those of ``modules`` that are one of ``spared``, or below it."""
    return sorted(module for module in modules if any(f"{module}.".startswith(f"{one}.") for one in spared))


def test_a_plan_of_tenants_in_sync_loads_nothing_that_acts_reads_yaml_or_renders_other_formats(shop: Shop) -> None:
    words = ("-C", str(shop.root), "plan")
    loaded(*words)
    out, modules = loaded(*words)
    assert out == "Plan: nothing to do. 2 tenants in sync.\n"
    assert among(modules, SPARED) == []
    there = [entry.name for entry in pkgutil.walk_packages(reconciler.__path__, "reconciler.", onerror=pytest.fail)]
    assert len(among(modules, ("reconciler",))) < SHARE * len(there)


def test_what_is_spared_is_there_to_be_loaded() -> None:
    there = {entry.name for entry in pkgutil.walk_packages(reconciler.__path__, "reconciler.", onerror=pytest.fail)}
    assert {one for one in SPARED if one.startswith("reconciler.")} <= there


def test_every_kind_is_named_in_one_place() -> None:
    named = {name: getattr(resources, name) for name in resources.KINDS if name != "ALL"}
    assert {name: kind.__module__.rpartition(".")[2] for name, kind in named.items()}.items() <= resources.KINDS.items()
    assert set(named.values()) == set(kinds.all_kinds().values())


def test_a_kind_that_there_is_not_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Castle'"):
        resources.Castle  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("words", [["plan", "--help"], ["validate", "--help"], ["apply", "--help"]], ids=" ".join)
def test_a_help_page_loads_neither_sql_nor_signatures(words: list[str]) -> None:
    assert among(loaded(*words)[1], ("jsonschema", "reconciler.sql", "reconciler.licensing.keys", "rich", "yaml")) == []
