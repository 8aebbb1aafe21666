"""What an operator reads instead of a JSON Schema validator's message."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from reconciler.spec.marks import Path
from reconciler.spec.nearest import did_you_mean, nearest
from reconciler.spec.source import short

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError  # takes long to import, and is seldom needed

_TYPES: Final = {
    "string": "a text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}
_FORMATS: Final = {
    "date": ("a day of the calendar, written YYYY-MM-DD", "for example 2027-12-31"),
    "date-time": ("a moment of RFC 3339", "for example 2027-12-31T18:00:00Z"),
    "email": ("an e-mail address", "for example ana@example.com"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault before it has a place: at the value of ``path``, or ``on_key``."""

    path: Path
    message: str
    rule: str
    hint: str = ""
    on_key: bool = False


def say(error: ValidationError) -> Iterator[Finding]:
    """The findings of one validation error, one for each key that is to blame."""
    path: Path = tuple(error.absolute_path)
    if "propertyNames" in error.absolute_schema_path:
        yield _odd_key(path, error)
        return
    speak = _SPEAKERS.get(str(error.validator))
    if speak is None:
        yield Finding(path, f"`{dotted(path)}` is not allowed: {error.message}", "schema")
    else:
        yield from speak(path, error.instance, error.validator_value, error)


def dotted(path: Path) -> str:
    """``spec.webhooks[0].url``; the whole document has no path."""
    out = ""
    for part in path:
        out += f"[{part}]" if isinstance(part, int) else f".{short(part)}"
    return out.lstrip(".") or "the document"


