"""Why a tenant is as it is: what its spec, its past and its holds say, and what would change it. Asks no server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from reconciler import errors
from reconciler.engine import conditions, held, removal
from reconciler.engine.setting import Setting
from reconciler.model.outcome import Leftover
from reconciler.model.record import Record
from reconciler.model.standing import FALSE, TRUE, Condition, Hold
from reconciler.model.states import TenantState, TransactionState
from reconciler.ports import git, mirror
from reconciler.ports.store import journal, standing
from reconciler.spec import option
from reconciler.spec.document import Document

_MOST_FAULTS: Final = 5
_FROZEN: Final = "OutsideSyncWindow"


@dataclass(frozen=True, slots=True)
class Failed:
    """What failed last. ``code`` is an error's, empty where only the journal tells; ``where`` a place in a file."""

    step: str
    message: str
    code: str = ""
    where: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """Something that would unblock the tenant: in words, and the command to run if there is one."""

    text: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class Why:
    """Everything that is known. ``place`` is where the spec stands, ``commit`` what it was last changed by.

    ``undone`` and ``leftovers`` are those of the last transaction; ``over`` are holds that have run out.
    """

    status: conditions.Status
    summary: str
    in_sync: bool
    place: errors.Where | None
    commit: mirror.Commit | None
    faults: tuple[errors.Fault, ...]
    failed: Failed | None
    undone: tuple[str, ...]
    leftovers: tuple[Leftover, ...]
    over: tuple[Hold, ...]
    paused: Hold | None
    source: tuple[Condition, ...]
    ways: tuple[Way, ...] = ()

    @property
    def last(self) -> journal.Transaction | None:
        """The last transaction."""
        return self.status.history[0] if self.status.history else None


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the summary and the ways are made from."""

    why: Why
    record: Record | None
    document: Document | None
    changed: bool

    @property
    def name(self) -> str:
        return self.why.status.tenant

    def condition(self, kind: str) -> Condition | None:
        return self.why.status.of(kind)


def of(setting: Setting, tenant: str) -> Why:
    """Why ``tenant`` is as it is. Errors: ``UsageError`` if it has neither a spec nor a past; ``StoreFailed``."""
    told = conditions.of_one(setting, tenant)
    [status] = told.tenants
    document = next((entry for entry in setting.specs.tenants if entry.name == tenant), None)
    record = setting.records([tenant]).get(tenant)
    entries = _entries(setting, status)
    bare = Why(
        status=status,
        summary="",
        in_sync=False,
        place=document.where if document else None,
        commit=_commit(setting, status, document),
        faults=_faults(setting, tenant, document),
        failed=_failed(status, entries),
        undone=_undone(status, entries),
        leftovers=tuple(Leftover(*found) for found in _end(entries).get("leftovers", ())),
        over=tuple(_over(setting, tenant, document)),
        paused=told.paused,
        source=tuple(entry for entry in told.source if entry.type == "FetchFailed" or entry.status == FALSE),
    )
    changed = (
        record is not None
        and document is not None
        and document.spec is not None
        and record.spec != option.plain(document.spec)
    )
    facts = _Facts(bare, record, document, changed)
    return replace(bare, summary=_summary(facts), in_sync=_in_sync(facts), ways=tuple(_ways(facts)))


def _entries(setting: Setting, status: conditions.Status) -> list[journal.Entry]:
    if not status.history or setting.store is None:
        return []
    last = status.history[0].id
    return setting.store.read(lambda connection: journal.entries(connection, last))


def _commit(setting: Setting, status: conditions.Status, document: Document | None) -> mirror.Commit | None:
    """The commit that the daemon attempted, or the last one that touched the spec's file."""
    said = status.standing.said if status.standing else {}
    file = document.file if document else str(said.get("file", "")) or _hidden(setting)
    found = None
    if file:
        found = setting.commits(file) if setting.commits is not None else git.last_commit(setting.root, file)
    if not said.get("commit") or (found is not None and found.id == said["commit"]):
        return found
    return mirror.Commit(str(said["commit"]), str(said.get("author", "")), "", "")


