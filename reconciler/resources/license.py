"""What a license grants, and the number of its issue. Any change of terms is a new issue with the next ``seq``.

The terms of the last issue are on record, so that a plan shows what changes field by field, and signing them again
gives the very same file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from reconciler.model.change import Change, State
from reconciler.ports.session import Session
from reconciler.resources import resource
from reconciler.resources.sight import Sight


@dataclass(frozen=True, slots=True)
class License(resource.Resource):
    """The license of ``tenant`` with ``terms``; ``issued`` are those on record, ``details`` the change."""

    kind: ClassVar[str] = "license"

    tenant: str
    serial: str
    seq: int
    terms: Mapping[str, Any]
    issued: Mapping[str, Any]
    details: tuple[tuple[str, str, str], ...]

    @property
    def name(self) -> str:
        """The tenant."""
        return self.tenant

    def observe(self, sight: Sight) -> State:
        """The terms on record; None if none was issued."""
        return {"terms": self.issued} if self.issued else None

    def diff(self, seen: State) -> Iterator[Change]:
        """Issue it, or issue it again."""
        if self.issued == self.terms:
            return
        first = not self.issued
        yield Change(
            step="",
            resource=self.kind,
            name=self.name,
            action="create" if first else "update",
            before=None if first else {"seq": self.issued["seq"]},
            after={"seq": self.seq},
            summary=f"{'issue' if first else 'issue again'} license {self.serial}, number {self.seq}",
            reason="there is no license yet" if first else "its terms change",
            undo="nothing is recorded; the former license stays valid",
            details=() if first else self.details,
        )

    def do(self, change: Change, session: Session) -> resource.Facts:
        """Record the terms with the transaction's commit; the file and the central row follow in steps of their own."""
        return {"terms": dict(self.terms)}

    @classmethod
    def undo(cls, change: Change, session: Session) -> None:
        """Nothing was written."""

    @classmethod
    def undone(cls, change: Change, session: Session) -> bool:
        """Nothing was written."""
        return True
