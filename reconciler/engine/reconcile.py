"""One pass, from top to bottom: what is wanted, what is there, what would change; and doing it.

A newcomer reads this file first. ``plan`` looks and says. ``apply`` lays the platform's foundation, looks in the same
way, and lets one ``Saga`` a tenant do what the look found, several at once.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from reconciler import errors
from reconciler.engine import foundation, memo, objections, observe, outbox, planner, removal, strays, sweep, unsettled
from reconciler.engine import held as holding
from reconciler.engine import purge as purging
from reconciler.engine.progress import Progress
from reconciler.engine.setting import Setting
from reconciler.model import plan as plans
from reconciler.model.change import Change
from reconciler.model.given import Given
from reconciler.model.goal import Goal
from reconciler.model.outcome import Outcome, Result
from reconciler.model.record import Record
from reconciler.model.tenant import Tenant
from reconciler.ports.store import journal, leases

if TYPE_CHECKING:
    from reconciler.engine import crew
    from reconciler.model.saved import SavedPlan

_FEW = 200
"""Of so many chosen tenants only their own records are read."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a person may choose. ``tenants`` empty means all of them; ``parallel`` 0 means what the platform says.

    ``saved`` is a plan to be carried out exactly, on its tenants only; ``equal_risk`` goes on with a tenant that has
    moved since if that is no riskier. ``allow_deletes`` lets so many tenants go to the trash, whatever the platform's
    guards say of numbers.
    """

    tenants: Collection[str] = ()
    deep: bool = False
    keep_going: bool = False
    atomic: str = "tenant"
    parallel: int = 0
    saved: SavedPlan | None = None
    equal_risk: bool = False
    allow_deletes: int | None = None


def plan(setting: Setting, options: Options, *, acts: bool = False) -> plans.Plan:
    """The dry run: what ``apply`` would do. Changes nothing and takes no lease. ``acts`` says that it will be done, so
    that an account that can only look is refused. A snapshot in the setting is looked at in place of the world.

    Errors: ``ServerUnreachable`` if the central server, or every server, can't be reached; ``PlatformMisconfigured``;
    ``UsageError`` for a chosen tenant of whom nobody knows anything.
    """
    known = _known(setting, options)
    tenants, others = _work(setting, options, known)
    everybody = {*known, *(tenant.name for tenant in tenants), *(entry.tenant for entry in others)}
    with observe.overview(setting, tenants, deep=options.deep, everybody=not options.tenants) as look:
        others += _strangers(setting, {*options.tenants} - everybody, look)
        refused = objections.of_servers(setting, {tenant.server.name for tenant in tenants}, look, acts=acts)
        platform = _platform(look, refused[setting.place.central_server])
        left = functools.cache(lambda: objections.left_behind(setting, setting.records_without(_present(setting))))
        planned, notes = [], memo.Memo(setting, look.sight, whole=not options.tenants)
        today = setting.ports.clock.now().date().isoformat()
        work = [(tenant, _given(setting, tenant, known, today)) for tenant in reversed(tenants)]
        notes.recall(one for one in work if not isinstance(refused[one[0].server.name], errors.ReconcileError))
        del known, tenants
        while work:  # what is known of a tenant goes with its turn: of ten thousand at once it would be much
            tenant, given = work.pop()
            entry = _planned(setting, tenant, given, notes, refused)
            look.sight.let_go(tenant.name)
            if entry.changes and tenant.goal is Goal.PRESENT:
                entry = objections.unclaimed(setting, tenant, entry, left())
            planned.append(entry)
        notes.save(everybody)
        open_now = unsettled.transactions(setting, options.tenants)
        everybody.update(entry.tenant for entry in open_now)
        planned += strays.found(setting, look.sight, everybody)
    planned = unsettled.said(setting, [*planned, *others], open_now, options.tenants)
    return plans.Plan(
        revision=setting.revision,
        created_at=setting.ports.clock.stamp(),
        deep=options.deep,
        tenants=tuple(sorted(planned, key=lambda entry: entry.tenant)),
        platform=platform,
        snapshot=observe.taken(setting),
    )


def apply(
    setting: Setting, options: Options, progress: Progress, *, confirm: Callable[[plans.Plan], bool] | None = None
) -> tuple[plans.Plan, list[Outcome]]:
    """Do what ``plan`` says, after ``confirm`` agreed to it; every tenant is fully ready afterwards, or as before.

    Errors: as for ``plan``; what happens to a tenant is an outcome, never an exception.
    """
    saved = options.saved
    if saved is not None:
        _bind(setting, saved)
        options = replace(options, tenants=_reviewed(setting, saved), deep=saved.deep)
        if not options.tenants:
            return _platform_only(setting, saved, confirm)
    planned = plan(setting, options, acts=True)
    if saved is not None and (more := {change.summary for change in planned.platform} - {*saved.platform}):
        raise errors.PlanStale(f"since the plan was saved, the platform needs more: {'; '.join(sorted(more))}")
    if confirm is not None and not confirm(planned):
        return planned, [Outcome(entry.tenant, Result.SKIPPED) for entry in planned.tenants]
    if planned.platform:
        foundation.check(setting)
    setting = foundation.lay(setting)
    try:
        outcomes = _carried_out(setting, options, progress, planned)
        if saved is not None:
            outcomes += _gone(saved, {outcome.tenant for outcome in outcomes})
        with suppress(errors.ReconcileError):
            outbox.deliver(setting, progress)
        return planned, outcomes
    finally:
        if setting.store is not None:
            setting.store.close()


def restore(setting: Setting, name: str, progress: Progress) -> Outcome:
    """Take a tenant out of the trash exactly as it was; it is held against git until its spec is there again.

    Errors: ``UsageError`` if it is not in the trash, or its spec is there, so that ``apply`` restores it.
    """
    record = _in_trash(setting, name)
    if record.parted:
        raise errors.UsageError(
            f"of tenant {name} only the database {record.database} is in the trash",
            advice=f"Put what asks for it into its spec (cloudSync: true), then `reconcile apply --tenant {name}`.",
        )
    if any(document.name == name for document in setting.specs.tenants):
        raise errors.UsageError(
            f"tenant {name} has a spec again", advice=f"`reconcile apply --tenant {name}` restores it."
        )
    return _alone(setting, removal.tenant_of(setting, record, Goal.RESTORED), progress)


def purge(setting: Setting, name: str, progress: Progress, *, now: bool) -> Outcome:
    """Destroy a tenant in the trash for good, or its database that alone is there, after a final dump that was proven;
    ``now`` before its retention ends.

    Errors: ``UsageError`` if it is not in the trash, ``GuardRefused`` if it must be kept.
    """
    record = _in_trash(setting, name)
    tenant = removal.tenant_of(setting, record, Goal.PURGED)
    removal.unwanted(setting, record)
    purging.check(setting, record, now=now)
    return _alone(setting, tenant, progress)


def recover(setting: Setting, progress: Progress) -> list[Outcome]:
    """Settle every transaction that a dead process left open. Safe to run at any time, and more than once."""
    from reconciler.engine import crew  # who only plans does without all that acts

    store = setting.opened()
    tools = crew.tools_of(setting, progress)
    held = setting.leases()
    outcomes = []
    try:
        for tenant in dict.fromkeys(entry.tenant for entry in store.read(journal.unsettled)):
            outcomes += crew.settle(tools, held, tenant)
        sweep.sweep(setting)
    finally:
        held.close()
    with suppress(errors.ReconcileError):
        outbox.deliver(setting, progress)
    return outcomes


def _carried_out(setting: Setting, options: Options, progress: Progress, planned: plans.Plan) -> list[Outcome]:
    from reconciler.engine import crew

    known = _known(setting, options)
    removal.remember(setting, known, options.tenants)
    tenants, others = _work(setting, options, known)
    by_name, spoken_of = {tenant.name: tenant for tenant in tenants}, {entry.tenant: entry for entry in others}
    open_before = {entry.tenant for entry in unsettled.transactions(setting, options.tenants)}
    work, waiting, outcomes = [], [], []
    for entry in planned.tenants:
        name, is_open = entry.tenant, entry.tenant in open_before
        if options.saved is not None:
            if name in by_name:
                work.append(by_name[name])
        elif name in by_name and entry.action is not plans.Action.ORPHANED and (is_open or _promising(entry)):
            work.append(by_name[name])
        elif is_open:
            waiting.append(entry)  # it is held, or refused, or nobody wants it, and none of that stops a recovery
        else:
            outcomes.append(_left_alone(entry, spoken_of.get(name, entry)))
    held = setting.leases()
    workers = _crew(setting, options, progress, held)
    try:
        for entry in waiting:
            settled = crew.settle(workers.tools, held, entry.tenant)
            # Whoever works on it instead ends it: no matter, unless it was asked for.
            asked = entry.tenant in options.tenants or unsettled.stuck(entry)
            bad = (Result.STUCK, Result.LEASED) if asked else (Result.STUCK,)
            left = [outcome for outcome in settled if outcome.result in bad]
            outcomes += left or [_left_alone(entry, spoken_of.get(entry.tenant, entry))]
        if options.atomic == "all":
            outcomes += workers.all_or_none(work, held_back=any(o.result is Result.BLOCKED for o in outcomes))
        else:
            outcomes += workers.each(work)
        with suppress(errors.ReconcileError):
            sweep.sweep(setting)
    finally:
        held.close()
    return sorted(outcomes, key=lambda outcome: outcome.tenant)


def _promising(entry: plans.TenantPlan) -> bool:
    """Whether there is something to do, and nothing in its way that may not be gone when it is looked at again."""
    if ours_by_now(entry) or not unsettled.without(entry).blockers:
        return entry.action is not plans.Action.UNCHANGED
    return False


def _left_alone(entry: plans.TenantPlan, now: plans.TenantPlan) -> Outcome:
    """The outcome of a tenant that is not worked on: what the plan had against that, or what there is by ``now``.

    What was to be done with it, and nobody speaks of any more, somebody else has done, or undone.
    """
    from reconciler.engine import crew

    against = next((found for found in map(unsettled.without, (entry, now)) if found.blockers), None)
    return crew.blocked(against) if against is not None else Outcome(entry.tenant, Result.UNCHANGED)


def ours_by_now(entry: plans.TenantPlan) -> bool:
    """Whether what was in the way may be of another process of ours, which has ended since: its lease tells."""
    return all(blocker.code == errors.ForeignObject.code for blocker in entry.blockers)


def _crew(setting: Setting, options: Options, progress: Progress, held: leases.Leases) -> crew.Crew:
    from reconciler.engine import crew

    return crew.Crew(
        setting,
        progress,
        held,
        crew.tools_of(setting, progress),
        parallel=options.parallel or setting.platform.apply.parallel,
        deep=options.deep,
        keep_going=options.keep_going,
        reviewed=options.saved.tenants if options.saved else None,
        equal_risk=options.equal_risk,
    )


def _in_trash(setting: Setting, name: str) -> Record:
    record = setting.records([name]).get(name)
    if record is None or not (record.trashed or record.parted):
        raise errors.UsageError(f"tenant {name} is not in the trash", advice="`reconcile trash list` shows what is.")
    return record


def _alone(setting: Setting, tenant: Tenant[Any, Any], progress: Progress) -> Outcome:
    """One tenant, outside a pass."""
    held = setting.leases()
    try:
        [outcome] = _crew(setting, Options(), progress, held).each([tenant])
        return outcome
    finally:
        held.close()
        with suppress(errors.ReconcileError):
            outbox.deliver(setting, progress)


def _bind(setting: Setting, saved: SavedPlan) -> None:
    if setting.place.platform_id != saved.platform_id and saved.platform_id:
        raise errors.PlanUnusable(
            f"the plan was made for the platform with the id {saved.platform_id}, and this one has "
            f"{setting.place.platform_id or 'none yet'}"
        )


def _reviewed(setting: Setting, saved: SavedPlan) -> tuple[str, ...]:
    """The tenants of a saved plan that the specs still have."""
    known = setting.records(saved.tenants)
    there = {tenant.name for tenant in setting.tenants(known, {*saved.tenants})} | known.keys()
    return tuple(name for name in saved.tenants if name in there)


def _gone(saved: SavedPlan, there: Collection[str]) -> list[Outcome]:
    from reconciler.engine import crew

    return [
        crew.stale(name, [f"it is not to be worked on any more; the plan would {entry.action.value} it"])
        for name, entry in saved.tenants.items()
        if name not in there
    ]


def _platform_only(
    setting: Setting, saved: SavedPlan, confirm: Callable[[plans.Plan], bool] | None
) -> tuple[plans.Plan, list[Outcome]]:
    """A saved plan of which no tenant is left: the platform may still have to be laid."""
    with observe.overview(setting, [], deep=saved.deep) as look:
        changes = tuple(look.lacking())
    planned = plans.Plan(setting.revision, setting.ports.clock.stamp(), saved.deep, (), changes)
    if changes and (confirm is None or confirm(planned)):
        foundation.check(setting)
        foundation.lay(setting).opened().close()
    return planned, _gone(saved, ())


def _work(
    setting: Setting, options: Options, known: Mapping[str, Record]
) -> tuple[list[Tenant[Any, Any]], list[plans.TenantPlan]]:
    """The tenants to work on, those that are to go among them; and the plans of those that only are spoken of."""
    tenants = setting.tenants(known, options.tenants)
    tenants = removal.guarded(setting, known, tenants, allowed=options.allow_deletes)
    going, others = removal.leaving(setting, known, options.tenants, allowed=options.allow_deletes)
    work, waiting = holding.apart(setting, [*tenants, *going])
    return work, [*others, *removal.stranded(setting, known, options.tenants), *waiting]


def _known(setting: Setting, options: Options) -> Mapping[str, Record]:
    """The records that count: of the chosen tenants only theirs, unless one of them is to go, or its database is. Who
    may go hangs on everybody who goes.
    """
    if not options.tenants or len(options.tenants) > _FEW:
        return setting.records()
    found = setting.records(options.tenants)
    leaves = not found.keys() <= _present(setting)
    parts = any(tenant.former for tenant in setting.tenants(found, {*options.tenants}))
    return setting.records() if leaves or parts else found


def _present(setting: Setting) -> set[str]:
    return {document.name for document in setting.specs.tenants}


def _strangers(setting: Setting, names: set[str], look: observe.Overview) -> list[plans.TenantPlan]:
    """The plans of chosen tenants that have neither a spec nor a record: such as have rows in the central database.

    Errors: ``UsageError`` for those that have nothing there, and no transaction that has not ended.
    """
    if not names:
        return []
    names -= {entry.tenant for entry in unsettled.transactions(setting, names)}
    found = strays.among(setting, look.sight, names)
    if unknown := sorted(names - {entry.tenant for entry in found}):
        raise errors.UsageError(f"there is no tenant {', '.join(unknown)} in the specs")
    return found


def _given(setting: Setting, tenant: Tenant[Any, Any], known: Mapping[str, Record], today: str) -> Given:
    return Given(today=today, revision=setting.revision_of(tenant), record=known.get(tenant.name))


def _planned(
    setting: Setting,
    tenant: Tenant[Any, Any],
    given: Given,
    notes: memo.Memo,
    refused: Mapping[str, errors.ReconcileError | list[errors.Refused]],
) -> plans.TenantPlan:
    found = refused.get(tenant.server.name, [])
    if isinstance(found, errors.ReconcileError):
        return planner.refusal(tenant, found)
    try:
        planned = notes.planned(tenant, given)
    except errors.ServerUnreachable as error:
        return planner.refusal(tenant, error)
    if not planned.changes or not found:
        return planned
    blockers = dict.fromkeys((*planned.blockers, *(planner.blocker(error, tenant) for error in found)))
    return replace(planned, action=plans.Action.BLOCKED, blockers=tuple(blockers))


def _platform(look: observe.Overview, refused: object) -> tuple[Change, ...]:
    try:
        return tuple(look.lacking())
    except errors.MissingPrivilege as error:
        # What the preflight says of an account that provisions is all that it lacks, not only what was met first.
        said = refused if isinstance(refused, list) else []
        raise next((entry for entry in said if isinstance(entry, errors.MissingPrivilege)), error) from error
