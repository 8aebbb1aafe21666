"""A document against the JSON Schema of its kind: every fault, each at its own place.

``jsonschema`` finds what is wrong; this file says it to an operator. Only documents that the fast path
(``spec.build``) refused come here.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any

import jsonschema
from jsonschema import validators
from jsonschema.exceptions import ValidationError

from reconciler.spec import formats, wording
from reconciler.spec.kind import Kind
from reconciler.spec.marks import Path
from reconciler.spec.wording import Finding


def findings(kind: Kind, data: Any) -> list[Finding]:
    """All that is wrong with a whole document; empty for a valid one."""
    found: dict[Finding, None] = {}
    for error in sorted(_validator(kind).iter_errors(data), key=_place):
        found.update(dict.fromkeys(wording.say(error)))
    # What stands under an unknown key was never meant for this place.
    unknown = [one.path for one in found if one.rule == "unknown-key"]
    return [one for one in found if one.rule == "unknown-key" or not any(_below(one.path, key) for key in unknown)]


@functools.cache
def _validator(kind: Kind) -> Any:
    return _DIALECT(kind.schema(), format_checker=_FORMATS)


def _below(path: Path, above: Path) -> bool:
    return path[: len(above)] == above


def _place(error: ValidationError) -> list[str]:
    return [str(part) for part in error.absolute_path]


def _pattern(_: Any, expression: str, instance: Any, __: Any) -> Iterator[ValidationError]:
    # The regular expressions of JSON Schema are ECMA's; `$` and `\d` mean something else in Python.
    if isinstance(instance, str) and formats.pattern(expression).search(instance) is None:
        yield ValidationError(f"{instance!r} does not match {expression!r}")


def _is_number(_: Any, instance: Any) -> bool:
    # JSON has no way to write infinity, so no canonical spec could hold it.
    return isinstance(instance, (int, float)) and not isinstance(instance, bool) and math.isfinite(instance)


def _formats() -> jsonschema.FormatChecker:
    checker = jsonschema.FormatChecker(formats=())
    for name, check in formats.CHECKS.items():
        checker.checks(name)(lambda value, check=check: not isinstance(value, str) or check(value))
    return checker


_FORMATS = _formats()
_DIALECT: Any = validators.extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft202012Validator,
    validators={"pattern": _pattern},
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine("number", _is_number),
)
