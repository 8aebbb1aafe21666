"""Whether what would be applied is what was reviewed in the pull request, and what follows if it is not.

``decide`` only judges: it is given the plan under the tenant's lease, which is the one that will be carried out. Where
the review comes from is ``Reviews``: the comment that CI keeps on the merged pull request, and only if an account wrote
it that the platform names, because anybody who may comment can write down what a plan would leave behind.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from reconciler import errors
from reconciler.model import plan as plans
from reconciler.model import reviewed
from reconciler.model.reviewed import Review
from reconciler.ports.clock import Clock
from reconciler.ports.forge.forge import Forge, merged_into
from reconciler.report import markdown

Policy = Literal["off", "warn", "require"]

FRESH_SECONDS: Final = 60.0
"""For how long an answer of the forge holds: the tenants of one merge come together, and a late comment is found."""

_MOST_COMMITS: Final = 64
_ADVICE: Final = (
    "Read what would be done now; then merge a change of the tenant whose pull request shows that, or have it done "
    "with `reconcile apply --tenant NAME`."
)


@dataclass(frozen=True, slots=True)
class Go:
    """Nothing speaks against it."""


@dataclass(frozen=True, slots=True)
class Warn:
    """It is applied, and this is said."""

    words: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """It is not applied: the condition's reason is PlanStale, and this its message."""

    words: str

    def error(self) -> errors.PlanStale:
        """What the tenant ends with."""
        return errors.PlanStale(self.words, advice=_ADVICE)


Verdict = Go | Warn | Refuse


def decide(policy: Policy, review: Review | None, now: plans.TenantPlan) -> Verdict:
    """What the review of a merge means for a tenant that the merge touched.

    A plan that does nothing, or that is blocked anyway, needs none; nor does one that only repairs what drifted, unless
    the review holds the tenant.
    """
    if policy == "off" or not now.changes or now.blockers:
        return Go()
    if review is not None:
        words = reviewed.objection(review, now)
        found = words and f"the plan of tenant {now.tenant} {words}"
    else:
        repairs = now.action is plans.Action.REPAIR
        found = "" if repairs else f"the plan of tenant {now.tenant} was not reviewed: its pull request shows none"
    if not found:
        return Go()
    return Refuse(found) if policy == "require" else Warn(found)


class Reviews:
    """The reviewed plans of merged commits, asked for once a commit and minute; threads may share it.

    ``branch`` is the one that is applied, ``reviewers`` are the accounts whose comments count.
    """

    def __init__(self, forge: Forge, clock: Clock, *, branch: str, reviewers: Iterable[str]) -> None:
        self._forge, self._clock, self._branch = forge, clock, branch
        self._reviewers = frozenset(name.lower() for name in reviewers)
        self._known: OrderedDict[str, tuple[float, Review | errors.ForgeFailed | None]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, commit: str) -> Review | None:
        """The plan that was reviewed before ``commit`` was merged; None if there is none that counts.

        Errors: ``ForgeFailed``. Then nothing is known, and what has to be reviewed has to wait.
        """
        with self._lock:
            at, found = self._known.get(commit, (-FRESH_SECONDS, None))
            now = self._clock.monotonic()
            if commit not in self._known or now - at >= FRESH_SECONDS:
                try:
                    found = self._read(commit)
                except errors.ForgeFailed as error:
                    found = error
                self._known[commit] = (now, found)
                self._known.move_to_end(commit)
                if len(self._known) > _MOST_COMMITS:
                    self._known.popitem(last=False)
        if isinstance(found, errors.ForgeFailed):
            raise errors.ForgeFailed(found.message, advice=found.next, wait=found.wait) from found
        return found

    def _read(self, commit: str) -> Review | None:
        pull = merged_into(self._forge.pull_requests_of(commit), self._branch)
        if pull is None:
            return None
        for comment in self._forge.comments(pull.number):
            # The first, as that is the one that CI edits.
            if comment.author.lower() in self._reviewers and comment.body.startswith(markdown.MARKER):
                return reviewed.decode(comment.body)
        return None
