"""What is done about drift that a sweep found: healed, reported, or left alone. Pure; the moment is handed in.

Two things keep the daemon from doing harm by healing. A budget: when much drifts at once, something is wrong that
healing does not mend, or somebody means it. And a memory: who puts the same field right again and again fights
somebody, and both believe to be right; a person has to say who is.

The memory is plain data (``to_data``), so that a restart does not start the fight again. Moments in it are of the wall
clock, because no other outlives a process; one that lies in the future counts as now.
"""

from __future__ import annotations

import datetime as dt
import enum
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Self

from reconciler.model.change import Change
from reconciler.model.plan import Action, TenantPlan
from reconciler.spec.daemon import DriftSweep

HOUR: Final = dt.timedelta(hours=1)
MEMORY: Final = dt.timedelta(hours=24)
HEALS_OF_ONE_FIELD: Final = 3
"""So often a field is healed within ``MEMORY``; when it differs again, it is not."""

_FORMAT: Final = 1
_FOLLOWS: Final = {"publication": "delivery"}


class Decision(enum.StrEnum):
    """What is done."""

    HEAL = "heal"
    REPORT = "report"
    NOTHING = "nothing"
    STALLED = "stalled"


class Field(NamedTuple):
    """A thing that differs: the resource, its name, and what of it (a field; of a whole thing the change's action)."""

    resource: str
    name: str
    what: str

    def __str__(self) -> str:
        return f"{self.what} of {self.resource} {self.name}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision, and why, in words. ``field`` and ``since`` (its first heal, in UTC) only where it is ``stalled``."""

    decision: Decision
    reason: str
    field: Field | None = None
    since: dt.datetime | None = None


@dataclass(slots=True)
class _Memory:
    """What was healed in one tenant since its spec, or what that stands on, last changed."""

    spec: str
    heals: dict[Field, list[dt.datetime]] = field(default_factory=dict)
    stalled: Field | None = None


