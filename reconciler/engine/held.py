"""Who is held: tenants that somebody wants left as they are for a while, by an annotation or by `reconcile pause`.

A hold only stops what would be begun. What a dead process left open is settled in any case.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, Final

from reconciler.engine.setting import Setting
from reconciler.model import plan as plans
from reconciler.model.standing import ALL, Hold
from reconciler.model.tenant import Tenant
from reconciler.ports import clock
from reconciler.ports.store import standing
from reconciler.spec import formats
from reconciler.spec.document import Document

ANNOTATION: Final = "reconciler/suspend"

_FIRST: Final = "0001-01-01T00:00:00.000000Z"
_LAST: Final = "9999-12-31T23:59:59.999999Z"


def holds(setting: Setting) -> dict[str, Hold]:
    """The holds in the store by subject, those that have run out too; none where there is no store."""
    return setting.store.read(standing.holds) if setting.store is not None else {}


def held(tenant: Tenant[Any, Any] | Document, holds: Mapping[str, Hold], now: dt.datetime) -> Hold | None:
    """Who holds the tenant at ``now``: its annotation, or the store's ``holds``; of both the one that lasts longer.

    A hold on the whole daemon is not asked for: it does not stop a person.
    """
    said = [entry for entry in (annotated(tenant), holds.get(tenant.name)) if entry]
    if not said:
        return None  # as it is for nearly all
    moment = clock.stamp(now)
    found = [entry for entry in said if entry.lasts(moment)]
    return max(found, key=lambda entry: entry.until or _LAST, default=None)


def daemon(holds: Mapping[str, Hold], now: dt.datetime) -> Hold | None:
    """Who holds the whole daemon at ``now``."""
    found = holds.get(ALL)
    return found if found is not None and found.lasts(clock.stamp(now)) else None


def annotated(tenant: Tenant[Any, Any] | Document) -> Hold | None:
    """The hold that the tenant's spec asks for, also where it has run out."""
    said = tenant.annotations.get(ANNOTATION)
    if not isinstance(said, Mapping):
        return None
    where = tenant.at("metadata", "annotations", ANNOTATION)
    written = said.get("until")
    return Hold(
        subject=tenant.name,
        actor=str(said.get("by", "")),
        reason=str(said.get("reason", "")),
        until=until(written) if isinstance(written, str) and is_until(written) else "",
        where=f"{where.file}:{where.line}" if where.line else where.file,
    )


def is_until(text: str) -> bool:
    """Whether ``text`` is a day or a moment of RFC 3339."""
    return formats.is_date(text) or formats.is_date_time(text)


def until(text: str) -> str:
    """When a hold ends that is written so: a day's end in UTC, or that moment. Errors: ``ValueError``."""
    if formats.is_date(text):
        return f"{text}T23:59:59.999999Z"
    if not formats.is_date_time(text):
        raise ValueError(f"{text!r} is neither a day nor a moment of RFC 3339")
    moment = dt.datetime.fromisoformat(text)
    try:
        return f"{moment.astimezone(dt.UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
    except OverflowError:  # an offset that leads out of the calendar
        return _LAST if moment.year > 1 else _FIRST


def words(hold: Hold) -> str:
    """Until when, by whom and why: for people."""
    end = f"until {hold.until[:19].replace('T', ' ')}Z" if hold.until else "until it is released"
    where = f" ({hold.where})" if hold.where else ""
    return f"{end}, by {hold.actor}: {hold.reason}{where}"


def apart(
    setting: Setting, tenants: Iterable[Tenant[Any, Any]]
) -> tuple[list[Tenant[Any, Any]], list[plans.TenantPlan]]:
    """The tenants that may be worked on, and the plans of those that are held: nothing is done, and why."""
    kept, now = holds(setting), setting.ports.clock.now()
    work, waiting = [], []
    for tenant in tenants:
        hold = held(tenant, kept, now)
        if hold is None:
            work.append(tenant)
            continue
        report = plans.Report(plans.HELD, f"nothing is done {words(hold)}")
        place = tenant.where if tenant.where.file else None
        waiting.append(
            plans.TenantPlan(tenant.name, tenant.product, plans.Action.UNCHANGED, where=place, reports=(report,))
        )
    return work, waiting
