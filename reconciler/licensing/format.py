"""The signed file: an envelope that names its key, around a content that the signature covers as text.

The signature covers ``typ/ver/alg/kid/enc``, with ``enc`` the base64 text itself. So no JSON has to be put
in a canonical form before it is checked, a revocation list can't pass as a license, and no member of the
envelope can be exchanged.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from typing import Final

from reconciler.licensing import armor, codes, keys, terms, wire

ALGORITHM: Final = "ed25519"
VERSION: Final = 1
TYPE: Final = "license"
LABEL: Final = "LICENSE FILE"
MAX_FILE: Final = 1024 * 1024

# The envelope's JSON has one possible form, so two JSON readers can't disagree about it.
_ENVELOPE = re.compile(
    rb'\{"alg":"([a-z0-9]{1,16})","enc":"([A-Za-z0-9+/]+={0,2})","kid":"([0-9a-f]{16})",'
    rb'"sig":"([A-Za-z0-9+/]+={0,2})","typ":"([a-z]{1,16})","ver":([1-9][0-9]{0,3})\}'
)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A file that was read but not yet believed: its signature has not been checked.

    ``content`` is what ``enc`` holds, ``signature`` has 64 bytes.
    """

    typ: str
    ver: int
    alg: str
    kid: str
    enc: str
    signature: bytes
    content: bytes

    @property
    def signed_text(self) -> bytes:
        """The bytes that the signature covers."""
        return signed_text(self.typ, self.kid, self.enc)


def signed_text(typ: str, kid: str, enc: str) -> bytes:
    """What is signed for a file of type ``typ``; only the last part can hold a slash."""
    return f"{typ}/{VERSION}/{ALGORITHM}/{kid}/{enc}".encode("ascii")


def seal(typ: str, label: str, content: bytes, kid: str, seed: bytes) -> bytes:
    """A signed file around ``content``, byte-identical for the same inputs.

    Raises `errors.Refused` if ``kid`` is not the id of the key in ``seed``.
    """
    pair = keys.derive(seed)
    if pair.kid != kid:
        raise wire.malformed(f"the content names key {kid}, but the key at hand is {pair.kid}")
    enc = armor.encode64(content)
    members = {
        "alg": ALGORITHM,
        "enc": enc,
        "kid": kid,
        "sig": armor.encode64(keys.sign(seed, signed_text(typ, kid, enc))),
        "typ": typ,
        "ver": VERSION,
    }
    return armor.wrap(label, wire.dump(members))


def open_envelope(typ: str, label: str, data: bytes, limit: int) -> Envelope:
    """Read a file of type ``typ`` without checking its signature. Raises `errors.Refused`."""
    found = _ENVELOPE.fullmatch(armor.unwrap(label, data, limit))
    if not found:
        raise wire.malformed("the file's envelope does not have the form of alg, enc, kid, sig, typ, ver")
    alg, enc, kid, sig, named, ver = found.groups()
    if named != typ.encode("ascii"):
        raise wire.malformed(f"the file is of type {named.decode('ascii')}, not {typ}")
    if int(ver) != VERSION:
        raise wire.malformed(f"the file has format version {int(ver)}; this program reads version {VERSION}")
    if alg != ALGORITHM.encode("ascii"):
        raise wire.malformed(f"the file is signed with {alg.decode('ascii')}, not {ALGORITHM}")
    signature = armor.decode64(sig, "the signature")
    if len(signature) != 64:
        raise wire.malformed(f"the signature has {len(signature)} bytes; an Ed25519 signature has 64")
    content = armor.decode64(enc, "the content")
    return Envelope(typ, VERSION, ALGORITHM, kid.decode("ascii"), enc.decode("ascii"), signature, content)


def distrust(envelope: Envelope, ring: keys.KeyRing) -> codes.Rejection | None:
    """Why the ring does not vouch for the envelope; None if it does."""
    key = ring.find(envelope.kid)
    if key is None:
        return codes.Rejection(
            codes.Code.UNKNOWN_KEY,
            f"the file is signed with key {envelope.kid}, which is not among the {len(ring.keys)} of the "
            "key ring; update the ring",
        )
    if key.status is keys.Status.REVOKED:
        return codes.Rejection(
            codes.Code.REVOKED,
            f"the file is signed with key {envelope.kid}, which is revoked; ask for a new file",
        )
    if not keys.is_signed(key.public, envelope.signed_text, envelope.signature):
        return codes.Rejection(
            codes.Code.BAD_SIGNATURE,
            f"the signature is not one of key {envelope.kid}: the file was changed or forged",
        )
    return None


def sign(granted: terms.Terms, seed: bytes) -> bytes:
    """The license file for ``granted``, signed with the private key ``seed`` (32 bytes).

    The same terms and key give byte-identical files. Raises `errors.Refused` if the terms name another key
    or don't fit in `MAX_FILE` bytes.
    """
    data = seal(TYPE, LABEL, terms.encode(granted), granted.kid, seed)
    if len(data) > MAX_FILE:
        raise wire.malformed(f"license {granted.serial} would have {len(data)} bytes; {MAX_FILE} are allowed")
    return data


def parse(data: bytes) -> Envelope:
    """Read a license file without checking its signature. Raises `errors.Refused`."""
    return open_envelope(TYPE, LABEL, data, MAX_FILE)


def read_terms(envelope: Envelope) -> terms.Terms:
    """The terms in an envelope; they are believable only if `distrust` found nothing.

    Raises `errors.Refused` if they don't have the format's form or name another key than the envelope.
    """
    granted = terms.decode(envelope.content)
    if granted.kid != envelope.kid:
        raise wire.malformed(f"the license names key {granted.kid}, but its envelope {envelope.kid}")
    return granted


def describe(envelope: Envelope) -> dict[str, object]:
    """What a license file says, for people and JSON; nothing of it is checked. Raises `errors.Refused`."""
    granted = read_terms(envelope)
    return {
        "typ": envelope.typ,
        "ver": envelope.ver,
        "alg": envelope.alg,
        "kid": envelope.kid,
        "validUntil": instant(granted.valid_until),
        "graceUntil": instant(granted.grace_until),
        "license": terms.as_members(granted),
    }


def instant(moment: datetime.datetime) -> str:
    """An instant in UTC as ``YYYY-MM-DDTHH:MM:SSZ``, cut to the second."""
    return moment.astimezone(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
