from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from reconciler.engine import conditions, specs
from reconciler.model.plan import Plan
from reconciler.ports.store.outbox import Letter
from reconciler.report import data, outbox, shapes, tenants, why
from reconciler.spec import schemas
from tests.report import reports, samples, test_tenants, test_why

FOLDER = Path(__file__).parents[2] / "schemas" / shapes.FOLDER
LETTERS = [
    Letter("1.2", "ops", "one", "applied", {}, samples.head().started_at),
    Letter("1.3", "ops", "one", "stuck", {}, samples.head().started_at, dead=True, error="it said 500"),
]
PRINTED: Mapping[str, list[Any]] = {
    "plan": [data.plan(found) for found in (*reports.CASES.values(), samples.IN_SYNC) if isinstance(found, Plan)],
    "apply": [data.outcomes(samples.OUTCOMES), data.outcomes([])],
    "validate": [data.faults(reports.INVALID.faults), data.faults([])],
    "status": [
        {**tenants.status_data(found), "outbox": outbox.data(LETTERS)["letters"]}
        for found in (test_tenants.FOUND, conditions.Overview([]))
    ],
    "why": [why.data(test_why.WORST), why.data(test_why.IN_SYNC)],
}


def test_the_files_are_made_from_the_code() -> None:
    there = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
    made = {f"{command}{shapes.SUFFIX}": shapes.text(schema) for command, schema in shapes.all_of_them().items()}
    assert there == made, "`python -m reconciler.cli.reference docs schemas` writes them anew"


@pytest.mark.parametrize("command", PRINTED)
def test_what_is_printed_is_what_its_schema_says(command: str) -> None:
    schema = shapes.all_of_them()[command]
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    for found in PRINTED[command]:
        validator.validate(json.loads(data.text(found)))


@pytest.mark.parametrize("command", PRINTED)
def test_a_member_more_or_less_is_a_mistake_wherever_it_is(command: str) -> None:
    validator = jsonschema.Draft202012Validator(shapes.all_of_them()[command])
    found = json.loads(data.text(PRINTED[command][0]))
    places = list(objects(found))
    assert len(places) > 3
    for number in range(len(places)):
        more, less = copy.deepcopy(found), copy.deepcopy(found)
        list(objects(more))[number]["unheard-of"] = 1
        list(objects(less))[number].popitem()
        assert not validator.is_valid(more)
        assert not validator.is_valid(less)


@pytest.mark.parametrize("command", PRINTED)
def test_every_member_is_described(command: str) -> None:
    for schema in objects(shapes.all_of_them()[command]):
        for name, held in schema.get("properties", {}).items():
            if "$ref" not in held and "anyOf" not in held:
                assert held["description"], name


def test_a_kind_and_an_output_are_never_taken_for_each_other() -> None:
    assert schemas.stale(list(specs.kinds()), FOLDER.parent) == []
    ids = [schema["$id"] for schema in shapes.all_of_them().values()]
    assert not {*ids} & {kind.schema()["$id"] for kind in specs.kinds()}


def objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for held in value.values():
            yield from objects(held)
    elif isinstance(value, list):
        for held in value:
            yield from objects(held)
