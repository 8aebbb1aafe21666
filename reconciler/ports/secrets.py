"""Drawing secrets from the operating system's generator, sealing them, and the keys that do so.

Sealed: AES-256-GCM under a key of the platform, bound to tenant, name and version by the associated data, so that a
sealed value can't be moved to another place (NIST SP 800-38D). Marks: a mysql_native_password hash is ``*`` and the
hex of SHA1(SHA1(password)) (MariaDB Knowledge Base, "Authentication Plugin - mysql_native_password").
"""

from __future__ import annotations

import base64
import functools
import hashlib
import os
import secrets
import string
import uuid
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from reconciler import errors
from reconciler.model.secret import Drawn, Recipe, Secret

if TYPE_CHECKING:
    import argon2

_ALPHABET = string.ascii_letters + string.digits
# Letters and digits only: everything else reads differently in some .env parser. 40 of 62 are 238 bits.
_PASSWORD_LENGTH = 40
# For a person: no letters that look alike; 20 of 54 are 115 bits.
_READABLE = "".join(sorted(set(_ALPHABET) - set("Il1O0o5S")))
_ONE_TIME_LENGTH = 20
_NONCE = 12
_TAG = 16
_IDENTITY = 16
_CHUNK = 1 << 20  # bytes
ARGON2 = {"time_cost": 2, "memory_cost": 19 * 1024, "parallelism": 1}
"""What the mark of a one-time password costs: passes, KiB, lanes. Such a password is drawn with 115 bits, so the hash
has nothing to slow down; this is what the OWASP Password Storage Cheat Sheet asks for at least, a tenth of the
library's own.
"""
_SEALED = b"reconciler/sealed/v1\n"


class Entropy:
    """Where randomness comes from. ``hasher`` makes the marks of one-time passwords: argon2id, as ``ARGON2`` says."""

    def __init__(self, hasher: argon2.PasswordHasher | None = None) -> None:
        self._hasher = hasher

    def token(self, length: int) -> bytes:
        """``length`` random bytes."""
        return os.urandom(length)

    def identity(self) -> str:
        """A new id for a transaction: sortable by time to a person's eye, unique for a machine."""
        return uuid.uuid4().hex

    def draw(self, name: str, recipe: Recipe) -> Drawn:
        """A fresh value for the secret ``name``."""
        match recipe:
            case Recipe.DATABASE_PASSWORD:
                clear = _letters(_ALPHABET, _PASSWORD_LENGTH)
                return Drawn(Secret(name, 1, native_hash(clear)), clear)
            case Recipe.ONE_TIME_PASSWORD:
                clear = _letters(_READABLE, _ONE_TIME_LENGTH)
                return Drawn(Secret(name, 1, (self._hasher or _hasher()).hash(clear)), clear)
            case Recipe.WEBHOOK_SECRET:
                clear = "whsec_" + base64.b64encode(self.token(32)).decode()
                return Drawn(Secret(name, 1), clear)


@functools.cache
def _hasher() -> argon2.PasswordHasher:
    import argon2  # only for tenants with a person who logs in

    return argon2.PasswordHasher(
        time_cost=ARGON2["time_cost"], memory_cost=ARGON2["memory_cost"], parallelism=ARGON2["parallelism"]
    )


class Vault:
    """Seals and opens secrets, and streams of any length, under one 32-byte key."""

    def __init__(self, key: bytes, entropy: Entropy) -> None:
        self._cipher = AESGCM(key)
        self._entropy = entropy

    def seal(self, tenant: str, drawn: Drawn) -> bytes:
        """The drawn value, encrypted for its place."""
        nonce = self._entropy.token(_NONCE)
        return nonce + self._cipher.encrypt(nonce, drawn.clear.encode(), _place(tenant, drawn.secret))

    def open(self, tenant: str, secret: Secret, sealed: bytes) -> str:
        """The value in clear. Errors: ``PlatformMisconfigured`` if it was sealed under another key or elsewhere."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], _place(tenant, secret)).decode()
        except (InvalidTag, ValueError) as error:
            raise errors.PlatformMisconfigured(
                f"the secret {secret.name} of tenant {tenant} was not sealed with the key in the keys' directory",
                advice="Put back the sealing key that belongs to this store.",
            ) from error

    def sealed(self, stream: Iterable[bytes]) -> Iterator[bytes]:
        """A stream, encrypted piece by piece: each piece knows its file, its number and whether it is the last,
        so that a file that was cut off, or has pieces of another place or file, does not open.
        """
        identity = self._entropy.token(_IDENTITY)
        yield _SEALED + identity
        number, kept = 0, b""
        for piece in stream:
            kept += piece
            while len(kept) > _CHUNK:
                yield self._chunk(kept[:_CHUNK], _sealed_chunk(identity, number, last=False))
                number, kept = number + 1, kept[_CHUNK:]
        yield self._chunk(kept, _sealed_chunk(identity, number, last=True))

    def opened(self, stream: Iterable[bytes]) -> Iterator[bytes]:
        """What was sealed, in clear. Errors: ``PlatformMisconfigured`` if it was sealed under another key, or is not as
        it was written.
        """
        number, kept, size = 0, b"", _NONCE + _CHUNK + _TAG
        identity = b""
        try:
            for piece in stream:
                kept += piece
                if not identity and len(kept) >= len(_SEALED) + _IDENTITY:
                    if not kept.startswith(_SEALED):
                        raise ValueError("it has another beginning")
                    kept = kept[len(_SEALED) :]
                    identity, kept = kept[:_IDENTITY], kept[_IDENTITY:]
                while identity and len(kept) > size:
                    place = _sealed_chunk(identity, number, last=False)
                    yield self._cipher.decrypt(kept[:_NONCE], kept[_NONCE:size], place)
                    number, kept = number + 1, kept[size:]
            yield self._cipher.decrypt(kept[:_NONCE], kept[_NONCE:], _sealed_chunk(identity, number, last=True))
        except (InvalidTag, ValueError) as error:
            raise errors.PlatformMisconfigured(
                "the file was not sealed with the key in the keys' directory, or is not whole",
                advice="Put back the sealing key that belongs to this store, and look at the file's checksum.",
            ) from error

    def _chunk(self, clear: bytes, place: bytes) -> bytes:
        nonce = self._entropy.token(_NONCE)
        return nonce + self._cipher.encrypt(nonce, clear, place)


def _sealed_chunk(identity: bytes, number: int, *, last: bool) -> bytes:
    return identity + f"/{number}/{'last' if last else 'more'}".encode()


def native_hash(password: str) -> str:
    """The hash that MariaDB's mysql_native_password keeps for ``password``."""
    inner = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(inner, usedforsecurity=False).hexdigest().upper()


def _letters(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))


def _place(tenant: str, secret: Secret) -> bytes:
    return f"reconciler/v1\0{tenant}\0{secret.name}\0{secret.version}".encode()
