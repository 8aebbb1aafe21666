"""One attempt on one tenant: whether it may begin, what its plan may do, and what follows from how it ended."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

from reconciler import errors
from reconciler.daemon import book as books
from reconciler.daemon import healing, review, windows, writers
from reconciler.daemon.book import Book
from reconciler.daemon.healing import Decision, Healing
from reconciler.daemon.lanes import Lane
from reconciler.daemon.logs import Log, LoggedProgress
from reconciler.daemon.merges import Merges
from reconciler.daemon.metrics import Metrics
from reconciler.daemon.queue import Queue
from reconciler.daemon.scene import Scene
from reconciler.daemon.workers import Running, Why
from reconciler.engine import crew, held
from reconciler.engine import roll as rolls
from reconciler.engine.setting import Setting
from reconciler.model import drift
from reconciler.model import plan as plans
from reconciler.model.outcome import Failure, Outcome, Result
from reconciler.model.standing import Condition, Standing
from reconciler.model.tenant import Tenant
from reconciler.ports import clock as clocks
from reconciler.ports.store import journal
from reconciler.ports.store.leases import Leases

OF_ATTEMPTS: Final = ("Reconciling", "Stalled", "RollbackFailed", "Suspended")
_ALL: Final = (*OF_ATTEMPTS, "Drifted")
_REPORTED: Final = frozenset(entry.code for entry in drift.CLASSES if entry.policy is drift.Policy.REPORT)
_HELD_SECONDS: Final = 3600.0  # a hold without an end is asked for again after so long, if nobody lifted it before
_DONE: Final = (Result.APPLIED, Result.UNCHANGED)


@dataclass(slots=True)
class Seen:
    """What the look under the lease came to."""

    plan: plans.TenantPlan | None = None
    """What would be done, if there is anything."""
    drift: healing.Verdict | None = None
    """Why drift is not healed."""
    heals: bool = False
    """Whether what is done heals drift."""
    reported: str = ""
    """What is not as it was made, and is only reported."""


@dataclass(slots=True)
class Attempts:
    """Makes attempts. ``scene`` gives the newest one; ``lead`` says whether this daemon leads."""

    scene: Callable[[], Scene]
    lead: Callable[[], bool]
    queue: Queue
    book: Book
    leases: Leases
    healing: Healing
    merges: Merges
    metrics: Metrics
    log: Log
    last: dict[str, Outcome] = field(default_factory=dict)
    """How the last attempt on each tenant ended."""
    ends: int = 0
    """How many attempts ended."""
    late: set[str] = field(default_factory=set)
    """Tenants of whom the roll does not know, although there is a record."""

    def attempt(self, name: str, running: Running) -> None:
        """Work on ``name``, if it may be begun now, and see to what follows. The caller tells the queue afterwards.

        Errors: what was not foreseen.
        """
        scene = self.scene()
        setting = replace(scene.setting, stop=running.stop)
        if not self.lead():
            return
        if (wait := self._gate(scene, setting, name)) is not None:
            self.queue.add_after(name, wait)
            return
        standing, request = self.book.of(name), scene.request(name)
        if _given_up(standing, scene, name):
            self.last[name] = _remembered(standing)
            self._settle(setting, name)  # somebody else may have tried meanwhile, and have died
            self.book.says(name, ends=("Suspended",))
            return
        if request != standing.handled_request:
            self.healing.forgive(name)
        seen = Seen()
        log = self.log.bind(revision=setting.revision)
        outcome = rolls.work(
            scene.roll,
            name,
            self.leases,
            _Endless(log),
            lambda planned: self._asked(scene, planned, seen),
            setting,
            looked=lambda planned: setattr(seen, "reported", reported(planned)),
        )
        if outcome.result is not Result.SKIPPED:
            LoggedProgress(log).ends(_told(outcome, seen))
        self.ended(scene, name, outcome, seen, running.why)

    def ended(self, scene: Scene, name: str, outcome: Outcome, seen: Seen, why: Why | None) -> None:
        """See to what follows from the end of an attempt: whether there is another, and what is said of the tenant."""
        if why in (Why.PREEMPTED, Why.SHUTDOWN) and outcome.result not in (*_DONE, Result.STUCK):
            self.log.info("stopped", tenant=name, message=f"{why.value}: what was open of it was undone")
            if why is Why.PREEMPTED:
                self.queue.add(name)
            return
        self.metrics.ended(_told(outcome, seen))
        self.last[name] = _told(outcome, seen)
        self.ends += 1
        if outcome.result is Result.APPLIED and seen.plan is not None and seen.heals:
            self.healing.healed(seen.plan, _now(scene))
        unknown = name not in scene.documents and name not in scene.roll.known
        if (unknown or name in scene.broken) and outcome.result in (Result.STUCK, Result.LEASED):
            self.queue.retry(name)
        elif unknown and scene.setting.records([name]):
            self.late.add(name)  # it was made after the roll was called; the loop calls it anew
        elif unknown:
            self.book.forget(name)
        elif name in scene.broken:
            self.queue.forget(name)
        elif outcome.result in _DONE or seen.drift is not None:
            self._done(scene, name, seen)
        else:
            self._failed(scene, name, outcome, seen, overtime=why is Why.OVERTIME)
        self.book.remember(self.healing.to_data(), scene.setting.ports.clock.stamp())
        self.merges.ended(name, _told(outcome, seen), seen.plan)
        with suppress(errors.StoreFailed, errors.NotLeader):  # the loop writes it later
            self.book.flush(scene.setting)

    def _gate(self, scene: Scene, setting: Setting, name: str) -> float | None:
        """None if ``name`` may begin, or the seconds after which to ask again. Nothing of this stops a recovery."""
        now = _now(scene)
        if (closed := windows.closed(setting.platform.daemon.freeze, now)) is not None:
            until = clocks.stamp(closed.until)
            message = f"window {closed.name} until {until[:19]}Z, by {closed.by}: {closed.reason}"
            self._settle(setting, name)
            self._suspended(scene, name, "OutsideSyncWindow", message)
            return min(_HELD_SECONDS, _seconds(closed.until, now))
        holds = held.holds(setting)
        hold = held.daemon(holds, now)
        if hold is None and (document := scene.documents.get(name)) is not None:
            hold = held.held(document, holds, now)
        if hold is None and (kept := holds.get(name)) is not None and kept.lasts(clocks.stamp(now)):
            hold = kept
        if hold is None:
            return None
        self._settle(setting, name)
        self._suspended(scene, name, "Suspended", f"nothing is done {held.words(hold)}")
        if not hold.until:
            return _HELD_SECONDS
        return min(_HELD_SECONDS, _seconds(dt.datetime.fromisoformat(hold.until), now))

    def _settle(self, setting: Setting, name: str) -> None:
        """Settle what a dead process left open of a tenant on which nothing else is done."""
        if name in unfinished(setting):
            crew.settle(crew.tools_of(setting, LoggedProgress(self.log)), self.leases, name)

    def _suspended(self, scene: Scene, name: str, reason: str, message: str) -> None:
        self.book.says(name, _condition(scene, name, "Suspended", reason, message))
        self.merges.waits(name, message)
        with suppress(errors.StoreFailed, errors.NotLeader):
            self.book.flush(scene.setting)

    def _asked(self, scene: Scene, planned: plans.TenantPlan, seen: Seen) -> errors.ReconcileError | None:
        seen.plan = planned
        if not self.lead():
            return errors.TenantLeased(f"another daemon leads now; tenant {planned.tenant} is left to it")
        daemon = scene.setting.platform.daemon
        # What all stand on may have been changed by a merge, and that is no drift.
        merged = self.book.of(planned.tenant).said.get("ground", scene.ground) not in ("", scene.ground)
        if planned.action is plans.Action.REPAIR and not merged:
            verdict = self.healing.decide(planned, daemon.drift, _now(scene))
            seen.heals = verdict.decision is Decision.HEAL
            if not seen.heals:
                seen.drift = verdict
                return errors.GuardRefused(verdict.reason)
        reviews = self.merges.reviews
        if daemon.review == "off" or reviews is None:
            return None
        commit = self.merges.commit_of(planned.tenant)
        try:
            verdict_of_review = review.decide(daemon.review, reviews.of(commit) if commit else None, planned)
        except errors.ForgeFailed as error:
            if daemon.review == "require":
                return error
            self.log.warning("review unknown", tenant=planned.tenant, message=error.message)
            return None
        match verdict_of_review:
            case review.Refuse():
                return verdict_of_review.error()
            case review.Warn():
                self.merges.warns(planned.tenant, verdict_of_review.words)
                self.log.warning("not as reviewed", tenant=planned.tenant, message=verdict_of_review.words)
        return None

    def _done(self, scene: Scene, name: str, seen: Seen) -> None:
        self.queue.forget(name)
        standing = self._standing(scene, name, seen)
        found: list[Condition] = []
        if seen.drift is not None and seen.drift.decision is not Decision.NOTHING:
            changes = "; ".join(sorted(seen.plan.differing)[:5]) if seen.plan else ""
            message = "; ".join(filter(None, (changes, seen.reported, seen.drift.reason)))
            reason = "DriftLoop" if seen.drift.decision is Decision.STALLED else "DriftReported"
            found.append(_condition(scene, name, "Drifted", reason, message))
            if seen.drift.decision is Decision.STALLED:
                if isinstance(tenant := scene.roll.tenants.get(name), Tenant):
                    others = writers.others(scene.setting, tenant)
                    message += f". Who else may write: {others}" if others else ""
                found.append(_condition(scene, name, "Stalled", reason, message))
        elif seen.reported:
            found.append(_condition(scene, name, "Drifted", "DriftReported", seen.reported))
        self.book.stands(standing, anew=True)
        self.book.says(name, *found, ends=_ALL)

    def _failed(self, scene: Scene, name: str, outcome: Outcome, seen: Seen, *, overtime: bool) -> None:
        """Another attempt comes after a wait, or, where it could not help, with a new revision or request."""
        failure, generation = outcome.failure, scene.generation(name)
        before = self.book.of(name)
        again = before.generation == generation
        final = failure is not None and failure.lasting and outcome.result is not Result.STUCK
        wait = 0.0 if final else self.queue.retry(name)
        failures = before.failures + 1 if again else 1
        next_at = "" if final else clocks.stamp(_now(scene) + dt.timedelta(seconds=wait))
        message = failure.message if failure else "left something over"
        if overtime:
            message = f"took longer than {scene.setting.platform.daemon.tenant_seconds:g} s; {message}"
        said = {
            "code": failure.code if failure else errors.Stuck.code,
            "step": failure.step if failure else "",
            "message": message,
            "advice": failure.advice if failure else errors.Stuck.advice,
            "transaction": outcome.transaction,
            "ground": before.said.get("ground", ""),
            "tried": scene.ground,
            "merge": self.merges.commit_of(name),
            **self._blame(scene, name),
        }
        if (document := scene.documents.get(name)) is not None:
            said["where"] = str(document.where)
        self.book.stands(
            replace(
                self._standing(scene, name, seen),
                failures=failures,
                final=final,
                next_at=next_at,
                said=_without_nothing(said),
            )
        )
        at = f"attempt {failures} {outcome.result.value}: {message}"
        if outcome.result is Result.STUCK:
            left = ", ".join(f"{one.resource} {one.name}" for one in outcome.leftovers)
            found = [
                _condition(scene, name, "RollbackFailed", "RollbackFailed", f"left over: {left or message}"),
                _condition(scene, name, "Reconciling", "ProgressingWithRetry", f"{at}; next at {next_at[:19]}Z"),
            ]
        elif final:
            if outcome.result is Result.BLOCKED and failure is not None and failure.code == errors.GuardRefused.code:
                self.log.warning("held by a guard", tenant=name, message=message)
            found = [_condition(scene, name, "Stalled", _reason(scene, name, outcome), message)]
        else:
            found = [_condition(scene, name, "Reconciling", "ProgressingWithRetry", f"{at}; next at {next_at[:19]}Z")]
        self.book.says(name, *found, ends=OF_ATTEMPTS)

    def _standing(self, scene: Scene, name: str, seen: Seen) -> Standing:
        standing = settled(scene, self.book.of(name))
        return replace(standing, plan_digest=seen.plan.fingerprint) if seen.plan is not None else standing

    def _blame(self, scene: Scene, name: str) -> dict[str, Any]:
        file = scene.file(name)
        commit = scene.checkout.commits(file) if file else None
        return {"commit": commit.id, "author": commit.author, "subject": commit.subject} if commit else {}


class _Endless(LoggedProgress):
    """Says everything but how it ended, which is judged afterwards."""

    def ends(self, outcome: Outcome) -> None:
        """Nothing."""


def settled(scene: Scene, before: Standing) -> Standing:
    """How a tenant stands that is as it should be, or of which nothing is to be said that failed."""
    generation = scene.generation(before.tenant)
    return Standing(
        tenant=before.tenant,
        generation=generation,
        revision=before.revision if generation == before.generation else scene.setting.revision,
        handled_request=scene.request(before.tenant),
        plan_digest=before.plan_digest,
        said={"ground": scene.ground},
        updated_at=scene.setting.ports.clock.stamp(),
    )


def reported(planned: plans.TenantPlan) -> str:
    """What a plan only reports of a tenant, in words."""
    return "; ".join([entry.message for entry in planned.reports if entry.code in _REPORTED][:5])


def refused(scene: Scene, before: Standing, entry: plans.TenantPlan) -> tuple[Standing, Condition]:
    """What is to be written down of a tenant whose plan is blocked, by whoever planned it."""
    name, outcome = before.tenant, crew.blocked(entry)
    failure = outcome.failure
    message = failure.message if failure else ""
    said = {"code": failure.code, "message": message, "advice": failure.advice} if failure else {}
    if entry.where is not None and entry.where.file:
        said["where"] = str(entry.where)
    if file := scene.file(name) or before.said.get("file"):
        said["file"] = file
    said["ground"] = before.said.get("ground", "")
    standing = replace(settled(scene, before), failures=1, final=True, said=_without_nothing(said))
    return standing, _condition(scene, name, "Stalled", _reason(scene, name, outcome), message)


def unfinished(setting: Setting) -> list[str]:
    """The tenants of transactions that were left open."""
    return list(dict.fromkeys(entry.tenant for entry in setting.opened().read(journal.unsettled)))


def woken(queue: Queue, names: set[str], lane: Lane) -> None:
    """Put tenants into the queue, in the order of their names."""
    for name in sorted(names):
        queue.add(name, lane)


def _given_up(standing: Standing, scene: Scene, name: str) -> bool:
    """Whether an attempt with the same spec, on the same ground, failed for good. One that was refused before anything
    was touched may be made again: to look costs little.
    """
    request = scene.request(name)
    return (
        standing.final
        and bool(standing.said.get("transaction"))
        and standing.generation == scene.generation(name)
        and standing.said.get("tried") == scene.ground
        and request in ("", standing.handled_request)
    )


def _remembered(standing: Standing) -> Outcome:
    """How an attempt ended that is not made again."""
    said, kind = standing.said, errors.StepFailed
    failure = Failure(
        str(said.get("code", kind.code)),
        str(said.get("step", "")),
        str(said.get("message", "")),
        str(said.get("advice", kind.advice)),
        kind.exit,
        lasting=True,
    )
    return Outcome(standing.tenant, Result.ROLLED_BACK, str(said.get("transaction", "")), failure=failure)


def _reason(scene: Scene, name: str, outcome: Outcome) -> str:
    code = outcome.failure.code if outcome.failure else ""
    hidden = scene.setting.hidden
    if name not in scene.documents and (hidden is None or hidden & scene.roll.known.keys()):
        return "SourceUnreadable"
    if outcome.result is Result.STALE:
        return "PlanStale"
    if outcome.result is Result.BLOCKED and code == errors.GuardRefused.code:
        return "DeletionCapExceeded" if name not in scene.documents else "ApprovalRequired"
    if outcome.result is Result.ROLLED_BACK:
        return "RolledBack"
    return "ReconciliationFailed"


def _told(outcome: Outcome, seen: Seen) -> Outcome:
    """The outcome as others are told: drift that is only reported is no failure of a merge."""
    return replace(outcome, result=Result.UNCHANGED, failure=None) if seen.drift is not None else outcome


def _condition(scene: Scene, name: str, kind: str, reason: str, message: str) -> Condition:
    now = scene.setting.ports.clock.stamp()
    return books.condition(kind, reason, message, now=now, generation=scene.generation(name))


def _without_nothing(said: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in said.items() if value}


def _seconds(until: dt.datetime, now: dt.datetime) -> float:
    return max(1.0, (until - now).total_seconds())


def _now(scene: Scene) -> dt.datetime:
    return scene.setting.ports.clock.now()
