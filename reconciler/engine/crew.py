"""The workers of an apply: a lease and a ``Saga`` a tenant, several at a time, each brought to an outcome."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from reconciler import errors
from reconciler.engine import recovery
from reconciler.engine.progress import Progress
from reconciler.engine.saga import Saga
from reconciler.engine.setting import Setting
from reconciler.model import plan as plans
from reconciler.model import saved
from reconciler.model.goal import Goal
from reconciler.model.outcome import Failure, Leftover, Outcome, Result
from reconciler.model.secret import Secret
from reconciler.model.tenant import Tenant
from reconciler.ports.store import journal, leases, records

_PASSING = frozenset(
    {errors.ServerUnreachable.code, errors.DeliveryUnusable.code, errors.LoginRefused.code, errors.Stuck.code}
)
"""Codes of blockers that may be gone by themselves."""
RECOVER = "reconcile recover"


@dataclass(slots=True)
class Crew:
    """The workers of one apply: ``parallel`` tenants at a time.

    ``consent`` is asked about every plan that was made under a lease and holds changes: it gives it back, perhaps with
    blockers, or says why it must not be carried out. ``looked`` hears of all of them, those without changes too.
    """

    setting: Setting
    progress: Progress
    held: leases.Leases
    tools: recovery.Tools
    parallel: int
    deep: bool
    keep_going: bool
    reviewed: Mapping[str, saved.Reviewed] | None = None
    equal_risk: bool = False
    consent: Callable[[Tenant[Any, Any], plans.TenantPlan], plans.TenantPlan | errors.ReconcileError] | None = None
    looked: Callable[[plans.TenantPlan], None] | None = None
    _stopped: threading.Event = field(default_factory=threading.Event)

    def each(self, work: list[Tenant[Any, Any]]) -> list[Outcome]:
        """Every tenant a transaction of its own. After a failure no further one starts, unless told to keep going."""

        def one(tenant: Tenant[Any, Any]) -> Outcome:
            if self._stopped.is_set() or self.setting.stop.is_set():
                return Outcome(tenant.name, Result.SKIPPED)
            outcome: Outcome = self._one(tenant)
            if outcome.result not in (Result.APPLIED, Result.UNCHANGED, Result.STALE) and not self.keep_going:
                self._stopped.set()
            self.progress.ends(outcome)
            return outcome

        return self._together(one, work)

    def all_or_none(self, work: list[Tenant[Any, Any]], *, held_back: bool) -> list[Outcome]:
        """All tenants one transaction: each is brought to the brink of its commit, then all commit in one write."""
        if held_back:
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
        if self.parallel == 1 or len(work) < 2:
            return [action(tenant) for tenant in work]
        with ThreadPoolExecutor(max_workers=min(self.parallel, len(work)), thread_name_prefix="tenant") as pool:
            return list(pool.map(action, work))

    def _one(self, tenant: Tenant[Any, Any], hold: dict[str, Saga] | None = None) -> Any:
        started = self.setting.ports.clock.monotonic()
        try:
            lease = self.held.acquire(tenant.name)
        except errors.TenantLeased as error:
            return failed(tenant.name, Result.LEASED, error, "", 0.0)
        except errors.ReconcileError as error:
            return failed(tenant.name, Result.ROLLED_BACK, error, "", 0.0)
        saga = Saga(self.setting, tenant, lease, self.tools, self.progress, deep=self.deep)
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
        settled = _settled(self.tools, saga.lease)
        if isinstance(settled, Outcome):
            return settled
        stuck = [entry for entry in settled if entry.leftovers]
        finished = [entry for entry in settled if entry.forward]
        seconds = self.setting.ports.clock.monotonic() - started
        if stuck:
            return settled_outcome(stuck[0], seconds)
        if finished and saga.tenant.goal is Goal.PURGED:
            return settled_outcome(finished[0], seconds)
        planned = saga.look()
        if self.looked is not None:
            self.looked(planned)
        if self.reviewed is not None:
            reviewed = self.reviewed[saga.tenant.name]
            if moved := saga.moved(reviewed):
                if planned.blockers or not self.equal_risk:
                    done = not planned.blockers and not planned.changes
                    return stale(saga.tenant.name, moved, advice="Nothing has to be done for it." if done else "")
                if riskier := saved.riskier(reviewed, planned):
                    return stale(saga.tenant.name, [*moved, riskier])
        if self.consent is not None and planned.changes and not planned.blockers:
            asked = self.consent(saga.tenant, planned)
            if isinstance(asked, errors.ReconcileError):
                return failed(saga.tenant.name, _unbegun(asked), asked, "", seconds)
            planned = asked
        if planned.blockers:
            return blocked(planned)
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
                settled = saga.undo(f"{saga.step}: {error}")
                left = settled.leftovers
                if settled.forward:
                    return self._finished(saga, started)
                result = Result.STUCK if left else Result.ROLLED_BACK
            else:
                identity = ""
                result = Result.BLOCKED if isinstance(error, errors.Refused) else Result.ROLLED_BACK
        except errors.LeaseLost as lost:
            result, error = Result.LEASED, lost
        except errors.ReconcileError as second:
            result = Result.STUCK
            left = (Leftover("journal", saga.id, second.message, RECOVER),)
        saga.close()
        with suppress(errors.ReconcileError):
            self.held.release(saga.lease)
        return failed(tenant, result, error, saga.step, clock.monotonic() - started, identity, left)


def tools_of(setting: Setting, progress: Progress) -> recovery.Tools:
    """What transactions are settled with. Errors: ``PlatformMisconfigured`` where there is no store."""
    store = setting.opened()

    def reveal(tenant: str, secret: Secret) -> str:
        for entry in store.read(lambda connection: records.unseal(connection, tenant)):
            if entry.secret.name == secret.name:
                return setting.keys.vault.open(tenant, entry.secret, entry.sealed)
        raise errors.StoreFailed(f"the store has no secret {secret.name} of tenant {tenant}")

    return recovery.Tools(store, setting.ports, reveal, setting.patience, progress)


def settle(tools: recovery.Tools, held: leases.Leases, tenant: str) -> list[Outcome]:
    """Settle what was left open of ``tenant``, under a lease of its own; nothing else is done with it.

    Errors: ``StoreFailed``.
    """
    started = tools.ports.clock.monotonic()
    try:
        lease = held.acquire(tenant)
    except errors.TenantLeased as error:
        return [failed(tenant, Result.LEASED, error, "", 0.0)]
    try:
        settled = _settled(tools, lease)
    except errors.LeaseLost as error:
        return [failed(tenant, Result.LEASED, error, "", 0.0)]
    finally:
        held.release(lease)
    seconds = tools.ports.clock.monotonic() - started
    if isinstance(settled, Outcome):
        return [settled]
    return [settled_outcome(entry, seconds) for entry in settled]


def _settled(tools: recovery.Tools, lease: leases.Lease) -> list[recovery.Settled] | Outcome:
    """What was left open, settled; or the outcome of a tenant of which that is not known, whatever the reason, for the
    other tenants are not affected.

    Errors: ``LeaseLost``; ``StoreFailed``.
    """
    try:
        return settle_open(tools, lease)
    except errors.LeaseLost:
        raise
    except errors.JournalBroken as error:
        # Nothing is undone by a record that was tampered with.
        return failed(lease.tenant, Result.STUCK, error, "", 0.0)
    except errors.StoreFailed:
        raise
    except Exception as error:  # noqa: BLE001 - a fault of ours neither
        cause = error if isinstance(error, errors.ReconcileError) else _unforeseen(error)
        left = Leftover("journal", lease.tenant, f"what was left open is not settled: {cause.message}", RECOVER)
        return failed(lease.tenant, Result.STUCK, cause, "", 0.0, leftovers=(left,))


def settle_open(tools: recovery.Tools, lease: leases.Lease) -> list[recovery.Settled]:
    """Settle what a process that ended left open of the lease's tenant. Errors: as for ``recovery.settle``."""
    found = tools.store.read(lambda connection: journal.unsettled(connection, [lease.tenant]))
    return [
        recovery.settle(tools, lease, entry, "the process that began it ended before it was done") for entry in found
    ]


