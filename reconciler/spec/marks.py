"""Where every key and value of a document stands, kept small.

Ten thousand documents with thirty keys each would be a million places. So the places are one flat array in
the order in which the parser met them; since a dict keeps its order, walking the data meets them again in
the same order. The walk is made when the first fault asks.
"""

from __future__ import annotations

import functools
from array import array
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler import errors

Path = tuple[str | int, ...]


class Marks(Mapping[Path, errors.Where]):
    """The place of each value by its path; :meth:`key` gives the place of a key.

    ``positions`` holds line and column (from 0) of each value, and of each key before its value, in
    document order.
    """

    def __init__(self, file: str, data: Any, positions: array[int]) -> None:
        self._file = file
        self._data = data
        self._positions = positions

    @functools.cached_property
    def _places(self) -> tuple[dict[Path, errors.Where], dict[Path, errors.Where]]:
        values: dict[Path, errors.Where] = {}
        keys: dict[Path, errors.Where] = {}
        pairs = iter(self._positions)
        places = (errors.Where(self._file, line + 1, column + 1) for line, column in zip(pairs, pairs, strict=True))
        _walk(self._data, (), places, values, keys)
        return values, keys

    @property
    def start(self) -> errors.Where:
        """Where the document's own value begins; unlike the rest, without a walk."""
        return errors.Where(self._file, self._positions[0] + 1, self._positions[1] + 1)

    def key(self, path: Path) -> errors.Where | None:
        """The place of the key at the end of ``path``; None where there is no such key."""
        return self._places[1].get(path)

    def nearest(self, path: Path) -> errors.Where:
        """The place of a value, or of the key that opens the nearest mapping above it that was written."""
        values, keys = self._places
        if path in values:
            return values[path]
        while path:
            path = path[:-1]
            if path in values:
                return keys.get(path, values[path])
        return errors.Where(self._file)

    def __getitem__(self, path: Path) -> errors.Where:
        return self._places[0][path]

    def __iter__(self) -> Iterator[Path]:
        return iter(self._places[0])

    def __len__(self) -> int:
        return len(self._places[0])


def _walk(
    data: Any,
    path: Path,
    places: Iterator[errors.Where],
    values: dict[Path, errors.Where],
    keys: dict[Path, errors.Where],
) -> None:
    values[path] = next(places)
    if isinstance(data, dict):
        for key, held in data.items():
            below = (*path, key)
            keys[below] = next(places)
            _walk(held, below, places, values, keys)
    elif isinstance(data, list):
        for index, held in enumerate(data):
            _walk(held, (*path, index), places, values, keys)
