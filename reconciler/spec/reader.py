"""YAML text to plain data, with every place and with every fault instead of an exception.

The parser's events are read one by one (libyaml's where PyYAML has it). Nothing is composed or constructed
by PyYAML, so no tag can make an object, an alias can't explode before it is counted, and the nesting is
bounded by us rather than by the stack.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import yaml

from reconciler import errors
from reconciler.spec import scalars
from reconciler.spec.marks import Marks
from reconciler.spec.source import Source, short

MAX_NODES: Final = 20_000
MAX_CHARACTERS: Final = 4 * 1024 * 1024
MAX_DEPTH: Final = 40

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_PARSER: Final[Any] = getattr(yaml, "CLoader", yaml.Loader)


@dataclass(frozen=True, slots=True)
class Raw:
    """One YAML document: ``sound`` is False where a fault in it changed what ``data`` says."""

    data: Any
    marks: Marks
    sound: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text holds. Unless ``complete``, a fault stopped the reader and documents may be missing."""

    documents: tuple[Raw, ...]
    faults: tuple[errors.Fault, ...]
    complete: bool


def read(source: Source) -> Reading:
    """All documents of a text, without the empty ones. Never raises for anything a person can write."""
    return _Reader(source).read()


class _Stop(Exception):
    """The rest of the text can't be read; the fault is already noted."""


@dataclass(frozen=True, slots=True)
class _Anchored:
    value: Any
    inside: array[int]
    nodes: int
    characters: int


