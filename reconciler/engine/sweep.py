"""Taking away what was left beside the deliveries: replaced folders of settled transactions whose removal was cut off,
and files that were to take another's place.
"""

from __future__ import annotations

import re

from reconciler.engine.setting import Setting
from reconciler.model.states import UNSETTLED
from reconciler.ports.store import journal

_WORKSPACE = re.compile(r"\.reconciler-([0-9a-f]{32})-\d+")
_ASIDE = re.compile(r"\.(\.[a-z-]+)\.[0-9a-f]{32}")


def sweep(setting: Setting) -> list[str]:
    """Remove the folders of transactions that are settled, and what a file that is there by now was to be replaced by;
    returns their names.

    A folder of a transaction that this store does not know is somebody else's and stays.
    """
    files, store = setting.ports.files, setting.opened()
    removed = []
    names = files.listing(setting.place.deliveries) or {}
    for name in sorted(names):
        aside = _ASIDE.fullmatch(name)
        if aside is not None and aside[1] in names:
            files.remove(setting.place.deliveries / name)
            removed.append(name)
        found = _WORKSPACE.fullmatch(name)
        if found is None:
            continue
        transaction = found[1]
        known = store.read(lambda connection, identity=transaction: journal.find(connection, identity))  # type: ignore[misc]
        if known is not None and known.state not in UNSETTLED:
            files.remove_tree(setting.place.deliveries / name)
            removed.append(name)
    return removed
