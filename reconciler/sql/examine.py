"""One streaming pass over a script: what it holds, what it makes, and everything that is refused in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from reconciler import errors
from reconciler.sql import firewall, included, rewrite, script, statement
from reconciler.sql.statement import Kind

_SHOWN = 100  # refusals kept; a script that is one big mistake must not fill the memory

# What a file may hold and leave its session as it was, so that the next file may go on in it.
_LEAVES_NOTHING: Final = frozenset(Kind) - {
    Kind.SET,
    Kind.SET_STATEMENT,
    Kind.LOCK,
    Kind.TRANSACTION,
    Kind.CALL,
    Kind.DO,
}
_THE_CLIENTS_OWN: Final = (b"SET", b"NAMES", b"UTF8MB4")


@dataclass(frozen=True, slots=True)
class Report:
    """What a script holds. The names are those of the objects that exist when it has run, in order.

    ``kinds`` counts statements by kind, in words (``create table``). ``refused`` counts all refusals, of which
    ``refusals`` keeps the first hundred. ``awake`` are the events that are meant to run. ``databases`` are the names in
    USE and CREATE, ALTER, DROP DATABASE: if there is one, that is the name to map. ``longest`` is the longest
    statement, in bytes, and ``longest_at`` its place. ``tidy`` says that the session is the same when the script has
    run.
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
    awake: tuple[str, ...]
    sequences: tuple[str, ...]
    longest: int
    longest_at: errors.Where
    tidy: bool

    @property
    def statements(self) -> int:
        """How many statements would be sent, refused ones included, skipped ones not."""
        return sum(self.kinds.values())


def examine(
    stream: BinaryIO | bytes,
    file: str,
    wall: firewall.Firewall | None = None,
    opener: included.Opener | None = None,
    taken: Callable[[script.Item, firewall.Verdict], None] | None = None,
) -> Report:
    """Reads the whole script once, and the files that it reads by ``source`` if they can be opened.

    ``taken`` is given every item that is not refused; what it raises as ``ScriptRefused`` ends the reading.

    Never raises for what the script says: text that can't be read at all is the last of the refusals.
    """
    tally, wall = _Tally(errors.Where(file)), wall or firewall.Firewall()
    try:
        for item in included.read(stream, file=file, opener=opener):
            verdict = wall.judge(item)
            tally.take(item, verdict)
            if taken is not None and not verdict.fault:
                taken(item, verdict)
    except errors.ScriptRefused as refused:
        tally.refuse(errors.Fault(refused.where or errors.Where(file), refused.message, "unreadable", refused.next))
    tally.tidy = tally.tidy and not wall.locking
    return tally.report()


@dataclass(slots=True)
class _Tally:
    longest_at: errors.Where
    kinds: Counter[str] = field(default_factory=Counter)
    refusals: list[errors.Fault] = field(default_factory=list)
    refused: int = 0
    skipped: int = 0
    databases: dict[str, None] = field(default_factory=dict)
    made: dict[str, dict[str, None]] = field(default_factory=dict)
    awake: dict[str, None] = field(default_factory=dict)
    longest: int = 0
    tidy: bool = True

    def take(self, item: script.Item, verdict: firewall.Verdict) -> None:
        named = (
            firewall.used(item) if isinstance(item, script.ClientCommand) and item.name == "use" else verdict.database
        )
        if named:
            self.databases[named] = None
        if verdict.skipped:
            self.skipped += 1
            return
        if verdict.fault:
            self.refuse(verdict.fault)
        if isinstance(item, script.Statement):
            if len(item.text) > self.longest:
                self.longest, self.longest_at = len(item.text), item.where
            parsed = verdict.parsed
            self.kinds[_kind_of_rows(item) if parsed is None else parsed.kind.value] += 1
            if parsed is not None:
                self.tidy = self.tidy and _is_tidy(parsed)
                if parsed.kind.value.startswith(("create", "drop", "rename")):
                    self.objects(parsed)

    def refuse(self, fault: errors.Fault) -> None:
        self.refused += 1
        if len(self.refusals) < _SHOWN:
            self.refusals.append(fault)

    def objects(self, parsed: statement.Parsed) -> None:
        verb, _, thing = parsed.kind.value.partition(" ")
        known = self.made.setdefault("routine" if thing in ("procedure", "function") else thing, {})
        if parsed.kind is Kind.CREATE_EVENT and rewrite.is_enabled(parsed):
            self.awake[parsed.name] = None
        if verb == "create" and not statement.is_temporary(parsed):
            known[parsed.name] = None
        elif verb == "drop":
            for name in parsed.names():
                known.pop(name, None)
                if thing == "event":
                    self.awake.pop(name, None)
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
            awake=tuple(self.awake),
            sequences=names("sequence"),
            longest=self.longest,
            longest_at=self.longest_at,
            tidy=self.tidy,
        )


def _kind_of_rows(item: script.Statement) -> str:
    kind = Kind.REPLACE if item.text[:1] in b"rR" else Kind.INSERT
    return str(kind.value)


def _is_tidy(parsed: statement.Parsed) -> bool:
    if parsed.kind in _LEAVES_NOTHING:
        # SELECT … INTO @x and @x := 1 leave variables behind.
        variables = any(token.text.startswith(b"@") for token in parsed.tokens)
        return not statement.is_temporary(parsed) and (parsed.kind in statement.COMPOUND or not variables)
    return tuple(token.word for token in parsed.tokens) == _THE_CLIENTS_OWN