class _Reader:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.faults: list[errors.Fault] = []
        self.nodes = 0
        self.characters = 0
        self._begin()

    def _begin(self) -> None:
        self.positions = array("I")
        self.anchors: dict[str, _Anchored] = {}
        self.open_anchors: set[str] = set()

    def read(self) -> Reading:
        documents: list[Raw] = []
        complete = True
        try:
            # One by one: what stands before a syntax error is kept.
            for raw in self._documents(_PARSER(self.source.text)):
                documents.append(raw)
        except _Stop:
            complete = False
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            # The last two: PyYAML's own scanner passes an escape beyond Unicode to chr().
            self._syntax(error)
            complete = False
        return Reading(tuple(documents), tuple(self.faults), complete)

    def _documents(self, parser: Any) -> Iterator[Raw]:
        self.next = parser.get_event
        event = self.next()
        while not isinstance(event, yaml.StreamEndEvent):
            if isinstance(event, yaml.DocumentStartEvent):
                self._begin()
                before = len(self.faults)
                root = self.next()
                value = self._node(root, 0)
                if not (value is None and isinstance(root, yaml.ScalarEvent) and root.value == ""):
                    marks = Marks(self.source.file, value, self.positions)
                    yield Raw(value, marks, sound=len(self.faults) == before)
            event = self.next()

    # --- nodes ----------------------------------------------------------------------------------------

    def _node(self, event: Any, depth: int) -> Any:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        anchor = event.anchor
        first, nodes, characters = len(self.positions), self.nodes, self.characters
        if anchor is not None:
            self.open_anchors.add(anchor)
        value: Any
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event)
        else:
            self._place(event)
            if depth >= MAX_DEPTH:
                message = f"nested more than {MAX_DEPTH} levels deep"
                self._fault(event.start_mark, message, rule="too-deep", hint="No spec needs that; flatten it.")
                raise _Stop
            reads = self._mapping if isinstance(event, yaml.MappingStartEvent) else self._sequence
            value = reads(depth + 1)
        if anchor is not None:
            self.open_anchors.discard(anchor)
            held = (self.nodes - nodes, self.characters - characters)
            self.anchors[anchor] = _Anchored(value, self.positions[first + 2 :], *held)
        return value

    def _place(self, event: Any) -> None:
        """Note where a value begins, and count it."""
        mark = event.start_mark
        self.positions.append(mark.line)
        self.positions.append(mark.column)
        self.nodes += 1
        if self.nodes > MAX_NODES or self.characters > MAX_CHARACTERS:
            self._too_many(event)
        if event.tag is not None:
            tag = short(event.tag.replace("tag:yaml.org,2002:", "!!"))
            hint = "Take the tag out; quotation marks make a text of anything."
            self._fault(mark, f"the tag `{tag}` is not supported", rule="tag", hint=hint)

    def _sequence(self, depth: int) -> list[Any]:
        items = []
        while not isinstance(event := self.next(), yaml.SequenceEndEvent):
            items.append(self._node(event, depth))
        return items

    def _mapping(self, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        first = len(self.positions) - 2
        while not isinstance(event := self.next(), yaml.MappingEndEvent):
            before = len(self.positions)
            key = self._key(event, depth)
            held = self._node(self.next(), depth)
            if key is None or key in made:
                if key is not None:
                    self._twice(event.start_mark, key, Marks("", made, self.positions[first:before]))
                # Left out of the data, so its places must not stay in the array either.
                del self.positions[before:]
            else:
                made[key] = held
        return made

    def _key(self, event: Any, depth: int) -> str | None:
        """The key as text, or None with a fault. What stands there is read to its end in any case."""
        value = self._node(event, depth)
        if isinstance(value, str) and isinstance(event, yaml.ScalarEvent):
            if value != "<<" or not event.implicit[0]:
                return value
            hint = "Write the keys out; YAML 1.2 has no merge keys."
            self._fault(event.start_mark, "the merge key `<<` is not supported", rule="merge-key", hint=hint)
            return None
        hint = ""
        if isinstance(event, yaml.AliasEvent):
            what = "an alias"
        elif not isinstance(event, yaml.ScalarEvent):
            what = "a list or a mapping"
        elif event.value:
            what, hint = f"`{short(event.value)}`", f'Write "{short(event.value)}" with quotation marks.'
        else:
            what = "nothing"
        self._fault(event.start_mark, f"a key is a text, not {what}", rule="key-not-text", hint=hint)
        return None

    def _scalar(self, event: Any) -> scalars.Scalar:
        text: str = event.value
        self.characters += len(text)
        self._place(event)
        if "\0" in text or (not text.isascii() and _SURROGATE.search(text)):
            message = "the text holds a character that can't be stored: NUL, or half of a surrogate pair"
            self._fault(event.start_mark, message, rule="control-character")
        if not event.implicit[0]:
            return text
        try:
            return scalars.resolve(text)
        except OverflowError as error:
            hint = "Put quotation marks around it if it is meant as a text."
            self._fault(event.start_mark, str(error), rule="number-too-big", hint=hint)
            return None

    def _alias(self, event: Any) -> Any:
        mark, name = event.start_mark, event.anchor
        anchored = self.anchors.get(name)
        if name in self.open_anchors or anchored is None:
            if name in self.open_anchors:
                self._fault(mark, f"the alias `*{short(name)}` holds itself", rule="recursive-alias")
            else:
                hint = f"An anchor `&{short(name)}` must stand before it in the same document."
                self._fault(mark, f"the alias `*{short(name)}` has no anchor", rule="unknown-alias", hint=hint)
            self.positions.extend((mark.line, mark.column))
            return None
        # Counted before it is written out, so that aliases of aliases can't explode.
        self.nodes += anchored.nodes
        self.characters += anchored.characters
        if self.nodes > MAX_NODES or self.characters > MAX_CHARACTERS:
            self._too_many(event)
        # The value stands where the alias is written; what is inside it, where the anchor is.
        self.positions.extend((mark.line, mark.column))
        self.positions.extend(anchored.inside)
        return anchored.value

    # --- faults ---------------------------------------------------------------------------------------

    def _too_many(self, event: Any) -> NoReturn:
        if self.nodes > MAX_NODES:
            message = f"more than {MAX_NODES:,} values in this file, with its aliases written out"
        else:
            message = f"more than {MAX_CHARACTERS:,} characters in this file, with its aliases written out"
        hint = "Take the aliases out, or split the file."
        self._fault(event.start_mark, message, rule="too-many-values", hint=hint)
        raise _Stop

    def _twice(self, mark: Any, key: str, marks: Marks) -> None:
        first = marks.key((key,))
        line = f"; the first is in line {first.line}" if first is not None else ""
        message = f"the key `{short(key)}` stands twice in this mapping{line}"
        self._fault(mark, message, rule="duplicate-key", hint="Keep one of the two.")

    def _fault(self, mark: Any, message: str, *, rule: str, hint: str = "") -> None:
        self.faults.append(self.source.fault(mark.line + 1, mark.column + 1, message, rule=rule, hint=hint))

    def _syntax(self, error: Exception) -> None:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it can't be parsed"
        context = getattr(error, "context", None)
        said = f"not YAML: {problem}" + (f" ({context})" if context else "")
        if mark is None:
            line, column = self._place_of(error)
        else:
            line, column = mark.line + 1, mark.column + 1
        indent = self.source.quoted(line)
        tab = "\t" in indent[: len(indent) - len(indent.lstrip())]
        hint = "YAML is indented with spaces, never with tabs." if tab else ""
        self.faults.append(self.source.fault(line, column, said, rule="syntax", hint=hint))

    def _place_of(self, error: Exception) -> tuple[int, int]:
        """Line and column of a character that is not allowed: PyYAML tells no more than its offset."""
        offset = max(getattr(error, "position", 0), 0)
        if getattr(error, "encoding", "") == "unicode":  # PyYAML's own reader; libyaml counts octets
            before = self.source.text[:offset]
        else:
            before = self.source.text.encode()[:offset].decode(errors="ignore")
        lines = before.split("\n")
        return len(lines), len(lines[-1]) + 1
