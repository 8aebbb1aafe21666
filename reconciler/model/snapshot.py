"""A snapshot: what was seen of a platform at one time, as one file without secrets, from which plans can be made.

The file is canonical JSON: keys sorted, no spaces, UTF-8. ``signature`` covers everything else of it. A part that
could not be seen is ``{"unseen": [what, privilege]}``, any other one of those is ``{"seen": …}``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from reconciler import errors
from reconciler.model.record import Record
from reconciler.model.secret import Secret

FORMAT: Final = 1
KIND: Final = "reconciler/snapshot"
TYPE: Final = "snapshot"
"""What the signature's text begins with, so that none of a license passes for it."""

Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SeenServer:
    """One server. ``unreachable`` says why it was not looked at; ``refusals`` what spoke against any change there."""

    address: str
    unreachable: str
    refusals: tuple[tuple[str, str, str], ...]
    census: Entry
    held: Entry
    settings: Entry
    tables: Mapping[str, Entry]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was seen. ``created_at`` is when the look began, ``version`` who looked.

    ``central`` is the central system's server and database, ``folders`` those of deliveries and trash as the spec has
    them, ``platform_changes`` what the platform itself lacked.
    """

    platform: str
    platform_id: str
    created_at: str
    version: str
    central: tuple[str, str]
    folders: tuple[str, str]
    renames: bool
    refusals: tuple[tuple[str, str, str], ...]
    platform_changes: tuple[Entry, ...]
    servers: Mapping[str, SeenServer]
    rows: Entry
    deliveries: Entry
    trash: Entry
    records: Mapping[str, Record]

    def as_data(self) -> dict[str, Any]:
        """All of it as plain data, without a signature."""
        said: dict[str, Any] = json.loads(json.dumps(asdict(self), ensure_ascii=False))
        return {"kind": KIND, "formatVersion": FORMAT, **{_public(name): value for name, value in said.items()}}


def canonical(data: Entry) -> bytes:
    """The data as the file has it, and as it is signed."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def digest(data: Entry) -> str:
    """The sha256 of the canonical form, in hex: what the signature's text ends with."""
    return hashlib.sha256(canonical(data)).hexdigest()


def unseen(data: Any) -> list[tuple[str, str]]:
    """Everything that could not be seen, with what it takes, each once."""
    found: dict[tuple[str, str], None] = {}
    if isinstance(data, Mapping):
        if "unseen" in data and isinstance(data["unseen"], list):
            found[data["unseen"][0], data["unseen"][1]] = None
        for value in data.values():
            found.update(dict.fromkeys(unseen(value)))
    return list(found)


def parse(data: bytes, file: str) -> tuple[dict[str, Any], str, str]:
    """The members of a file without its signature, and the signature's key id and value; nothing is believed yet.

    Errors: ``SnapshotUnusable`` for what no version wrote, or one with another format.
    """
    try:
        said = json.loads(data)
        kind, version = said["kind"], said["formatVersion"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise errors.SnapshotUnusable(f"{file} is no snapshot") from None
    if kind != KIND or version != FORMAT:
        raise errors.SnapshotUnusable(f"{file} has format {kind} {version}; this version reads {KIND} {FORMAT}")
    try:
        signature = said.pop("signature")
        return said, str(signature["kid"]), str(signature["value"])
    except (KeyError, TypeError):
        raise errors.SnapshotUnusable(f"{file} is not signed") from None


def from_data(said: Entry, file: str) -> Snapshot:
    """The snapshot that ``as_data`` wrote down. Errors: ``SnapshotUnusable`` if a part is not as it should be."""
    try:
        return Snapshot(
            platform=said["platform"],
            platform_id=said["platformId"],
            created_at=said["createdAt"],
            version=said["version"],
            central=(said["central"][0], said["central"][1]),
            folders=(said["folders"][0], said["folders"][1]),
            renames=said["renames"],
            refusals=_refusals(said["refusals"]),
            platform_changes=tuple(said["platformChanges"]),
            servers={
                name: SeenServer(**{**server, "refusals": _refusals(server["refusals"])})
                for name, server in said["servers"].items()
            },
            rows=said["rows"],
            deliveries=said["deliveries"],
            trash=said["trash"],
            records={name: _record(record) for name, record in said["records"].items()},
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise errors.SnapshotUnusable(f"{file} is signed and not in the form of a snapshot: {error!r}") from error


def _record(data: Entry) -> Record:
    secrets = {name: Secret(**secret) for name, secret in data["secrets"].items()}
    return Record(**{**data, "secrets": secrets})


def _refusals(data: Any) -> tuple[tuple[str, str, str], ...]:
    return tuple((code, message, advice) for code, message, advice in data)


def _public(name: str) -> str:
    first, *more = name.split("_")
    return first + "".join(map(str.title, more))
