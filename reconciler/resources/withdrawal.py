"""A tenant's central rows are withdrawn, or put back exactly as they were, marks and all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from reconciler import errors
from reconciler.model.change import Change, State
from reconciler.model.states import TenantState
from reconciler.ports.session import Session
from reconciler.resources import activation, resource
from reconciler.resources.sight import Sight

Rows = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Withdrawal(resource.Resource):
    """All central rows of ``tenant`` that have a state say that it is in the trash; or with ``back``, what they said
    before that.
    """

    kind: ClassVar[str] = "withdrawal"

    tenant: str
    back: Rows | None = None

    @property
    def name(self) -> str:
        """The tenant."""
        return self.tenant

    def observe(self, sight: Sight) -> State:
        """By table and natural key, each row's state, revision and mark."""
        return {"rows": activation.states(sight, self.tenant), "transaction": sight.transaction}

    def own(self, seen: State) -> State:
        """The rows alone."""
        return {"rows": (seen or {})["rows"]}

    def diff(self, seen: State) -> Iterator[Change]:
        """Withdraw what is not withdrawn, or put back what is not as it was."""
        have: Rows = (seen or {})["rows"]
        if self.back is None:
            mark = {"state": TenantState.TRASHED.value, "transaction_id": (seen or {})["transaction"]}
            then = {key: {**row, **mark} for key, row in have.items() if row["state"] != TenantState.TRASHED}
        else:
            if lost := sorted(set(self.back) - set(have)):
                raise errors.Refused(
                    f"the central rows {', '.join(lost)} of {self.tenant} are gone from the trash",
                    advice="Put them back from a backup, or put the tenant's spec back: then they are written again.",
                )
            then = {key: dict(row) for key, row in self.back.items() if have[key] != row}
        if not then:
            return
        withdraws = self.back is None
        yield Change(
            step="",
            resource=self.kind,
            name=self.name,
            action="update",
            before={"rows": {key: have[key] for key in then}},
            after={"rows": then},
            summary=(
                f"withdraw {self.tenant} from the central system: license, index and webhooks"
                if withdraws
                else f"put {self.tenant} back into the central system as it was"
            ),
            reason="its spec is gone" if withdraws else "the tenant is restored",
            undo="put the rows' former states back" if withdraws else "withdraw them again",
            takes_away=withdraws,
        )

    def do(self, change: Change, session: Session) -> resource.Facts | None:
        """All rows in one transaction of the server, each if it still stands as it was seen."""
        before, after = _both(change)

        def attempt() -> None:
            for key, row in before.items():
                if activation.stands(session, key) != row:
                    raise errors.MovedMeanwhile(f"the central row {key} was changed by somebody else meanwhile")
                activation.put(session, key, after[key], after[key]["transaction_id"])

        session.central().atomically(attempt)
        return {"rows": {key: dict(row) for key, row in before.items()}} if self.back is None else None

    @classmethod
    def undo(cls, change: Change, session: Session) -> None:
        """Back to what they were, if they are what this transaction made of them."""
        before, after = _both(change)

        def attempt() -> None:
            for key, row in before.items():
                now = activation.stands(session, key)
                if now in (None, row):
                    continue
                if now != after[key]:
                    raise resource.Foreign(change, f"the central row {key} was changed by somebody else meanwhile")
                activation.put(session, key, row, row["transaction_id"])

        session.central().atomically(attempt)

    @classmethod
    def undone(cls, change: Change, session: Session) -> bool:
        """Whether every row that is there says what it did."""
        before, _ = _both(change)

        def attempt() -> bool:
            return all(activation.stands(session, key) in (None, row) for key, row in before.items())

        return session.central().atomically(attempt)


def _both(change: Change) -> tuple[Rows, Rows]:
    return (change.before or {})["rows"], (change.after or {})["rows"]
