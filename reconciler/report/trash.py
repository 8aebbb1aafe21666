"""What is in the trash: for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.model.record import Record
from reconciler.report import data as formats
from reconciler.report import tenants
from reconciler.report.styled import EMPTY, Line, Style, line, styled, table


@dataclass(frozen=True, slots=True)
class Entry:
    """A tenant in the trash, or the database of one that lives. ``until`` is when its retention ends, UTC, ISO 8601."""

    record: Record
    until: str

    @property
    def what(self) -> str:
        """`tenant`, or `database` where the tenant itself lives."""
        return "database" if self.record.parted else "tenant"

    @property
    def since(self) -> str:
        """When it went to the trash, UTC, ISO 8601."""
        return self.record.parted or self.record.updated_at


def lines(found: Sequence[Entry]) -> Iterator[Line]:
    """A line a tenant."""
    heads = ("TENANT", "WHAT", "PRODUCT", "SERVER", "DATABASE", "TRASHED", "KEPT UNTIL")
    rows = [tuple(styled(text, Style.FAINT) for text in heads)]
    rows += [
        (
            styled(entry.record.tenant, Style.HEADING),
            styled("its database" if entry.record.parted else "all of it", Style.PLAIN),
            styled(entry.record.product, Style.PLAIN),
            styled(entry.record.server, Style.PLAIN),
            styled(entry.record.database or "-", Style.PLAIN),
            styled(tenants.moment(entry.since), Style.FAINT),
            styled(tenants.moment(entry.until), Style.FAINT),
        )
        for entry in found
    ]
    yield from table(rows)
    yield EMPTY
    yield line("`reconcile trash restore TENANT` takes one back; `reconcile trash purge TENANT` destroys it for good.")
    if any(entry.record.parted for entry in found):
        yield line("A database comes back when the spec of its tenant, which lives, asks for it again.")


def data(found: Sequence[Entry]) -> dict[str, Any]:
    """``reconcile trash list --format json``."""
    return {
        "formatVersion": formats.FORMAT,
        "tenants": [
            {
                "tenant": entry.record.tenant,
                "what": entry.what,
                "product": entry.record.product,
                "server": entry.record.server,
                "database": entry.record.database or None,
                "trashedAt": entry.since,
                "keptUntil": entry.until,
            }
            for entry in found
        ],
    }
