"""One pass, from top to bottom: what is wanted, what is there, what would change; and doing it.

A newcomer reads this file first. ``plan`` looks and says. ``apply`` lays the platform's foundation, looks in the same
way, and lets one ``Saga`` a tenant do what the look found, several at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from reconciler import errors
from reconciler.engine import crew, foundation, observe, outbox, planner, recovery, removal, snapshot, sweep
from reconciler.engine import purge as purging
from reconciler.engine.progress import Progress
from reconciler.engine.setting import Setting
from reconciler.model import plan as plans
from reconciler.model.change import Change
from reconciler.model.given import Given
from reconciler.model.goal import Goal
from reconciler.model.outcome import Outcome, Result
from reconciler.model.record import Record
from reconciler.model.saved import SavedPlan
from reconciler.model.secret import Secret
from reconciler.model.tenant import Tenant
from reconciler.ports.store import journal, leases, records


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

    Errors: ``ServerUnreachable`` if the central server, or every server, can't be reached; ``PlatformMisconfigured``.
    """
    known = setting.records()
    tenants, others = _work(setting, options, known)
    with observe.overview(setting, tenants, deep=options.deep) as look:
        refused = _refused(setting, tenants, look, acts=acts)
        platform = _platform(look, refused[setting.place.central_server])
        left = _left_behind(setting, known)
        planned = []
        for tenant in tenants:
            entry = _planned(setting, tenant, known.get(tenant.name), look.sight, refused)
            planned.append(_unclaimed(setting, tenant, entry, left) if tenant.goal is Goal.PRESENT else entry)
    planned += others
    return plans.Plan(
        revision=setting.revision,
        created_at=setting.ports.clock.stamp(),
        deep=options.deep,
        tenants=tuple(sorted(planned, key=lambda entry: entry.tenant)),
        platform=platform,
        snapshot=snapshot.taken(setting),
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
    if any(document.name == name for document in setting.specs.tenants):
        raise errors.UsageError(
            f"tenant {name} has a spec again", advice=f"`reconcile apply --tenant {name}` restores it."
        )
    return _alone(setting, removal.tenant_of(setting, record, Goal.RESTORED), progress)


def purge(setting: Setting, name: str, progress: Progress, *, now: bool) -> Outcome:
    """Destroy a tenant in the trash for good, after a final dump that was proven; ``now`` before its retention ends.

    Errors: ``UsageError`` if it is not in the trash, ``GuardRefused`` if it must be kept.
    """
    record = _in_trash(setting, name)
    if setting.specs.unread or any(document.name == name for document in setting.specs.tenants):
        raise errors.GuardRefused(
            f"tenant {name} is not purged: it has a spec again, or a file that may hold it can't be read",
            advice="Remove its spec, or mend what `reconcile validate` shows.",
        )
    purging.check(setting, record, now=now)
    return _alone(setting, removal.tenant_of(setting, record, Goal.PURGED), progress)


def recover(setting: Setting, progress: Progress) -> list[Outcome]:
    """Settle every transaction that a dead process left open. Safe to run at any time, and more than once."""
    store = setting.opened()
    tools = _tools(setting, progress)
    held = setting.leases()
    outcomes = []
    try:
        for tenant in dict.fromkeys(entry.tenant for entry in store.read(journal.unsettled)):
            started = setting.ports.clock.monotonic()
            try:
                lease = held.acquire(tenant)
            except errors.TenantLeased as error:
                outcomes.append(crew.failed(tenant, Result.LEASED, error, "", 0.0))
                continue
            try:
                settled = crew.settle_open(tools, lease)
            except errors.JournalBroken as error:
                # Nothing is undone by a record that was tampered with; the other tenants are not affected.
                outcomes.append(crew.failed(tenant, Result.STUCK, error, "", 0.0))
                continue
            finally:
                held.release(lease)
            seconds = setting.ports.clock.monotonic() - started
            outcomes += [crew.settled_outcome(entry, seconds) for entry in settled]
        sweep.sweep(setting)
    finally:
        held.close()
    with suppress(errors.ReconcileError):
        outbox.deliver(setting, progress)
    return outcomes


def _carried_out(setting: Setting, options: Options, progress: Progress, planned: plans.Plan) -> list[Outcome]:
    store, known = setting.opened(), setting.records()
    removal.release(setting, known)
    tenants, _ = _work(setting, options, known)
    by_name = {tenant.name: tenant for tenant in tenants}
    open_before = {entry.tenant for entry in store.read(lambda c: journal.unsettled(c, by_name))}
    work, outcomes = [], []
    for entry in planned.tenants:
        if options.saved is not None:
            if entry.tenant in by_name:
                work.append(by_name[entry.tenant])
        elif entry.action is plans.Action.ORPHANED or (entry.action is plans.Action.UNCHANGED and not open_before):
            outcomes.append(Outcome(entry.tenant, Result.UNCHANGED))
        elif entry.blockers and (entry.tenant not in open_before or entry.tenant not in by_name):
            outcomes.append(crew.blocked(entry))
        elif entry.action is plans.Action.UNCHANGED and entry.tenant not in open_before:
            outcomes.append(Outcome(entry.tenant, Result.UNCHANGED))
        elif entry.tenant in by_name:
            work.append(by_name[entry.tenant])
        else:
            outcomes.append(crew.stale(entry.tenant, ["somebody else has changed it: plan again"]))
    held = setting.leases()
    workers = _crew(setting, options, progress, held)
    try:
        if options.atomic == "all":
            outcomes += workers.all_or_none(work, held_back=any(o.result is Result.BLOCKED for o in outcomes))
        else:
            outcomes += workers.each(work)
        with suppress(errors.ReconcileError):
            sweep.sweep(setting)
    finally:
        held.close()
    return sorted(outcomes, key=lambda outcome: outcome.tenant)


def _crew(setting: Setting, options: Options, progress: Progress, held: leases.Leases) -> crew.Crew:
    return crew.Crew(
        setting,
        progress,
        held,
        _tools(setting, progress),
        parallel=options.parallel or setting.platform.apply.parallel,
        deep=options.deep,
        keep_going=options.keep_going,
        reviewed=options.saved.tenants if options.saved else None,
        equal_risk=options.equal_risk,
    )


def _in_trash(setting: Setting, name: str) -> Record:
    record = setting.records([name]).get(name)
    if record is None or not removal.trashed(record):
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
    known = setting.records()
    there = {tenant.name for tenant in setting.tenants(known)} | {name for name in saved.tenants if name in known}
    return tuple(name for name in saved.tenants if name in there)


def _gone(saved: SavedPlan, there: Collection[str]) -> list[Outcome]:
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
    tenants = _chosen(setting, options, known)
    going, others = removal.leaving(setting, known, options.tenants, allowed=options.allow_deletes)
    return [*tenants, *going], others


def _chosen(setting: Setting, options: Options, known: Mapping[str, Record]) -> list[Tenant[Any, Any]]:
    tenants = setting.tenants(known)
    wanted = set(options.tenants)
    unknown = sorted(wanted - {tenant.name for tenant in tenants} - set(known))
    if unknown:
        raise errors.UsageError(f"there is no tenant {', '.join(unknown)} in the specs")
    return [tenant for tenant in tenants if not wanted or tenant.name in wanted]


def _planned(
    setting: Setting,
    tenant: Tenant[Any, Any],
    record: Record | None,
    sight: Any,
    refused: Mapping[str, errors.ReconcileError | list[errors.Refused]],
) -> plans.TenantPlan:
    found = refused.get(tenant.server.name, [])
    if isinstance(found, errors.ReconcileError):
        return planner.refusal(tenant, found)
    given = Given(
        today=setting.ports.clock.now().date().isoformat(), revision=setting.revision_of(tenant), record=record
    )
    try:
        planned, _ = planner.plan_tenant(setting.products[tenant.product], tenant, given, sight)
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


def _refused(
    setting: Setting, tenants: list[Tenant[Any, Any]], look: observe.Overview, *, acts: bool
) -> dict[str, errors.ReconcileError | list[errors.Refused]]:
    """By server: what speaks against any change there, or why it can't be reached."""
    found: dict[str, errors.ReconcileError | list[errors.Refused]] = {}
    folder = look.folders()
    for name in {tenant.server.name for tenant in tenants} | {setting.place.central_server}:
        server = setting.servers[name]
        try:
            found[name] = [*look.refusals(server, acts), *folder]
        except errors.ServerUnreachable as error:
            if name == setting.place.central_server:
                raise
            found[name] = error
    central = found[setting.place.central_server]
    if isinstance(central, list):
        for name, mine in found.items():
            if isinstance(mine, list) and name != setting.place.central_server:
                found[name] = [*mine, *(entry for entry in central if entry not in mine)]
    return found


def _left_behind(setting: Setting, known: Mapping[str, Record]) -> dict[tuple[str, str], str]:
    """What tenants on record whose spec is gone still hold for themselves, and which of them."""
    present = {document.name for document in setting.specs.tenants}
    return {
        claim: name
        for name, record in known.items()
        if name not in present and record.product in setting.products
        for claim in setting.products[record.product].claims(record.spec)
    }


def _unclaimed(
    setting: Setting, tenant: Tenant[Any, Any], planned: plans.TenantPlan, left: Mapping[tuple[str, str], str]
) -> plans.TenantPlan:
    """The plan, blocked where the tenant wants what one whose spec is gone still has."""
    blockers = [
        planner.blocker(
            errors.ForbiddenChange(
                f"the {what} {value} still belongs to tenant {left[what, value]}, whose spec is gone",
                advice=f"Choose another {what}, or put that tenant's spec back with another one first.",
            ),
            tenant,
        )
        for what, value in setting.products[tenant.product].claims(tenant.data)
        if (what, value) in left
    ]
    if not blockers or not planned.changes:
        return planned
    return replace(planned, action=plans.Action.BLOCKED, blockers=(*planned.blockers, *blockers))


def _tools(setting: Setting, progress: Progress) -> recovery.Tools:
    store = setting.opened()

    def reveal(tenant: str, secret: Secret) -> str:
        for entry in store.read(lambda connection: records.unseal(connection, tenant)):
            if entry.secret.name == secret.name:
                return setting.keys.vault.open(tenant, entry.secret, entry.sealed)
        raise errors.StoreFailed(f"the store has no secret {secret.name} of tenant {tenant}")

    return recovery.Tools(store, setting.ports, reveal, setting.patience, progress)
