"""What the forge is told of a merge: the commit's status while it is worked on and at its end, and one comment.

A merge is told once when it begins, once when its last tenant has ended, and then only when one of its tenants ends in
another way than before: retries that fail as before are no news. Nothing here harms anything: what the forge does not
take is logged, and told by the next call.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from reconciler import errors
from reconciler.model import plan as plans
from reconciler.model.outcome import Outcome
from reconciler.ports.forge.forge import Forge, State, merged_into
from reconciler.report import merged

CONTEXT: Final = "reconcile/apply"
"""The commit status; ``reconcile/plan`` is CI's."""

_MOST_KEPT: Final = 32

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Merge:
    """A commit that was merged, and how its tenants ended; None for one that is not at its end.

    ``warnings`` is what is said of tenants although they were applied; ``plans`` what would be done now with those
    whose reviewed plan does not hold any more.
    """

    commit: str
    ends: Mapping[str, Outcome | None]
    warnings: Mapping[str, str] = field(default_factory=dict)
    plans: Mapping[str, plans.TenantPlan] = field(default_factory=dict)


class Telling:
    """Tells one forge of merges into ``branch``; ``log`` takes the commit and why it could not be told.

    A call takes as long as the forge takes to answer, so no work on a tenant should wait for one. Threads may share it.
    """

    def __init__(self, forge: Forge, *, branch: str, log: Callable[[str, errors.ReconcileError], None]) -> None:
        self._forge, self._branch, self._log = forge, branch, log
        self._ends: OrderedDict[str, Mapping[str, Outcome | None]] = OrderedDict()
        self._statuses: OrderedDict[str, tuple[State, str]] = OrderedDict()
        self._comments: OrderedDict[str, Hashable] = OrderedDict()
        self._pulls: OrderedDict[int, dict[str, Merge]] = OrderedDict()
        self._lock = threading.Lock()

    def tell(self, merge: Merge) -> bool:
        """Tell what is new about a merge. False: something could not be told, and the same call is to be made later.

        Errors: none but those of ``log``.
        """
        with self._lock:
            # A tenant that is tried again has ended before: that holds until it ends in another way.
            before = self._ends.get(merge.commit, {})
            ends = {name: before.get(name) if end is None else end for name, end in merge.ends.items()}
            _keep(self._ends, merge.commit, ends)
            merge = replace(merge, ends=ends)
            try:
                self._status(merge)
                self._comment(merge)
            except errors.ReconcileError as error:
                self._log(merge.commit, error)
                return False
        return True

    def _status(self, merge: Merge) -> None:
        said = status(merge)
        if self._statuses.get(merge.commit) != said:
            self._forge.status(merge.commit, CONTEXT, *said)
            _keep(self._statuses, merge.commit, said)

    def _comment(self, merge: Merge) -> None:
        news = hash(_news(merge))  # of ten thousand tenants a number is kept
        if any(end is None for end in merge.ends.values()) or self._comments.get(merge.commit) == news:
            return
        pull = merged_into(self._forge.pull_requests_of(merge.commit), self._branch)
        if pull is not None:
            # A pull request that was rebased has several commits, and one comment.
            together = {**self._pulls.get(pull.number, {}), merge.commit: merge}
            self._forge.put_comment(pull.number, merged.MARKER, _body(together))
            _keep(self._pulls, pull.number, together)
        _keep(self._comments, merge.commit, news)


def status(merge: Merge) -> tuple[State, str]:
    """The commit's status: state, and a line of counts."""
    ended = [end for end in merge.ends.values() if end is not None]
    if len(ended) < len(merge.ends):
        count = len(merge.ends)
        return "pending", f"{count} tenant{'s' * (count != 1)} to be looked at"
    if any(end.result in merged.BAD for end in ended):
        return "failure", merged.counts(ended)
    return "pending" if any(end.result in merged.WAITING for end in ended) else "success", merged.counts(ended)


def _body(merges: Mapping[str, Merge]) -> str:
    """The comment for all commits of a pull request; where two touched a tenant, what the later one says holds."""
    ends: dict[str, Outcome] = {}
    warnings: dict[str, str] = {}
    fresh: dict[str, plans.TenantPlan] = {}
    for merge in merges.values():
        for name, end in merge.ends.items():
            warnings.pop(name, None)
            fresh.pop(name, None)
            if end is not None:
                ends[name] = end
        warnings.update(merge.warnings)
        fresh.update(merge.plans)
    return merged.comment(merged.Digest(list(ends.values()), warnings, fresh), list(merges))


def _news(merge: Merge) -> Hashable:
    """What makes a merge worth telling again: not the time it took, nor the transaction that tried it."""
    ends = (
        (name, end.result, (end.failure.code, end.failure.step) if end.failure else None, end.leftovers)
        for name, end in merge.ends.items()
        if end is not None
    )
    fresh = ((name, plan.fingerprint) for name, plan in merge.plans.items())
    return frozenset(ends), frozenset(merge.warnings.items()), frozenset(fresh)


def _keep(kept: OrderedDict[K, V], key: K, value: V) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > _MOST_KEPT:
        kept.popitem(last=False)
