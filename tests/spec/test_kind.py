import dataclasses
import datetime
import json
import re
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler import errors
from reconciler.spec import build, check, kind, metadata, option, platform, schema
from tests.spec import sample

ADMIN = {"name": "Ana", "email": "ana@example.com"}
LEAST = {"displayName": "Sol", "domain": "sol.example.com", "admin": ADMIN}


def whole(definition: kind.Kind, spec: object) -> dict[str, Any]:
    return {"apiVersion": "reconciler/v1", "kind": definition.name, "metadata": {"name": "sol"}, "spec": spec}


def dataclasses_of(annotation: Any) -> Iterator[type]:
    """The dataclass and every one inside it."""
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        yield annotation
        for key in option.keys(annotation):
            yield from dataclasses_of(key.type)
    for inner in typing.get_args(annotation):
        yield from dataclasses_of(inner)


def test_defaults_are_filled_in_and_types_are_converted() -> None:
    spec = sample.SHOP.build(LEAST | {"expires": "2027-02-28", "hooks": [], "ratio": 1, "match": {"match": 3.0}})
    assert spec.plan == "free"
    assert spec.server is None
    assert spec.expires == datetime.date(2027, 2, 28)
    assert spec.hooks == ()
    assert spec.match == sample.Match(match=3)
    assert type(spec.ratio) is float
    assert type(spec.match.match) is int
    assert spec.admin == sample.Admin(name="Ana", email="ana@example.com")


@pytest.mark.parametrize(
    ("attribute", "key"),
    [("name", "name"), ("display_name", "displayName"), ("from_", "from"), ("max_delete_percent", "maxDeletePercent")],
)
def test_attributes_are_written_in_camel_case(attribute: str, key: str) -> None:
    assert option.camel_case(attribute) == key


def test_a_key_can_be_named_outright() -> None:
    @dataclass(frozen=True, slots=True)
    class Odd:
        value: str = kind.option(doc="A value.", key="x-value")

    assert build.builder(Odd)({"x-value": "a"}) == Odd(value="a")
    assert list(schema.of_dataclass(Odd)["properties"]) == ["x-value"]


def test_a_field_without_documentation_is_refused() -> None:
    @dataclass(frozen=True)
    class Bare:
        name: str

    with pytest.raises(TypeError, match=r"Bare\.name"):
        build.builder(Bare)


def test_a_type_that_yaml_cannot_hold_is_refused_when_the_kind_is_compiled() -> None:
    @dataclass(frozen=True)
    class Odd:
        value: bytes = kind.option(doc="Octets.")

    with pytest.raises(TypeError, match="bytes"):
        build.builder(Odd)
    with pytest.raises(TypeError, match="bytes"):
        schema.of_dataclass(Odd)


def test_what_can_not_be_built_is_an_invalid_spec_that_names_the_path() -> None:
    with pytest.raises(errors.InvalidSpecs) as caught:
        sample.SHOP.build(LEAST | {"hooks": [{"name": "crm", "url": "http://x"}]})
    (fault,) = caught.value.faults
    assert fault.message.startswith("spec.hooks.0.url: ")


@pytest.mark.parametrize("definition", sample.KINDS, ids=lambda one: one.name)
def test_the_schema_is_one_and_describes_every_key(definition: kind.Kind) -> None:
    made = definition.schema()
    jsonschema.Draft202012Validator.check_schema(made)

    def walk(part: dict[str, Any]) -> None:
        for key, held in part.get("properties", {}).items():
            assert held.get("description"), key
            walk(held)
        if part.get("type") == "object" and "properties" in part and "propertyNames" not in part:
            assert part["additionalProperties"] is False

    walk(made)


@pytest.mark.parametrize("definition", sample.KINDS, ids=lambda one: one.name)
def test_every_default_and_example_of_the_schema_is_valid_by_it(definition: kind.Kind) -> None:
    def walk(part: Any) -> None:
        if not isinstance(part, dict):
            return
        shown = [*part.get("examples", []), *([part["default"]] if "default" in part else [])]
        for value in shown:
            errors_found = list(check._DIALECT(part, format_checker=check._FORMATS).iter_errors(value))
            assert not errors_found, (part, value)
        for held in part.values():
            walk(held)
            for inner in held if isinstance(held, list) else ():
                walk(inner)

    walk(definition.schema())


@pytest.mark.parametrize("definition", sample.KINDS, ids=lambda one: one.name)
def test_every_example_of_a_kind_can_be_built(definition: kind.Kind) -> None:
    for example in definition.examples:
        assert not check.findings(definition, whole(definition, example))
        built = definition.build(example)
        assert definition.build(option.plain(built)) == built


@pytest.mark.parametrize(
    "cls", dict.fromkeys([*dataclasses_of(sample.ShopSpec), *dataclasses_of(platform.PlatformSpec)])
)
def test_a_default_means_the_same_in_the_model_as_in_the_schema(cls: type) -> None:
    properties = schema.of_dataclass(cls)["properties"]
    for key in option.keys(cls):
        if "default" in properties[key.key]:
            made = build._maker(build.unwrap(key.type), key.option)(properties[key.key]["default"])
            assert made == key.default()


