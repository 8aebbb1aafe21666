"""Reading a script together with the files that it reads by ``source``, as one stream of items."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import BinaryIO

from reconciler.sql import script

DEEPEST = 10
"""How many files may read one another by ``source``; more is taken for a circle."""

Opener = Callable[[bytes], AbstractContextManager[tuple[BinaryIO, str]]]
"""Opens the file that ``source`` names and gives its name for messages. Raises ``Unopened`` where it may not be."""


class Unopened(Exception):
    """A file is not followed, and this is why, as the end of a sentence about it."""


def read(
    stream: BinaryIO | bytes,
    *,
    file: str,
    opener: Opener | None = None,
    state: script.State | None = None,
    depth: int = 0,
) -> Iterator[script.Item]:
    """What ``script.read`` gives, with the items of a file in the place of the ``source`` that names it.

    As with the client, a file that is read goes on with the delimiter of the other, and may leave it changed. A
    ``source`` that is not followed comes out as it is, with the reason. Without ``opener`` none is.
    """
    state = state or script.State()
    for item in script.read(stream, file=file, state=state):
        if opener is None or not isinstance(item, script.ClientCommand) or item.name != "source":
            yield item
            continue
        try:
            if item.inside:
                raise Unopened("stands in the middle of a statement")
            if depth >= DEEPEST:
                raise Unopened(f"is the {DEEPEST + 1}th file that one reads within another, perhaps in a circle")
            with opener(item.argument) as (inner, name):
                yield from read(inner, file=name, opener=opener, state=state, depth=depth + 1)
        except Unopened as reason:
            yield replace(item, reason=str(reason))