def _hidden(setting: Setting) -> str:
    """The file in which a tenant must be hidden that has no document; empty where there are several, or none."""
    return next(iter(setting.specs.unread)) if len(setting.specs.unread) == 1 else ""


def _faults(setting: Setting, tenant: str, document: Document | None) -> tuple[errors.Fault, ...]:
    """What is wrong with the tenant's spec, or with the files in which it may be hidden."""
    if document is not None:
        return tuple(fault for fault in setting.faults if fault.tenant == tenant or fault.where.file == document.file)
    return tuple(fault for fault in setting.faults if fault.where.file in setting.specs.unread)


def _failed(status: conditions.Status, entries: list[journal.Entry]) -> Failed | None:
    last, stands = (status.history[0] if status.history else None), status.standing
    said: Mapping[str, Any] = stands.said if stands else {}
    if stands and stands.failures and said.get("message") and not conditions.superseded(stands, last):
        step, message, code, where = (str(said.get(key) or "") for key in ("step", "message", "code", "where"))
        return Failed(step, message, code, where)
    if last is None or last.state not in (TransactionState.ROLLED_BACK, TransactionState.STUCK):
        return None
    reason = next((str(entry.body.get("reason", "")) for entry in entries if entry.kind == "undoing"), "")
    step, _, message = reason.partition(": ")
    steps = {change["step"] for change in entries[0].body.get("changes", ())} | {"verification", "destruction"}
    return Failed(step, message) if step in steps else Failed("", reason)


def _undone(status: conditions.Status, entries: list[journal.Entry]) -> tuple[str, ...]:
    if undone := _end(entries).get("undone"):
        return tuple(undone)
    said = status.standing.said.get("undone", ()) if status.standing else ()
    return tuple(str(text) for text in said)


def _end(entries: list[journal.Entry]) -> Mapping[str, Any]:
    """The last record that says how the transaction was undone; empty if none does."""
    return next((entry.body for entry in reversed(entries) if "leftovers" in entry.body), {})


def _over(setting: Setting, tenant: str, document: Document | None) -> Iterator[Hold]:
    kept = setting.store.read(lambda c: standing.holds(c, [tenant])) if setting.store else {}
    now = setting.ports.clock.stamp()
    for hold in (held.annotated(document) if document else None, kept.get(tenant)):
        if hold is not None and not hold.lasts(now):
            yield hold


def _in_sync(facts: _Facts) -> bool:
    why = facts.why
    trouble = any(facts.condition(kind) for kind in conditions.ORDER[1:-1])
    trouble = trouble or _reason(facts, "Suspended") == _FROZEN
    ready = why.status.has("Ready") and facts.document is not None and not facts.changed
    return ready and not trouble and not why.faults and why.status.hold is None


def _summary(facts: _Facts) -> str:
    why, last = facts.why, facts.why.last
    if why.faults:
        whose = "its spec" if facts.document else "a file that may hold its spec"
        return f"{whose} can't be used, so the tenant stays as it is"
    for kind in ("RollbackFailed", "Reconciling", "Stalled", "Drifted"):
        if found := facts.condition(kind):
            return found.message
    if why.status.hold is not None:
        return f"it is held {held.words(why.status.hold)}"
    if _reason(facts, "Suspended") == _FROZEN and (found := facts.condition("Suspended")):
        return found.message
    if why.status.state == TenantState.TRASHED and (ready := facts.condition("Ready")):
        return ready.message
    if facts.record is None:
        return "it has a spec and was never made" if facts.document else "it has neither a spec nor a record"
    if facts.document is None:
        return "its spec is gone, and everything that it has is kept"
    if facts.changed:
        return "its spec was changed since it was applied"
    return f"it is in sync, as far as the store knows: transaction {last.id[:8]} was the last" if last else "in sync"


