"""The parts of a pass: the platform is laid, all tenants or those that were touched are planned for, and handed out."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from reconciler import errors
from reconciler.daemon import attempts as attempting
from reconciler.daemon.attempts import Attempts
from reconciler.daemon.book import Book, condition
from reconciler.daemon.lanes import Lane
from reconciler.daemon.metrics import Metrics
from reconciler.daemon.scene import Scene
from reconciler.engine import crew, foundation, observe, reconcile, removal, sweep
from reconciler.engine.progress import Progress
from reconciler.engine.setting import Setting
from reconciler.model import plan as plans
from reconciler.model.outcome import Failure, Outcome, Result
from reconciler.model.standing import Standing
from reconciler.ports.store.leases import Leases

FEW: Final = 20
"""So many touched tenants are handed out as they are; of more, a plan tells first which of them differ at all."""

_ASKED: Final = 200
"""Of so many tenants git is asked which merge brought each of them."""

_OF_PLANS: Final = (*attempting.OF_ATTEMPTS, "Drifted")


def all_of(scene: Scene) -> set[str]:
    """Every tenant that the specs or the records know."""
    return {*scene.documents, *scene.roll.known}


def unseen(scene: Scene, book: Book) -> set[str]:
    """The tenants that were merged while no daemon ran; none where there never was one."""
    standings = {name: book.of(name).generation for name in book.subjects()}
    if not any(standings.values()):
        return set()
    return {name for name, blob in scene.checkout.blobs.items() if standings.get(name, "") != blob}


def merged(scene: Scene, before: Scene | None, book: Book) -> dict[str, set[str]]:
    """The commits that are told how they ended, the newest last, and the tenants that each of them touched.

    Where a daemon begins (no ``before``), these are, too, the commits whose tenants still wait for another attempt.
    """
    newest, found = _commit(scene.checkout.revision), dict[str, set[str]]()
    if before is not None:
        if before.checkout.revision == scene.checkout.revision:
            return found
        touched = scene.touched_since(before)
        brought = {name for name in touched if before.generation(name) != scene.generation(name)}
        found = _by_merge(scene, brought, newest)
        return {**found, newest: found.get(newest, set()) | touched - brought}
    for name in book.subjects():
        standing = book.of(name)
        if standing.failures and not standing.final and standing.generation == scene.generation(name):
            found.setdefault(str(standing.said.get("merge") or _commit(standing.revision)), set()).add(name)
    for commit, names in _by_merge(scene, unseen(scene, book), newest).items():
        found[commit] = found.pop(commit, set()) | names
    return found


def _by_merge(scene: Scene, touched: set[str], newest: str) -> dict[str, set[str]]:
    """Tenants by the merge that brought their specs; of many, all by the newest one, as to ask costs a process each."""
    found: dict[str, set[str]] = {}
    for name in touched:
        file = scene.file(name)
        commit = scene.checkout.merges(file) if file and len(touched) <= _ASKED else ""
        found.setdefault(commit or newest, set()).add(name)
    latest = found.pop(newest, set())
    return {**found, newest: latest}


def _commit(revision: str) -> str:
    return revision.rpartition(":")[2]


def lay(setting: Setting) -> Setting:
    """The setting with its platform's own things in place. Errors: as for ``foundation.lay``."""
    setting = foundation.local(setting)
    with observe.overview(setting, [], deep=False) as look:
        lacking = list(look.lacking())
    if lacking or not setting.place.deliveries.is_dir():
        foundation.check(setting)
        return foundation.lay(setting)
    return setting


def settle_platform(setting: Setting, held: Leases, progress: Progress) -> None:
    """Settle what was left open of the platform's own doings. Errors: ``StoreFailed``."""
    if foundation.PLATFORM in attempting.unfinished(setting):
        crew.settle(crew.tools_of(setting, progress), held, foundation.PLATFORM)


def take(
    scene: Scene,
    attempts: Attempts,
    touched: set[str],
    *,
    everything: bool,
    preempt: Callable[[str], None],
    metrics: Metrics,
) -> None:
    """Hand out the tenants that were touched, and with ``everything`` whoever else has something to be done.

    Errors: as for ``reconcile.plan``.
    """
    removal.remember(scene.setting, scene.roll.known, touched, attempts.leases)
    _say_broken(scene, attempts)
    for name in touched:
        attempts.queue.forget(name)
        preempt(name)
    if not everything and len(touched) <= FEW:
        attempting.woken(attempts.queue, touched, Lane.FRESH)
        return
    known = all_of(scene)
    # Who is new and invalid is known to nobody who plans.
    plannable = {name for name in touched if name in scene.roll.tenants or name in scene.roll.known}
    planned = reconcile.plan(scene.setting, reconcile.Options(tenants=() if everything else sorted(plannable)))
    if everything:
        metrics.planned(planned)
        _forget_strangers(attempts, known)
        with suppress(errors.ReconcileError):  # the next one takes it away
            sweep.sweep(scene.setting)
    for entry in planned.tenants:
        if entry.tenant in scene.broken or entry.tenant not in known:
            continue  # that is said of it already; or it is nobody's, and a plan says that
        _hand_out(scene, attempts, entry, Lane.FRESH if entry.tenant in touched else Lane.BACKGROUND)
    # Who is not in a plan of all has nothing but, perhaps, something that was left open.
    open_still = {name for name in attempting.unfinished(scene.setting) if not name.startswith("@")}
    attempting.woken(attempts.queue, open_still, Lane.FRESH)


