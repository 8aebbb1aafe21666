"""What a change does to rows of a tenant's table, as the journal has it, and what of that is still there to be undone.

Nothing in such a row names the transaction that wrote it, so that its values tell. Only columns that were changed are
put back, and only where they still hold what was written: whatever else the row holds is the application's, which may
have written it since. A row that was added is taken away again if it is as it was added. A row that stands in its place
and has none of its values is somebody else's; one that has some of them is left, and said.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from reconciler.model import plan
from reconciler.ports.mysql import names, rows
from reconciler.ports.mysql.connection import Connection

CLEAR: Final = "delete the row, or give it another key; then run `reconcile recover`"
"""What a person does about a row that was left."""


@dataclass(frozen=True, slots=True)
class Image:
    """The row with ``key`` as it stood before (None: there was none), and the columns that are written.

    ``before`` holds them too, and those that change by themselves with them; ``rest`` is a digest over all others, or
    empty where ``before`` has every column, as it had in older journals. ``marks`` are columns of which the values that
    are written are nobody else's; empty where there is none.
    """

    key: rows.Row
    before: rows.Row | None
    after: rows.Row
    rest: str = ""
    marks: Collection[str] = ()

    @property
    def written(self) -> Mapping[str, Any]:
        """What is written beside the key, which the row has in the server's eyes however it is spelled there."""
        return {column: value for column, value in self.after.items() if column not in self.key}


@dataclass(frozen=True, slots=True)
class Way:
    """How a row is brought back; ``mixed`` if it is left because it was added and is not as it was added."""

    move: rows.Move | None = None
    mixed: bool = False

    @property
    def nothing(self) -> bool:
        """Whether nothing of the change is there."""
        return self.move is None and not self.mixed


def split(row: rows.Row, shown: Collection[str]) -> tuple[dict[str, Any], str]:
    """The ``shown`` columns of a row, and a digest over the rest."""
    rest = {column: value for column, value in row.items() if column not in shown}
    return {column: value for column, value in row.items() if column in shown}, plan.digest(rest)


def unmoved(image: Image, now: rows.Row | None) -> bool:
    """Whether the row still stands as it was seen, as far as it is to be written."""
    if now is None or image.before is None:
        return now is image.before
    return all(rows.same(now[column], image.before[column]) for column in image.written)


def ways_back(connection: Connection, database: str, table: str, images: Sequence[Image]) -> list[Way]:
    """For each image the way back from what stands there now; the rows are locked until the transaction ends."""
    target = names.qualified(database, table)
    known = {told.name: told for told in map(rows.column, connection.rows(rows.COLUMNS, (database, table)))}
    corrected = [image for image in images if image.before is not None]
    columns = dict.fromkeys(
        [
            *(column for image in images for column in (*image.key, *image.after)),
            *(column for image in corrected for column in image.before or ()),
            *(known if corrected else ()),
        ]
    )
    found = rows.fetch_all(connection, target, list(columns), [image.key for image in images])
    return [
        Way() if now is None else _Left(connection, target, known, image, now).way()
        for image, now in zip(images, found, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Left:
    """A row that is there, beside the image of a change that may have been made."""

    connection: Connection
    target: str
    known: Mapping[str, rows.Column]
    image: Image
    now: rows.Row

    def way(self) -> Way:
        before = self.image.before
        return self._of_added() if before is None else self._of_corrected(before)

    def _of_added(self) -> Way:
        written, marks = self.image.written, self.image.marks
        held = self._held(written)
        if held == written.keys():
            return Way(rows.Move(self.image.key, self.now, None))
        # Nearly any row has what a row is made with anyway.
        telling = marks or [column for column in written if not self._made_with(column, written[column])]
        return Way(mixed=any(column in held for column in telling))

    def _of_corrected(self, before: rows.Row) -> Way:
        written, now = self.image.written, self.now
        held = self._held(
            {
                column: value
                for column, value in written.items()
                if not rows.same(before[column], value) and not rows.same(now[column], before[column])
            }
        )
        if not held:
            return Way()
        turning = {name for name in before if name in self.known and self.known[name].turns} - written.keys()
        others = before.keys() - held - turning - self.image.key.keys()
        touched = not all(rows.same(now[column], before[column]) for column in others)
        if self.image.rest:
            touched |= split({name: now[name] for name in self.known}, before)[1] != self.image.rest
        # Of a row that somebody else wrote since, they tell of that, and would change again with this.
        turned = now if touched else before
        then = {**{name: before[name] for name in held}, **{name: turned[name] for name in turning}}
        return Way(rows.Move(self.image.key, now, then))

    def _held(self, written: rows.Row) -> set[str]:
        """Which of these columns hold what was written, in whatever form the server keeps it."""
        held = {column for column, value in written.items() if rows.same(self.now[column], value)}
        doubtful = {
            column: value
            for column, value in written.items()
            if column not in held and value is not None and not (column in self.known and self.known[column].text)
        }
        if doubtful:
            held |= rows.equal(self.connection, self.target, self.image.key, doubtful)
        return held

    def _made_with(self, column: str, value: Any) -> bool:
        default = self.known[column].default if column in self.known else None
        return default is value if default is None or value is None else rows.same(default, value)