def said(value: Any) -> str:
    """A value as a message shows it, with its type where that is the point, and never long."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    return "the text " + json.dumps(short(str(value)), ensure_ascii=False)


def _unknown_keys(path: Path, data: Any, _: Any, error: ValidationError) -> Iterator[Finding]:
    known = list(error.schema.get("properties", {})) if isinstance(error.schema, dict) else []
    free = [key for key in known if key not in data]
    for key in data:
        if key not in known:
            hint = did_you_mean(key, free if nearest(key, free) else known)
            place = f" in `{dotted(path)}`" if path else ""
            yield Finding((*path, key), f"unknown key `{short(key)}`{place}", "unknown-key", hint, on_key=True)


def _missing_keys(path: Path, data: Any, required: Any, error: ValidationError) -> Iterator[Finding]:
    because = ""
    if "then" in error.absolute_schema_path:
        because = "; the value of a key beside it asks for it"
    for key in required:
        if key not in data:
            yield Finding(path, f"`{dotted((*path, key))}` is missing{because}", "missing-key", on_key=True)


def _type(path: Path, value: Any, wanted: Any, _: Any) -> Iterator[Finding]:
    types = [wanted] if isinstance(wanted, str) else list(wanted)
    if value is None:
        hint = "Give it a value, or leave the key out."
        yield Finding(path, f"`{dotted(path)}` is empty", "empty-value", hint)
        return
    names = " or ".join(_TYPES.get(one, one) for one in types)
    yield Finding(path, f"`{dotted(path)}` must be {names}, not {said(value)}", "wrong-type", _cast(value, types))


def _cast(value: Any, types: list[str]) -> str:
    if "string" in types and isinstance(value, (bool, int, float)):
        return "Put quotation marks around it to make it a text."
    if isinstance(value, str):
        if "boolean" in types and value.lower() in ("yes", "on", "y", "no", "off", "n", "true", "false"):
            return "Write " + ("true." if value.lower() in ("yes", "on", "y", "true") else "false.")
        if {"integer", "number"} & set(types) and re.fullmatch(r"[-+]?[0-9.]+", value):
            return f"Write {short(value)} without quotation marks."
        if "array" in types:
            return f"Write it as a list: [{short(value)}]"
    return ""


def _enum(path: Path, value: Any, allowed: Any, _: Any) -> Iterator[Finding]:
    hint = did_you_mean(str(value), [str(one) for one in allowed])
    shown = ", ".join(str(one) for one in allowed)
    yield Finding(path, f"`{dotted(path)}` must be one of {shown}; it is {said(value)}", "not-in-list", hint)


def _const(path: Path, value: Any, wanted: Any, _: Any) -> Iterator[Finding]:
    yield Finding(path, f"`{dotted(path)}` must be {wanted}, not {said(value)}", "not-in-list")


def _pattern(path: Path, value: Any, expression: Any, error: ValidationError) -> Iterator[Finding]:
    examples = error.schema.get("examples", []) if isinstance(error.schema, dict) else []
    hint = f"for example {examples[0]}" if examples and isinstance(examples[0], str) else ""
    message = f"`{dotted(path)}` is {said(value)}, which does not match {expression}"
    yield Finding(path, message, "bad-pattern", hint)


def _format(path: Path, value: Any, name: Any, _: Any) -> Iterator[Finding]:
    meaning, example = _FORMATS.get(name, (f"a {name}", ""))
    yield Finding(path, f"`{dotted(path)}` must be {meaning}, not {said(value)}", f"bad-{name}", example)


def _length(path: Path, value: Any, limit: Any, error: ValidationError) -> Iterator[Finding]:
    most = str(error.validator).startswith("max")
    if not value and not most:
        yield Finding(path, f"`{dotted(path)}` is empty", "empty-value", f"At least {limit} is needed.")
        return
    unit = "characters" if isinstance(value, str) else "items"
    bound = "at most" if most else "at least"
    rule = "too-long" if most else "too-short"
    yield Finding(path, f"`{dotted(path)}` has {len(value)} {unit}; it must have {bound} {limit}", rule)


def _range(path: Path, value: Any, limit: Any, error: ValidationError) -> Iterator[Finding]:
    bound, rule = ("at most", "too-big") if error.validator == "maximum" else ("at least", "too-small")
    yield Finding(path, f"`{dotted(path)}` is {value}; it must be {bound} {limit}", rule)


def _twice(path: Path, value: Any, _: Any, __: Any) -> Iterator[Finding]:
    written = [json.dumps(one, sort_keys=True) for one in value]
    for index, one in enumerate(written):
        if (first := written.index(one)) < index:
            message = f"`{dotted((*path, index))}` stands twice in the list; the first is item {first + 1}"
            yield Finding((*path, index), message, "duplicate-item", "Keep one of the two.")


def _one_of(path: Path, data: Any, branches: Any, _: Any) -> Iterator[Finding]:
    keys = [key for branch in branches for key in branch["required"]]
    given = [key for key in data if key in keys]
    names = " or ".join(f"`{key}`" for key in keys)
    if not given:
        yield Finding(path, f"`{dotted(path)}` needs {names}", "missing-key", "Give exactly one.", on_key=True)
    for key in given[1:]:
        message = f"`{key}` and `{given[0]}` exclude each other in `{dotted(path)}`"
        yield Finding((*path, key), message, "exclusive-keys", f"Give exactly one of {names}.", on_key=True)


def _dependent(path: Path, data: Any, needed: Any, _: Any) -> Iterator[Finding]:
    for key, others in needed.items():
        for other in others if key in data else ():
            if other not in data:
                message = f"`{dotted((*path, other))}` is missing; with `{key}` it is needed"
                yield Finding((*path, key), message, "missing-key", on_key=True)


def _any_of(path: Path, value: Any, branches: Any, _: Any) -> Iterator[Finding]:
    wanted = [
        _FORMATS[one["format"]][0] if "format" in one else _TYPES.get(one.get("type", ""), "") for one in branches
    ]
    names = " or ".join(dict.fromkeys(name for name in wanted if name)) or "something else"
    yield Finding(path, f"`{dotted(path)}` must be {names}, not {said(value)}", "wrong-type")


def _odd_key(path: Path, error: ValidationError) -> Finding:
    key = str(error.instance)
    branches: Any = error.validator_value
    if error.validator == "pattern":
        message = f"the key `{short(key)}` in `{dotted(path)}` does not match {branches}"
        return Finding((*path, key), message, "bad-pattern", on_key=True)
    hint = did_you_mean(key, [str(one) for branch in branches for one in branch.get("enum", ())])
    return Finding((*path, key), f"unknown key `{short(key)}` in `{dotted(path)}`", "unknown-key", hint, on_key=True)


_SPEAKERS: Final[dict[str, Callable[[Path, Any, Any, ValidationError], Iterator[Finding]]]] = {
    "additionalProperties": _unknown_keys,
    "required": _missing_keys,
    "type": _type,
    "enum": _enum,
    "const": _const,
    "pattern": _pattern,
    "format": _format,
    "minLength": _length,
    "maxLength": _length,
    "minItems": _length,
    "maxItems": _length,
    "minimum": _range,
    "maximum": _range,
    "uniqueItems": _twice,
    "oneOf": _one_of,
    "dependentRequired": _dependent,
    "anyOf": _any_of,
}
