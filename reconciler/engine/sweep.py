"""Taking away what settled transactions left beside the deliveries: replaced folders whose removal was cut off."""

from __future__ import annotations

import re

from reconciler.engine.setting import Setting
from reconciler.model.states import UNSETTLED
from reconciler.ports.store import journal

_WORKSPACE = re.compile(r"\.reconciler-([0-9a-f]{32})-\d+")


def sweep(setting: Setting) -> list[str]:
    """Remove the folders of transactions that are settled; returns their names.

    A folder of a transaction that this store does not know is somebody else's and stays.
    """
    files, store = setting.ports.files, setting.opened()
    removed = []
    for name in sorted(files.listing(setting.place.deliveries) or {}):
        found = _WORKSPACE.fullmatch(name)
        if found is None:
            continue
        transaction = found[1]
        known = store.read(lambda connection, identity=transaction: journal.find(connection, identity))  # type: ignore[misc]
        if known is not None and known.state not in UNSETTLED:
            files.remove_tree(setting.place.deliveries / name)
            removed.append(name)
    return removed
