"""Every prerequisite of an apply, looked at one by one, so that all that is missing is known at once."""

from __future__ import annotations

import enum
import platform as machine
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reconciler import errors
from reconciler.engine import foundation, preflight, setting, specs
from reconciler.model.server import Server
from reconciler.ports import git
from reconciler.ports.central import migrate, view
from reconciler.ports.mysql.connection import Connection
from reconciler.ports.ports import Ports
from reconciler.ports.store import engines

OLDEST_PYTHON = (3, 11)
PLANNER = "planner"
"""The user that the planning account's statement names; it may be called otherwise."""

_PRECEDENCE = (78, 65, 1, 3, 69)


class Health(enum.StrEnum):
    """How a check ended; ``NOTE`` is fine, but worth knowing."""

    OK = "ok"
    NOTE = "note"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """One prerequisite. ``code`` and ``exit`` are an error's where it failed, else empty and 0."""

    name: str
    health: Health
    message: str
    advice: str = ""
    code: str = ""
    exit: int = 0


@dataclass(frozen=True, slots=True)
class Grants:
    """The statements that make an account of a server what it has to be."""

    server: str
    provisioning: tuple[str, ...]
    planning: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All checks in order, and the statements for each server."""

    checks: tuple[Check, ...]
    grants: tuple[Grants, ...]

    @property
    def exit(self) -> int:
        """The exit status: 0, or the worst of the checks."""
        seen = {check.exit for check in self.checks}
        return next((status for status in _PRECEDENCE if status in seen), 0)


def examine(root: Path, ports: Ports) -> Diagnosis:
    """Look at everything. What fails is a check; nothing is raised for it, and nothing is changed."""
    checks = [_python(), *_specs(root)]
    try:
        found = setting.load_setting(root, ports, tolerate=lambda _fault: True)
    except errors.InvalidSpecs:
        return Diagnosis(tuple(checks), ())
    except errors.ReconcileError as error:
        return Diagnosis((*checks, _failed("store", error)), ())
    try:
        checks += [_store(found), *_keys(found), *_delivery(found)]
        for server in found.servers.values():
            checks += _server(found, server)
    finally:
        if found.store is not None:
            found.store.close()
    grants = tuple(
        Grants(
            server.name,
            tuple(preflight.grants_needed(found, server)),
            tuple(preflight.planning_grants(PLANNER)),
        )
        for server in found.servers.values()
    )
    return Diagnosis(tuple(checks), grants)


def _python() -> Check:
    version = machine.python_version()
    if sys.version_info < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        return Check("python", Health.FAILED, f"Python {version}; {oldest} or later is needed", exit=1)
    return Check("python", Health.OK, f"Python {version}")


def _specs(root: Path) -> Iterator[Check]:
    tree, faults = specs.check(root)
    if faults:
        yield _failed("specs", errors.InvalidSpecs(faults))
    else:
        yield Check("specs", Health.OK, f"valid: {len(tree.tenants)} tenant{'s' * (len(tree.tenants) != 1)}")


def _store(found: setting.Setting) -> Check:
    url = engines.shown(found.platform.state.url)
    if found.store is None:
        return Check("store", Health.NOTE, f"{url} is not there yet; the first apply makes it")
    return Check("store", Health.OK, f"{url}, platform id {found.store.platform_id}")


def _keys(found: setting.Setting) -> Iterator[Check]:
    folder = found.platform.keys.directory
    if not found.keys.complete:
        if found.store is None:
            yield Check("keys", Health.NOTE, f"none in {folder} yet; the first apply makes them")
        else:
            missing = errors.PlatformMisconfigured(
                f"there is a store, and the keys that seal its secrets are not in {folder}",
                advice="Put the keys back from their backup before anything is applied.",
            )
            yield _failed("keys", missing)
        return
    try:
        _ = found.keys.vault
        signing = found.keys.signing
    except errors.ReconcileError as error:
        yield _failed("keys", error)
    else:
        yield Check("keys", Health.OK, f"in {folder}; {signing} signs licenses")


def _delivery(found: setting.Setting) -> Iterator[Check]:
    folder, named = found.place.deliveries, found.platform.delivery.directory
    refusals = list(preflight.check_delivery(found))
    if not refusals and git.would_commit(folder):
        refusals.append(
            errors.DeliveryUnusable(
                f"{named} lies in a git work tree that does not ignore it, so secrets could be committed",
                advice=f"Add {folder.name}/ (or the whole state/) to .gitignore.",
            )
        )
    for refusal in refusals:
        yield _failed("delivery", refusal)
    if not refusals and not folder.exists():
        yield Check("delivery", Health.NOTE, f"{named} is not there yet; the first apply makes it")
    elif not refusals:
        yield Check("delivery", Health.OK, f"{named} can be written to")


def _server(found: setting.Setting, server: Server) -> Iterator[Check]:
    name = f"server {server.name}"
    try:
        connection = found.ports.connect(server)
    except errors.ReconcileError as error:
        yield _failed(name, error)
        return
    try:
        version = str(connection.value("SELECT VERSION()"))
        finding = preflight.check_server(connection, server, found)
        central = list(_central(found, connection)) if server.name == found.place.central_server else []
    except errors.ReconcileError as error:
        yield _failed(name, error)
        return
    finally:
        connection.close()
    for refusal in finding.refusals:
        yield _failed(name, refusal)
    said = f"{version} at {server.address}, as {server.user}"
    if finding.planning:
        yield Check(name, Health.NOTE, f"{said}, which can only plan", "To apply, it needs the statements below.")
    elif not finding.refusals:
        yield Check(name, Health.OK, f"{said}, with all privileges")
    yield from central


def _central(found: setting.Setting, connection: Connection) -> Iterator[Check]:
    name, database = "central database", found.place.central_database
    place = f"{database} on {found.place.central_server}"
    try:
        missing = list(foundation.changes_of_central(found, connection))
        gone = [] if missing else view.lost(connection, database)
    except errors.ReconcileError as error:
        yield _failed(name, error)
        return
    if gone:
        yield _failed(name, view.damaged(connection, database, gone))
    elif missing and missing[0].action == "create":
        yield Check(name, Health.NOTE, f"{place} is not there yet; the first apply makes it")
    elif missing:
        yield Check(name, Health.NOTE, f"the next apply will {missing[0].summary}")
    else:
        yield Check(name, Health.OK, f"{place}, at revision {migrate.HEAD}")


def _failed(name: str, error: errors.ReconcileError) -> Check:
    return Check(name, Health.FAILED, error.message, error.next, error.code, error.exit)
