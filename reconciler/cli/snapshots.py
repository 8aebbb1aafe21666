"""Files of snapshots: where they are by default, which public keys vouch for them, how they are read and written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from reconciler import errors
from reconciler.engine import keyring
from reconciler.engine import setting as settings
from reconciler.ports.files import Files
from reconciler.report import faults

if TYPE_CHECKING:
    from reconciler.licensing import keys

DEFAULT: Final = "state/snapshot.json"
PUBLIC: Final = f"specs/{keyring.RING}"
"""Where the ring of public keys stands for those who have no folder of keys: it may be committed."""


def recalled(setting: settings.Setting, file: Path | None, ring_file: Path | None) -> settings.Setting:
    """The setting with the snapshot in ``file``.

    Errors: ``UsageError`` if there is none, or no key to check it with; ``SnapshotUnusable``; ``PlatformMisconfigured``
    for a ring that is none.
    """
    from reconciler.engine import snapshot as engine  # every plan has its options, and few plans a snapshot

    found = file or setting.root / DEFAULT
    data = _read(found)
    if data is None:
        raise errors.UsageError(
            f"there is no snapshot {_shown(found)}",
            advice="Name one with --snapshot. `reconcile snapshot` makes it where the servers can be reached.",
        )
    return engine.recalled(setting, engine.opened(data, _shown(found), _ring(setting, ring_file)))


def save(file: Path, data: bytes) -> int:
    """Write a snapshot, packed if the name ends in .gz, and return its size. Errors: ``UsageError``."""
    from reconciler.engine import snapshot as engine

    written = engine.packed(data) if file.suffix == ".gz" else data
    try:
        Files().replace(file, written)
    except errors.FileFailed as error:
        raise errors.UsageError(f"the snapshot can't be saved: {error.message}") from error
    return len(written)


def _ring(setting: settings.Setting, file: Path | None) -> keys.KeyRing:
    from reconciler.licensing import keys

    places = [file] if file else [setting.root / PUBLIC, setting.keys.directory / keyring.RING]
    for place in places:
        data = _read(place)
        if data is None:
            continue
        try:
            return keys.read_ring(data)
        except (errors.Refused, errors.PlatformMisconfigured) as error:
            raise errors.PlatformMisconfigured(
                f"{_shown(place)}: {error.message}", advice=f"Put {keyring.RING} of the folder of keys there."
            ) from None
    raise errors.UsageError(
        f"there is no key ring {' or '.join(map(_shown, places))} to check the snapshot with",
        advice=f"Commit the platform's {keyring.RING}, which is public, as {PUBLIC}; or name it with --keys.",
    )


def _read(file: Path) -> bytes | None:
    from reconciler.engine import snapshot as engine

    try:
        with file.open("rb") as opened:
            data = opened.read(engine.LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise errors.UsageError(f"{_shown(file)} can't be read: {error.strerror or error}") from None
    if len(data) > engine.LARGEST:
        raise errors.SnapshotUnusable(f"{_shown(file)} is larger than {engine.LARGEST} bytes")
    return data


def _shown(file: Path) -> str:
    return faults.printable(str(file))
