"""Who wants to hear of transitions hears of each of them once, signed, and of nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.engine import outbox
from reconciler.ports.ports import Ports
from tests.daemon.live import AT_ONCE, Pushed, living
from tests.daemon.test_loop_status import FullDisk
from tests.engine.drifting import AGENDA
from tests.engine.test_outbox import SECRET, Receiver
from tests.support import server as servers
from tests.support.shop import QUICK, Shop


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that takes everything."""
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def shop(tmp_path: Path, clean_server: servers.Server, receiver: Receiver) -> Shop:
    """A repository with one tenant, whose platform tells ``ops`` of transitions."""
    made = Shop(tmp_path / "repository", clean_server)
    (tmp_path / "home").mkdir()
    (tmp_path / "home/hook-secret").write_text(SECRET)
    ops = {"name": "ops", "url": receiver.url, "secretFrom": {"file": "hook-secret"}, "events": ["transition"]}
    made.platform(daemon=AT_ONCE, notifications=[ops])
    made.tenant("AgendaTenant", "one", AGENDA)
    return made


def letters(receiver: Receiver) -> list[dict[str, Any]]:
    return [json.loads(body) for _, body in list(receiver.got)]


def turns(receiver: Receiver) -> list[tuple[str, str, str, str]]:
    """Of whom which condition went from which reason to which one."""
    found = []
    for letter in letters(receiver):
        said = letter["data"]
        before, after = ((said[when] or {}).get("reason", "") for when in ("before", "after"))
        found.append((letter["subject"], said["condition"], before, after))
    return found


def test_only_transitions_are_told_and_they_are_signed(
    shop: Shop, remote: Pushed, home: Path, receiver: Receiver
) -> None:
    disk = FullDisk()
    commit = remote.push()
    with living(remote, home, Ports(entropy=QUICK, files=disk)) as live:
        live.until(lambda: len(live.status("one").get("history", ())) >= 2, "it fails again and again")
        begun = ("one", "Reconciling", "", "ProgressingWithRetry")
        live.until(lambda: turns(receiver) == [begun], "that it fails is told once")
        disk.full = False
        live.made("one")
        ended = ("one", "Reconciling", "ProgressingWithRetry", "")
        live.until(lambda: turns(receiver) == [begun, ended], "and that it does not any more")
        live.sweep()
        live.daemon.reload.set()
        live.sweep()
        remote.place.rename(remote.place.with_suffix(".away"))
        live.knock()
        gone = ("@source", "FetchFailed", "", "FetchFailed")
        live.until(lambda: turns(receiver) == [begun, ended, gone], "the source is told of as well")
        remote.place.with_suffix(".away").rename(remote.place)
        live.knock()
        live.until(
            lambda: turns(receiver)[3:] == [("@source", "FetchFailed", "FetchFailed", "")], "and that it is back"
        )
    for headers, body in receiver.got:
        letter = json.loads(body)
        assert (letter["specversion"], letter["type"]) == ("1.0", "reconciler.condition.transition")
        assert letter["data"]["revision"] == f"main@sha1:{commit}"
        assert headers["content-type"].startswith("application/cloudevents+json")
        signature = outbox.sign(SECRET, letter["id"], int(headers["webhook-timestamp"]), body)
        assert headers["webhook-signature"] == signature
    assert len({letter["id"] for letter in letters(receiver)}) == 4


def test_what_could_not_be_told_is_told_after_a_restart(
    shop: Shop, remote: Pushed, home: Path, receiver: Receiver
) -> None:
    receiver.status = 503
    disk = FullDisk()
    remote.push()
    with living(remote, home, Ports(entropy=QUICK, files=disk)) as live:
        live.until(lambda: receiver.got, "it was tried to tell")
        live.until(lambda: live.said("undelivered", receiver="ops"), "which is said")
    tried = {letter["id"] for letter in letters(receiver)}
    receiver.got.clear()
    receiver.status = 204
    with living(remote, home) as live:
        live.made("one")
        live.until(lambda: tried <= {letter["id"] for letter in letters(receiver)}, "it is told now")
        live.until(lambda: ("one", "Reconciling", "ProgressingWithRetry", "") in turns(receiver), "and what came since")
