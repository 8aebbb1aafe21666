"""A plan that was saved, reviewed, and is to be carried out exactly: what it binds, and what has moved since.

The file is canonical JSON without secrets. It holds no instruction: an apply plans again and compares, so that nobody
can have anything done by editing it. Its digest only tells a damaged file from a whole one.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from reconciler import errors
from reconciler.model import plan as plans

FORMAT: Final = 1
_KIND: Final = "reconciler/plan"

Thing = tuple[str, ...]
"""Something that is taken away: resource, name, and the part of it where it is not the whole."""

_SHOWN: Final = 3
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What was reviewed of one tenant. ``taken`` is what its changes take away, as ``taken`` says it."""

    tenant: str
    action: plans.Action
    fingerprint: str
    spec: str
    observed: Mapping[str, str]
    taken: frozenset[Thing]


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
        said = json.loads(text, object_pairs_hook=_once)
        written = said.pop("digest")
        kind, version = said["kind"], said["formatVersion"]
        if type(version) is not int or (kind, version) != (_KIND, FORMAT):  # true equals 1
            raise errors.PlanUnusable(f"{file} has format {kind!s:.40} {version!s:.40}, not {_KIND} {FORMAT}")
        if plans.digest(said) != written:
            raise errors.PlanUnusable(f"{file} was changed after it was saved: its digest does not fit")
        return SavedPlan(
            platform_id=_of(str, said["platformId"]),
            revision=_of(str, said["revision"]),
            created_at=_of(str, said["createdAt"]),
            deep=_of(bool, said["deep"]),
            platform=tuple(_of(str, summary) for summary in _of(list, said["platform"])),
            tenants=_once([(_of(str, entry["tenant"]), _reviewed(entry)) for entry in _of(list, said["tenants"])]),
        )
    except RecursionError as error:
        raise errors.PlanUnusable(f"{file} is no saved plan: it is nested too deep") from error
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
        said.append(_otherwise(now))
    return said


def riskier(reviewed: Reviewed, now: plans.TenantPlan) -> str:
    """In what the plan of now is riskier than the reviewed one, in words; empty if in nothing.

    It is where its kind of action is, or where it takes away what the reviewed one leaves.
    """
    if not milder(reviewed.action, now):
        return f"what would be done now is riskier: {now.action.value} instead of {reviewed.action.value}"
    if more := taken(now) - reviewed.taken:
        return f"what would be done now is riskier: it takes away what the reviewed plan leaves: {listed(more)}"
    return ""


def listed(things: Collection[Thing]) -> str:
    """Some of the things, and how many more there are."""
    shown = [f"{' '.join(thing[:2])}{f' ({thing[2]})' if thing[2:] else ''}" for thing in sorted(things)]
    return ", ".join(shown[:_SHOWN]) + (f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else "")


def milder(action: plans.Action, now: plans.TenantPlan) -> bool:
    """Whether the plan of now can be carried out, and is of a kind that is no riskier than ``action``."""
    order = list(plans.Action)
    return not now.blockers and order.index(now.action) >= order.index(action)


def taken(now: plans.TenantPlan) -> frozenset[Thing]:
    """What the changes of a plan take away."""
    return _taken((change.resource, change.name, change.taken) for change in now.changes if change.takes_away)


def _taken(changes: Iterable[tuple[str, str, Sequence[str]]]) -> frozenset[Thing]:
    return frozenset(
        (resource, name, *part)
        for resource, name, parts in changes
        for part in ([(part,) for part in parts] if parts else [()])
    )


def _otherwise(now: plans.TenantPlan) -> str:
    """What is said of a tenant whose things are as they were, and whose plan is another one."""
    if now.blockers:
        return f"it is blocked now: {now.blockers[0].message}"
    if not now.changes:
        return "nothing is left to do: the tenant is in sync already"
    return f"what would be done is now {now.action.value}, and other than what was reviewed"


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
                "taken": list(change.taken),
            }
            for change in entry.changes
        ],
    }


def _reviewed(entry: Mapping[str, Any]) -> Reviewed:
    return Reviewed(
        tenant=entry["tenant"],
        action=plans.Action(entry["action"]),
        fingerprint=_of(str, entry["fingerprint"]),
        spec=_of(str, entry["spec"]),
        observed={address: _of(str, look) for address, look in _of(dict, entry["observed"]).items()},
        taken=_taken(
            (_of(str, change["resource"]), _of(str, change["name"]), [_of(str, part) for part in change["taken"]])
            for change in _of(list, entry["changes"])
            if _of(bool, change["takesAway"])
        ),
    )


def _of(kind: type[_T], found: object) -> _T:
    if type(found) is not kind:
        raise TypeError(f"{found!r:.40} stands where a {kind.__name__} belongs")
    return found


def _once(pairs: Sequence[tuple[str, _T]]) -> dict[str, _T]:
    """Errors: ``ValueError`` for a key that stands there twice, of which the last would win."""
    found: dict[str, _T] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{key!r:.40} stands there twice")
        found[key] = value
    return found
