"""What only the engine can check of specs: it knows every floor below."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from reconciler.engine import specs
from tests.support.shop import SAMPLE


def repository(root: Path, **daemon: object) -> Path:
    shutil.copytree(SAMPLE, root / "specs")
    platform = {
        "apiVersion": "reconciler/v1",
        "kind": "Platform",
        "metadata": {"name": "default"},
        "spec": {"daemon": daemon},
    }
    (root / "specs/platform.yaml").write_text(json.dumps(platform, indent=1))
    return root


def test_a_policy_for_a_kind_of_resource_that_is_none_is_a_fault_with_the_nearest_one(tmp_path: Path) -> None:
    _, faults = specs.check(repository(tmp_path, drift={"resources": {"grant": "report"}}))
    assert [(fault.rule, fault.message) for fault in faults] == [
        ("unknown-resource", "there is no kind of resource 'grant'")
    ]
    assert "grants" in faults[0].hint


def test_a_policy_for_a_kind_that_plans_name_is_none(tmp_path: Path) -> None:
    assert specs.check(repository(tmp_path, drift={"resources": {"grants": "report"}}))[1] == ()