class Healing:
    """Decides about drift, and remembers. Any thread may call it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._admitted: dict[str, dt.datetime] = {}
        self._tenants: dict[str, _Memory] = {}

    def decide(self, plan: TenantPlan, sweep: DriftSweep, now: dt.datetime) -> Verdict:
        """What to do about what ``plan`` would repair. ``now`` is aware.

        ``heal`` takes the tenant's place in the hour's budget; attempts of the same tenant share one. All differing
        things have to allow healing, because a plan is carried out whole; those whose policy is ``off`` are not worth
        a report by themselves. ``stalled`` stays so until the spec changes, the field is in order, or ``forgive``.
        """
        now = now.astimezone(dt.UTC)
        if plan.action is not Action.REPAIR:
            if plan.action is Action.UNCHANGED:
                self._in_order(plan.tenant)
            return Verdict(Decision.NOTHING, f"the plan's action is {plan.action.value}, which is no drift to heal")
        changes = _differing(plan)
        said = _unwelcome(changes, sweep)
        with self._lock:
            self._expire(now)
            stalled = self._stalled(plan, changes)
            if said is not None:
                return said
            if stalled is not None:
                return stalled
            others = len(self._admitted.keys() - {plan.tenant})
            if others >= sweep.heals_an_hour:
                reason = f"{others} tenants were healed within the hour, and healsAnHour is {sweep.heals_an_hour}"
                return Verdict(Decision.REPORT, reason)
            self._admitted[plan.tenant] = now
        return Verdict(Decision.HEAL, f"healed by policy: {_things(changes)}")

    def healed(self, plan: TenantPlan, now: dt.datetime) -> None:
        """What ``plan`` repairs was repaired. A heal that was rolled back is not told."""
        now = now.astimezone(dt.UTC)
        with self._lock:
            memory = self._tenants.get(plan.tenant)
            if memory is None or memory.spec != plan.spec:
                memory = self._tenants[plan.tenant] = _Memory(plan.spec)
            for one in _fields(_differing(plan)):
                memory.heals[one] = [*_recent(memory.heals.get(one, ()), now), now]

    def forgive(self, tenant: str) -> None:
        """A person asked for another attempt, or the tenant is gone: nothing of it is remembered."""
        with self._lock:
            self._tenants.pop(tenant, None)

    def to_data(self) -> dict[str, Any]:
        """All that is remembered, as JSON has it."""
        with self._lock:
            return {
                "formatVersion": _FORMAT,
                "admitted": {tenant: at.isoformat() for tenant, at in self._admitted.items()},
                "tenants": {
                    tenant: {
                        "spec": memory.spec,
                        "stalled": list(memory.stalled) if memory.stalled else None,
                        "heals": [[*one, [at.isoformat() for at in times]] for one, times in memory.heals.items()],
                    }
                    for tenant, memory in self._tenants.items()
                },
            }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """What ``to_data`` gave. Of another format, and of an empty mapping: nothing is remembered."""
        healing = cls()
        if data.get("formatVersion") != _FORMAT:
            return healing
        healing._admitted = {tenant: dt.datetime.fromisoformat(at) for tenant, at in data["admitted"].items()}
        for tenant, said in data["tenants"].items():
            heals = {
                Field(resource, name, what): [dt.datetime.fromisoformat(at) for at in times]
                for resource, name, what, times in said["heals"]
            }
            healing._tenants[tenant] = _Memory(
                said["spec"], heals, Field(*said["stalled"]) if said["stalled"] else None
            )
        return healing

    def _stalled(self, plan: TenantPlan, changes: tuple[Change, ...]) -> Verdict | None:
        """Whether a field differs again that was healed too often; asked whatever the policy, so that it is known."""
        memory = self._tenants.get(plan.tenant)
        if memory is None or memory.spec != plan.spec:
            self._tenants.pop(plan.tenant, None)
            return None
        differ = _fields(changes)
        often = (one for one in differ if len(memory.heals.get(one, ())) >= HEALS_OF_ONE_FIELD)
        memory.stalled = next(often, None)
        if memory.stalled is None:
            return None
        times = memory.heals[memory.stalled]
        reason = (
            f"{memory.stalled} was healed {len(times)} times since {times[0]:%Y-%m-%d %H:%M} UTC and differs again; "
            f"somebody else writes it{differ[memory.stalled]}. Stop them, or write into the spec what they want."
        )
        return Verdict(Decision.STALLED, reason, memory.stalled, times[0])

    def _in_order(self, tenant: str) -> None:
        with self._lock:
            if tenant in self._tenants:
                self._tenants[tenant].stalled = None

    def _expire(self, now: dt.datetime) -> None:
        """Forget what is too long ago, but for a field that stalled: how it came to that is still to be told."""
        self._admitted = {tenant: min(at, now) for tenant, at in self._admitted.items() if now - at < HOUR}
        for memory in self._tenants.values():
            if memory.stalled is None:
                memory.heals = {one: recent for one, times in memory.heals.items() if (recent := _recent(times, now))}
        self._tenants = {tenant: memory for tenant, memory in self._tenants.items() if memory.heals}


def _unwelcome(changes: tuple[Change, ...], sweep: DriftSweep) -> Verdict | None:
    """The strictest policy's word, if it isn't ``heal``."""
    policies = {change.resource: _policy(change.resource, sweep) for change in changes}
    if all(policy == "off" for policy in policies.values()):
        return Verdict(Decision.NOTHING, f"the policy is off for {_things(changes)}")
    if held := sorted(resource for resource, policy in policies.items() if policy != "heal"):
        said = ", ".join(f"{resource} is {policies[resource]}" for resource in held)
        return Verdict(Decision.REPORT, f"not healed, because the policy for {said}: {_things(changes)}")
    return None


def _policy(resource: str, sweep: DriftSweep) -> str:
    """The policy of a resource; of one that only ever goes along with another, that one's."""
    followed = sweep.resources.get(_FOLLOWS.get(resource, ""), sweep.policy)
    return sweep.resources.get(resource, followed)


def _differing(plan: TenantPlan) -> tuple[Change, ...]:
    """The changes that are needed by themselves."""
    return tuple(change for change in plan.changes if change.summary in plan.differing) or plan.changes


def _fields(changes: Iterable[Change]) -> dict[Field, str]:
    """What differs, and for each what it was found to be, as the end of a sentence."""
    found: dict[Field, str] = {}
    for change in changes:
        for what, was, _ in change.details:
            found.setdefault(Field(change.resource, change.name, what), f", last as {was!r}" if was else "")
        if not change.details:
            found.setdefault(Field(change.resource, change.name, change.action), "")
    return found


def _recent(times: Iterable[dt.datetime], now: dt.datetime) -> list[dt.datetime]:
    return [min(at, now) for at in times if now - at < MEMORY]


def _things(changes: tuple[Change, ...]) -> str:
    """The first of them, and how many there are."""
    more = f" and {len(changes) - 1} more" if len(changes) > 1 else ""
    return f"{changes[0].resource} {changes[0].name}{more}" if changes else "nothing"
