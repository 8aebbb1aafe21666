"""Which commits were merged lately, which tenants they touched, and what became of these: for the forge.

A tenant belongs to the newest commit that touched it. What was told of older commits stays as it was.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from reconciler import errors
from reconciler.daemon import forges
from reconciler.daemon.review import Reviews
from reconciler.daemon.telling import Merge, Telling
from reconciler.model import plan as plans
from reconciler.model.outcome import Failure, Outcome, Result
from reconciler.ports.ports import Ports
from reconciler.spec import daemon as spec

_MOST_KEPT: Final = 32


@dataclass(slots=True)
class _Merged:
    ends: dict[str, Outcome | None]
    warnings: dict[str, str] = field(default_factory=dict)
    plans: dict[str, plans.TenantPlan] = field(default_factory=dict)
    news: bool = True


class Merges:
    """The merges that somebody is told of. Any thread may note; ``tell`` speaks to the forge and may take long."""

    def __init__(self) -> None:
        self.reviews: Reviews | None = None
        self.telling: Telling | None = None
        self._forge: spec.Forge | None = None
        self.news = threading.Event()
        """Set when there is something that should be told at once."""
        self._guard = threading.Lock()
        self._merges: OrderedDict[str, _Merged] = OrderedDict()
        self._commits: dict[str, str] = {}

    def configure(
        self,
        forge: spec.Forge | None,
        root: Path,
        ports: Ports,
        branch: str,
        log: Callable[[str, errors.ReconcileError], None],
    ) -> None:
        """Speak to ``forge`` from now on, about merges into ``branch``; ``log`` takes what could not be told."""
        if forge == self._forge:
            return
        self._forge, self.telling, self.reviews = forge, None, None
        if forge is not None:
            port = forges.opened(forge, root, ports)
            self.telling = Telling(port, branch=branch, log=log)
            reviewers = forge.github.reviewers if forge.github else ()
            self.reviews = Reviews(port, ports.clock, branch=branch, reviewers=reviewers)

    def begins(self, commit: str, touched: Collection[str]) -> None:
        """``commit`` was merged and touched these tenants."""
        if not touched:
            return
        with self._guard:
            known = self._merges.get(commit)
            before = known.ends if known is not None else {}
            self._merges[commit] = _Merged({**before, **dict.fromkeys(sorted(touched))})
            self._commits |= dict.fromkeys(touched, commit)
            if len(self._merges) > _MOST_KEPT:
                gone, _ = self._merges.popitem(last=False)
                self._commits = {name: of for name, of in self._commits.items() if of != gone}
        self.news.set()

    def commit_of(self, name: str) -> str:
        """The merge that touched a tenant last, of those that are remembered; empty if none did."""
        with self._guard:
            return self._commits.get(name, "")

    def ended(self, name: str, outcome: Outcome, plan: plans.TenantPlan | None) -> None:
        """An attempt on a tenant ended."""
        with self._guard:
            merge = self._merges.get(self._commits.get(name, ""))
            if merge is None or name not in merge.ends:
                return
            if merge.ends[name] is not None and outcome.result is Result.UNCHANGED:
                return  # that it is in sync afterwards is no news
            merge.ends[name] = outcome
            merge.plans.pop(name, None)
            if outcome.result is Result.STALE and plan is not None:
                merge.plans[name] = plan
            merge.news = True
            if None not in merge.ends.values():
                self.news.set()

    def waits(self, name: str, message: str) -> None:
        """A tenant is held for now, and the merge does not wait for it."""
        self.ended(name, Outcome(name, Result.SKIPPED, failure=Failure("held", "", message)), None)

    def unchanged(self, names: Collection[str]) -> None:
        """A plan found these tenants in sync."""
        for name in names:
            self.ended(name, Outcome(name, Result.UNCHANGED), None)

    def warns(self, name: str, words: str) -> None:
        """What is said of a tenant although it is applied."""
        with self._guard:
            merge = self._merges.get(self._commits.get(name, ""))
            if merge is not None:
                merge.warnings[name], merge.news = words, True

    def tell(self) -> bool:
        """Tell what is new; False if something could not be told and is to be told later."""
        if self.telling is None:
            return True
        with self._guard:
            found = [
                Merge(commit, dict(merge.ends), dict(merge.warnings), dict(merge.plans))
                for commit, merge in self._merges.items()
                if merge.news
            ]
            for one in found:
                self._merges[one.commit].news = False
        told = 0
        for one in found:
            if not self.telling.tell(one):
                break  # the forge is away, for the others too
            told += 1
        with self._guard:
            for one in found[told:]:
                if one.commit in self._merges:
                    self._merges[one.commit].news = True
        return told == len(found)
