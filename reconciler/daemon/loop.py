"""The only endless loop: look at the source, lead or follow, understand what is new, hand tenants to the workers, tell.

    look → lead → pass (scene, platform, plan) → queue → workers → book → outbox, forge

A pass understands one revision as a whole; the work on its tenants goes on beside the loop. What fails, fails for a
while: it is said, and tried again after a wait. Nothing is ever deleted because something could not be read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from reconciler import errors
from reconciler.daemon import backoff, fitness, passes
from reconciler.daemon import scene as scenes
from reconciler.daemon.attempts import woken
from reconciler.daemon.due import Due
from reconciler.daemon.healing import Healing
from reconciler.daemon.health import Health
from reconciler.daemon.kit import Kit
from reconciler.daemon.lanes import Lane
from reconciler.daemon.logs import Log, LoggedProgress, failure
from reconciler.daemon.merges import Merges
from reconciler.daemon.metrics import Metrics
from reconciler.daemon.queue import Queue
from reconciler.daemon.scene import Scene
from reconciler.daemon.source import Checkout, Source
from reconciler.daemon.teller import Teller
from reconciler.daemon.upkeep import Upkeep
from reconciler.daemon.voice import Voice
from reconciler.daemon.workers import Why
from reconciler.engine import foundation
from reconciler.engine.setting import Setting
from reconciler.ports.ports import Ports
from reconciler.ports.store.store import Store
from reconciler.spec import daemon as spec

TICK_SECONDS: Final = 1.0
_OVERDUE_SECONDS: Final = 60.0
_AWAY_SECONDS: Final = 5.0
"""How long until it is asked again whether a server is back."""
_RETRIES: Final = backoff.Backoff(2.0, 60.0)
"""How long the loop waits after what it does itself has failed."""


class Daemon:
    """Works until ``stop`` is set; ``wake`` makes it look at once, ``reload`` understand everything anew.

    ``poll`` in seconds goes before what the platform says. ``open_source`` is given a way to ask for the store, which
    is there only later.
    """

    def __init__(
        self,
        root: Path,
        ports: Ports,
        open_source: Callable[[Callable[[], Store | None]], Source],
        log: Log,
        *,
        metrics: Metrics,
        health: Health,
        poll: float | None = None,
        branch: str = "",
    ) -> None:
        self.stop, self.wake, self.reload = threading.Event(), threading.Event(), threading.Event()
        self._root, self._ports, self._log, self._metrics, self._health = root, ports, log, metrics, health
        self._poll, self._branch = poll, branch
        self._source = open_source(lambda: self._kit.store if self._kit else None)
        self._checkout: Checkout | None = None  # the newest one
        self._taken: Checkout | None = None  # the one that was handed out
        self._unusable: Checkout | None = None
        self._refusal: errors.InvalidSpecs | None = None  # why it is not usable
        self._setting: Setting | None = None
        self._scene: Scene | None = None
        self._handed: Scene | None = None  # the one of what was handed out
        self._kit: Kit | None = None
        self._voice = Voice(health, metrics, log, ports.clock)
        self._merges = Merges()
        self._queue = Queue(_RETRIES, 1, self._server_of, observer=metrics)
        self._upkeep = Upkeep(self._queue, metrics, log)
        self._failures = self._misses = 0
        self._full, self._led = True, False
        self._looks, self._votes, self._passes, self._sweeps = Due(), Due(), Due(), Due()
        self._teller: Teller | None = None
        metrics.watch(self._queue.statistics, health.age)

    @property
    def setting(self) -> Setting | None:
        """The setting of what is applied now; None before anything was understood."""
        return self._setting

    def run(self) -> None:
        """Work until ``stop`` is set, then end what is open within the grace; what is open beyond it is undone."""
        try:
            while not self.stop.is_set():
                self._turn()
                if not self.stop.is_set():
                    self._source.wait(TICK_SECONDS, self.wake)
        finally:
            self._end()

    def interrupt(self) -> None:
        """Stop, also out of a look at the source that takes long. For signal handlers and other threads."""
        self.stop.set()
        self.wake.set()
        self._source.close()

    # --- one turn -------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        self._health.heard()
        if self.reload.is_set():
            self.reload.clear()
            self._again()
            self._log.info("reloading")
        for action in (self._look, self._equip, self._lead, self._pass, self._beside):
            try:
                action()
            except errors.ReconcileError as error:
                self._failed(error)
            except Exception as error:  # noqa: BLE001 - the loop goes on whatever happens, and says what did
                self._log.error("unforeseen", **failure(error))
                self._metrics.failed(errors.ReconcileError.code)
                self._passes.after(_OVERDUE_SECONDS)

    def _look(self) -> None:
        """Look at the source when it is time or somebody knocked. What is wrong with it is a condition."""
        if not self.wake.is_set() and not self._looks.now:
            return
        self.wake.clear()
        every = self._poll or (self._setting.platform.daemon if self._setting else spec.Daemon()).poll_seconds
        self._health.fetch_every = every
        self._looks.after(backoff.jittered(every))
        try:
            found = self._source.look()
        except errors.SourceFailed as error:
            self._voice.not_fetched(error)
            self._looks.after(min(every, _RETRIES.wait(self._misses) + 1.0))
            self._misses += 1
        else:
            self._misses = 0
            self._voice.fetched(new=found is not None)
            self._voice.verified(self._taken)
            if found is not None:
                self._checkout, self._refusal = found, None
                self._passes.soon()
                self._log.info("new revision", revision=found.revision)
        if not self._leading or self._scene is None:
            return
        recovered = self._voice.probed(passes.unreachable(self._scene.setting))
        if self._health.servers:
            self._looks.after(min(every, _AWAY_SECONDS))
        elif recovered:
            self._voice.stands(self._checkout, self._refusal, self._taken)
            self._full = True  # what was found in its way while a server was away holds for nobody any more
            self._passes.soon()
        self._upkeep.heed_holds(self._scene)

    def _equip(self) -> None:
        """Open the store, which the first checkout names, and make it where there is none."""
        if self._kit is not None or self._checkout is None or self._checkout is self._unusable:
            return
        if not self._passes.now:
            return
        setting = self._built(self._checkout, None)
        if setting is not None:
            try:
                setting = foundation.local(setting)
            except errors.PlatformMisconfigured as error:
                self._health.fitness = error.message
                raise
            self._health.fitness = ""
            self._kit = Kit.open(setting, self._current, self._queue, self._merges, self._metrics, self._log)
            self._voice.kit = self._kit
            self._teller = Teller(lambda: self._setting if self._leading else None, self._merges, self._log)
            self._health.store = ""
            self._configure(setting)
            self._looks.soon()  # by the platform's own interval from now on, and with what the store trusts

    def _lead(self) -> None:
        """Lead, or look whether this daemon may."""
        kit, setting = self._kit, self._setting
        if kit is None or setting is None:
            return
        if self._led and not kit.election.leading:
            self._step_down(kit)
        if not self._led and self._votes.now:
            self._votes.after(kit.election.wait_seconds)
            self._fit(setting)
            if kit.election.try_lead():
                self._step_up(kit, setting)
            else:
                before, self._health.following = self._health.following, kit.election.leader() or "nobody yet"
                if before != self._health.following:
                    self._log.info("following", message=self._health.following)
            self._health.store = ""
        self._metrics.leading(self._leading)

    def _pass(self) -> None:
        """Understand the newest checkout and hand out what it touches; now and then, look at all tenants."""
        kit, checkout, before = self._kit, self._checkout, self._scene
        if kit is None or checkout is None or not self._leading or not self._passes.now:
            return
        if self._setting is not None:
            self._fit(self._setting)
        new = checkout is not self._taken and checkout is not self._unusable
        if new and not self._understand(kit, checkout, before):
            new = False
        elif not new and before is not None and (self._sweep_is_due or kit.attempts.late):
            self._scene = before.again()
        scene = self._scene
        late = {kit.attempts.late.pop() for _ in range(len(kit.attempts.late))}
        woken(self._queue, late, Lane.BACKGROUND)
        if scene is None or not (new or self._sweep_is_due):
            return
        everything = self._full or self._sweep_is_due
        taken = self._handed
        touched = passes.all_of(scene) if self._full or taken is None else scene.touched_since(taken)
        for commit, names in passes.merged(scene, taken, kit.book).items() if new else ():
            self._merges.begins(commit, names)
        passes.take(
            scene,
            kit.attempts,
            touched,
            everything=everything,
            preempt=partial(self._upkeep.preempt, kit),
            metrics=self._metrics,
        )
        if new:
            self._taken, self._handed = checkout, scene
        if everything:
            self._sweeps.after(backoff.jittered(scene.setting.platform.daemon.drift.every_seconds))
        self._full, self._failures = False, 0
        self._upkeep.count_soon()
        self._health.first_pass = True
        away = [str(error) for error in scene.roll.refused.values() if isinstance(error, errors.ServerUnreachable)]
        if away:
            self._health.servers = "; ".join(sorted(away))
            self._looks.after(min(self._health.fetch_every, _AWAY_SECONDS))
        self._voice.stands(self._checkout, self._refusal, self._taken)

    def _beside(self) -> None:
        """What is to be done beside: limits, what was dropped, the book, numbers."""
        kit, scene = self._kit, self._scene
        if kit is None or scene is None:
            return
        self._upkeep.limit(kit, scene.setting)
        if not self._leading:
            return
        self._upkeep.sweep()
        kit.book.flush(scene.setting)
        if self._health.store:
            kit.store.write(kit.election.fence)  # one that is full or locked can still be read
            self._health.store = ""
        self._upkeep.count(kit, scene)

    # --- understanding --------------------------------------------------------------------------------------

    def _understand(self, kit: Kit, checkout: Checkout, before: Scene | None) -> bool:
        """Make the scene of a checkout, its platform laid; False if it can't be used, so that the one before holds on.

        Errors: whatever keeps that from being done for now.
        """
        setting = self._built(checkout, before)
        if setting is None:
            return False
        self._source.accept(checkout)
        passes.settle_platform(setting, kit.leases, LoggedProgress(self._log))
        setting = passes.lay(setting)
        self._scene = scenes.stage(checkout, setting, before)
        self._configure(setting)
        return True

    def _built(self, checkout: Checkout, before: Scene | None) -> Setting | None:
        """The setting of a checkout; None if what all tenants stand on is faulty, which only another one can mend."""
        try:
            return scenes.build(self._root, self._ports, checkout, self._kit.store if self._kit else None, before)
        except errors.InvalidSpecs as error:
            self._unusable, self._refusal = checkout, error
            self._voice.unusable(checkout, error, at_all=self._scene is None)
            return None

    def _configure(self, setting: Setting) -> None:
        self._setting = self._voice.setting = setting
        told = setting.platform.daemon
        self._queue.adjust(backoff.Backoff(told.retry.first_seconds, told.retry.longest_seconds), told.per_server)
        if self._kit is not None:
            self._kit.workers.resize(setting.platform.apply.parallel)
        self._merges.configure(told.forge, self._root, self._ports, self._branch, self._voice.untold)

    # --- leading --------------------------------------------------------------------------------------------

    @property
    def _leading(self) -> bool:
        return self._led and self._kit is not None and self._kit.election.leading

    def _fit(self, setting: Setting) -> None:
        """Whether this daemon may lead, which is asked again before every pass: a mount can vanish.

        Errors: ``NotLeader``; then it does not lead any more.
        """
        try:
            fitness.check(setting)
        except errors.NotLeader as error:
            self._health.fitness = error.message
            if self._led and self._kit is not None:
                self._step_down(self._kit)
            raise
        self._health.fitness = ""

    def _step_up(self, kit: Kit, setting: Setting) -> None:
        """Lead from now on: what was left open is settled first, and everything is understood anew."""
        kit.book.load(setting)
        kit.attempts.healing = Healing.from_data(kit.book.memory())
        self._led, self._health.following, self._handed = True, "", None
        self._health.leads = lambda: kit.election.leading
        self._again()
        self._log.info("leading")

    def _step_down(self, kit: Kit) -> None:
        """Somebody else may lead by now: what is open here is undone, as far as that one has not settled it."""
        self._led = False
        kit.workers.end_all(Why.SHUTDOWN)
        kit.election.resign()
        self._metrics.leading(False)
        self._upkeep.count_nobody()
        self._log.warning("not leading", message="the lease was lost; what is open here is undone or settled elsewhere")

    def _again(self) -> None:
        """Understand everything anew in the next pass."""
        self._taken, self._unusable, self._refusal, self._full = None, None, None, True
        self._passes.soon()
        self._looks.soon()

    # --- what is asked and said -----------------------------------------------------------------------------

    @property
    def _sweep_is_due(self) -> bool:
        policy = self._setting.platform.daemon.drift.policy if self._setting else "off"
        return self._full or (self._sweeps.now and policy != "off")

    def _current(self) -> Scene:
        if self._scene is None:
            raise errors.SourceFailed("no revision was understood yet")
        return self._scene

    def _server_of(self, name: str) -> str:
        return self._scene.roll.server_of(name) if self._scene is not None else ""

    def _failed(self, error: errors.ReconcileError) -> None:
        """Something that the loop does failed: say so, and try again after a while."""
        self._voice.failed(error)
        wait = _RETRIES.wait(self._failures) + 0.5
        self._failures += 1
        self._passes.after(wait)
        self._votes.after(min(wait, 5.0))
        if isinstance(error, errors.ServerUnreachable):
            self._looks.after(min(self._health.fetch_every, _AWAY_SECONDS))

    def _end(self) -> None:
        try:
            if self._teller is not None:
                self._teller.close()
            if self._kit is not None and self._setting is not None:
                self._kit.close(self._setting, self._log)
        finally:
            self._source.close()
