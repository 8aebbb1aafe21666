from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler import errors
from reconciler.licensing import hardware, terms
from tests.licensing import samples

OF = ("boardSerial", "diskSerial", "machineId", "mac")


@pytest.mark.parametrize(
    ("component", "value", "normal"),
    [
        ("boardSerial", "PF3XK9", "pf3xk9"),
        ("boardSerial", "  Pf3xK9\t\r\n 0417\x00", "pf3xk9 0417"),
        ("boardSerial", "PF-3XK9", "pf-3xk9"),
        ("boardSerial", "ÑÑ-12", "ÑÑ-12"),
        ("mac", "3C:52:82:AF:10:9E", "3c5282af109e"),
        ("mac", "3c-52-82-af-10-9e", "3c5282af109e"),
        ("mac", "3c52.82af.109e", "3c5282af109e"),
        ("mac", " 3C 52 82 AF 10 9E ", "3c5282af109e"),
        ("machineId", "{9F2C1E7A-55D0-4B3C-8E61-0D2A7B94C8F1}", "9f2c1e7a55d04b3c8e610d2a7b94c8f1"),
        ("machineId", "9f2c1e7a55d04b3c8e610d2a7b94c8f1", "9f2c1e7a55d04b3c8e610d2a7b94c8f1"),
        ("cpu", "0xBFEBFBFF000906EA", "0xbfebfbff000906ea"),
    ],
)
def test_the_same_value_written_differently_is_normalized_to_one_form(component: str, value: str, normal: str) -> None:
    assert hardware.normalize(component, value) == normal


