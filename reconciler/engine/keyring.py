"""The platform's keys on disk: one seals secrets, one signs licenses; the ring is what verifiers are given.

Files under ``keys.directory``, 0600: ``sealing.key`` and ``license-<kid>.seed`` (32 bytes in hex), and
``license-keys.json``, which is public.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler import errors
from reconciler.ports.ports import Ports
from reconciler.ports.secrets import Vault

if TYPE_CHECKING:
    from reconciler.licensing import keys

SEALING = "sealing.key"
RING = "license-keys.json"
_LENGTH = 32


@dataclass(frozen=True)
class KeyFolder:
    """The keys in ``directory``."""

    directory: Path
    ports: Ports

    @property
    def complete(self) -> bool:
        """Whether all keys have been made."""
        return (self.directory / SEALING).exists() and (self.directory / RING).exists()

    def make(self) -> None:
        """Make the keys that are not there yet. Safe to repeat, and for two processes at once: the first one wins."""
        if not self.directory.is_dir():
            self.directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with suppress(errors.FileFailed):
                self.ports.files.make_folder(self.directory)
        if not (self.directory / SEALING).exists():
            self._put(SEALING, self.ports.entropy.token(_LENGTH).hex().encode())
        if not (self.directory / RING).exists():
            from reconciler.licensing import keys

            seed = self.ports.entropy.token(_LENGTH)
            pair = keys.derive(seed)
            self._put(f"license-{pair.kid}.seed", seed.hex().encode())
            ring = keys.KeyRing((keys.PublicKey(pair.kid, pair.public, keys.Status.ACTIVE),))
            self._put(RING, ring.encode())
        self.ports.files.settle(self.directory)

    @cached_property
    def vault(self) -> Vault:
        """What seals and opens secrets. Errors: ``PlatformMisconfigured`` if the key is not there or no key."""
        return Vault(self._key(SEALING), self.ports.entropy)

    @cached_property
    def ring(self) -> keys.KeyRing:
        """The public keys."""
        from reconciler.licensing import keys

        data = self.ports.files.read(self.directory / RING)
        if data is None:
            raise errors.PlatformMisconfigured(f"the key ring {self.directory / RING} is not there")
        return keys.KeyRing.decode(data)

    @property
    def signing(self) -> str:
        """The id of the key that signs new licenses."""
        active = self.ring.active
        if active is None:
            raise errors.PlatformMisconfigured(f"the key ring {self.directory / RING} has no active key that signs")
        return active.kid

    def sign(self, members: Mapping[str, object]) -> bytes:
        """A license file over the terms, signed with the key that they name."""
        from reconciler.licensing import format as license_format
        from reconciler.licensing import terms

        granted = terms.decode(json.dumps(members).encode())
        return license_format.sign(granted, self._key(f"license-{granted.kid}.seed"))

    def attest(self, kind: str, digest: str) -> tuple[str, str]:
        """The id of the key that signs, and its signature over the digest of something of ``kind``, in base64.

        The kind is part of what is signed, so that no signature passes for one over something else.
        """
        from reconciler.licensing import armor, keys
        from reconciler.licensing import format as license_format

        kid = self.signing
        text = license_format.signed_text(kind, kid, digest)
        return kid, armor.encode64(keys.sign(self._key(f"license-{kid}.seed"), text))

    def _key(self, name: str) -> bytes:
        data = self.ports.files.read(self.directory / name)
        try:
            key = bytes.fromhex((data or b"").decode("ascii").strip())
        except ValueError:
            key = b""
        if len(key) != _LENGTH:
            raise errors.PlatformMisconfigured(
                f"the key {self.directory / name} is {'not there' if data is None else 'damaged'}",
                advice="Put the key back from its backup; nothing that it sealed or signed can be made without it.",
            )
        return key

    def _put(self, name: str, content: bytes) -> None:
        # Written aside and renamed without replacing, so that of two processes one key survives, whole.
        aside = self.directory / f".{name}.{self.ports.entropy.identity()}"
        self.ports.files.write(aside, content + b"\n")
        try:
            self.ports.files.rename(aside, self.directory / name)
        except errors.FileFailed:
            self.ports.files.remove(aside)
            if not (self.directory / name).exists():
                raise