@pytest.mark.parametrize("definition", sample.KINDS, ids=lambda one: one.name)
def test_patterns_are_written_so_that_editors_read_them_too(definition: kind.Kind) -> None:
    for expression in re.findall(r'"pattern": "((?:[^"\\]|\\.)*)"', json.dumps(definition.schema())):
        assert not re.search(r"\(\?P|\\\\[AZz]|\(\?[aiLmsux]", expression)
        assert expression.startswith("^")


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 5), st.just(2.0), st.just(2.5), st.just(float("inf")),
    st.sampled_from(["", "a", "pro", "mac", "strict", "2027-12-31", "2027-02-30", "https://x", "a@b.example", "crm\n"]),
    st.lists(st.sampled_from(["mac", "disk", 1, None, {}]), max_size=3),
    st.dictionaries(
        st.sampled_from(["a", "B", "match", "mode", "ca"]), st.sampled_from([0, -1, None, "strict"]), max_size=3
    ),
)  # fmt: skip
MANY = {
    **LEAST,
    "server": "main",
    "plan": "pro",
    "expires": "2027-12-31",
    "ratio": 0.25,
    "sync": False,
    "hooks": [{"name": "crm", "url": "https://x", "events": ["a", "b"]}],
    "limits": {"a": 1, "b": None},
    "match": {"match": 1, "of": ["mac"], "from": "2026-01-01", "mode": "strict", "ca": "x"},
    "state": "active",
}


def paths_of(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield path
    if isinstance(value, dict):
        for key, held in value.items():
            yield from paths_of(held, (*path, key))
    if isinstance(value, list):
        for index, held in enumerate(value):
            yield from paths_of(held, (*path, index))


def changed(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    if not path:
        return new
    if isinstance(value, dict):
        return {key: changed(held, path[1:], new) if key == path[0] else held for key, held in value.items()}
    return [changed(held, path[1:], new) if index == path[0] else held for index, held in enumerate(value)]


@given(st.sampled_from(sorted(paths_of(MANY), key=str)), VALUES, st.booleans(), st.booleans())
def test_the_builder_and_the_schema_take_exactly_the_same(
    path: tuple[str | int, ...], new: Any, extra: bool, least: bool
) -> None:
    data = changed(LEAST if least else MANY, path, new)
    if extra and isinstance(data, dict):
        data = {**data, "more": 1}
    by_schema = not check.findings(sample.SHOP, whole(sample.SHOP, data))
    try:
        sample.SHOP.builder(data)
        by_builder = True
    except build.Mismatch:
        by_builder = False
    assert by_builder == by_schema


@given(
    st.fixed_dictionaries(
        {"displayName": st.text(min_size=1, max_size=20), "domain": st.text(), "admin": st.just(ADMIN)},
        optional={
            "expires": st.dates().map(lambda day: day.isoformat()),
            "ratio": st.floats(0, 1),
            "sync": st.booleans(),
            "limits": st.dictionaries(st.from_regex("[a-z]+", fullmatch=True), st.none() | st.integers(0)),
            "extra": st.dictionaries(st.text(), st.text() | st.booleans() | st.lists(st.integers())),
            "match": st.just({"of": ["mac"], "from": "2026-01-01"}),
        },
    )
)
def test_a_spec_that_is_written_out_reads_back_the_same(data: dict[str, Any]) -> None:
    spec = sample.SHOP.build(data)
    assert sample.SHOP.build(json.loads(json.dumps(option.plain(spec)))) == spec


@pytest.mark.parametrize("ending", ["\n", "\r", " ", "\x00"])
def test_a_name_with_something_behind_it_does_not_pass_its_pattern(ending: str) -> None:
    document = whole(sample.SHOP, LEAST) | {"metadata": {"name": f"sol{ending}"}}
    assert not metadata.is_plain(document["metadata"])
    assert [found.rule for found in check.findings(sample.SHOP, document)] == ["bad-pattern"]


@pytest.mark.parametrize(
    ("name", "valid"),
    [("abc", True), ("a1-2b", True), ("a" * 40, True), ("ab", False), ("a" * 41, False), ("Abc", False),
     ("1bc", False), ("ab-", False), ("a_b", False), ("", False), ("ábc", False), ("a٣b", False)],
)  # fmt: skip
def test_names_keep_to_the_pattern(name: str, valid: bool) -> None:
    document = whole(sample.SHOP, LEAST) | {"metadata": {"name": name}}
    assert metadata.is_plain(document["metadata"]) is valid
    assert (not check.findings(sample.SHOP, document)) is valid


@pytest.mark.parametrize(
    ("annotations", "rules"),
    [
        ({"note": "x", "reconciler/protect": "true"}, []),
        ({"reconciler/suspend": {"until": "2027-01-31", "reason": "audit", "by": "ana"}}, []),
        ({"reconciler/suspend": {"until": "2027-01-31T10:00:00Z", "reason": "audit", "by": "ana"}}, []),
        ({"reconciler/suspend": {"until": "soon", "reason": "audit", "by": "ana"}}, ["wrong-type"]),
        ({"reconciler/suspend": {"reason": "audit"}}, ["missing-key"]),
        ({"reconciler/suspnd": {"reason": "audit"}}, ["unknown-key"]),
        ({"reconciler/protect": True}, ["not-in-list"]),
        ({"note": {"a": "b"}}, ["wrong-type"]),
    ],
)
def test_annotations_of_ours_are_checked_and_others_are_texts(annotations: object, rules: list[str]) -> None:
    document = whole(sample.SHOP, LEAST) | {"metadata": {"name": "sol", "annotations": annotations}}
    assert [found.rule for found in check.findings(sample.SHOP, document)] == rules


def test_a_union_of_scalars_takes_each_of_them() -> None:
    @dataclass(frozen=True, slots=True)
    class Either:
        value: str | int = kind.option(doc="Either.")
        level: Literal[1, 2] = kind.option(doc="A level.", default=1)

    make = build.builder(Either)
    assert make({"value": 3}).value == 3
    assert make({"value": "x", "level": 2}).level == 2
    for wrong in ({"value": True}, {"value": "x", "level": True}, {"value": None}):
        with pytest.raises(build.Mismatch):
            make(wrong)
