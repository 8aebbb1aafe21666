"""What a tenant's tables and programs were made as, and in what they differ now.

The shape is read from the server after every import and kept with the tenant's facts. A default look compares names, by
count and checksum; a deep one compares what everything is made of, part by part. Nothing inside the tenant says how it
should be: the store does.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from reconciler.model import drift, plan
from reconciler.model.server import Server
from reconciler.ports.mysql import anatomy, census
from reconciler.ports.mysql.connection import Connection
from reconciler.resources.sight import Sight

_GONE = {
    "tables": drift.TABLE_GONE,
    "views": drift.VIEW_GONE,
    "triggers": drift.TRIGGER_GONE,
    "routines": drift.ROUTINE_GONE,
    "events": drift.EVENT_GONE,
}
_ADDED = {
    "tables": drift.TABLE_ADDED,
    "views": drift.TABLE_ADDED,
    "triggers": drift.TRIGGER_ADDED,
    "routines": drift.ROUTINE_ADDED,
    "events": drift.EVENT_ADDED,
}
_CHANGED = {
    "views": drift.VIEW_CHANGED,
    "triggers": drift.TRIGGER_CHANGED,
    "routines": drift.ROUTINE_CHANGED,
    "events": drift.EVENT_CHANGED,
}
_HIDDEN = {"SELECT": "tables of tenants", "SHOW VIEW": "bodies of tenants' views", "TRIGGER": "triggers of tenants"}
"""What information_schema leaves out for want of a privilege. System tables need their own."""
_SHOWN_BY = {"tables": "SELECT", "views": "SELECT", "triggers": "TRIGGER"}

Findings = dict[tuple[str, str], str]
"""By the code of a class and words: the privilege without which it could be a wrong impression, or none."""

_BY_CODE = {entry.code: entry for entry in drift.CLASSES}


def taken(connection: Connection, database: str) -> dict[str, Any]:
    """The shape of ``database`` as it is now, for the tenant's facts."""
    return kept(connection, anatomy.read(connection, [database]).get(database, anatomy.Anatomy()))


def kept(connection: Connection, found: anatomy.Anatomy) -> dict[str, Any]:
    """The shape of a database whose anatomy was ``found``."""
    parts = asdict(found)
    return {
        "server": census.Census(connection, [], []).version,
        "names": _said(census.fold([*parts["tables"], *parts["views"]])),
        "routines": _said(census.fold(parts["routines"])),
        "events": _said(census.fold(parts["events"])),
        "parts": _packed(parts),
    }


def seen(sight: Sight, server: Server, database: str, recorded: Mapping[str, Any]) -> dict[str, Any]:
    """How the database differs from the ``recorded`` shape, as plain data for ``blocking`` and ``remarks``.

    What may not be seen is listed as unknown, never as missing. ``stale`` says that the shape has to be taken again.
    """
    if not recorded:
        return {
            "differs": [],
            "unknown": [list(_untold(database, "an older version did not record it"))],
            "stale": True,
        }
    found, unknown = Findings(), dict[tuple[str, str], None]()
    _names(sight, server, database, recorded, found, unknown)
    stale = False
    try:
        version = sight.census(server).version
        stale = version != recorded["server"]
        if sight.deep:
            was = _unpacked(recorded["parts"])
            _parts(asdict(sight.anatomy(server, database)), was, found, alike=not stale)
            if stale:
                unknown[_untold(database, f"it was taken on {recorded['server']}, and the server is {version}")] = None
    except census.Unseen as error:
        unknown[error.what, error.privilege] = None
    visible = []
    for (code, words), privilege in found.items():
        if privilege and not sight.may(server, database, privilege):
            unknown[_HIDDEN[privilege], f"{privilege} ON the tenants' databases"] = None
        else:
            visible.append([code, words])
    return {"differs": visible, "unknown": [list(entry) for entry in unknown], "stale": stale}


def blocking(state: Mapping[str, Any]) -> list[str]:
    """What differs and is not mended from here, in words."""
    return [words for code, words in state["differs"] if _BY_CODE[code].policy is drift.Policy.BLOCK]


