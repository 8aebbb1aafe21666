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
    "triggers": drift.TRIGGER_CHANGED,
    "routines": drift.ROUTINE_CHANGED,
    "events": drift.EVENT_CHANGED,
}
_HIDDEN = {
    "SELECT": "tables of tenants",
    "SHOW VIEW": "rules of tenants' foreign keys",  # it takes any privilege on tables but SELECT
    "TRIGGER": "triggers of tenants",
}
"""What information_schema leaves out for want of a privilege. System tables need their own."""
_SHOWN_BY = {"tables": "SELECT", "views": "SELECT", "triggers": "TRIGGER"}
_PARTS_SHOWN_BY = {"columns": "SELECT", "rules of foreign keys": "SHOW VIEW"}

Findings = dict[tuple[str, str], str]
"""By the code of a class and words: the privilege without which it could be a wrong impression, or none."""

_BY_CODE = {entry.code: entry for entry in drift.CLASSES}

FORMAT = 2
"""Of a recorded shape. Raised with every change of what is told of the same parts; where it is missing, it is 1, which
did not tell yet whether a table has partitions."""
_PARTITIONED = " PARTITIONED"


def taken(connection: Connection, database: str) -> dict[str, Any]:
    """The shape of ``database`` as it is now, for the tenant's facts."""
    return kept(anatomy.read(connection, [database])[database])


def kept(found: anatomy.Anatomy) -> dict[str, Any]:
    """The shape of a database whose anatomy was ``found``; ``blind`` if a view's body could not be seen."""
    views = {name: digest or None for name, digest in found.views.items()}
    parts = {**found.parts, "views": views}
    return {
        **({} if all(views.values()) else {"blind": True}),
        "format": FORMAT,
        "server": found.version,
        "names": _said(census.fold([*parts["tables"], *parts["views"]])),
        "routines": _said(census.fold(parts["routines"])),
        "events": _said(census.fold(parts["events"])),
        "parts": _packed(parts),
    }


def seen(
    sight: Sight,
    server: Server,
    database: str,
    recorded: Mapping[str, Any],
    *,
    owner: str,
) -> dict[str, Any]:
    """How the database differs from the ``recorded`` shape, as plain data for ``blocking`` and ``remarks``.

    ``owner`` is the account as which its events are to run. What may not be seen is listed as
    unknown, never as missing. ``stale`` says that the shape has to be taken again.
    """
    if not recorded:
        return {
            "differs": [],
            "unknown": [list(_untold(database, "an older version did not record it"))],
            "stale": True,
        }
    found, unknown = Findings(), dict[tuple[str, str], None]()
    _names(sight, server, database, recorded, found, unknown)
    stale, told = False, recorded.get("format", 1)
    try:
        version = sight.census(server).version
        stale = version != recorded["server"] or "blind" in recorded or told != FORMAT
        if sight.deep:
            was = _unpacked(recorded["parts"])
            there = sight.anatomy(server, database)
            now = there.parts
            for event, definer in sorted(there.definers.items()):
                # One that is disabled gets its definer by being enabled.
                awake = sight.census(server).events.get(database, {}).get(event, False)
                if awake and event in was["events"] and definer != owner:
                    found[drift.EVENT_DEFINER.code, f"event {event} runs as {definer} instead of {owner}"] = ""
            if told > FORMAT:
                unknown[_untold(database, "a newer version recorded it")] = None
            elif version == recorded["server"]:
                _views(sight, server, database, now["views"], was["views"], found, unknown)
                _parts(_as_told(now, was) if told < FORMAT else now, was, found)
            else:
                unknown[_untold(database, f"it was taken on {recorded['server']}, and the server is {version}")] = None
            _compared(dict.fromkeys(was["triggers"], "triggers"), now["triggers"], "triggers", found)
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


def _views(
    sight: Sight,
    server: Server,
    database: str,
    now: Mapping[str, str],
    was: Mapping[str, str],
    found: Findings,
    unknown: dict[tuple[str, str], None],
) -> None:
    """Compare the bodies of views, of which an empty digest says nothing."""
    both = [name for name in was if name in now]
    if not all(now[name] for name in both):
        # To an account that may SELECT globally the server shows no body for a SHOW VIEW that it has by a pattern.
        lacking = next((one for one in ("SELECT", "SHOW VIEW") if not sight.may(server, database, one)), "")
        needed = f"{lacking} ON the tenants' databases" if lacking else "SHOW VIEW ON *.*"
        unknown["bodies of tenants' views", needed] = None
    for name in both:
        if now[name] and was[name] and now[name] != was[name]:
            found[drift.VIEW_CHANGED.code, f"view {name} was changed"] = ""
    if untold := [name for name in both if not was[name]]:
        unknown[_untold(database, f"the body of {', '.join(untold)} could not be seen when it was taken")] = None


def _as_told(now: Mapping[str, Any], was: Mapping[str, Any]) -> dict[str, Any]:
    """What there is now, as the first format would have told it of a table that it did not call partitioned."""
    tables = {
        name: table
        if was["tables"].get(name, table)["is"].endswith(_PARTITIONED)
        else {**table, "is": table["is"].removesuffix(_PARTITIONED)}
        for name, table in now["tables"].items()
    }
    return {**now, "tables": tables}


def _parts(now: Mapping[str, Any], was: Mapping[str, Any], found: Findings) -> None:
    """Compare what programs and tables are made of, by digests of one version of the server."""
    for what, entry in _CHANGED.items():
        for name, digest in was[what].items():
            if name in now[what] and now[what][name] != digest:
                found[entry.code, f"{_called(what, name)} was changed"] = ""
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
                needed = _PARTS_SHOWN_BY.get(plural, "") if after is None else ""
                found[drift.TABLE_CHANGED.code, f"{part} {name}.{key} {verb}"] = needed


def _called(what: str, name: str) -> str:
    return name if what == "routines" else f"{what.removesuffix('s')} {name}"


def _said(names: census.Fold) -> str:
    return f"{names.count} {names.checksum}"


def _packed(parts: Mapping[str, Any]) -> str:
    # Some 500 digests a tenant: packed, they are a third, and a default look need not even unpack them. A higher level
    # takes three times as long for a tenth less, and base 85 twenty times as long for a sixteenth less.
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return base64.b64encode(zlib.compress(text.encode(), 3)).decode()


def _unpacked(packed: str) -> dict[str, Any]:
    # A stream begins with the octet 0x78, which is "c" to base 85, as earlier versions wrote, and "e" to base 64.
    octets = base64.b85decode(packed) if packed.startswith("c") else base64.b64decode(packed)
    parts: dict[str, Any] = json.loads(zlib.decompress(octets))
    return parts
