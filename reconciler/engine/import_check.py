"""Trying an import in a database of its own that is gone afterwards, whatever happens.

It is a tenant's transaction like any other (intents in the journal first, marks, proof), of a product that only has a
database, one account and the schema, and it is always undone. So whatever a killed check leaves is swept by the next
check or by `reconcile recover`. Checks wait for one another.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from reconciler import errors
from reconciler.engine import crew, foundation, preflight, recovery
from reconciler.engine.progress import Progress
from reconciler.engine.saga import Saga
from reconciler.engine.setting import Setting
from reconciler.model import names
from reconciler.model.given import Given
from reconciler.model.outcome import Failure, Leftover
from reconciler.model.secret import Recipe, Secret
from reconciler.model.server import Server
from reconciler.model.step import Step
from reconciler.model.tenant import Tenant
from reconciler.ports.store import leases
from reconciler.products.product import Flow, Product
from reconciler.resources import scripts
from reconciler.resources.access import Access
from reconciler.resources.account import Account
from reconciler.resources.database import Database
from reconciler.resources.grants import ALL, Grants
from reconciler.resources.schema import Schema
from reconciler.spec import kind
from reconciler.spec.tree import Tree

NAME = "@import-check"
"""Stands for the tenant in the journal and the leases; no tenant can have this name."""

WAIT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Trial:
    """How an import went on ``server``: what it made, by kind, or why it failed; and what could not be taken away."""

    server: str
    database: str
    transaction: str
    seconds: float
    counts: Mapping[str, int]
    failure: Failure | None
    leftovers: tuple[Leftover, ...]


@dataclass(frozen=True, slots=True)
class _Spec:
    """Nothing to say."""


class _Import(Product):
    """A database, its own account, and the schema."""

    name = NAME
    catalogue_kind = kind.Kind("ImportCheckProduct", _Spec, doc="Nothing is read of this kind.")
    tenant_kind = kind.Kind("ImportCheck", _Spec, doc="Nothing is read of this kind.")

    def __init__(self, source: scripts.Scripts) -> None:
        self.source = source

    def rules(self, tree: Tree) -> Iterator[errors.Fault]:
        """None."""
        return iter(())

    def database(self, name: str, spec: Any, catalogue: Any) -> str:
        """Drawn for each check."""
        return ""

    def flow(self, tenant: Tenant[_Spec, _Spec], given: Given) -> Flow:
        """What a tenant's database is made of, up to its schema."""
        server, database, host = tenant.server, tenant.database, tenant.server.client_host
        own, secret, recorded = names.owner(database), given.secret("db.own", Recipe.DATABASE_PASSWORD), not given.new
        yield Step("database", Database(tenant.name, server, database, ((own, host),), recorded))
        yield Step("accounts", Account(server, own, host, secret, "imports", recorded))
        yield Step("accounts", Access(server, own, host, open=False, reason="only the check works with it"))
        yield Step("accounts", Grants(server, own, host, database, frozenset({ALL}), "it owns the schema"))
        fact = given.fact(Schema.kind, f"{server.name}/{database}")
        yield Step("schema", Schema(server, database, own, host, secret, self.source, fact))

    def removal(self, tenant: Tenant[_Spec, _Spec], given: Given) -> Flow:
        """Nothing: it is undone."""
        return iter(())

    def restoration(self, tenant: Tenant[_Spec, _Spec], given: Given) -> Flow:
        """Nothing: it is undone."""
        return iter(())

    def samples(self) -> Iterator[dict[str, Any]]:
        """None."""
        return iter(())


def check(setting: Setting, server: str, source: scripts.Scripts, progress: Progress) -> Trial:
    """Import into a scratch database on ``server`` and take it away again.

    Errors: ``UsageError`` for a server that the specs don't have; ``ServerUnreachable``; ``Refused`` with what speaks
    against any change there; ``TenantLeased`` if another check runs for too long.
    """
    if server not in setting.servers:
        raise errors.UsageError(
            f"the specs have no server {server}", advice=f"There are: {', '.join(sorted(setting.servers))}."
        )
    where = setting.servers[server]
    _possible(setting, where)
    tenant = _tenant(setting, where)
    # The trial is nobody's news.
    setting = replace(foundation.local(setting), products={NAME: _Import(source)}, receivers={})
    held = setting.leases()
    try:
        lease = _wait_for(held)
        tools = recovery.Tools(setting.opened(), setting.ports, _no_secret, setting.patience, progress)
        try:
            crew.settle_open(tools, lease)
            return _tried(Saga(setting, tenant, lease, tools, progress))
        finally:
            held.release(lease)
    finally:
        held.close()


def _tried(saga: Saga) -> Trial:
    clock = saga.setting.ports.clock
    failure: Failure | None = None
    left: tuple[Leftover, ...] = ()
    started = clock.monotonic()
    try:
        planned = saga.look()
        if planned.blockers:
            first = planned.blockers[0]
            place = f"{first.where}: " if first.where and first.where.file else ""
            failure = Failure(first.code, "", place + first.message, first.advice, first.exit)
        else:
            saga.begin()
            try:
                saga.act()
                saga.prove()
            except errors.ReconcileError as error:
                place = f"{error.where}: " if error.where else ""
                failure = Failure(error.code, saga.step, place + error.message, error.next, error.exit)
            left = saga.undo(failure.message if failure else "the check is over").leftovers
    finally:
        saga.close()
    tenant = saga.tenant
    facts = saga.facts.get(f"{Schema.kind}/{tenant.server.name}/{tenant.database}", {})
    seconds = clock.monotonic() - started
    return Trial(tenant.server.name, tenant.database, saga.id, seconds, facts.get("counts", {}), failure, left)


def _possible(setting: Setting, server: Server) -> None:
    connection = setting.ports.connect(server)
    try:
        for refusal in preflight.check_server(connection, server, setting, acts=True).refusals:
            raise refusal
    finally:
        connection.close()


def _tenant(setting: Setting, server: Server) -> Tenant[Any, Any]:
    # Two underscores can't come from a tenant's name, and the provisioning account may do everything under a prefix.
    database = f"{preflight.prefixes(setting)[0]}_check_{setting.ports.entropy.token(4).hex()}"
    return Tenant(NAME, NAME, setting.root, server, database, _Spec(), _Spec(), dict, errors.Where(""))


def _wait_for(held: leases.Leases) -> leases.Lease:
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            return held.acquire(NAME)
        except errors.TenantLeased:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _no_secret(_tenant: str, secret: Secret) -> str:
    raise ValueError(f"undoing a check needs no {secret.name}")
