"""One key of a spec: its documentation, its bounds, and how it is written in YAML.

The frozen dataclasses are the source of truth. A field made by :func:`option` carries an :class:`Option`;
the JSON Schema (``spec.schema``) and the builder (``spec.build``) are both made from it, so an editor, CI
and the program can't disagree.
"""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from reconciler.spec import groups

NOTHING: Final = dataclasses.MISSING
_METADATA_KEY: Final = "reconciler"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """What a key means and what it may hold.

    Bounds go down to where they make sense: on ``tuple[str, ...]`` a ``pattern`` holds for each item,
    ``min_items`` for the list; on ``dict[str, int]`` a ``minimum`` holds for each value and
    ``key_pattern`` for each key.
    """

    doc: str
    key: str = ""
    pattern: str = ""
    key_pattern: str = ""
    minimum: int | float | None = None
    maximum: int | float | None = None
    min_length: int | None = None
    max_length: int | None = None
    enum: tuple[str | int, ...] = ()
    examples: tuple[Any, ...] = ()
    format: str = ""
    unique_items: bool = False
    min_items: int | None = None
    max_items: int | None = None


def option(
    *,
    doc: str,
    default: Any = NOTHING,
    default_factory: Any = NOTHING,
    key: str = "",
    pattern: str = "",
    key_pattern: str = "",
    minimum: int | float | None = None,
    maximum: int | float | None = None,
    min_length: int | None = None,
    max_length: int | None = None,
    enum: Sequence[str | int] = (),
    examples: Sequence[Any] = (),
    format: str = "",
    unique_items: bool = False,
    min_items: int | None = None,
    max_items: int | None = None,
) -> Any:
    """A dataclass field with its documentation and bounds. Without a default the key is required.

    ``pattern`` is a regular expression that means the same in JSON Schema and in Python; ``key`` replaces
    the automatic camelCase name; ``format`` is one of ``spec.formats`` (checked) or any other (shown only).
    Fields are keyword-only, so required and optional ones may stand in the order that reads best.
    """
    given = Option(
        doc=doc,
        key=key,
        pattern=pattern,
        key_pattern=key_pattern,
        minimum=minimum,
        maximum=maximum,
        min_length=min_length,
        max_length=max_length,
        enum=tuple(enum),
        examples=tuple(examples),
        format=format,
        unique_items=unique_items,
        min_items=min_items,
        max_items=max_items,
    )
    metadata = {_METADATA_KEY: given}
    if default_factory is not NOTHING:
        return dataclasses.field(default_factory=default_factory, metadata=metadata, kw_only=True)
    return dataclasses.field(default=default, metadata=metadata, kw_only=True)


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """A field as it is written: ``attribute`` in Python, ``key`` in YAML, and the type it holds."""

    attribute: str
    key: str
    type: Any
    option: Option
    required: bool
    default: Callable[[], Any]


@functools.cache
def keys(cls: type) -> tuple[Key, ...]:
    """The keys of a spec's dataclass, in the order they were written.

    Raises ``TypeError`` for a field that was not made by :func:`option`: a key without documentation
    would reach the editors of all users.
    """
    hints = typing.get_type_hints(cls)
    found = []
    for field in dataclasses.fields(cls):
        given = field.metadata.get(_METADATA_KEY)
        if not isinstance(given, Option):
            raise TypeError(f"{cls.__name__}.{field.name} is not made by option(doc=…)")
        found.append(
            Key(
                attribute=field.name,
                key=given.key or camel_case(field.name),
                type=hints[field.name],
                option=given,
                required=field.default is NOTHING and field.default_factory is NOTHING,
                default=_default_of(field),
            )
        )
    return tuple(found)


def groups_of(cls: type) -> tuple[groups.Group, ...]:
    """The rules between keys that a spec's dataclass declares in its class variable ``GROUPS``."""
    declared: tuple[groups.Group, ...] = getattr(cls, "GROUPS", ())
    return declared


def _default_of(field: dataclasses.Field[Any]) -> Callable[[], Any]:
    if field.default_factory is not NOTHING:
        return field.default_factory
    return lambda: field.default


def camel_case(attribute: str) -> str:
    """``display_name`` → ``displayName``; a trailing ``_`` (``from_``, for Python's sake) goes away."""
    first, *rest = attribute.strip("_").split("_")
    return first + "".join(word.capitalize() for word in rest)


def plain(value: Any) -> Any:
    """A spec's value as it would be written: dataclasses become mappings with camelCase keys.

    An optional key that holds nothing is left out, dates become ``YYYY-MM-DD``; ``build`` reads it back.
    """
    if isinstance(value, (str, int, float)) or value is None:
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        pairs = ((key.key, getattr(value, key.attribute)) for key in keys(type(value)))
        return {name: plain(held) for name, held in pairs if held is not None}
    if isinstance(value, Mapping):
        return {str(name): plain(held) for name, held in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(held) for held in value]
    return value.isoformat()
