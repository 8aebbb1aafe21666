"""One pass, from top to bottom: what is wanted, what is there, what would change; and doing it.

A newcomer reads this file first. ``plan`` looks and says. ``apply`` lays the platform's foundation, looks in the same
way, and lets one ``Saga`` a tenant do what the look found, several at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from reconciler import errors
from reconciler.engine import foundation, observe, planner, preflight, recovery, sweep
from reconciler.engine.progress import Progress
from reconciler.engine.saga import Saga
from reconciler.engine.setting import Setting
from reconciler.model import plan as plans
from reconciler.model.change import Change
from reconciler.model.given import Given
from reconciler.model.outcome import Failure, Leftover, Outcome, Result
from reconciler.model.record import Record
from reconciler.model.secret import Secret
from reconciler.model.tenant import Tenant
from reconciler.ports.mysql.connection import Connection
from reconciler.ports.store import journal, leases, records


@dataclass(frozen=True, slots=True)
class Options:
    """What a person may choose. ``tenants`` empty means all of them; ``parallel`` 0 means what the platform says."""

    tenants: Collection[str] = ()
    deep: bool = False
    keep_going: bool = False
    atomic: str = "tenant"
    parallel: int = 0


def plan(setting: Setting, options: Options, *, acts: bool = False) -> plans.Plan:
    """The dry run: what ``apply`` would do. Changes nothing and takes no lease. ``acts`` says that it will be done, so
    that an account that can only look is refused.

    Errors: ``ServerUnreachable`` if the central server, or every server, can't be reached; ``PlatformMisconfigured``.
    """
    known = setting.records()
    tenants = _chosen(setting, options, known)
    with observe.overview(setting, tenants, known, deep=options.deep) as sight:
        central = sight.connection(sight.central_server)
        refused = _refused(setting, tenants, sight.connection, acts=acts)
        platform = _platform(setting, central, refused[setting.place.central_server])
        planned = []
        for tenant in tenants:
            planned.append(_planned(setting, tenant, known.get(tenant.name), sight, refused))
    planned += _orphans(setting, options, known)
    return plans.Plan(
        revision=setting.revision,
        created_at=setting.ports.clock.stamp(),
        deep=options.deep,
        tenants=tuple(sorted(planned, key=lambda entry: entry.tenant)),
        platform=platform,
    )


def apply(
    setting: Setting, options: Options, progress: Progress, *, confirm: Callable[[plans.Plan], bool] | None = None
) -> tuple[plans.Plan, list[Outcome]]:
    """Do what ``plan`` says, after ``confirm`` agreed to it; every tenant is fully ready afterwards, or as before.

    Errors: as for ``plan``; what happens to a tenant is an outcome, never an exception.
    """
    planned = plan(setting, options, acts=True)
    if confirm is not None and not confirm(planned):
        return planned, [Outcome(entry.tenant, Result.SKIPPED) for entry in planned.tenants]
    if planned.platform:
        foundation.check(setting)
    setting = foundation.lay(setting)
    try:
        return planned, _carried_out(setting, options, progress, planned)
    finally:
        if setting.store is not None:
            setting.store.close()


def recover(setting: Setting, progress: Progress) -> list[Outcome]:
    """Settle every transaction that a dead process left open. Safe to run at any time, and more than once."""
    store = setting.opened()
    tools = _tools(setting, progress)
    held = leases.Leases(store, setting.ports.clock.stamp)
    outcomes = []
    try:
        for tenant in dict.fromkeys(entry.tenant for entry in store.read(journal.unsettled)):
            started = setting.ports.clock.monotonic()
            try:
                lease = held.acquire(tenant)
            except errors.TenantLeased as error:
                outcomes.append(_failed(tenant, Result.LEASED, error, "", 0.0))
                continue
            settled = _settle_open(tools, lease)
            held.release(lease)
            seconds = setting.ports.clock.monotonic() - started
            outcomes += [_settled_outcome(entry, seconds) for entry in settled]
        sweep.sweep(setting)
    finally:
        held.close()
    return outcomes


def _carried_out(setting: Setting, options: Options, progress: Progress, planned: plans.Plan) -> list[Outcome]:
    store = setting.opened()
    by_name = {tenant.name: tenant for tenant in _chosen(setting, options, setting.records())}
    open_before = {entry.tenant for entry in store.read(lambda c: journal.unsettled(c, by_name))}
    work, outcomes = [], []
    for entry in planned.tenants:
        if entry.action is plans.Action.ORPHANED or (entry.action is plans.Action.UNCHANGED and not open_before):
            outcomes.append(Outcome(entry.tenant, Result.UNCHANGED))
        elif entry.blockers and entry.tenant not in open_before:
            outcomes.append(_blocked(entry))
        elif entry.action is plans.Action.UNCHANGED and entry.tenant not in open_before:
            outcomes.append(Outcome(entry.tenant, Result.UNCHANGED))
        else:
            work.append(by_name[entry.tenant])
    held = leases.Leases(store, setting.ports.clock.stamp)
    crew = _Crew(setting, options, progress, held, _tools(setting, progress))
    try:
        if options.atomic == "all":
            outcomes += crew.all_or_none(work, blocked=any(o.result is Result.BLOCKED for o in outcomes))
        else:
            outcomes += crew.each(work)
        with suppress(errors.ReconcileError):
            sweep.sweep(setting)
    finally:
        held.close()
    return sorted(outcomes, key=lambda outcome: outcome.tenant)


@dataclass(slots=True)
class _Crew:
    """The workers of one apply."""

    setting: Setting
    options: Options
    progress: Progress
    held: leases.Leases
    tools: recovery.Tools
    _stopped: threading.Event = field(default_factory=threading.Event)

    def each(self, work: list[Tenant[Any, Any]]) -> list[Outcome]:
        """Every tenant a transaction of its own. After a failure no further one starts, unless told to keep going."""

        def one(tenant: Tenant[Any, Any]) -> Outcome:
            if self._stopped.is_set() or self.setting.stop.is_set():
                return Outcome(tenant.name, Result.SKIPPED)
            outcome: Outcome = self._one(tenant)
            if outcome.result not in (Result.APPLIED, Result.UNCHANGED) and not self.options.keep_going:
                self._stopped.set()
            self.progress.ends(outcome)
            return outcome

        return self._together(one, work)

    def all_or_none(self, work: list[Tenant[Any, Any]], *, blocked: bool) -> list[Outcome]:
        """All tenants one transaction: each is brought to the brink of its commit, then all commit in one write."""
        if blocked:
            return [Outcome(tenant.name, Result.SKIPPED) for tenant in work]
        sagas: dict[str, Saga] = {}
        started = self.setting.ports.clock.monotonic()

        def ready(tenant: Tenant[Any, Any]) -> Outcome | None:
            if self._stopped.is_set() or self.setting.stop.is_set():
                return Outcome(tenant.name, Result.SKIPPED)
            outcome: Outcome | None = self._one(tenant, hold=sagas)
            if outcome is not None and outcome.result is not Result.UNCHANGED:
                self._stopped.set()
            return outcome

        outcomes = self._together(ready, work)
        ended = [outcome for outcome in outcomes if outcome is not None]
        cause: errors.ReconcileError | None = None
        if any(outcome.result is not Result.UNCHANGED for outcome in ended):
            cause = errors.StepFailed("another tenant of the same change set failed, so none was applied")
        else:
            try:
                self._commit(list(sagas.values()))
            except errors.ReconcileError as error:
                cause = error
        for saga in sagas.values():
            ended.append(self._finished(saga, started) if cause is None else self._undone(saga, cause, started))
        for outcome in ended:
            self.progress.ends(outcome)
        return ended

    def _together(self, action: Callable[[Any], Any], work: list[Tenant[Any, Any]]) -> list[Any]:
        parallel = self.options.parallel or self.setting.platform.apply.parallel
        if parallel == 1 or len(work) < 2:
            return [action(tenant) for tenant in work]
        with ThreadPoolExecutor(max_workers=min(parallel, len(work)), thread_name_prefix="tenant") as pool:
            return list(pool.map(action, work))

    def _one(self, tenant: Tenant[Any, Any], hold: dict[str, Saga] | None = None) -> Any:
        started = self.setting.ports.clock.monotonic()
        try:
            lease = self.held.acquire(tenant.name)
        except errors.TenantLeased as error:
            return _failed(tenant.name, Result.LEASED, error, "", 0.0)
        except errors.ReconcileError as error:
            return _failed(tenant.name, Result.ROLLED_BACK, error, "", 0.0)
        saga = Saga(self.setting, tenant, lease, self.tools, self.progress, deep=self.options.deep)
        try:
            early = self._looked(saga, started)
            if early is not None:
                saga.close()
                self.held.release(lease)
                return early
            saga.begin()
        except errors.ReconcileError as error:
            # Nothing was touched yet, unless the answer of the first journal record was lost: then it is undone.
            return self._undone(saga, error, started)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not leave a lease behind either
            return self._undone(saga, _unforeseen(error), started)
        try:
            saga.act()
            saga.prove()
            if hold is not None:
                hold[tenant.name] = saga
                return None
            self._commit([saga])
        except errors.ReconcileError as error:
            return self._undone(saga, error, started)
        except Exception as error:  # noqa: BLE001 - whatever it is, the tenant must not stay half-made
            return self._undone(saga, _unforeseen(error), started)
        return self._finished(saga, started)

    def _looked(self, saga: Saga, started: float) -> Outcome | None:
        """Settle what is open, look, and say how it ends if there is nothing to do or it must not be done."""
        settled = _settle_open(self.tools, saga.lease)
        stuck = [entry for entry in settled if entry.leftovers]
        seconds = self.setting.ports.clock.monotonic() - started
        if stuck:
            return _settled_outcome(stuck[0], seconds)
        planned = saga.look()
        if planned.blockers:
            return _blocked(planned)
        if not planned.changes:
            return Outcome(saga.tenant.name, Result.UNCHANGED, seconds=seconds)
        return None

    def _commit(self, sagas: list[Saga]) -> None:
        store = self.setting.opened()

        def write(connection: sa.Connection) -> None:
            for saga in sagas:
                leases.hold(connection, saga.lease)
                saga.write_commit(connection)

        try:
            store.write(write)
        except errors.StoreFailed:
            # The answer was lost, or nothing was written: only the store can tell.
            if not all(saga.committed() for saga in sagas):
                raise
        for saga in sagas:
            self.held.forget(saga.lease)

    def _finished(self, saga: Saga, started: float) -> Outcome:
        saga.finish()
        seconds = self.setting.ports.clock.monotonic() - started
        return Outcome(saga.tenant.name, Result.APPLIED, saga.id, seconds)

    def _undone(self, saga: Saga, error: errors.ReconcileError, started: float) -> Outcome:
        clock, tenant = self.setting.ports.clock, saga.tenant.name
        result, left = Result.ROLLED_BACK, tuple[Leftover, ...]()
        identity = saga.id
        try:
            if isinstance(error, errors.LeaseLost):
                result = Result.LEASED
            elif saga.begun():
                left = saga.undo(f"{saga.step}: {error.message}").leftovers
                result = Result.STUCK if left else Result.ROLLED_BACK
            else:
                identity = ""
                result = Result.BLOCKED if isinstance(error, errors.Refused) else Result.ROLLED_BACK
        except errors.LeaseLost as lost:
            result, error = Result.LEASED, lost
        except errors.ReconcileError as second:
            result = Result.STUCK
            left = (Leftover("journal", saga.id, second.message, "reconcile recover"),)
        saga.close()
        with suppress(errors.ReconcileError):
            self.held.release(saga.lease)
        return _failed(tenant, result, error, saga.step, clock.monotonic() - started, identity, left)


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
    blockers = (*planned.blockers, *(planner.blocker(error, tenant) for error in found))
    return replace(planned, action=plans.Action.BLOCKED, blockers=blockers)


def _platform(setting: Setting, central: Connection, refused: object) -> tuple[Change, ...]:
    try:
        return tuple(foundation.changes(setting, central))
    except errors.MissingPrivilege as error:
        # What the preflight says of an account that provisions is all that it lacks, not only what was met first.
        said = refused if isinstance(refused, list) else []
        raise next((entry for entry in said if isinstance(entry, errors.MissingPrivilege)), error) from error


def _refused(
    setting: Setting, tenants: list[Tenant[Any, Any]], connection: Callable[[Any], Connection], *, acts: bool
) -> dict[str, errors.ReconcileError | list[errors.Refused]]:
    """By server: what speaks against any change there, or why it can't be reached."""
    found: dict[str, errors.ReconcileError | list[errors.Refused]] = {}
    folder = list(preflight.check_delivery(setting))
    for name in {tenant.server.name for tenant in tenants} | {setting.place.central_server}:
        server = setting.servers[name]
        try:
            finding = preflight.check_server(connection(server), server, setting, acts=acts)
            found[name] = [*finding.refusals, *folder]
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


