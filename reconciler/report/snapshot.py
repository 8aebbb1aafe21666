"""What ``reconcile snapshot`` says: what the snapshot has, and what could not be seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.model.snapshot import Snapshot, unseen
from reconciler.report.data import FORMAT
from reconciler.report.plan import tenants
from reconciler.report.styled import Line, Style, line, styled


def lines(found: Snapshot, file: str, size: int, kid: str) -> Iterator[Line]:
    """What is in it, what is not, and where it is."""
    for name, server in sorted(found.servers.items()):
        if server.unreachable:
            yield line(styled("not reached", Style.UNKNOWN), f": {server.unreachable}")
        for what, privilege in _unseen(found, name):
            yield line(styled("not seen", Style.UNKNOWN), f" on {name}: {what}; to see it takes {privilege}")
    for what, privilege in unseen(found.rows):
        yield line(styled("not seen", Style.UNKNOWN), f": {what}; to see it takes {privilege}")
    servers = f"{len(found.servers)} server{'s' * (len(found.servers) != 1)}"
    yield line(
        styled("Snapshot: ", Style.HEADING),
        f"{tenants(len(found.records))} on {servers} as {file}, {size} bytes, signed with key {kid}.",
    )


def data(found: Snapshot, file: str, size: int, kid: str) -> dict[str, Any]:
    """``reconcile snapshot --format json``."""
    missed = [entry for name in sorted(found.servers) for entry in _unseen(found, name)] + unseen(found.rows)
    return {
        "formatVersion": FORMAT,
        "file": file,
        "bytes": size,
        "keyId": kid,
        "createdAt": found.created_at,
        "tenants": len(found.records),
        "unreachable": sorted(name for name, server in found.servers.items() if server.unreachable),
        "unseen": [{"what": what, "privilege": privilege} for what, privilege in dict.fromkeys(missed)],
    }


def _unseen(found: Snapshot, name: str) -> list[tuple[str, str]]:
    server = found.servers[name]
    return unseen({"census": server.census, "held": server.held, "tables": server.tables})
