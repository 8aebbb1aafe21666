from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Said = Callable[..., tuple[int, str, str]]


@pytest.fixture
def broken(specs: Path) -> Path:
    """The repository with faults in two files."""
    for name, old, new in (
        ("clinica-sol", "plan: pro", "plam: pro"),
        ("abarrotes-lupita", "graceDays: 14", "graceDays: x"),
    ):
        path = specs / "specs" / "tenants" / f"{name}.yaml"
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    return specs


def test_the_samples_are_valid(specs: Path, said: Said) -> None:
    assert said("validate") == (0, "valid: 2 tenants, 1 server\n", "")


def test_all_faults_are_shown_at_once_with_their_places(broken: Path, said: Said) -> None:
    status, out, err = said("validate")
    assert (status, err) == (65, "")
    assert "specs/tenants/clinica-sol.yaml:" in out
    assert "specs/tenants/abarrotes-lupita.yaml:" in out
    assert "hint: " in out


def test_a_path_limits_what_is_shown_and_counts(broken: Path, said: Said) -> None:
    status, out, err = said("validate", "specs/tenants/clinica-sol.yaml")
    assert status == 65
    assert "abarrotes-lupita" not in out
    assert "in other files" in err
    status, out, err = said("validate", "specs/servers", "specs/platform.yaml")
    assert (status, out) == (0, "valid: specs/servers, specs/platform.yaml\n")
    assert "in other files" in err


def test_a_path_is_meant_from_where_one_stands(broken: Path, monkeypatch: pytest.MonkeyPatch, said: Said) -> None:
    monkeypatch.chdir(broken / "specs" / "tenants")
    assert said("validate", "clinica-sol.yaml")[0] == 65
    assert said("validate", "..")[0] == 65
    assert said("validate", "../..")[0] == 65
    assert said("validate", "../servers")[0] == 0


@pytest.mark.parametrize("path", ["/etc", "specs/no-such-file.yaml"])
def test_a_path_that_is_not_in_the_repository_is_wrong_usage(path: str, specs: Path, said: Said) -> None:
    assert said("validate", path)[0] == 64


def test_faults_for_programs_have_places_and_rules(broken: Path, said: Said) -> None:
    status, out, _ = said("validate", "--format", "json")
    found = json.loads(out)
    assert status == 65
    assert (found["formatVersion"], found["valid"]) == (1, False)
    fault = next(one for one in found["faults"] if one["where"]["file"].endswith("clinica-sol.yaml"))
    assert set(fault) == {"where", "message", "rule", "hint", "tenant"}
    assert fault["tenant"] == "clinica-sol"


def test_valid_specs_for_programs_have_no_faults(specs: Path, said: Said) -> None:
    status, out, _ = said("validate", "--format", "json")
    assert (status, json.loads(out)) == (0, {"formatVersion": 1, "valid": True, "faults": []})
