"""From plain data to the typed spec, checked on the way.

A builder is compiled once per dataclass. It takes exactly what the JSON Schema takes (a test compares the
two), but stops at the first mismatch and does not say it nicely: it is the fast path for the many documents
that are valid. What it refuses goes to ``spec.check``, which finds every fault and its place.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import json
import math
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Literal, Union

from reconciler.spec import formats
from reconciler.spec import option as options

Builder = Callable[[Any], Any]


class Mismatch(ValueError):
    """The data is not what the model wants; ``path`` leads to the value. Never leaves this floor."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.path: tuple[str | int, ...] = ()


@functools.cache
def builder(cls: type) -> Builder:
    """A function from a mapping to an instance of ``cls``; it raises :class:`Mismatch`."""
    keys = options.keys(cls)
    known = frozenset(key.key for key in keys)
    makers = [(key.attribute, key.key, _maker(unwrap(key.type), key.option), key.required) for key in keys]
    groups = options.groups_of(cls)

    def build(data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise Mismatch("a mapping is needed")
        given = {}
        taken = 0
        for attribute, key, make, required in makers:
            if key in data:
                taken += 1
                try:
                    given[attribute] = make(data[key])
                except Mismatch as mismatch:
                    mismatch.path = (key, *mismatch.path)
                    raise
            elif required:
                raise Mismatch(f"the key `{key}` is missing")
        if taken != len(data):
            raise Mismatch(f"unknown keys: {', '.join(sorted(str(key) for key in data if key not in known))}")
        for group in groups:
            if not group.kept(data):
                raise Mismatch("keys exclude or need each other")
        return cls(**given)

    return build


@functools.cache
def restorer(cls: type) -> Builder:
    """What :func:`builder` makes of data that it has taken before, several times as fast because nothing is checked."""
    makers = [(key.attribute, key.key, _restored(unwrap(key.type), key.option)) for key in options.keys(cls)]

    def restore(data: Any) -> Any:
        given = {}
        for attribute, key, make in makers:
            if key in data:
                given[attribute] = data[key] if make is None else make(data[key])
        return cls(**given)

    return restore


def _restored(annotation: Any, given: options.Option) -> Builder | None:
    """How a value of this type is made of valid data; None where it is the data itself."""
    origin = typing.get_origin(annotation)
    if members := members_of(annotation):
        kept = all(typing.get_origin(one) is Literal or one in (str, bool, int, type(None)) for one in members)
        return None if kept and int not in members else _maker(annotation, given)
    if origin is Literal or annotation in (Any, str, bool):
        return None
    if origin is tuple:
        item = _restored(typing.get_args(annotation)[0], given)
        return tuple if item is None else functools.partial(_items, item)
    if origin in (dict, Mapping):
        held = _restored(typing.get_args(annotation)[1], given)
        return None if held is None else functools.partial(_values, held)
    if dataclasses.is_dataclass(annotation):
        return restorer(typing.cast("type", annotation))
    scalars: dict[Any, Builder] = {int: int, float: float, datetime.date: datetime.date.fromisoformat}
    return scalars[annotation]


def _items(item: Builder, value: Any) -> tuple[Any, ...]:
    return tuple([item(one) for one in value])


def _values(held: Builder, value: Any) -> dict[str, Any]:
    return {key: held(one) for key, one in value.items()}


def unwrap(annotation: Any) -> Any:
    """``X`` for ``X | None``: an absent key is how nothing is written, so the value itself is never null."""
    members = members_of(annotation)
    if type(None) not in members:
        return annotation
    rest = tuple(member for member in members if member is not type(None))
    return rest[0] if len(rest) == 1 else Union[rest]  # noqa: UP007 - made at run time


def members_of(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, or nothing."""
    if typing.get_origin(annotation) in (Union, types.UnionType):
        return typing.get_args(annotation)
    return ()


def _maker(annotation: Any, given: options.Option) -> Builder:
    origin = typing.get_origin(annotation)
    if members := members_of(annotation):
        return _union(members, given)
    if origin is Literal:
        return _choice(typing.get_args(annotation))
    if origin is tuple:
        return _list(_maker(typing.get_args(annotation)[0], given), given)
    if origin in (dict, Mapping):
        return _map(_maker(typing.get_args(annotation)[1], given), given)
    if dataclasses.is_dataclass(annotation):
        return builder(typing.cast("type", annotation))
    if annotation is Any:
        return _anything
    scalar = {str: _text, int: _integer, float: _number, bool: _truth, datetime.date: _date}.get(annotation)
    if scalar is None:
        raise TypeError(f"a spec can't hold {annotation!r}")
    return scalar(given)


def _anything(value: Any) -> Any:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError as error:
        raise Mismatch("a number that is not finite has no place in a spec") from error
    return value


def _text(given: options.Option) -> Builder:
    shortest, longest = given.min_length or 0, given.max_length if given.max_length is not None else math.inf
    expression = formats.pattern(given.pattern) if given.pattern else None
    check = formats.CHECKS.get(given.format)
    choices = frozenset(given.enum)

    def make(value: Any) -> str:
        if not isinstance(value, str):
            raise Mismatch("a text is needed")
        if not shortest <= len(value) <= longest:
            raise Mismatch("too short or too long")
        if expression is not None and expression.search(value) is None:
            raise Mismatch("not written as it must be")
        if (check is not None and not check(value)) or (choices and value not in choices):
            raise Mismatch("not an allowed value")
        return value

    return make


def _bounded(value: float, given: options.Option) -> None:
    if given.minimum is not None and value < given.minimum:
        raise Mismatch(f"less than {given.minimum}")
    if given.maximum is not None and value > given.maximum:
        raise Mismatch(f"more than {given.maximum}")
    if given.enum and value not in given.enum:
        raise Mismatch("not an allowed value")


def _integer(given: options.Option) -> Builder:
    def make(value: Any) -> int:
        # JSON Schema has one kind of number: 3.0 is an integer, true is none.
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise Mismatch("an integer is needed")
        _bounded(value, given)
        return value

    return make


def _number(given: options.Option) -> Builder:
    def make(value: Any) -> float:
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
            raise Mismatch("a number is needed")
        _bounded(value, given)
        return float(value)

    return make


def _truth(given: options.Option) -> Builder:
    def make(value: Any) -> bool:
        if not isinstance(value, bool):
            raise Mismatch("true or false is needed")
        return value

    return make


def _date(given: options.Option) -> Builder:
    def make(value: Any) -> datetime.date:
        if not isinstance(value, str):
            raise Mismatch("a date is needed")
        try:
            return formats.date(value)
        except ValueError as error:
            raise Mismatch(str(error)) from error

    return make


def _choice(choices: tuple[Any, ...]) -> Builder:
    allowed = {(type(choice), choice) for choice in choices}

    def make(value: Any) -> Any:
        if not isinstance(value, (str, int)) or (type(value), value) not in allowed:
            raise Mismatch("not an allowed value")
        return value

    return make


def _union(members: tuple[Any, ...], given: options.Option) -> Builder:
    makers = [_maker(member, given) for member in members if member is not type(None)]
    nullable = type(None) in members

    def make(value: Any) -> Any:
        if value is None and nullable:
            return None
        for attempt in makers:
            try:
                return attempt(value)
            except Mismatch:
                continue
        raise Mismatch("none of the allowed types")

    return make


def _list(item: Builder, given: options.Option) -> Builder:
    fewest, most = given.min_items or 0, given.max_items if given.max_items is not None else math.inf

    def make(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise Mismatch("a list is needed")
        if not fewest <= len(value) <= most:
            raise Mismatch("too few or too many items")
        if given.unique_items and len({json.dumps(one, sort_keys=True) for one in value}) != len(value):
            raise Mismatch("an item stands twice")
        made = []
        for index, one in enumerate(value):
            try:
                made.append(item(one))
            except Mismatch as mismatch:
                mismatch.path = (index, *mismatch.path)
                raise
        return tuple(made)

    return make


def _map(held: Builder, given: options.Option) -> Builder:
    expression = formats.pattern(given.key_pattern) if given.key_pattern else None

    def make(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise Mismatch("a mapping is needed")
        made = {}
        for key, one in value.items():
            if not isinstance(key, str) or (expression is not None and expression.search(key) is None):
                raise Mismatch(f"the key {key!r} is not written as it must be")
            try:
                made[key] = held(one)
            except Mismatch as mismatch:
                mismatch.path = (key, *mismatch.path)
                raise
        return made

    return make
