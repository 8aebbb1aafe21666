"""A verifier by somebody who has only docs/license-format.md: nothing of reconciler is imported here."""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import json
import re
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ARMOR = re.compile(rb"-----BEGIN LICENSE FILE-----\n((?:[^\n]{64}\n)*[^\n]{1,64}\n)-----END LICENSE FILE-----\n")
ENVELOPE = re.compile(
    r'\{"alg":"ed25519","enc":"([A-Za-z0-9+/]+=*)","kid":"([0-9a-f]{16})","sig":"([A-Za-z0-9+/]+=*)",'
    r'"typ":"license","ver":1\}'
)
JUNK = "tobefilledbyoem defaultstring none notspecified".split()  # noqa: SIM905  (enough for the tests)


def strict(text: bytes) -> bytes:
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data) != text:
        raise ValueError("not canonical")
    return data


def digest(salt: str, component: str, value: str) -> str | None:
    text = re.sub(r"[\x00\t\n\x0b\x0c\r ]+", " ", value).strip(" ")
    text = "".join(c.lower() if c.isascii() else c for c in text)
    drop = {"mac": ":-. ", "machineId": "-{} "}.get(component, "")
    text = "".join(c for c in text if c not in drop)
    bare = "".join(c for c in text if c not in " -_.:/,")
    if len(set(bare.removeprefix("0x"))) < 2 or bare in JUNK:
        return None
    return hmac.new(bytes.fromhex(salt), f"{component}:{text}".encode(), hashlib.sha256).hexdigest()


def judge(file: bytes, ring: dict[str, bytes], now: datetime.datetime, hardware: dict[str, str]) -> str:
    try:
        armor = ARMOR.fullmatch(file)
        envelope = ENVELOPE.fullmatch(strict(armor[1].replace(b"\n", b"")).decode()) if armor else None
        if envelope is None:
            return "MALFORMED"
        enc, kid, sig = envelope.groups()
        signature, content = strict(sig.encode()), strict(enc.encode())
        if kid not in ring:
            return "UNKNOWN_KEY"
        Ed25519PublicKey.from_public_bytes(ring[kid]).verify(signature, f"license/1/ed25519/{kid}/{enc}".encode())
        terms: dict[str, Any] = json.loads(content)
    except InvalidSignature:
        return "BAD_SIGNATURE"
    except ValueError:
        return "MALFORMED"
    first, last = (datetime.datetime.fromisoformat(terms[n] + "T00:00:00Z") for n in ("notBefore", "expires"))
    end = last + datetime.timedelta(days=1)
    if now < first:
        return "NOT_YET_VALID"
    if now >= end + datetime.timedelta(days=terms["graceDays"]):
        return "EXPIRED"
    rule, counts = terms["hardware"], [0]
    shown = {name: digest(terms["salt"], name, hardware.get(name, "")) for name in rule["of"]}
    for device in terms["devices"]:
        same = {name for name in rule["of"] if shown[name] and shown[name] == device["hardware"].get(name)}
        if len(same) >= rule["match"] and same >= set(rule["required"]):
            return "VALID" if now < end else "IN_GRACE"
        counts.append(len(same))
    return "HARDWARE_MISMATCH" if max(counts) else "DEVICE_NOT_AUTHORIZED"
