from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import jsonschema
import pytest

from reconciler import errors
from reconciler.model.plan import Plan
from reconciler.report import findings, sarif
from tests.report import reports, samples

MESSAGE = {
    "type": "object",
    "properties": {"text": {"type": "string", "minLength": 1}},
    "required": ["text"],
    "additionalProperties": False,
}


def strict(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required or properties),
        "additionalProperties": False,
    }


def some(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items, "uniqueItems": True}


LEVEL = {"enum": ["none", "note", "warning", "error"]}
LOG = strict(
    {
        # 3.13.2 and 3.13.3
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "minItems": 1,
            "items": strict(
                {
                    # 3.18 and 3.19; a semantic version is one of Semantic Versioning 2.0
                    "tool": strict(
                        {
                            "driver": strict(
                                {
                                    "name": {"type": "string", "minLength": 1},
                                    "version": {"type": "string"},
                                    "semanticVersion": {"type": "string", "pattern": r"^\d+\.\d+\.\d+([-+].+)?$"},
                                    # 3.49: an id is stable and opaque
                                    "rules": some(
                                        strict(
                                            {
                                                "id": {"type": "string", "minLength": 1},
                                                "shortDescription": MESSAGE,
                                                "fullDescription": MESSAGE,
                                                "help": MESSAGE,
                                            }
                                        )
                                    ),
                                }
                            )
                        }
                    ),
                    # 3.17
                    "automationDetails": strict({"id": {"type": "string", "pattern": "/$"}}),
                    # 3.14.17
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    # 3.20 and 3.58
                    "invocations": some(
                        strict(
                            {
                                "executionSuccessful": {"type": "boolean"},
                                "toolExecutionNotifications": some(
                                    strict({"level": LEVEL, "message": MESSAGE}, "message")
                                ),
                            },
                            "executionSuccessful",
                        )
                    ),
                    # 3.27
                    "results": {
                        "type": "array",
                        "items": strict(
                            {
                                "ruleId": {"type": "string", "minLength": 1},
                                "ruleIndex": {"type": "integer", "minimum": 0},
                                "level": LEVEL,
                                "message": MESSAGE,
                                # 3.28 to 3.33
                                "locations": {
                                    "type": "array",
                                    "minItems": 1,
                                    "maxItems": 1,
                                    "items": strict(
                                        {
                                            "physicalLocation": strict(
                                                {
                                                    "artifactLocation": strict(
                                                        {"uri": {"type": "string", "pattern": r"^[\w.~%/-]+$"}}
                                                    ),
                                                    "region": strict(
                                                        {
                                                            "startLine": {"type": "integer", "minimum": 1},
                                                            "startColumn": {"type": "integer", "minimum": 1},
                                                        },
                                                        "startLine",
                                                    ),
                                                }
                                            ),
                                            "logicalLocations": some(
                                                strict({"name": {"type": "string"}, "kind": {"type": "string"}})
                                            ),
                                        },
                                        "physicalLocation",
                                    ),
                                },
                                "partialFingerprints": {
                                    "type": "object",
                                    "minProperties": 1,
                                    "additionalProperties": {"type": "string"},
                                },
                            }
                        ),
                    },
                }
            ),
        },
    }
)
"""The part of SARIF 2.1.0 that is used, from the specification's text, and stricter than that: nothing else may come.

The official schema is not among the tests, because its license does not say that it may be handed on.
"""


def of(found: Plan, **more: Any) -> Any:
    return sarif.log(findings.of_plan(found), verb="plan", **more)["runs"][0]


@pytest.mark.parametrize("case", reports.CASES)
def test_a_log_is_what_the_specification_says(case: str) -> None:
    text = reports.rendered(case, "sarif").replace("VERSION", "0.1.0")
    jsonschema.Draft202012Validator(LOG).validate(json.loads(text))


def test_the_schema_would_find_a_mistake() -> None:
    found = sarif.log(findings.of_plan(samples.PLAN), verb="plan")
    found["runs"][0]["results"][0]["level"] = "notice"
    assert not jsonschema.Draft202012Validator(LOG).is_valid(found)


@pytest.mark.parametrize("case", reports.CASES)
def test_a_result_names_a_rule_that_is_there(case: str) -> None:
    run = json.loads(reports.rendered(case, "sarif"))["runs"][0]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(rules) == len(set(rules))
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]


def test_a_rule_has_the_advice_of_its_error() -> None:
    rules = {rule["id"]: rule for rule in of(samples.PLAN)["tool"]["driver"]["rules"]}
    assert rules["foreign"]["help"]["text"] == errors.ForeignObject.advice


def test_a_result_is_known_again_wherever_its_line_moves() -> None:
    moved = dataclasses.replace(samples.CREATE, where=errors.Where("specs/tenants/clinica-sol.yaml", 30, 1))
    before, after = (of(dataclasses.replace(samples.PLAN, tenants=(one,))) for one in (samples.CREATE, moved))
    assert [result["partialFingerprints"] for result in before["results"]] == [
        result["partialFingerprints"] for result in after["results"]
    ]
    assert before != after


def test_two_results_are_never_taken_for_one() -> None:
    twice = dataclasses.replace(samples.PLAN, tenants=(samples.BLOCKED, samples.BLOCKED))
    known = [result["partialFingerprints"]["primaryLocationLineHash"] for result in of(twice)["results"]]
    assert len(known) == len(set(known))


def test_a_path_is_a_relative_uri_of_the_checkout() -> None:
    tenant = dataclasses.replace(samples.CREATE, where=errors.Where("specs/tenants/ñ a:b\udcff.yaml", 1))
    found = of(dataclasses.replace(samples.PLAN, tenants=(tenant,), platform=()), folder="shop/")
    uri = found["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "shop/specs/tenants/%C3%B1%20a%3Ab%5Cudcff.yaml"


def test_a_message_has_no_placeholder_and_no_link() -> None:
    for result in json.loads(reports.rendered("hostile", "sarif"))["runs"][0]["results"]:
        text = result["message"]["text"]
        assert not re.search(r"(?<!\{)\{(?!\{)|(?<!\\)\]\(", text)


def test_results_beyond_the_limit_are_counted() -> None:
    found = findings.of_plan(dataclasses.replace(samples.PLAN, tenants=(samples.CREATE,), platform=()))
    run = sarif.log(found * 13_000, verb="plan")["runs"][0]
    assert len(run["results"]) == sarif.MOST
    (notification,) = run["invocations"][0]["toolExecutionNotifications"]
    assert notification["message"]["text"].startswith("1000 results are left out")


def test_a_log_of_a_failure_says_so() -> None:
    for case, successful in (("mixed", True), ("invalid-specs", False)):
        run = json.loads(reports.rendered(case, "sarif"))["runs"][0]
        assert run["invocations"] == [{"executionSuccessful": successful}]
