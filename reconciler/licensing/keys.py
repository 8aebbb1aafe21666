"""Ed25519 keys: pairs out of a seed, and the ring of public keys that verifies (RFC 8032).

A ring has at most one active key, which signs. Keys that only verify keep older licenses good while they
are issued again; a revoked key vouches for nothing.
"""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cryptography import exceptions
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from reconciler import errors
from reconciler.licensing import armor, terms, wire

RING_VERSION = 1


class Status(enum.StrEnum):
    """What a public key is still good for."""

    ACTIVE = "active"
    VERIFY_ONLY = "verify-only"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A signing key. ``seed`` is the private half (32 bytes) and never printed."""

    kid: str
    public: bytes
    seed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key of a ring: 32 raw bytes, named by their digest."""

    kid: str
    public: bytes
    status: Status = Status.ACTIVE


def derive(seed: bytes) -> KeyPair:
    """The key pair of ``seed``, 32 bytes that the caller drew. Raises `errors.PlatformMisconfigured`."""
    if len(seed) != 32:
        raise errors.PlatformMisconfigured(f"a signing key's seed has {len(seed)} bytes; it must have 32")
    public = ed25519.Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return KeyPair(key_id(public), public, seed)


def key_id(public: bytes) -> str:
    """The name of a public key: the first 16 hex digits of the SHA-256 of its 32 bytes."""
    return hashlib.sha256(public).hexdigest()[:16]


def sign(seed: bytes, message: bytes) -> bytes:
    """The signature (64 bytes) of ``message``; the same inputs always give the same one."""
    return ed25519.Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether ``signature`` is the one of ``message`` by the owner of ``public``."""
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except exceptions.InvalidSignature:
        return False
    return True


def pem(public: bytes) -> str:
    """A public key as PEM, as the `openssl` command reads it."""
    key = ed25519.Ed25519PublicKey.from_public_bytes(public)
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def read_public(text: str) -> bytes:
    """The 32 bytes of a public key out of base64 or PEM. Raises `errors.Refused`."""
    if not text.startswith("-----BEGIN"):
        public = armor.decode64(text.encode("utf-8", "replace"), "a public key")
        if len(public) != 32:
            raise wire.malformed(f"a public key has {len(public)} bytes; an Ed25519 key has 32")
        return public
    try:
        key = serialization.load_pem_public_key(text.encode("utf-8", "replace"))
    except (ValueError, exceptions.UnsupportedAlgorithm):
        raise wire.malformed("a public key is not readable as PEM") from None
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise wire.malformed("a public key in PEM is not an Ed25519 key")
    return key.public_bytes_raw()


def read_ring(data: bytes) -> KeyRing:
    """The keys in a file: a ring, or one public key in PEM. Raises `errors.Refused`, `errors.PlatformMisconfigured`."""
    if not data.lstrip().startswith(b"-----BEGIN"):
        return KeyRing.decode(data)
    public = read_public(data.decode("ascii", "replace").lstrip())
    return KeyRing((PublicKey(key_id(public), public),))


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The public keys that a verifier knows. Raises `errors.PlatformMisconfigured` if they contradict."""

    keys: tuple[PublicKey, ...] = ()

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for key in self.keys:
            if len(key.public) != 32:
                raise errors.PlatformMisconfigured(
                    f"key ring: key {key.kid} has {len(key.public)} bytes; an Ed25519 key has 32"
                )
            if key.kid != key_id(key.public):
                raise errors.PlatformMisconfigured(
                    f"key ring: {key.kid} is not the id of its key, which is {key_id(key.public)}"
                )
            if key.kid in seen:
                raise errors.PlatformMisconfigured(f"key ring: key {key.kid} is listed twice")
            seen.add(key.kid)
        active = [key.kid for key in self.keys if key.status is Status.ACTIVE]
        if len(active) > 1:
            raise errors.PlatformMisconfigured(
                f"key ring: {len(active)} keys are active ({', '.join(active)}); only one may sign"
            )

    @property
    def active(self) -> PublicKey | None:
        """The key whose owner signs new licenses."""
        return next((key for key in self.keys if key.status is Status.ACTIVE), None)

    def find(self, kid: str) -> PublicKey | None:
        """The key named ``kid``."""
        return next((key for key in self.keys if key.kid == kid), None)

    def rotated(self, public: bytes) -> KeyRing:
        """The ring with ``public`` as its active key; the one before only verifies from now on."""
        kept = tuple(
            replace(key, status=Status.VERIFY_ONLY) if key.status is Status.ACTIVE else key for key in self.keys
        )
        return KeyRing((*kept, PublicKey(key_id(public), public)))

    def revoked(self, kid: str) -> KeyRing:
        """The ring with the key ``kid`` revoked. Raises `errors.PlatformMisconfigured` if there is none."""
        if self.find(kid) is None:
            raise errors.PlatformMisconfigured(f"key ring: there is no key {kid} to revoke")
        return KeyRing(tuple(replace(key, status=Status.REVOKED) if key.kid == kid else key for key in self.keys))

    def encode(self) -> bytes:
        """The ring as a JSON file for people and devices."""
        listed = [
            {"kid": key.kid, "public": armor.encode64(key.public), "status": key.status.value} for key in self.keys
        ]
        return (json.dumps({"ver": RING_VERSION, "keys": listed}, indent=2) + "\n").encode("ascii")

    @classmethod
    def decode(cls, data: bytes) -> KeyRing:
        """The ring in a JSON file; a key may also stand there as PEM.

        Raises `errors.PlatformMisconfigured`.
        """
        try:
            found = wire.members(wire.load(data, "the file"), "the file", ("ver", "keys"))
            wire.whole(found["ver"], "ver", RING_VERSION, RING_VERSION)
            listed = [
                wire.members(item, "a key", ("kid", "public", "status")) for item in wire.items(found["keys"], "keys")
            ]
            keys = tuple(_public_key(item) for item in listed)
        except errors.Refused as refused:
            raise errors.PlatformMisconfigured(f"key ring: {refused.message}") from None
        return cls(keys)


def _public_key(found: Mapping[str, object]) -> PublicKey:
    kid, public, status = terms.check_kid(found["kid"]), found["public"], found["status"]
    if not isinstance(public, str):
        raise wire.malformed(f"public of key {kid} is not a text")
    if status not in list(Status):
        raise wire.malformed(f"status of key {kid} is not one of {', '.join(Status)}")
    return PublicKey(kid, read_public(public), Status(str(status)))