def settled_outcome(settled: recovery.Settled, seconds: float) -> Outcome:
    """How a transaction ended that was settled afterwards."""
    entry = settled.transaction
    done = Result.APPLIED if settled.forward else Result.ROLLED_BACK
    result = Result.STUCK if settled.leftovers else done
    return Outcome(entry.tenant, result, entry.id, seconds, None, settled.leftovers)


def blocked(entry: plans.TenantPlan) -> Outcome:
    """The outcome of a tenant that must not be touched as things stand."""
    first = entry.blockers[0]
    message = "; ".join(blocker.message for blocker in entry.blockers)
    failure = Failure(first.code, "", message, first.advice, first.exit, lasting=first.code not in _PASSING)
    return Outcome(entry.tenant, Result.BLOCKED, failure=failure)


def stale(tenant: str, moved: list[str], *, advice: str = "") -> Outcome:
    """The outcome of a tenant for which a saved plan does not hold any more."""
    message = f"since the plan was saved, {'; '.join(moved)}"
    return failed(tenant, Result.STALE, errors.PlanStale(message, advice=advice), "", 0.0)


def failed(
    tenant: str,
    result: Result,
    error: errors.ReconcileError,
    step: str,
    seconds: float,
    transaction: str = "",
    leftovers: tuple[Leftover, ...] = (),
) -> Outcome:
    """The outcome of a tenant that was not brought to its end, and why."""
    where = f"{error.where}: " if error.where else ""
    advice = errors.Stuck.advice if leftovers else error.next  # whose own may say that nothing is left
    failure = Failure(error.code, step, where + error.message, advice, error.exit, error.lasting)
    return Outcome(tenant, result, transaction, seconds, failure, leftovers)


def _unbegun(error: errors.ReconcileError) -> Result:
    """The outcome of a tenant whose plan was not agreed to."""
    return Result.STALE if isinstance(error, errors.PlanStale) else Result.BLOCKED


def _unforeseen(error: Exception) -> errors.StepFailed:
    return errors.StepFailed(f"unforeseen {type(error).__name__}: {error}")
