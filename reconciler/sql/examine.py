"""One streaming pass over a script: what it holds, what it makes, and everything that is refused in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from reconciler import errors
from reconciler.sql import firewall, script, statement
from reconciler.sql.statement import Kind

_SHOWN = 100  # refusals kept; a script that is one big mistake must not fill the memory


@dataclass(frozen=True, slots=True)
class Report:
    """What a script holds. The names are those of the objects that exist when it has run, in order.

    ``kinds`` counts statements by kind, in words (``create table``). ``refused`` counts all refusals, of which
    ``refusals`` keeps the first hundred. ``databases`` are the names in USE and CREATE, ALTER, DROP DATABASE:
    if there is one, that is the name to map. ``longest`` is the longest statement, in bytes.
    """

    kinds: Mapping[str, int]
    refusals: tuple[errors.Fault, ...]
    refused: int
    skipped: int
    databases: tuple[str, ...]
    tables: tuple[str, ...]
    views: tuple[str, ...]
    triggers: tuple[str, ...]
    routines: tuple[str, ...]
    events: tuple[str, ...]
    longest: int

    @property
    def statements(self) -> int:
        """How many statements would be sent, refused ones included, skipped ones not."""
        return sum(self.kinds.values())


def examine(
    stream: BinaryIO | bytes, file: str, database: str | None = None, map_database: str | None = None
) -> Report:
    """Reads the whole script once. ``database`` and ``map_database`` are as in ``firewall.check``.

    Never raises for what the script says: text that can't be read at all is the last of the refusals.
    """
    tally = _Tally()
    try:
        for item in script.read(stream, file=file):
            tally.take(item, database, map_database)
    except errors.ScriptRefused as refused:
        tally.refuse(errors.Fault(refused.where or errors.Where(file), refused.message, "unreadable", refused.next))
    return tally.report()


@dataclass(slots=True)
class _Tally:
    kinds: Counter[str] = field(default_factory=Counter)
    refusals: list[errors.Fault] = field(default_factory=list)
    refused: int = 0
    skipped: int = 0
    databases: dict[str, None] = field(default_factory=dict)
    made: dict[str, dict[str, None]] = field(default_factory=dict)
    longest: int = 0

    def take(self, item: script.Item, database: str | None, mapping: str | None) -> None:
        named = firewall.named_database(item)
        if named:
            self.databases[named] = None
        if firewall.skipped(item, mapping=mapping):
            self.skipped += 1
            return
        fault = firewall.check(item, database=database, mapping=mapping)
        if fault:
            self.refuse(fault)
        if isinstance(item, script.Statement):
            self.longest = max(self.longest, len(item.text))
            kind = statement.kind(item)
            self.kinds[kind.value] += 1
            if kind.value.startswith(("create", "drop", "rename")):
                self.objects(statement.parse(item))

    def refuse(self, fault: errors.Fault) -> None:
        self.refused += 1
        if len(self.refusals) < _SHOWN:
            self.refusals.append(fault)

    def objects(self, parsed: statement.Parsed) -> None:
        verb, _, thing = parsed.kind.value.partition(" ")
        known = self.made.setdefault("routine" if thing in ("procedure", "function") else thing, {})
        if verb == "create" and parsed.tokens[1].word != b"TEMPORARY":
            known[parsed.name] = None
        elif verb == "drop":
            for name in parsed.names():
                known.pop(name, None)
        elif parsed.kind is Kind.RENAME_TABLE:
            for old, new in parsed.renamed():
                if old in known:
                    del known[old]
                    known[new] = None

    def report(self) -> Report:
        def names(thing: str) -> tuple[str, ...]:
            return tuple(self.made.get(thing, ()))

        return Report(
            kinds=dict(sorted(self.kinds.items())),
            refusals=tuple(self.refusals),
            refused=self.refused,
            skipped=self.skipped,
            databases=tuple(self.databases),
            tables=names("table"),
            views=names("view"),
            triggers=names("trigger"),
            routines=names("routine"),
            events=names("event"),
            longest=self.longest,
        )
