"""Notifications: written with the end of a transaction, sent after it, at least once, and never in its way."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import http.server
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler import errors
from reconciler.engine import outbox, reconcile
from reconciler.engine.progress import Progress
from reconciler.model.outcome import Outcome, Result
from reconciler.ports.clock import Clock
from reconciler.ports.http import Http
from reconciler.ports.ports import Ports
from reconciler.ports.store import outbox as letters
from tests.engine.test_counts import pos
from tests.support import server as servers
from tests.support.shop import QUICK, Shop

SECRET = "one-secret"


class Receiver:
    """An HTTP server that keeps what it was sent, and answers with ``status``."""

    def __init__(self) -> None:
        self.status = 204
        self.got: list[tuple[dict[str, str], bytes]] = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                receiver.got.append(({k.lower(): v for k, v in self.headers.items()}, self.rfile.read(length)))
                self.send_response(receiver.status)
                if receiver.status == 302:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                return

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that takes everything."""
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def shop(tmp_path: Path, clean_server: servers.Server, receiver: Receiver) -> Shop:
    """A repository whose platform tells ``ops`` of everything, without tenants."""
    made = Shop(tmp_path, clean_server)
    (tmp_path / "hook-secret").write_text(SECRET)
    made.platform(notifications=[{"name": "ops", "url": receiver.url, "secretFrom": {"file": "hook-secret"}}])
    made.apply()
    assert receiver.got == []
    return made


class Later(Clock):
    """The system's clock, moved."""

    def __init__(self, **by: float) -> None:
        self.by = dt.timedelta(**by)

    def now(self) -> dt.datetime:
        """Moved."""
        return super().now() + self.by


