"""A property that is worked out once an object, when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class once(Generic[T]):
    """As ``functools.cached_property``, which up to Python 3.11 holds one lock for all objects of a class while it
    works: threads that ask different servers, or for different tenants, would wait for each other's queries.
    """

    def __init__(self, work: Callable[[Any], T]) -> None:
        self._work = work
        self.__doc__ = work.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, holder: None, owner: type) -> once[T]: ...

    @overload
    def __get__(self, holder: object, owner: type) -> T: ...

    def __get__(self, holder: object | None, owner: type) -> T | once[T]:
        if holder is None:
            return self
        found = self._work(holder)
        vars(holder)[self._name] = found  # from now on the object's own, so this is not called again
        return found
