"""The JSON Schemas in the repository are those of the kinds."""

from __future__ import annotations

from pathlib import Path

from reconciler.engine import specs
from reconciler.spec import load, schemas, validate

ROOT = Path(__file__).parents[2]


def test_every_kind_has_a_schema_file_that_is_made_from_it() -> None:
    assert schemas.stale(list(specs.kinds()), ROOT / "schemas") == []


def test_the_modelines_of_the_samples_name_schemas_that_are_there() -> None:
    for path in (ROOT / "specs").rglob("*.yaml"):
        first = path.read_text(encoding="utf-8").split("\n", 1)[0]
        if "$schema=" in first:
            assert (path.parent / first.split("$schema=")[1].strip()).is_file(), path


def test_the_sample_specs_are_valid() -> None:
    tree = load.load(ROOT, list(specs.kinds()))
    assert tree.tenants
    assert validate.validate(tree) == ()
