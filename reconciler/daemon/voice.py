"""What the loop says of itself and of its source: to whoever asks, to the log, to the metrics, and as conditions."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from reconciler import errors
from reconciler.daemon.book import condition
from reconciler.daemon.health import Health
from reconciler.daemon.kit import Kit
from reconciler.daemon.logs import Log, failure
from reconciler.daemon.metrics import Metrics
from reconciler.daemon.source import Checkout
from reconciler.engine.setting import Setting
from reconciler.model.standing import FALSE, SOURCE, TRUE
from reconciler.ports.clock import Clock

_MOST_FAULTS: Final = 5


class Voice:
    """Speaks for the loop. ``kit`` and ``setting`` are there once there is a store; without, nothing can be kept."""

    def __init__(self, health: Health, metrics: Metrics, log: Log, clock: Clock) -> None:
        self.kit: Kit | None = None
        self.setting: Setting | None = None
        self._health, self._metrics, self._log, self._clock = health, metrics, log, clock

    def fetched(self, *, new: bool) -> None:
        """The source was looked at."""
        self._metrics.fetched("new" if new else "unchanged")
        self._health.fetched_now()
        self._unsay("FetchFailed")

    def not_fetched(self, error: errors.SourceFailed) -> None:
        """The source could not be looked at, or what is there must not be used."""
        reason = _REASONS.get(type(error), "FetchFailed")
        if self._health.source != error.message:
            self._log.warning("source", **failure(error))
        self._metrics.fetched(error.code)
        self._health.source = error.message
        self._say("FetchFailed", reason, error.message)
        if isinstance(error, errors.SourceUnverified):
            self._say("SourceVerified", reason, error.message, status=FALSE)

    def unusable(self, checkout: Checkout, error: errors.InvalidSpecs, *, at_all: bool) -> None:
        """A checkout can't be used; ``at_all``: nor is there one before that could."""
        said = _unusable(checkout, error)
        self._log.error("unusable", revision=checkout.revision, **{**failure(error), "message": said})
        self._metrics.failed(error.code)
        if at_all:
            self._health.source = said
        self._say("Stalled", "BuildFailed", said)

    def failed(self, error: errors.ReconcileError) -> None:
        """Something that the loop does failed."""
        self._metrics.failed(error.code)
        self._log.error("failed", **failure(error))
        if isinstance(error, errors.StoreFailed) or self.kit is None:
            self._health.store = error.message
        elif isinstance(error, errors.ServerUnreachable):
            self.away(error.message)
        elif not isinstance(error, errors.NotLeader):
            self._say("Stalled", "ReconciliationFailed", error.message)

    def away(self, message: str) -> None:
        """Servers do not answer."""
        self._health.servers = message
        self._say("Stalled", "ServerUnreachable", message)

    def probed(self, message: str) -> bool:
        """The servers were asked for; ``message`` says which do not answer. Whether all are there again."""
        before, self._health.servers = self._health.servers, message
        if message:
            self.away(message)
        return bool(before) and not message

    def untold(self, commit: str, error: errors.ReconcileError) -> None:
        """The forge did not take what it was told of a commit."""
        self._metrics.failed(error.code)
        self._log.warning("forge", revision=commit, **failure(error))

    def stands(self, newest: Checkout | None, refusal: errors.InvalidSpecs | None, taken: Checkout | None) -> None:
        """What holds of the source once nothing fails any more, or still fails although something else is mended."""
        if self._health.servers:
            self._say("Stalled", "ServerUnreachable", self._health.servers)
        elif refusal is not None and newest is not None:
            self._say("Stalled", "BuildFailed", _unusable(newest, refusal))
        else:
            self._unsay("Stalled")
        self.verified(taken)

    def verified(self, taken: Checkout | None) -> None:
        """Whether every commit up to the one that was taken is known to be signed."""
        if self.setting is None or taken is None:
            return
        if self.setting.platform.daemon.verify is not None:
            self._say("SourceVerified", "Verified", f"every commit up to {taken.revision} is signed")
        else:
            self._unsay("SourceVerified")

    def _say(self, kind: str, reason: str, message: str, *, status: str = TRUE) -> None:
        """A condition of the source; what can't be written down now is written later."""
        if self.kit is None or self.setting is None:
            return
        self.kit.book.says(SOURCE, condition(kind, reason, message, now=self._clock.stamp(), status=status))
        with suppress(errors.StoreFailed, errors.NotLeader):
            self.kit.book.flush(self.setting)

    def _unsay(self, kind: str) -> None:
        if self.kit is not None:
            self.kit.book.says(SOURCE, ends=(kind,))


def _unusable(checkout: Checkout, error: errors.InvalidSpecs) -> str:
    said = "; ".join(f"{fault.where}: {fault.message}" for fault in error.faults[:_MOST_FAULTS])
    return f"{checkout.revision} can't be used: {said}"


_REASONS: Final[dict[type[errors.ReconcileError], str]] = {
    errors.HistoryRewritten: "HistoryRewritten",
    errors.SourceUnverified: "SourceUnverified",
}
