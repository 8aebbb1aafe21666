"""Which merges are told, and of which tenants."""

from __future__ import annotations

from reconciler.daemon.merges import Merges
from reconciler.daemon.telling import Merge
from reconciler.model.outcome import Outcome, Result

APPLIED = Outcome("sol", Result.APPLIED)


class Forge:
    """Takes what it is told, as long as it is there."""

    def __init__(self) -> None:
        self.told: list[Merge] = []
        self.away = False

    def tell(self, merge: Merge) -> bool:
        if not self.away:
            self.told.append(merge)
        return not self.away


def telling() -> tuple[Merges, Forge]:
    merges, forge = Merges(), Forge()
    merges.telling = forge  # type: ignore[assignment]
    return merges, forge


def test_a_merge_that_is_begun_again_keeps_its_other_tenants() -> None:
    merges, forge = telling()
    merges.begins("c", ["sol", "luna"])
    merges.ended("sol", APPLIED, None)
    merges.begins("c", ["luna"])
    merges.unchanged(["sol", "luna"])
    assert merges.tell()
    assert {name: end and end.result for name, end in forge.told[-1].ends.items()} == {
        "sol": Result.APPLIED,
        "luna": Result.UNCHANGED,
    }


def test_a_tenant_belongs_to_the_newest_merge_that_touched_it() -> None:
    merges, _ = telling()
    merges.begins("c", ["sol", "luna"])
    merges.begins("d", ["sol"])
    assert (merges.commit_of("sol"), merges.commit_of("luna"), merges.commit_of("mar")) == ("d", "c", "")


def test_a_forge_that_is_away_is_asked_once_and_told_everything_later() -> None:
    merges, forge = telling()
    for commit in ("c", "d", "e"):
        merges.begins(commit, [f"of-{commit}"])
    forge.away = True
    assert not merges.tell()
    forge.away = False
    assert merges.tell()
    assert [merge.commit for merge in forge.told] == ["c", "d", "e"]
    assert merges.tell()
    assert len(forge.told) == 3