def unreachable(setting: Setting) -> str:
    """Which of the servers do not answer, and what they say; empty if all do."""
    said = []
    for server in setting.servers.values():
        try:
            setting.ports.connect(server).close()
        except errors.ReconcileError as error:
            said.append(error.message)
    return "; ".join(said)


def _hand_out(scene: Scene, attempts: Attempts, entry: plans.TenantPlan, lane: Lane) -> None:
    name, book = entry.tenant, attempts.book
    if entry.blockers:
        standing, found = attempting.refused(scene, book.of(name), entry)
        swept = lane is Lane.BACKGROUND
        if _passing(entry):
            if not swept or name not in attempts.queue:
                attempts.queue.add(name, Lane.BACKGROUND)  # its attempt says so, and comes again
            return
        # An attempt that ended while this plan was made looks like a stranger's doing: its records were read before.
        if reconcile.ours_by_now(entry):
            if not swept or not _found_before(scene, book.of(name), standing):
                attempts.queue.add(name, Lane.BACKGROUND)
            return
        attempts.last[name] = crew.blocked(entry)
        book.stands(standing, anew=True)
        book.says(name, found, ends=attempting.OF_ATTEMPTS)
        attempts.merges.ended(name, crew.blocked(entry), None)
    elif any(report.code == plans.HELD for report in entry.reports):
        attempts.queue.add(name, lane)  # its attempt says who holds it
    elif entry.changes:
        if lane is Lane.FRESH or name not in attempts.queue:
            attempts.queue.add(name, lane)  # a sweep ends nobody's backoff
    else:
        attempts.healing.decide(entry, scene.setting.platform.daemon.drift, scene.setting.ports.clock.now())
        message, standing = attempting.reported(entry), attempting.settled(scene, book.of(name))
        if message:
            book.stands(standing, anew=True)
            now, generation = scene.setting.ports.clock.stamp(), scene.generation(name)
            said = [condition("Drifted", "DriftReported", message, now=now, generation=generation)]
            book.says(name, *said, ends=attempting.OF_ATTEMPTS)
        else:
            if scene.generation(name) or name in book.subjects():
                book.stands(standing)
            book.says(name, ends=_OF_PLANS)
        attempts.merges.unchanged([name])


def _say_broken(scene: Scene, attempts: Attempts) -> None:
    """Who can't be worked on because of how it is written is frozen as it is; who was and is not any more is free."""
    book, now = attempts.book, scene.setting.ports.clock.stamp()
    for name, message in scene.broken.items():
        generation = scene.generation(name)
        book.says(
            name,
            condition("Stalled", "BuildFailed", message, now=now, generation=generation),
            ends=attempting.OF_ATTEMPTS,
        )
        ended = Outcome(name, Result.BLOCKED, failure=_invalid(message))
        attempts.last[name] = ended
        attempts.merges.ended(name, ended, None)
    for name in book.subjects() - scene.broken.keys():
        if book.has(name, "Stalled", "BuildFailed") and not name.startswith("@"):
            book.says(name, ends=("Stalled",))


def _forget_strangers(attempts: Attempts, known: set[str]) -> None:
    for name in attempts.book.subjects() - known:
        if not name.startswith("@"):
            attempts.book.forget(name)


def _passing(entry: plans.TenantPlan) -> bool:
    failure = crew.blocked(entry).failure
    return failure is not None and not failure.lasting


def _found_before(scene: Scene, before: Standing, now: Standing) -> bool:
    """Whether an attempt, which looks under the tenant's lease, found on the same ground what a plan finds now."""
    said = [(one.final, one.generation, one.said.get("code"), one.said.get("message")) for one in (before, now)]
    return said[0] == said[1] and before.said.get("tried") == scene.ground


def _invalid(message: str) -> Failure:
    kind = errors.InvalidSpecs
    return Failure(kind.code, "", message, kind.advice, kind.exit, lasting=True)