def _orphans(setting: Setting, options: Options, known: Mapping[str, Record]) -> list[plans.TenantPlan]:
    """Tenants on record that the specs no longer have; a spec that can't be read is not an absent one."""
    wanted = {document.name for document in setting.specs.tenants}
    chosen = set(options.tenants)
    return [
        planner.orphan(record, prune=setting.platform.guards.prune)
        for name, record in known.items()
        if name not in wanted and (not chosen or name in chosen)
    ]


def _tools(setting: Setting, progress: Progress) -> recovery.Tools:
    store = setting.opened()

    def reveal(tenant: str, secret: Secret) -> str:
        for entry in store.read(lambda connection: records.unseal(connection, tenant)):
            if entry.secret.name == secret.name:
                return setting.keys.vault.open(tenant, entry.secret, entry.sealed)
        raise errors.StoreFailed(f"the store has no secret {secret.name} of tenant {tenant}")

    return recovery.Tools(store, setting.ports, reveal, setting.patience, progress)


def _settle_open(tools: recovery.Tools, lease: leases.Lease) -> list[recovery.Settled]:
    found = tools.store.read(lambda connection: journal.unsettled(connection, [lease.tenant]))
    return [
        recovery.settle(tools, lease, entry, "the process that began it ended before it was done") for entry in found
    ]


def _settled_outcome(settled: recovery.Settled, seconds: float) -> Outcome:
    entry = settled.transaction
    result = Result.STUCK if settled.leftovers else Result.ROLLED_BACK
    return Outcome(entry.tenant, result, entry.id, seconds, None, settled.leftovers)


def _blocked(entry: plans.TenantPlan) -> Outcome:
    first = entry.blockers[0]
    message = "; ".join(blocker.message for blocker in entry.blockers)
    return Outcome(entry.tenant, Result.BLOCKED, failure=Failure(first.code, "", message, first.advice, first.exit))


def _failed(
    tenant: str,
    result: Result,
    error: errors.ReconcileError,
    step: str,
    seconds: float,
    transaction: str = "",
    leftovers: tuple[Leftover, ...] = (),
) -> Outcome:
    where = f"{error.where}: " if error.where else ""
    failure = Failure(error.code, step, where + error.message, error.next, error.exit)
    return Outcome(tenant, result, transaction, seconds, failure, leftovers)


def _unforeseen(error: Exception) -> errors.StepFailed:
    return errors.StepFailed(f"unforeseen {type(error).__name__}: {error}")
