"""What the daemon writes down about tenants: how attempts went, when the next one comes, which conditions hold.

It is kept in memory and written behind; what could not be written is written later. Every write checks that this
daemon still leads. Who wants to hear of transitions gets a letter in the same write.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

import sqlalchemy as sa

from reconciler import errors
from reconciler.daemon.election import Election
from reconciler.engine import outbox
from reconciler.engine.setting import Setting
from reconciler.model.standing import TRUE, Condition, Standing
from reconciler.ports.store import standing

HEALING: Final = "@healing"
"""The subject under which the memory of healing is kept."""


class Book:
    """Standings and conditions by subject. Any thread may write; ``flush`` makes it durable."""

    def __init__(self, election: Election) -> None:
        self._election = election
        self._guard = threading.RLock()
        self._writing = threading.Lock()
        self._standings: dict[str, Standing] = {}
        self._conditions: dict[str, dict[str, Condition]] = {}
        self._changed: set[str] = set()
        self._gone: set[str] = set()

    def load(self, setting: Setting) -> None:
        """Begin with what a daemon before this one wrote down. Errors: ``StoreFailed``."""
        store = setting.opened()
        store.make_tables()
        standings, conditions = store.read(lambda c: (standing.load(c), standing.conditions(c)))
        with self._guard:
            self._standings = standings
            self._conditions = {subject: {one.type: one for one in found} for subject, found in conditions.items()}
            self._changed.clear()
            self._gone.clear()

    def of(self, subject: str) -> Standing:
        """How the attempts on a tenant stand; an empty standing if there was none."""
        with self._guard:
            return self._standings.get(subject) or Standing(subject)

    def subjects(self) -> set[str]:
        """Everybody of whom something is written down."""
        with self._guard:
            return {*self._standings, *self._conditions}

    def has(self, subject: str, kind: str, reason: str = "") -> bool:
        """Whether a condition is said of ``subject``, for that reason if one is given."""
        with self._guard:
            found = self._conditions.get(subject, {}).get(kind)
            return found is not None and reason in ("", found.reason)

    def stands(self, wanted: Standing, *, anew: bool = False) -> None:
        """Replace a standing. That only ``updated_at`` differs is nothing, unless it is said ``anew``: what was said at
        that time goes before whatever transactions ended until then.
        """
        with self._guard:
            before = self._standings.get(wanted.tenant)
            if anew or before is None or replace(before, updated_at="") != replace(wanted, updated_at=""):
                self._standings[wanted.tenant] = wanted
                self._changed.add(wanted.tenant)

    def says(self, subject: str, *found: Condition, ends: Iterable[str] = ()) -> None:
        """These conditions hold of ``subject`` from now on, and those of the types ``ends`` no longer."""
        with self._guard:
            said = self._conditions.get(subject, {})
            wanted = {kind: one for kind, one in said.items() if kind not in {*ends}}
            wanted |= {one.type: one for one in found}
            if {kind: _content(one) for kind, one in wanted.items()} != {k: _content(o) for k, o in said.items()}:
                self._conditions[subject] = wanted
                self._changed.add(subject)

    def forget(self, subject: str) -> None:
        """Nothing is said of ``subject`` any more."""
        with self._guard:
            if self._standings.pop(subject, None) or self._conditions.pop(subject, None):
                self._conditions.pop(subject, None)
                self._changed.discard(subject)
                self._gone.add(subject)

    def flush(self, setting: Setting) -> None:
        """Make everything durable. Errors: ``StoreFailed`` and ``NotLeader``; then it is still to be written."""
        with self._writing:
            with self._guard:
                changed, gone = self._changed, self._gone
                if not changed and not gone:
                    return
                self._changed, self._gone = set(), set()
                standings = [self._standings[name] for name in changed if name in self._standings]
                conditions = {name: list(self._conditions.get(name, {}).values()) for name in changed}

            def write(connection: sa.Connection) -> None:
                self._election.fence(connection)
                standing.forget(connection, *gone)
                standing.save(connection, *standings)
                turned = standing.put_all(connection, conditions)
                outbox.turned(connection, setting, turned)

            try:
                setting.opened().write(write)
            except errors.ReconcileError:
                with self._guard:
                    self._changed |= changed
                    self._gone |= gone
                raise

    def memory(self) -> Mapping[str, Any]:
        """What healing remembered."""
        return self.of(HEALING).said

    def remember(self, data: Mapping[str, Any], now: str) -> None:
        """Keep what healing remembers."""
        self.stands(Standing(HEALING, said=data, updated_at=now))


def condition(kind: str, reason: str, message: str, *, now: str, generation: str = "", status: str = TRUE) -> Condition:
    """A condition, one that holds unless its ``status`` says otherwise."""
    return Condition(kind, status, reason, message, since=now, generation=generation)


def _content(one: Condition) -> tuple[str, str, str, str]:
    return one.status, one.reason, one.message, one.generation
