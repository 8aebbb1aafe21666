"""One tenant's transaction: begin, make every change, prove it, commit; or undo all of it.

The journal's first record holds every intent before the first effect, and the sealed secrets with it; the commit
writes the tenant's record and gives the lease back. So a tenant costs three commits of the store, whatever its steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from reconciler import errors
from reconciler.engine import guard, observe, outbox, planner, purge, recovery, removal
from reconciler.engine.progress import Progress
from reconciler.engine.setting import Setting
from reconciler.model import plan as plans
from reconciler.model import saved
from reconciler.model.given import Given
from reconciler.model.goal import Goal
from reconciler.model.record import PARTED, Record
from reconciler.model.secret import Drawn, Recipe, Secret
from reconciler.model.states import TenantState, TransactionState
from reconciler.model.tenant import Tenant
from reconciler.ports import process
from reconciler.ports.mysql import connection as mysql
from reconciler.ports.session import Session
from reconciler.ports.store import journal, leases, records
from reconciler.resources import delivery, visibility
from reconciler.resources.resource import Resource
from reconciler.resources.withdrawal import Withdrawal


@dataclass(slots=True)
class Saga:
    """A transaction on ``tenant`` under ``lease``. The calls come in this order: ``look``, ``begin``, ``act``,
    ``prove``, ``write_commit`` (inside a store write), ``finish``; or ``undo`` at any point after ``begin``.
    """

    setting: Setting
    tenant: Tenant[Any, Any]
    lease: leases.Lease
    tools: recovery.Tools
    progress: Progress
    deep: bool = False
    id: str = ""
    plan: plans.TenantPlan | None = None
    _record: Record | None = None
    _given: Given | None = None
    _session: Session | None = None
    _wanted: list[Resource] = field(default_factory=list)
    _facts: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _timings: list[float] = field(default_factory=list)
    _step: str = ""
    _begun: int = 0
    _stood: frozenset[str] = frozenset()
    _first: dict[str, Any] = field(default_factory=dict)
    _transaction: journal.Transaction | None = None

    @property
    def step(self) -> str:
        """The step that is being worked on, for messages."""
        return self._step

    @property
    def facts(self) -> Mapping[str, Mapping[str, Any]]:
        """What the changes that were made wrote down, by kind and name."""
        return self._facts

    def look(self) -> plans.TenantPlan:
        """Observe and plan under the lease, with everything drawn that is missing."""
        setting, tenant = self.setting, self.tenant
        self.id = setting.ports.entropy.identity()
        self._record = setting.records([tenant.name]).get(tenant.name)
        self._given = Given(
            today=setting.ports.clock.now().date().isoformat(),
            revision=setting.revision_of(tenant),
            record=self._record,
            draw=self._draw,
            draw_token=self._draw_token,
            transaction=self.id,
        )
        self._goal_holds()
        self._session = self._new_session()
        if self.lease.taken_over:
            self._session.expel()
        self.plan, self._wanted = self._planned(self._given, deep=self.deep)
        if self._record and self.plan.changes and not self.deep and self.tenant.goal is not Goal.PURGED:
            # The proof looks deep. What only a deep look finds stood there before, and was not asked to be mended.
            deep, _ = self._planned(self._given, deep=True)
            self._stood = _needed(deep) - _needed(self.plan)
        return self.plan

    def _goal_holds(self) -> None:
        """What was asked for may have been settled otherwise before the lease was taken.

        Errors: ``GuardRefused`` if so.
        """
        record, goal, name = self._record, self.tenant.goal, self.tenant.name
        trashed = record is not None and (record.parted if self.tenant.former else record.trashed)
        if goal in (Goal.RESTORED, Goal.PURGED) and not trashed:
            raise errors.GuardRefused(f"{f'the database of {name}' if self.tenant.former else name} left the trash")
        if goal is Goal.TRASHED and (record is None or removal.HOLD in record.facts):
            raise errors.GuardRefused(f"tenant {name} was purged, or restored by hand, meanwhile")

    def moved(self, reviewed: saved.Reviewed) -> list[str]:
        """What is not as it was when ``reviewed`` was planned; nothing is drawn for that, as nothing was then."""
        given, _ = self._have()
        sight = observe.close_up(self.setting, self._hands(), self.tenant, deep=self.deep)
        product = self.setting.products[self.tenant.product]
        again, _ = planner.plan_tenant(product, self.tenant, Given(given.today, given.revision, given.record), sight)
        return saved.moved(reviewed, again)

    def begin(self) -> None:
        """Make the intent durable. Errors: ``StoreFailed``, ``LeaseLost``; then nothing was done."""
        given, planned = self._have()
        setting, tenant, place = self.setting, self.tenant, self.setting.place
        transaction = self._transaction = journal.Transaction(
            id=self.id,
            tenant=tenant.name,
            action="purge" if tenant.goal is Goal.PURGED else planned.action.value,
            state=TransactionState.OPEN,
            token=self.lease.token,
            actor=process.actor(),
            revision=given.revision,
            started_at=setting.ports.clock.stamp(),
        )
        body = self._first = {
            "changes": [change.as_data() for change in planned.changes],
            "servers": [server.as_data() for server in self._servers().values()],
            "place": {
                "platform": place.platform,
                "platform_id": place.platform_id,
                "central_server": place.central_server,
                "central_database": place.central_database,
                "deliveries": str(place.deliveries.resolve()),
                "trash": str(place.trash.resolve()),
            },
            "product": tenant.product,
            "spec": tenant.data,
            "notify": outbox.wanted(setting.receivers),
        }
        vault = setting.keys.vault
        sealed = [records.Sealed(drawn.secret, vault.seal(tenant.name, drawn)) for drawn in given.drawn.values()]

        def write(connection: sa.Connection) -> None:
            journal.begin(connection, transaction, body)
            records.seal(connection, tenant.name, self.id, sealed)

        leases.fenced(setting.opened(), self.lease, write)
        self.progress.begins(tenant.name, len(planned.changes))

    def act(self) -> None:
        """Make every change, in order. Errors: whatever a change raises; the caller undoes."""
        _, planned = self._have()
        session, clock = self._hands(), self.setting.ports.clock
        for number, (change, wanted) in enumerate(zip(planned.changes, self._wanted, strict=True), 1):
            self._go_on()
            self._step, self._begun = change.step, number
            self.progress.doing(self.tenant.name, number, change)
            started = clock.monotonic()
            try:
                facts = wanted.do(change, session)
            except errors.MovedMeanwhile:
                self._begun = number - 1  # nothing was done to it
                raise
            except errors.StatementFailed as error:
                if change.destroys and change.before is None and error.errno in mysql.EXISTS:
                    self._begun = number - 1  # somebody else made it meanwhile: nothing of it is ours to undo
                raise
            self._timings.append(round(clock.monotonic() - started, 4))
            if facts is not None:
                self._facts[f"{wanted.kind}/{wanted.name}"] = facts

    def prove(self) -> None:
        """Observe the tenant again, deep: nothing may be left to do. Errors: ``VerificationFailed``.

        A purge passes its point of no return here, and what is left of the tenant is destroyed.
        """
        given, planned = self._have()
        if self.tenant.goal is Goal.PURGED:
            self._go_on()
            self._step = "destruction"
            purge.pass_point(self.setting.opened(), self.lease, self.id, self.setting.ports.clock, self._facts)
            if kept := purge.forward(planned.changes, self._hands()):
                raise errors.VerificationFailed("; ".join(f"{entry.name}: {entry.reason}" for entry in kept))
            return
        self._go_on()
        self._step = "verification"
        self.progress.proving(self.tenant.name)
        provisional = self._after(given)
        again, _ = self._planned(replace(given, record=provisional), deep=True, last=True)
        left = sorted(_needed(again) - self._stood)
        if left:
            raise errors.VerificationFailed(
                f"tenant {self.tenant.name} is not as it should be after all changes were made: {'; '.join(left[:5])}"
            )
        self._go_on()

    def write_commit(self, connection: sa.Connection) -> None:
        """The commit, as part of a write of the store that checked the lease."""
        given, _ = self._have()
        if self._transaction is None:
            raise ValueError("begin comes first")
        clock = self.setting.ports.clock
        now = clock.stamp()
        if self.tenant.goal is Goal.PURGED:
            changes = self.plan.changes if self.plan else ()
            number = purge.write_commit(connection, changes, self.tenant.name, self.id, self.lease, now)
            outbox.write(connection, self._first, self._transaction, number, "applied", at=now, said={})
            leases.give_back(connection, self.lease)
            return
        body = {"facts": self._facts, "tokens": given.tokens, "seconds": self._timings}
        number = journal.append(connection, self.id, "committed", body, token=self.lease.token, at=now)
        outbox.write(connection, self._first, self._transaction, number, "applied", at=now, said={})
        journal.advance(connection, self.id, TransactionState.COMMITTED, token=self.lease.token, at=now)
        records.save(connection, self._left(replace(self._after(given), updated_at=now)))
        leases.give_back(connection, self.lease)

    def committed(self) -> bool:
        """Whether the store says that this transaction is committed, after a write whose answer was lost."""
        found = self.setting.opened().read(lambda connection: journal.find(connection, self.id))
        return found is not None and found.state is TransactionState.COMMITTED

    def finish(self) -> None:
        """After the commit: take away what was replaced. What fails here is taken away by the next `recover`."""
        session = self._hands()
        try:
            moved = (delivery.Publication.kind, visibility.Visibility.kind)
            if any(change.resource in moved for change in (self.plan.changes if self.plan else ())):
                delivery.tidy(session)
        except errors.FileFailed:
            return
        finally:
            session.close()

    def begun(self) -> bool:
        """Whether the first record is in the store. Errors: ``StoreFailed`` if it can't be read."""
        store = self.setting.opened()
        return bool(self.id) and store.read(lambda connection: journal.find(connection, self.id)) is not None

    def undo(self, reason: str) -> recovery.Settled:
        """Undo everything that was begun. Errors: ``LeaseLost``, ``StoreFailed``."""
        if self._session is not None:
            if self._session.lost:
                leases.refresh(self.setting.opened(), self.lease)
            self._session.close()
        transaction = self.setting.opened().read(lambda connection: journal.find(connection, self.id))
        if transaction is None:
            raise errors.StoreFailed(f"transaction {self.id} is not in the store, so nothing was done under it")
        return recovery.settle(self.tools, self.lease, transaction, reason, begun=self._begun)

    def close(self) -> None:
        """Let go of the connections; a second time does nothing."""
        if self._session is not None:
            self._session.close()

    def _go_on(self) -> None:
        if self.setting.stop.is_set():
            raise errors.Interrupted("a signal asked the process to stop")
        if self.lease.lost.is_set():
            raise errors.LeaseLost(f"the lease of tenant {self.tenant.name} was lost")

    def _planned(self, given: Given, *, deep: bool, last: bool = False) -> tuple[plans.TenantPlan, list[Resource]]:
        product = self.setting.products[self.tenant.product]
        sight = observe.close_up(self.setting, self._hands(), self.tenant, deep=deep)
        sight.last = last
        return planner.plan_tenant(product, self.tenant, given, sight)

    def _after(self, given: Given) -> Record:
        """The tenant's record as the commit will write it."""
        before, tenant = self._record, self.tenant
        facts = {**(before.facts if before else {}), **self._facts}
        facts[planner.CATALOGUE_FACT] = {"digest": planner.catalogue_digest(tenant)}
        if tenant.goal is Goal.PRESENT and tenant.former:
            facts.setdefault(PARTED, {"since": self.setting.ports.clock.stamp()})
        elif tenant.goal is Goal.PRESENT:
            facts.pop(PARTED, None)
        secrets: dict[str, Secret] = dict(before.secrets) if before else {}
        secrets |= {name: drawn.secret for name, drawn in given.drawn.items()}
        return Record(
            tenant=tenant.name,
            product=tenant.product,
            server=tenant.server.name,
            database=tenant.database or tenant.former,
            client_host=tenant.server.client_host,
            state=TenantState.TRASHED if tenant.goal is Goal.TRASHED else str(getattr(tenant.spec, "state", "active")),
            revision=given.revision,
            transaction=self.id,
            spec=tenant.data,
            tokens={**(before.tokens if before else {}), **given.tokens},
            secrets=secrets,
            facts=facts,
        )

    def _left(self, record: Record) -> Record:
        """The record with what is noted of the trash, of holds against git and of annotations as it is now."""
        facts, tenant = dict(record.facts), self.tenant
        if tenant.goal is Goal.PRESENT:
            guard.remember(facts, tenant.annotations)
        if tenant.goal is not Goal.TRASHED:
            facts.pop(f"{Withdrawal.kind}/{tenant.name}", None)
            facts.pop(removal.HOLD, None)
        if tenant.goal is Goal.RESTORED:
            facts[removal.HOLD] = {"reason": "it was restored from the trash, and no spec asks for it"}
        return replace(record, facts=facts)

    def _servers(self) -> dict[str, Any]:
        central = self.setting.servers[self.setting.place.central_server]
        return {server.name: server for server in (self.tenant.server, central)}

    def _new_session(self) -> Session:
        reveal: Callable[[Secret], str] = self._reveal
        return Session(
            tenant=self.tenant.name,
            transaction=self.id,
            token=self.lease.token,
            place=self.setting.place,
            servers=self._servers(),
            ports=self.setting.ports,
            fence=lambda: leases.check(self.setting.opened(), self.lease),
            reveal=reveal,
            sign=self.setting.keys.sign,
            vault=self.setting.keys.vault,
            advance=lambda done, total: self.progress.advances(self.tenant.name, done, total),
        )

    def _reveal(self, secret: Secret) -> str:
        if self._given is not None and secret.name in self._given.drawn:
            return self._given.drawn[secret.name].clear
        return self.tools.reveal(self.tenant.name, secret)

    def _draw(self, name: str, recipe: Recipe) -> Drawn:
        return self.setting.ports.entropy.draw(name, recipe)

    def _draw_token(self, name: str) -> str:
        match name:
            case "issued":
                return self.setting.ports.clock.now().date().isoformat()
            case "key":
                return self.setting.keys.signing
            case _:
                return self.setting.ports.entropy.token(16).hex()

    def _have(self) -> tuple[Given, plans.TenantPlan]:
        if self._given is None or self.plan is None:
            raise ValueError("look comes first")
        return self._given, self.plan

    def _hands(self) -> Session:
        if self._session is None:
            raise ValueError("look comes first")
        return self._session


def _needed(planned: plans.TenantPlan) -> frozenset[str]:
    """What a plan would still do, and what blocks it, in words."""
    return planned.differing | {blocker.message for blocker in planned.blockers}
