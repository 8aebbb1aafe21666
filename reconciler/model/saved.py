"""A plan that was saved, reviewed, and is to be carried out exactly: what it binds, and what has moved since.

The file is canonical JSON without secrets. It holds no instruction: an apply plans again and compares, so that nobody
can have anything done by editing it. Its digest only tells a damaged file from a whole one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from reconciler import errors
from reconciler.model import plan as plans

FORMAT: Final = 1
_KIND: Final = "reconciler/plan"


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What was reviewed of one tenant. ``taken`` are the changes that take something away, as (resource, name)."""

    tenant: str
    action: plans.Action
    fingerprint: str
    spec: str
    observed: Mapping[str, str]
    taken: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A saved plan. ``platform`` are the summaries of what comes before the tenants."""

    platform_id: str
    revision: str
    created_at: str
    deep: bool
    platform: tuple[str, ...]
    tenants: Mapping[str, Reviewed]


def save(found: plans.Plan, platform_id: str) -> str:
    """The file's text."""
    said: dict[str, Any] = {
        "kind": _KIND,
        "formatVersion": FORMAT,
        "platformId": platform_id,
        "revision": found.revision,
        "createdAt": found.created_at,
        "deep": found.deep,
        "fingerprint": found.fingerprint,
        "platform": [change.summary for change in found.platform],
        "tenants": [_tenant(entry) for entry in found.changed],
    }
    return json.dumps({**said, "digest": plans.digest(said)}, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def load(text: str | bytes, file: str) -> SavedPlan:
    """The plan in a file. Errors: ``PlanUnusable`` for what no ``plan --out`` of this version wrote."""
    try:
        said = json.loads(text)
        written = said.pop("digest")
        if (said["kind"], said["formatVersion"]) != (_KIND, FORMAT):
            raise errors.PlanUnusable(f"{file} has format {said['kind']} {said['formatVersion']}, not {_KIND} {FORMAT}")
        if plans.digest(said) != written:
            raise errors.PlanUnusable(f"{file} was changed after it was saved: its digest does not fit")
        return SavedPlan(
            platform_id=said["platformId"],
            revision=said["revision"],
            created_at=said["createdAt"],
            deep=said["deep"],
            platform=tuple(said["platform"]),
            tenants={entry["tenant"]: _reviewed(entry) for entry in said["tenants"]},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise errors.PlanUnusable(f"{file} is no saved plan: {type(error).__name__} {error}") from error


def moved(reviewed: Reviewed, now: plans.TenantPlan) -> list[str]:
    """What is not as it was when the plan was made, in words; empty if the plan of now is the reviewed one."""
    said = []
    if now.spec and now.spec != reviewed.spec:
        said.append("its spec, or the catalogue or server that it stands on, was changed")
    said += [
        f"{address} is not as it was"
        for address in sorted({*reviewed.observed, *now.observed})
        if now.observed and reviewed.observed.get(address) != now.observed.get(address)
    ]
    if not said and now.fingerprint != reviewed.fingerprint:
        said.append(f"what would be done is now {now.action.value}, and other than what was reviewed")
    return said


def no_riskier(reviewed: Reviewed, now: plans.TenantPlan) -> bool:
    """Whether the plan of now holds no kind of action that the reviewed one had not, and takes nothing else away."""
    return milder(reviewed.action, now) and taken(now) <= reviewed.taken


def milder(action: plans.Action, now: plans.TenantPlan) -> bool:
    """Whether the plan of now can be carried out, and is of a kind that is no riskier than ``action``."""
    order = list(plans.Action)
    return not now.blockers and order.index(now.action) >= order.index(action)


def taken(now: plans.TenantPlan) -> frozenset[tuple[str, str]]:
    """The changes of a plan that take something away, as (resource, name)."""
    return frozenset((change.resource, change.name) for change in now.changes if change.takes_away)


def _tenant(entry: plans.TenantPlan) -> dict[str, Any]:
    return {
        "tenant": entry.tenant,
        "product": entry.product,
        "action": entry.action.value,
        "fingerprint": entry.fingerprint,
        "spec": entry.spec,
        "observed": dict(entry.observed),
        "changes": [
            {
                "step": change.step,
                "resource": change.resource,
                "name": change.name,
                "action": change.action,
                "summary": change.summary,
                "takesAway": change.takes_away,
            }
            for change in entry.changes
        ],
    }


def _reviewed(entry: Mapping[str, Any]) -> Reviewed:
    return Reviewed(
        tenant=entry["tenant"],
        action=plans.Action(entry["action"]),
        fingerprint=entry["fingerprint"],
        spec=entry["spec"],
        observed=entry["observed"],
        taken=frozenset((change["resource"], change["name"]) for change in entry["changes"] if change["takesAway"]),
    )