def _ways(facts: _Facts) -> Iterator[Way]:
    why, name = facts.why, facts.name
    for fault in why.faults[:_MOST_FAULTS]:
        yield Way(f"mend {fault.where}: {fault.message}{f' ({fault.hint})' if fault.hint else ''}")
    if why.faults:
        yield Way("see every fault", "reconcile validate")
    for left in why.leftovers:
        yield Way(f"clear {left.resource} {left.name}: {left.clear or left.reason}")
    if facts.condition("RollbackFailed") or _reason(facts, "Stalled") == "Interrupted":
        yield Way("settle what was left open", "reconcile recover")
    yield from _holds(facts)
    for kind in ("Ready", "Reconciling", "Stalled", "Drifted", "Suspended"):
        yield from _REASONS.get(_reason(facts, kind), ())
    if why.failed is not None:
        error = next((found for found in errors.tree() if found.code == why.failed.code), None)
        if error is not None:
            yield Way(error.advice, f"reconcile explain {error.code}")
        yield from _again(facts)
    elif why.status.state == TenantState.TRASHED:
        yield Way("take it out of the trash", f"reconcile trash restore {name}")
    elif facts.document is None and facts.record is not None and not why.faults:
        yield Way("put its spec back under specs/tenants, or let removals go through with `guards.prune: true`")
    elif not why.faults and why.status.hold is None and (facts.changed or facts.record is None):
        yield Way("see what would be done", f"reconcile plan --tenant {name}")
        yield Way("do it", f"reconcile apply --tenant {name}")
    elif _in_sync(facts):
        yield Way("look at the server itself", f"reconcile plan --tenant {name} --deep")


def _holds(facts: _Facts) -> Iterator[Way]:
    why, hold = facts.why, facts.why.status.hold
    if hold is not None:
        wait = ", or wait until it ends" if hold.until else ""
        if hold.where:
            yield Way(f"take the annotation {held.ANNOTATION} out of {hold.where}{wait}")
        else:
            yield Way(f"release the hold{wait}", f"reconcile resume {facts.name}")
    if facts.record is not None and removal.HOLD in facts.record.facts:
        yield Way("give it a spec under specs/tenants: then that counts again")
    if why.paused is not None:
        yield Way("let the daemon work again", "reconcile resume")
    for condition in why.source:
        yield Way(f"the specs are not followed: {condition.message}")
        yield from _REASONS.get(condition.reason, ())


def _again(facts: _Facts) -> Iterator[Way]:
    """How a failed attempt comes to be repeated."""
    stands, name = facts.why.status.standing, facts.name
    if stands is not None and stands.failures and stands.final:
        yield Way(
            "the daemon waits for a change of the spec, or for a new token in its annotation `reconciler/requestedAt`"
        )
    elif stands is not None and stands.failures and stands.next_at:
        yield Way(f"nothing, if the cause passes: the daemon tries again at {stands.next_at[:19].replace('T', ' ')}Z")
    yield Way("try it now", f"reconcile apply --tenant {name}")


def _reason(facts: _Facts, kind: str) -> str:
    found = facts.condition(kind)
    return found.reason if found is not None and (found.status != TRUE or kind != "Ready") else ""


_REASONS: Final[Mapping[str, tuple[Way, ...]]] = {
    "PlanStale": (Way("have the new plan reviewed: what would be done now is riskier than what was shown"),),
    "ApprovalRequired": (Way("have its plan reviewed in a pull request, where the daemon looks for it"),),
    "DeletionCapExceeded": (
        Way("put the specs back if they should not be gone"),
        Way("or let that many go, once", "reconcile apply --allow-deletes N"),
    ),
    _FROZEN: (Way("wait until the freeze is over, or change `daemon.freeze` of the Platform"),),
    "HistoryRewritten": (Way(errors.HistoryRewritten.advice),),
    "SourceUnverified": (Way(errors.SourceUnverified.advice),),
    "DriftLoop": (
        Way("find out who else writes: the same thing was mended again and again"),
        Way("then ask for another pass with a new token in its annotation `reconciler/requestedAt`"),
    ),
}
"""What would help by a condition's reason, where the reason alone tells it."""