@pytest.mark.parametrize(
    ("component", "value"),
    [
        ("boardSerial", ""),
        ("boardSerial", "  \x00\n"),
        ("boardSerial", "0"),
        ("boardSerial", "00000000"),
        ("boardSerial", "0x00000000"),
        ("boardSerial", "FFFFFFFF"),
        ("boardSerial", "...................."),
        ("boardSerial", "-------"),
        ("boardSerial", "ZZZZZZZZ"),
        ("boardSerial", "To be filled by O.E.M."),
        ("boardSerial", "TO BE FILLED BY OEM"),
        ("boardSerial", " to  be filled\tby o.e.m. "),
        ("boardSerial", "Default string"),
        ("boardSerial", "Default_String"),
        ("boardSerial", "None"),
        ("boardSerial", "Not Specified"),
        ("boardSerial", "N/A"),
        ("boardSerial", "System Serial Number"),
        ("boardSerial", "0123456789"),
        ("boardSerial", "x1" * 129),
        ("boardSerial", "ab\ud800"),
        ("machineId", "uninitialized"),
        ("machineId", "00000000-0000-0000-0000-000000000000"),
        ("machineId", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"),
        ("machineId", "03000200-0400-0500-0006-000700080009"),
        ("mac", "00:00:00:00:00:00"),
        ("mac", "ff-ff-ff-ff-ff-ff"),
        ("mac", "3c:52:82:af:10"),
        ("mac", "3c:52:82:af:10:9g"),
        ("mac", "unknown"),
    ],
)
def test_a_placeholder_identifies_nothing(component: str, value: str) -> None:
    assert hardware.normalize(component, value) is None
    assert hardware.digest(samples.SALT, component, value) is None
    with pytest.raises(errors.Refused, match="identifies no device"):
        hardware.enroll("caja-1", {component: value}, samples.SALT)


@pytest.mark.parametrize("placeholder", hardware.PLACEHOLDERS)
def test_every_placeholder_of_the_list_is_one_in_any_case(placeholder: str) -> None:
    assert hardware.normalize("boardSerial", placeholder.upper()) is None


def test_two_boards_with_the_same_placeholder_do_not_match() -> None:
    rule = terms.HardwareRule("any", ("boardSerial",))
    presented = hardware.present({"boardSerial": "Default string"}, samples.SALT)
    assert presented == {}
    assert not hardware.match(rule, terms.Device("caja-1"), presented).satisfied


@settings(deadline=None, database=None)
@given(st.sampled_from([*OF, "cpu"]), st.text(max_size=40))
def test_normalizing_twice_changes_nothing_more(component: str, value: str) -> None:
    once = hardware.normalize(component, value)
    assert once is None or hardware.normalize(component, once) == once


def test_a_digest_depends_on_salt_component_and_value_and_hides_the_value() -> None:
    first = hardware.digest(samples.SALT, "boardSerial", "PF3XK9")
    assert first is not None
    assert len(first) == 64
    assert first == hardware.digest(samples.SALT, "boardSerial", " pf3xk9 ")
    assert first != hardware.digest(samples.SALT, "diskSerial", "PF3XK9")
    assert first != hardware.digest("00" * 16, "boardSerial", "PF3XK9")
    assert first != hardware.digest(samples.SALT, "boardSerial", "PF3XK8")


def test_a_license_file_holds_no_value_in_clear() -> None:
    content = terms.encode(samples.TERMS).decode().lower()
    for component, value in [*samples.CAJA_1.items(), *samples.CAJA_2.items()]:
        normal = hardware.normalize(component, value)
        assert normal is not None
        assert normal not in content


def presenting(agreeing: tuple[str, ...]) -> dict[str, str]:
    values = {name: samples.CAJA_1[name] if name in agreeing else samples.STRANGER[name] for name in OF}
    return hardware.present(values, samples.SALT)


@pytest.mark.parametrize("needed", [1, 2, 3, 4])
def test_k_of_n_is_met_by_exactly_the_choices_with_k_or_more(needed: int) -> None:
    rule = terms.HardwareRule(needed, OF)
    device = samples.TERMS.devices[0]
    for count in range(5):
        for agreeing in itertools.combinations(OF, count):
            found = hardware.match(rule, device, presenting(agreeing))
            assert set(found.matched) == set(agreeing)
            assert found.satisfied == (count >= needed)


def test_a_required_component_must_agree_however_many_others_do() -> None:
    device = samples.TERMS.devices[0]
    for count in range(5):
        for agreeing in itertools.combinations(OF, count):
            found = hardware.match(samples.RULE, device, presenting(agreeing))
            assert found.satisfied == (count >= 2 and "boardSerial" in agreeing)


def test_the_explanation_names_what_is_required_and_differs() -> None:
    found = hardware.match(samples.RULE, samples.TERMS.devices[0], presenting(("machineId", "mac")))
    assert found.explanation == "2 of 4 match; boardSerial is required and differs"
    assert found.differing == ("boardSerial", "diskSerial")


def test_the_explanation_says_how_many_are_needed_and_what_is_missing() -> None:
    presented = {name: value for name, value in presenting(("mac",)).items() if name != "diskSerial"}
    found = hardware.match(terms.HardwareRule(3, OF), samples.TERMS.devices[0], presented)
    assert found.explanation == (
        "1 of 4 match, 3 needed; boardSerial differs; diskSerial is missing; machineId differs"
    )
    assert found.missing == ("diskSerial",)


def test_a_component_outside_of_the_rule_does_not_count() -> None:
    device = hardware.enroll("caja-1", {"cpu": "BFEBFBFF000906EA", "mac": samples.CAJA_1["mac"]}, samples.SALT)
    presented = hardware.present({"cpu": "BFEBFBFF000906EA"}, samples.SALT)
    found = hardware.match(terms.HardwareRule("any", ("mac",)), device, presented)
    assert (found.matched, found.satisfied) == ((), False)


def test_halves_of_two_devices_do_not_add_up() -> None:
    halves = {
        "machineId": samples.CAJA_1["machineId"],
        "boardSerial": samples.CAJA_1["boardSerial"],
        "diskSerial": samples.CAJA_2["diskSerial"],
        "mac": samples.CAJA_2["mac"],
    }
    granted = terms.decode(
        terms.encode(samples.TERMS).replace(b'"match":2', b'"match":3'),
    )
    found = hardware.best_match(granted, halves)
    assert found is not None
    assert (found.satisfied, len(found.matched)) == (False, 2)


def test_the_device_that_fits_best_is_the_one_that_is_explained() -> None:
    found = hardware.best_match(samples.TERMS, samples.CAJA_2)
    assert found is not None
    assert (found.device, found.satisfied) == ("caja-2", True)


@pytest.mark.parametrize(
    ("given_components", "reason"),
    [
        ({"boardSerial", "mac"}, ""),
        ({"machineId", "mac"}, "boardSerial is required and not given"),
        ({"boardSerial", "cpu"}, "1 of boardSerial, diskSerial, mac, machineId given, 2 must match"),
    ],
)
def test_a_device_that_could_never_match_is_told_apart(given_components: set[str], reason: str) -> None:
    assert hardware.shortfall(samples.RULE, frozenset(given_components)) == reason


def test_a_hardware_file_may_leave_components_out_or_null() -> None:
    assert hardware.parse_values(b'{"mac": "3c:52:82:af:10:9e", "cpu": null, "boardSerial": ""}') == {
        "mac": "3c:52:82:af:10:9e",
        "boardSerial": "",
    }


@pytest.mark.parametrize("data", [b"", b"[]", b'{"mac": 1}', b'{"mac": "a", "mac": "b"}', b"\xff"], ids=repr)
def test_a_hardware_file_of_another_form_is_refused(data: bytes) -> None:
    with pytest.raises(errors.Refused):
        hardware.parse_values(data)


def test_a_device_that_meets_the_rule_wins_over_one_that_resembles_as_much() -> None:
    mixed = {**samples.CAJA_1, "boardSerial": samples.CAJA_2["boardSerial"], "mac": samples.CAJA_2["mac"]}
    found = hardware.best_match(samples.TERMS, mixed)
    assert found is not None
    assert (found.device, found.satisfied) == ("caja-2", True)


def test_a_component_with_an_impossible_name_identifies_nothing() -> None:
    assert hardware.present({"\ud800": "PF3XK9", "cpu": "BFEBFBFF000906EA"}, samples.SALT).keys() == {"cpu"}
