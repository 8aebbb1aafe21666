"""The thread that speaks to others: letters to their receivers, and to the forge. Whoever hangs there keeps only it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Final

from reconciler import errors
from reconciler.daemon.due import Due
from reconciler.daemon.logs import Log, LoggedProgress, failure
from reconciler.daemon.merges import Merges
from reconciler.engine import outbox
from reconciler.engine.setting import Setting

_EVERY_SECONDS: Final = 2.0
_AGAIN_SECONDS: Final = 60.0
_END_SECONDS: Final = 15.0  # longer than a receiver is waited for


class Teller:
    """Tells as long as ``setting`` gives one, which it does while this daemon leads."""

    def __init__(self, setting: Callable[[], Setting | None], merges: Merges, log: Log) -> None:
        self._setting, self._merges, self._log = setting, merges, log
        self._stop = threading.Event()
        self._forge = Due()
        self._thread = threading.Thread(target=self._work, name="teller", daemon=True)
        self._thread.start()

    def once(self) -> None:
        """Tell what there is to tell now. Errors: none; what can't be told is told later."""
        setting = self._setting()
        if setting is None:
            return
        try:
            with suppress(errors.StoreFailed):  # the loop says so
                outbox.deliver(replace(setting, stop=self._stop), LoggedProgress(self._log))
            if self._forge.now and not self._merges.tell():
                self._forge.after(_AGAIN_SECONDS)
        except Exception as error:  # noqa: BLE001 - what goes wrong here must not end the thread
            self._log.error("untold", **failure(error))

    def close(self) -> None:
        """End; who is being spoken to is waited for, but not for ever."""
        self._stop.set()
        self._merges.news.set()
        self._thread.join(_END_SECONDS)

    def _work(self) -> None:
        while True:
            self._merges.news.wait(_EVERY_SECONDS)
            if self._stop.is_set():
                return
            self._merges.news.clear()
            self.once()
