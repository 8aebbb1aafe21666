import math

import pytest

from reconciler.spec import scalars

CORE_SCHEMA = [
    ("", None), ("~", None), ("null", None), ("Null", None), ("NULL", None), ("nULL", "nULL"),
    ("true", True), ("True", True), ("TRUE", True), ("tRue", "tRue"),
    ("false", False), ("False", False), ("FALSE", False),
    ("yes", "yes"), ("no", "no"), ("on", "on"), ("off", "off"), ("y", "y"), ("N", "N"), ("No", "No"),
    ("0", 0), ("-0", 0), ("+12", 12), ("-7", -7), ("010", 10), ("08", 8), ("0o10", 8), ("0o8", "0o8"),
    ("-0o7", "-0o7"), ("0xFf", 255), ("0xg", "0xg"), ("-0x1", "-0x1"), ("1_000", "1_000"), ("0b11", "0b11"),
    ("1:30", "1:30"), ("12:30:45", "12:30:45"), ("190:20:30.15", "190:20:30.15"),
    ("1.5", 1.5), (".5", 0.5), ("5.", 5.0), ("-.5", -0.5), ("1e3", 1000.0), ("1.5E-2", 0.015), (".", "."),
    ("+", "+"), ("-", "-"), ("1e", "1e"), ("1.2.3", "1.2.3"), ("127.0.0.1", "127.0.0.1"),
    (".inf", math.inf), ("-.Inf", -math.inf), ("+.INF", math.inf), (".iNF", ".iNF"), ("inf", "inf"),
    (".NANO", ".NANO"), ("nan", "nan"),
    ("2027-12-31", "2027-12-31"), ("2027-12-31T10:00:00Z", "2027-12-31T10:00:00Z"),
    ("=", "="), ("<<", "<<"), ("٣", "٣"), ("12a", "12a"),
    ("18446744073709551615", 2**64 - 1), ("-9223372036854775808", -(2**63)),
    ("000000000000000000000000000000000000001", 1),
]  # fmt: skip


@pytest.mark.parametrize(("written", "meant"), CORE_SCHEMA, ids=[repr(row[0]) for row in CORE_SCHEMA])
def test_a_plain_scalar_means_what_the_core_schema_says(written: str, meant: object) -> None:
    found = scalars.resolve(written)
    assert found == meant
    assert type(found) is type(meant)


@pytest.mark.parametrize("written", [".nan", ".NaN", ".NAN"])
def test_three_spellings_are_not_a_number(written: str) -> None:
    found = scalars.resolve(written)
    assert isinstance(found, float)
    assert math.isnan(found)


@pytest.mark.parametrize(
    "written", ["18446744073709551616", "-9223372036854775809", "9" * 100_000, "0x" + "f" * 17, "0o" + "7" * 30]
)
def test_an_integer_beyond_64_bit_is_refused_and_not_rounded(written: str) -> None:
    with pytest.raises(OverflowError, match="64 bit"):
        scalars.resolve(written)