class Noted(Progress):
    """Keeps what was not delivered."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def undelivered(self, receiver: str, reason: str) -> None:
        """Keep it."""
        self.said.append(f"{receiver}: {reason}")


def apply(shop: Shop, ports: Ports | None = None) -> tuple[dict[str, Outcome], list[str]]:
    """Apply; the outcomes, and what was not delivered."""
    noted = Noted()
    _, outcomes = reconcile.apply(shop.setting(ports), reconcile.Options(parallel=1), noted)
    return {outcome.tenant: outcome for outcome in outcomes}, noted.said


def waiting(shop: Shop) -> tuple[list[letters.Letter], list[letters.Letter]]:
    """What waits, and what is dead."""
    store = shop.setting().opened()
    try:
        return store.read(letters.waiting), store.read(letters.dead)
    finally:
        store.close()


def test_a_commit_is_told_once_signed_and_as_a_cloud_event(shop: Shop, receiver: Receiver) -> None:
    shop.tenant("PosTenant", "one", pos(1))
    outcomes, said = apply(shop)
    assert said == []
    [(headers, body)] = receiver.got
    event = json.loads(body)
    assert {key: event[key] for key in ("specversion", "type", "subject")} == {
        "specversion": "1.0",
        "type": "reconciler.tenant.applied",
        "subject": "one",
    }
    assert event["id"] == headers["webhook-id"] == headers["idempotency-key"]
    assert event["data"]["transaction"] == outcomes["one"].transaction
    assert (event["data"]["product"], event["data"]["action"]) == ("pos-tree-codes", "create")
    assert headers["content-type"].startswith("application/cloudevents+json")
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{mac}"
    assert waiting(shop) == ([], [])
    apply(shop)
    assert len(receiver.got) == 1


def test_a_rollback_is_told_with_its_reason(shop: Shop, receiver: Receiver) -> None:
    broken = shop.root / "specs/products/agenda-ia/schema/0003a_broken.sql"
    broken.write_text("CREATE TABLE broken (id INT PRIMARY KEY, REFERENCES nothing);\n")
    admin = {"name": "Ana Ruiz", "email": "ana@example.com"}
    shop.tenant("AgendaTenant", "one", {"displayName": "1", "plan": "pro", "domain": "a.example.com", "admin": admin})
    apply(shop)
    [(_, body)] = receiver.got
    event = json.loads(body)
    assert event["type"] == "reconciler.tenant.rolled-back"
    assert "0003a_broken.sql:1:1" in event["data"]["reason"]
    assert event["data"]["leftovers"] == []


def test_a_receiver_is_told_only_of_what_it_wants(shop: Shop, receiver: Receiver) -> None:
    shop.platform(notifications=[{"name": "ops", "url": receiver.url, "events": ["stuck"]}])
    shop.tenant("PosTenant", "one", pos(1))
    apply(shop)
    assert receiver.got == []
    assert waiting(shop) == ([], [])


def test_without_a_secret_nothing_is_signed(shop: Shop, receiver: Receiver) -> None:
    shop.platform(notifications=[{"name": "ops", "url": receiver.url}])
    shop.tenant("PosTenant", "one", pos(1))
    apply(shop)
    assert "webhook-signature" not in receiver.got[0][0]


@pytest.mark.parametrize("status", [500, 404, 302])
def test_what_is_not_taken_waits_and_is_sent_again_with_the_same_id(
    shop: Shop, receiver: Receiver, status: int
) -> None:
    receiver.status = status
    shop.tenant("PosTenant", "one", pos(1))
    outcomes, said = apply(shop)
    assert outcomes["one"].result is Result.APPLIED
    assert said == [f"ops: it answered {status}"]
    [letter], dead = waiting(shop)
    assert dead == []
    assert letter.attempts == 1
    receiver.status = 200
    apply(shop)  # at once is too early
    assert len(receiver.got) == 1
    apply(shop, Ports(clock=Later(minutes=1), entropy=QUICK))
    assert len(receiver.got) == 2
    assert receiver.got[0][0]["webhook-id"] == receiver.got[1][0]["webhook-id"]
    assert waiting(shop) == ([], [])


def test_a_clock_that_was_set_back_does_not_hold_a_letter(shop: Shop, receiver: Receiver) -> None:
    receiver.status = 500
    shop.tenant("PosTenant", "one", pos(1))
    apply(shop, Ports(clock=Later(days=1), entropy=QUICK))
    receiver.status = 200
    apply(shop)
    assert waiting(shop) == ([], [])


def test_a_receiver_that_does_not_answer_is_asked_once_a_run(shop: Shop, receiver: Receiver) -> None:
    receiver.status = 500
    for number in range(3):
        shop.tenant("PosTenant", f"pos-{number}", pos(number))
    apply(shop)
    assert len(receiver.got) == 1
    assert len(waiting(shop)[0]) == 3


def test_a_receiver_that_is_gone_for_good_or_failed_too_often_leaves_a_dead_letter(
    shop: Shop, receiver: Receiver
) -> None:
    receiver.status = 410
    shop.tenant("PosTenant", "one", pos(1))
    apply(shop)
    left, [dead] = waiting(shop)
    assert left == []
    assert dead.error == "it answered 410"
    receiver.status = 500
    shop.tenant("PosTenant", "two", pos(2))
    for day in range(outbox.MOST_ATTEMPTS):
        apply(shop, Ports(clock=Later(days=day), entropy=QUICK))
    left, dead_letters = waiting(shop)
    assert left == []
    assert [letter.attempts for letter in dead_letters] == [1, outbox.MOST_ATTEMPTS]


def test_a_receiver_that_is_no_longer_in_the_specs_leaves_a_dead_letter(shop: Shop, receiver: Receiver) -> None:
    receiver.status = 500
    shop.tenant("PosTenant", "one", pos(1))
    apply(shop)
    shop.platform()
    apply(shop, Ports(clock=Later(hours=1), entropy=QUICK))
    assert "no receiver ops any more" in str(waiting(shop)[1][0].error)


def test_a_secret_that_can_not_be_one_is_said_and_the_letter_waits(shop: Shop, receiver: Receiver) -> None:
    (shop.root / "hook-secret").write_text("whsec_not base64!")
    shop.tenant("PosTenant", "one", pos(1))
    outcomes, said = apply(shop)
    assert outcomes["one"].result is Result.APPLIED
    assert said == ["ops: the secret of the receiver ops is not base64 behind whsec_"]
    assert receiver.got == []
    assert len(waiting(shop)[0]) == 1


def test_a_process_that_died_before_sending_leaves_it_to_the_next(shop: Shop, receiver: Receiver) -> None:
    class Dying(Http):
        def post(self, *_arguments: Any, **_options: Any) -> int:
            raise KeyboardInterrupt

    shop.tenant("PosTenant", "one", pos(1))
    with pytest.raises(KeyboardInterrupt):
        apply(shop, Ports(http=Dying(), entropy=QUICK))
    assert len(waiting(shop)[0]) == 1
    setting = shop.setting(Ports(clock=Later(minutes=1), entropy=QUICK))
    reconcile.recover(setting, Progress())
    setting.opened().close()
    assert len(receiver.got) == 1


def test_an_address_where_nobody_listens_is_no_fault_of_the_tenant(shop: Shop) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        shop.platform(notifications=[{"name": "ops", "url": f"http://127.0.0.1:{free.getsockname()[1]}/"}])
        shop.tenant("PosTenant", "one", pos(1))
        outcomes, said = apply(shop)
    assert outcomes["one"].result is Result.APPLIED
    assert "no reply" in said[0]


def test_a_secret_in_the_form_of_standard_webhooks_is_its_base64() -> None:
    key = base64.b64encode(b"0123456789").decode()
    assert outbox.sign(f"whsec_{key}", "id", 1, b"{}") == outbox.sign("0123456789", "id", 1, b"{}")


def test_the_client_says_that_there_was_no_reply() -> None:
    with pytest.raises(errors.NotDelivered, match="no reply"):
        Http().post("http://127.0.0.1:1/", {}, b"{}", seconds=2)
