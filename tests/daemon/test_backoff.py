import pytest

from reconciler.daemon.backoff import Backoff, jittered


def longest(_: float, high: float) -> float:
    return high


def test_the_bound_doubles_until_the_longest_wait() -> None:
    backoff = Backoff(2, 900, longest)
    assert [backoff.wait(n) for n in range(11)] == [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]


def test_a_million_failures_still_have_a_wait() -> None:
    assert Backoff(0.1, 86400, longest).wait(1_000_000) == 86400


def test_a_first_wait_beyond_the_longest_is_cut() -> None:
    assert Backoff(60, 10, longest).wait(0) == 10


def test_the_jitter_is_full_from_nothing_to_the_bound() -> None:
    seen: list[tuple[float, float]] = []

    def noted(low: float, high: float) -> float:
        seen.append((low, high))
        return low

    assert Backoff(2, 900, noted).wait(3) == 0
    assert seen == [(0, 16)]


def test_real_waits_are_spread_over_the_whole_bound() -> None:
    backoff = Backoff(2, 900)
    waits = sorted(backoff.wait(20) for _ in range(1000))
    assert 0 <= waits[0] < 30
    assert 870 < waits[-1] <= 900
    assert 350 < waits[500] < 550


@pytest.mark.parametrize(("part", "low", "high"), [(0.2, 48, 72), (0.5, 30, 90), (0, 60, 60)])
def test_a_period_is_jittered_to_both_sides(part: float, low: float, high: float) -> None:
    assert jittered(60, part, uniform=lambda a, _: a) == pytest.approx(low)
    assert jittered(60, part, uniform=longest) == pytest.approx(high)
    assert low <= jittered(60, part) <= high


def test_a_fifth_is_what_a_period_is_jittered_by() -> None:
    assert jittered(60, uniform=longest) == pytest.approx(72)
