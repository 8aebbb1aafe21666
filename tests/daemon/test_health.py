"""What readiness says, and when."""

from __future__ import annotations

from reconciler.daemon.health import Health


def ready() -> Health:
    """All is well."""
    return Health(first_pass=True, fetched=1e18, source="", store="")


def failing(health: Health) -> dict[str, str]:
    return {check.name: said for check in health.ready() if (said := check.ask())}


def test_nothing_fails_where_all_is_well() -> None:
    assert failing(ready()) == {}


def test_one_that_has_just_begun_is_not_ready_and_alive() -> None:
    health = Health()
    assert failing(health).keys() == {"store", "source", "first-pass"}
    assert not any(check.ask() for check in health.alive())


def test_a_lost_lease_is_said_though_the_loop_has_not_seen_it_yet() -> None:
    health = ready()
    health.leads = lambda: False
    assert failing(health).keys() == {"lease"}


def test_one_that_follows_another_is_ready() -> None:
    health = ready()
    health.leads, health.following, health.first_pass = lambda: False, "another host", False
    assert failing(health) == {}


def test_one_that_must_not_lead_says_why() -> None:
    health = ready()
    health.fitness = "the keys are others"
    assert failing(health) == {"lease": "the keys are others"}


def test_a_source_that_was_not_seen_for_long_is_said() -> None:
    health = ready()
    health.fetched = health.beat - 1000
    assert failing(health) == {"source": "it was last seen 1000 s ago"}