def remarks(state: Mapping[str, Any]) -> Iterator[plan.Report | plan.Unknown]:
    """What differs and only is reported, and what could not be seen."""
    for code, words in state["differs"]:
        if _BY_CODE[code].policy is drift.Policy.REPORT:
            yield plan.Report(code, words)
    yield from (plan.Unknown(what, privilege) for what, privilege in state["unknown"])


def _untold(database: str, why: str) -> tuple[str, str]:
    what = f"what the tables and programs of {database} are made of, against their recorded shape ({why})"
    return what, "an apply that changes the tenant, which takes the shape again"


def _names(
    sight: Sight,
    server: Server,
    database: str,
    recorded: Mapping[str, Any],
    found: Findings,
    unknown: dict[tuple[str, str], None],
) -> None:
    look = sight.census(server)
    try:
        if _said(look.folds.get(database, census.NOTHING)) != recorded["names"]:
            was = _unpacked(recorded["parts"])
            wanted = {name: what for what in ("tables", "views") for name in was[what]}
            _compared(wanted, look.tables(database), "tables", found)
    except census.Unseen as error:
        unknown[error.what, error.privilege] = None
    try:
        there: Mapping[str, Collection[str]]
        for what, there in (("routines", look.routines), ("events", look.events)):
            now = there.get(database, ())
            if _said(census.fold(now)) != recorded[what]:
                _compared(dict.fromkeys(_unpacked(recorded["parts"])[what], what), now, what, found)
    except census.Unseen as error:
        unknown[error.what, error.privilege] = None


def _compared(wanted: Mapping[str, str], now: Collection[str], added: str, found: Findings) -> None:
    for name, what in wanted.items():
        if name not in now:
            found[_GONE[what].code, f"{_called(what, name)} is gone"] = _SHOWN_BY.get(what, "")
    for name in sorted(now):
        if name not in wanted:
            kind = f"table or view {name}" if added == "tables" else _called(added, name)
            found[_ADDED[added].code, f"{kind} was added"] = ""


def _parts(now: Mapping[str, Any], was: Mapping[str, Any], found: Findings, *, alike: bool) -> None:
    """Compare triggers by name, and if the digests are ``alike`` (of one server's version) what everything is."""
    _compared(dict.fromkeys(was["triggers"], "triggers"), now["triggers"], "triggers", found)
    if not alike:
        return
    for what, entry in _CHANGED.items():
        for name, digest in was[what].items():
            if name in now[what] and now[what][name] != digest:
                needed = "SHOW VIEW" if what == "views" else ""
                found[entry.code, f"{_called(what, name)} was changed"] = needed
    for name, table in was["tables"].items():
        if name in now["tables"]:
            _table(name, table, now["tables"][name], found)


def _table(name: str, was: Mapping[str, Any], now: Mapping[str, Any], found: Findings) -> None:
    if now["is"] != was["is"]:
        same_engine = now["is"].split(" ")[0] == was["is"].split(" ")[0]
        entry = drift.TABLE_CHANGED if same_engine else drift.TABLE_ENGINE
        found[entry.code, f"table {name} is {now['is']} instead of {was['is']}"] = ""
    for plural, part in anatomy.PARTS.items():
        for key in sorted({*was[plural], *now[plural]}):
            before, after = was[plural].get(key), now[plural].get(key)
            if before != after:
                verb = "is gone" if after is None else "was added" if before is None else "was changed"
                found[drift.TABLE_CHANGED.code, f"{part} {name}.{key} {verb}"] = ""


def _called(what: str, name: str) -> str:
    return name if what == "routines" else f"{what.removesuffix('s')} {name}"


def _said(names: census.Fold) -> str:
    return f"{names.count} {names.checksum}"


def _packed(parts: Mapping[str, Any]) -> str:
    # Some 500 digests a tenant: packed, they are a third, and a default look need not even unpack them.
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return base64.b85encode(zlib.compress(text.encode(), 9)).decode()


def _unpacked(packed: str) -> dict[str, Any]:
    parts: dict[str, Any] = json.loads(zlib.decompress(base64.b85decode(packed)))
    return parts
