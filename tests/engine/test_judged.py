"""Where one tenant has changed, the rules are asked of that one only, and find what they would find among all."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler import errors
from reconciler.engine import specs
from reconciler.products import agenda_ia, pos_tree_codes
from reconciler.spec import tree, validate
from tests.engine.test_counts import agenda, pos
from tests.support.shop import SAMPLE

MANY = 30


def write(root: Path, file: str, kind: str, name: str, spec: dict[str, Any]) -> None:
    data = {"apiVersion": "reconciler/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    (root / f"specs/tenants/{file}.yaml").write_text(yaml.safe_dump(data, sort_keys=False))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository of tenants of both products that was found right once."""
    shutil.copytree(SAMPLE, tmp_path / "specs", ignore=shutil.ignore_patterns("tenants"))
    (tmp_path / "specs/tenants").mkdir()
    (tmp_path / "state").mkdir(mode=0o700)
    for number in range(MANY):
        write(tmp_path, f"agenda-{number}", "AgendaTenant", f"agenda-{number}", agenda(number))
        write(tmp_path, f"pos-{number}", "PosTenant", f"pos-{number}", pos(number, cloud_sync=True))
    assert specs.check(tmp_path)[1] == ()
    return tmp_path


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Of how many tenants the rules are asked, each time."""
    found: list[int] = []
    real = validate.validate

    def counting(asked: tree.Tree, rules: Any) -> tuple[errors.Fault, ...]:
        found.append(len(asked.tenants))
        return real(asked, rules)

    monkeypatch.setattr(validate, "validate", counting)
    return found


def _nothing(root: Path) -> None:
    """Nothing."""


def _name(root: Path) -> None:
    write(root, "agenda-1", "AgendaTenant", "agenda-1", {**agenda(1), "displayName": "Otra"})


def _new(root: Path) -> None:
    write(root, "new", "PosTenant", "new", pos(MANY))


def _gone(root: Path) -> None:
    (root / "specs/tenants/pos-3.yaml").unlink()


def _domain_given_away(root: Path) -> None:
    write(root, "agenda-1", "AgendaTenant", "agenda-1", {**agenda(1), "domain": "elsewhere.example.com"})
    write(root, "new", "AgendaTenant", "new", agenda(1))


SOUND = [(_nothing, []), (_name, [1]), (_new, [1]), (_gone, [0]), (_domain_given_away, [2])]


@pytest.mark.parametrize(("change", "asked"), SOUND)
def test_the_rules_are_asked_of_the_tenants_that_changed(
    root: Path, judged: list[int], change: Callable[[Path], None], asked: list[int]
) -> None:
    change(root)
    assert specs.check(root)[1] == ()
    assert judged == asked
    judged.clear()
    assert specs.check(root)[1] == ()
    assert judged == []


def _double_name(root: Path) -> None:
    write(root, "new", "PosTenant", "agenda-4", pos(MANY))


def _double_domain(root: Path) -> None:
    write(root, "agenda-1", "AgendaTenant", "agenda-1", {**agenda(1), "domain": "C7.example.com"})


def _double_hardware(root: Path) -> None:
    said = pos(MANY)
    said["license"]["devices"][0]["hardware"]["boardSerial"] = "pf2k9x1b0009"
    write(root, "pos-1", "PosTenant", "pos-1", said)


def _among_the_changed(root: Path) -> None:
    for name in ("new-1", "new-2"):
        write(root, name, "AgendaTenant", name, agenda(MANY))


def _alone(root: Path) -> None:
    write(root, "agenda-1", "AgendaTenant", "agenda-1", {**agenda(1), "plan": "no-such"})


def _ground(root: Path) -> None:
    path = root / "specs/products/agenda-ia/product.yaml"
    path.write_text(path.read_text().replace("code: pro", "code: another"))


def _server(root: Path) -> None:
    write(root, "pos-1", "PosTenant", "pos-1", {**pos(1), "server": "nowhere"})


WRONG = [_double_name, _double_domain, _double_hardware, _among_the_changed, _alone, _ground, _server]


@pytest.mark.parametrize("change", WRONG)
def test_what_is_wrong_with_a_changed_tenant_is_said_as_if_nothing_had_been_judged(
    root: Path, change: Callable[[Path], None]
) -> None:
    change(root)
    found = specs.check(root)[1]
    assert found != ()
    shutil.rmtree(root / "state/cache")
    assert specs.check(root)[1] == found
    assert specs.check(root)[1] == found


@pytest.mark.parametrize("product", [agenda_ia.AgendaIa, pos_tree_codes.PosTreeCodes])
def test_where_a_product_does_not_say_what_it_compares_all_are_asked(
    root: Path, judged: list[int], monkeypatch: pytest.MonkeyPatch, product: type
) -> None:
    monkeypatch.setattr(product, "words", lambda self, document, catalogue: None)
    write(root, "agenda-1", "AgendaTenant", "agenda-1", {**agenda(1), "displayName": "Otra"})
    write(root, "pos-1", "PosTenant", "pos-1", {**pos(1), "displayName": "Otra"})
    for _ in range(2):
        assert specs.check(root)[1] == ()
    assert judged == [2 * MANY, 2 * MANY]


def test_notes_of_judgement_that_make_no_sense_are_none(root: Path, judged: list[int]) -> None:
    path = root / "state/cache/rules"
    path.write_bytes(path.read_bytes()[:-3])
    assert specs.check(root)[1] == ()
    assert judged == [2 * MANY]
