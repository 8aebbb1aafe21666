"""Telling others how transactions ended: written with the end, sent after it, at least once.

An event is a CloudEvent 1.0 in its structured JSON form, signed as Standard Webhooks asks for. Whoever has seen an
event's id before was told twice. Nothing that happens here changes how a transaction ended.
Sources: CloudEvents 1.0.2, "HTTP Protocol Binding"; the Standard Webhooks specification, "Signatures".
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa

from reconciler import errors
from reconciler.engine.progress import Progress
from reconciler.engine.setting import Setting
from reconciler.model.receiver import Receiver
from reconciler.model.standing import Condition, Transition
from reconciler.ports import clock as clocks
from reconciler.ports import passwords
from reconciler.ports.store import journal
from reconciler.ports.store import outbox as letters

TRANSITION = "transition"
MOST_ATTEMPTS = 20
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 2.0, 900.0
_GONE = 410  # the receiver says that it never wants to hear of this again


def wanted(receivers: Mapping[str, Receiver]) -> dict[str, list[str]]:
    """Who wants to hear of what, as the first record of a transaction keeps it: recovery has no specs."""
    return {name: sorted(receiver.events) for name, receiver in receivers.items()}


def write(
    connection: sa.Connection,
    begin: Mapping[str, Any],
    transaction: journal.Transaction,
    record: int,
    event: str,
    *,
    at: str,
    said: Mapping[str, Any],
) -> None:
    """Write a letter to everybody who wants ``event``, as part of the write that ends ``transaction``.

    ``begin`` is the body of its first record, ``record`` the number of its last one, ``said`` what else is told.
    """
    identity = f"{transaction.id}.{record}"
    body = {
        "specversion": "1.0",
        "id": identity,
        "source": f"/reconciler/{begin.get('place', {}).get('platform_id', '')}",
        "type": f"reconciler.tenant.{event}",
        "subject": transaction.tenant,
        "time": at,
        "datacontenttype": "application/json",
        "data": {
            "tenant": transaction.tenant,
            "product": begin.get("product", ""),
            "action": transaction.action,
            "outcome": event,
            "revision": transaction.revision,
            "transaction": transaction.id,
            **said,
        },
    }
    letters.put(
        connection,
        (
            letters.Letter(identity, name, transaction.tenant, event, body, at)
            for name, events in begin.get("notify", {}).items()
            if event in events
        ),
    )


def turned(connection: sa.Connection, setting: Setting, transitions: Iterable[Transition]) -> None:
    """Write a letter about each condition that came, went or turned, as part of the write that turned it."""
    receivers = [receiver.name for receiver in setting.receivers.values() if TRANSITION in receiver.events]
    at = setting.ports.clock.stamp()
    for entry in transitions if receivers else ():
        kind = entry.after or entry.before
        if kind is None:
            continue
        identity = f"{setting.ports.entropy.identity()}.0"
        body = {
            "specversion": "1.0",
            "id": identity,
            "source": f"/reconciler/{setting.place.platform_id}",
            "type": f"reconciler.condition.{TRANSITION}",
            "subject": entry.subject,
            "time": at,
            "datacontenttype": "application/json",
            "data": {
                "tenant": entry.subject,
                "condition": kind.type,
                "before": _said(entry.before),
                "after": _said(entry.after),
                "revision": setting.revision,
            },
        }
        letters.put(
            connection, (letters.Letter(identity, name, entry.subject, TRANSITION, body, at) for name in receivers)
        )


def _said(condition: Condition | None) -> dict[str, str] | None:
    if condition is None:
        return None
    return {"status": condition.status, "reason": condition.reason, "message": condition.message}


def deliver(setting: Setting, progress: Progress) -> None:
    """Send what is due, each letter once; a receiver that fails gets no further letter in this run.

    Errors: ``StoreFailed``. What can't be delivered is told to ``progress``, and waits for the next call.
    """
    store, clock = setting.opened(), setting.ports.clock
    now = clock.stamp()
    failing: set[str] = set()
    for letter in store.read(letters.waiting):
        if setting.stop.is_set():
            return
        if letter.receiver in failing or not _is_due(letter, now):
            continue
        due = _later(clock, letter.attempts + 1)
        if not store.write(partial(letters.attempt, letter=letter, now=clock.stamp(), due_at=due)):
            continue  # another process is at it
        refusal, final = _send(setting, letter)
        if not refusal:
            store.write(partial(letters.sent, letter=letter))
            continue
        failing.add(letter.receiver)
        dead = final or letter.attempts + 1 >= MOST_ATTEMPTS
        store.write(partial(letters.failed, letter=letter, error=refusal, dead=dead))
        progress.undelivered(letter.receiver, refusal)


def sign(secret: str, identity: str, seconds: int, body: bytes) -> str:
    """The value of ``webhook-signature``: HMAC-SHA256 over id, time (Unix seconds) and body.

    A secret that begins with ``whsec_`` is the key in base64; any other is the key as it stands.
    """
    key = base64.b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
    mac = hmac.new(key, f"{identity}.{seconds}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(mac.digest()).decode()}"


def _send(setting: Setting, letter: letters.Letter) -> tuple[str, bool]:
    """Why the receiver did not take the letter, empty if it did; and whether that is for good."""
    receiver = setting.receivers.get(letter.receiver)
    if receiver is None:
        return f"specs/platform.yaml has no receiver {letter.receiver} any more", True
    body = json.dumps(letter.body, ensure_ascii=False, separators=(",", ":")).encode()
    seconds = int(setting.ports.clock.now().timestamp())
    headers = {
        "Content-Type": "application/cloudevents+json; charset=utf-8",
        "Idempotency-Key": letter.id,
        "User-Agent": "reconciler",
        "webhook-id": letter.id,
        "webhook-timestamp": str(seconds),
    }
    try:
        if receiver.secret is not None:
            secret = passwords.read(receiver.secret, f"secret of the receiver {receiver.name}")
            headers["webhook-signature"] = sign(secret, letter.id, seconds, body)
        status = setting.ports.http.post(receiver.url, headers, body)
    except ValueError:
        return f"the secret of the receiver {receiver.name} is not base64 behind whsec_", False
    except (errors.NotDelivered, errors.PlatformMisconfigured) as error:
        return error.message, False
    return ("", False) if 200 <= status < 300 else (f"it answered {status}", status == _GONE)


def _is_due(letter: letters.Letter, now: str) -> bool:
    # A last attempt that lies in the future was written by a clock that has been set back since.
    return letter.due_at <= now or (letter.tried_at or letter.written_at) > now


def _later(clock: clocks.Clock, attempts: int) -> str:
    wait = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** (attempts - 1))
    wait *= random.uniform(0.5, 1.0)  # noqa: S311 - so that several processes do not knock at once
    return clocks.stamp(clock.now() + dt.timedelta(seconds=wait))


def leftovers(found: Sequence[Any]) -> list[dict[str, str]]:
    """Leftovers as an event tells them."""
    return [{"resource": left.resource, "name": left.name, "reason": left.reason} for left in found]
