"""Seed files: rows for one table each, inserted where no row has the same key.

``table``, ``key`` (columns), ``rows`` (mappings from column to value); a list or mapping as a value is stored as JSON.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from reconciler import errors
from reconciler.spec import folder
from reconciler.spec.document import Document
from reconciler.spec.marks import Marks
from reconciler.spec.source import Source


@dataclass(frozen=True, slots=True)
class Seed:
    """The rows of one file."""

    table: str
    key: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]


def load(root: Path, location: str) -> tuple[Seed, ...]:
    """The seeds in the folder ``location`` below ``root``, in the order of the files' names.

    Errors: ``InvalidSpecs`` with every fault of every file.
    """
    found, faults = _loaded(root, _signature(root, location))
    if faults:
        raise errors.InvalidSpecs(faults)
    return found


def faults(root: Path, catalogue: Document) -> Iterator[errors.Fault]:
    """What is wrong with the seed files that a product names."""
    try:
        signature = _signature(root, catalogue.spec.seeds)
    except OSError as error:
        message = f"the seeds {catalogue.spec.seeds} can't be read: {error.strerror}"
        yield catalogue.fault(("spec", "seeds"), message, rule="no-seeds")
        return
    yield from _loaded(root, signature)[1]


def _signature(root: Path, location: str) -> tuple[tuple[str, int, int], ...]:
    paths = sorted(entry for entry in (root / location).iterdir() if entry.suffix in (".yaml", ".yml"))
    return (*((path.name, path.stat().st_mtime_ns, path.stat().st_size) for path in paths), (location, 0, 0))


@lru_cache(maxsize=32)
def _loaded(root: Path, signature: tuple[tuple[str, int, int], ...]) -> tuple[tuple[Seed, ...], list[errors.Fault]]:
    from reconciler.spec import reader  # YAML, which is seldom read again

    location = signature[-1][0]
    found, wrong = [], list[errors.Fault]()
    for name, _, _ in signature[:-1]:
        label = f"{location}/{name}"
        source = folder.decode(label, (root / label).read_bytes())
        if isinstance(source, errors.Fault):
            wrong.append(source)
            continue
        reading = reader.read(source)
        wrong += reading.faults
        for raw in reading.documents:
            seed = _seed(raw.data, source, wrong)
            if seed is not None:
                found.append(seed)
                wrong += _doubles(seed, raw.marks, source)
    return tuple(found), wrong


def _seed(data: Any, source: Source, wrong: list[errors.Fault]) -> Seed | None:
    match data:
        case {"table": str(table), "key": list(key), "rows": list(rows), **rest} if not rest:
            if all(isinstance(row, dict) and all(column in row for column in key) for row in rows) and key:
                return Seed(table, tuple(map(str, key)), tuple(rows))
            said = "every row is a mapping with at least the columns of `key`"
        case _:
            said = "a seed file has `table`, `key` (a list of columns) and `rows` (a list of mappings), nothing else"
    wrong.append(source.fault(1, 1, said, rule="seed-form"))
    return None


def _doubles(seed: Seed, marks: Marks, source: Source) -> Iterator[errors.Fault]:
    """Rows of which the keys are equal as they are written; whether others are is known to the table alone."""
    first: dict[tuple[str, ...], int] = {}
    for number, row in enumerate(seed.rows):
        key = tuple(str(int(row[column]) if isinstance(row[column], bool) else row[column]) for column in seed.key)
        if first.setdefault(key, number) != number:
            where, other = marks.nearest(("rows", number)), marks.nearest(("rows", first[key]))
            said = f"the row has the same {', '.join(seed.key)} as the one in line {other.line}"
            yield source.fault(where.line, where.column, said, rule="seed-double", hint="Keep one of the two.")
