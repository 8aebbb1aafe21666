"""From the dataclass of a spec to its JSON Schema (draft 2020-12), for editors, CI and ``reconcile schema``."""

from __future__ import annotations

import dataclasses
import datetime
import re
import typing
from collections.abc import Mapping
from typing import Any, Literal

from reconciler.spec import build
from reconciler.spec import option as options

_SCALARS: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}


def of_dataclass(cls: type) -> dict[str, Any]:
    """The schema of the mapping that ``cls`` is built from."""
    keys = options.keys(cls)
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {key.key: of_key(key) for key in keys},
        "additionalProperties": False,
    }
    if required := [key.key for key in keys if key.required]:
        schema["required"] = required
    if rules := [group.schema() for group in options.groups_of(cls)]:
        schema["allOf"] = rules
    return schema


def of_key(key: options.Key) -> dict[str, Any]:
    """The schema of one key's value, with what an editor shows: title, description, default, examples."""
    schema: dict[str, Any] = {"title": title(key.key), "description": key.option.doc}
    schema.update(of_type(build.unwrap(key.type), key.option))
    if not key.required and (default := key.default()) is not None:
        schema["default"] = options.plain(default)
    if key.option.examples:
        schema["examples"] = [options.plain(example) for example in key.option.examples]
    return schema


def of_type(annotation: Any, given: options.Option) -> dict[str, Any]:
    """The schema of a type within the option's bounds. Raises ``TypeError`` for what YAML can't hold."""
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if members := build.members_of(annotation):
        return {"anyOf": [_null_or(member, given) for member in members]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is tuple:
        items = {"type": "array", "items": of_type(arguments[0], given)}
        return items | _present(
            minItems=given.min_items, maxItems=given.max_items, uniqueItems=given.unique_items or None
        )
    if origin in (dict, Mapping):
        held = {"type": "object", "additionalProperties": of_type(arguments[1], given)}
        return held | ({"propertyNames": {"pattern": given.key_pattern}} if given.key_pattern else {})
    if dataclasses.is_dataclass(annotation):
        return of_dataclass(typing.cast("type", annotation))
    if annotation is Any:
        return {}
    if annotation is datetime.date:
        return {"type": "string", "format": "date"}
    if annotation not in _SCALARS:
        raise TypeError(f"a spec can't hold {annotation!r}")
    return {"type": _SCALARS[annotation]} | _bounds(annotation, given)


def _null_or(member: Any, given: options.Option) -> dict[str, Any]:
    return {"type": "null"} if member is type(None) else of_type(member, given)


def _bounds(annotation: Any, given: options.Option) -> dict[str, Any]:
    if annotation is bool:
        return {}
    enum = list(given.enum) or None
    if annotation is str:
        return _present(
            minLength=given.min_length,
            maxLength=given.max_length,
            pattern=given.pattern or None,
            format=given.format or None,
            enum=enum,
        )
    return _present(minimum=given.minimum, maximum=given.maximum, enum=enum)


def _present(**keywords: Any) -> dict[str, Any]:
    return {keyword: value for keyword, value in keywords.items() if value is not None}


def title(key: str) -> str:
    """``maxDevices`` → ``Max devices``."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", key).lower()
    return words[:1].upper() + words[1:]
