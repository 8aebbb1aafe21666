"""Everything that one run works with: the specs as read, the servers, the products, the store, the ports."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler import errors, products
from reconciler.engine import specs as reading
from reconciler.engine.keyring import KeyFolder
from reconciler.model.receiver import Receiver
from reconciler.model.record import Record
from reconciler.model.server import PasswordSource, Server, Tls
from reconciler.model.tenant import Tenant
from reconciler.ports import git
from reconciler.ports.ports import Ports
from reconciler.ports.session import Place
from reconciler.ports.store import engines, leases, records
from reconciler.ports.store import store as stores
from reconciler.products.product import Product
from reconciler.spec import load, passwords, platform, tree
from reconciler.spec.document import Document

if TYPE_CHECKING:
    from reconciler.model.snapshot import Snapshot
    from reconciler.ports.mirror import Commit

PATIENCE_SECONDS = 60.0


@dataclass(slots=True)
class Setting:
    """One run's world. ``patience`` is how long, in seconds, an undo waits for a server that went away;
    ``lease_seconds`` is how long a lease holds whose holder gives no sign of life.

    ``root`` is the folder that the platform's own paths are below, ``source`` the one of the paths in catalogues.
    ``snapshot`` stands for store and servers where a plan is made without them. ``hidden`` are the tenants that may
    stand in files which can't be read; None if that is not known, so that nobody counts as removed.

    ``commits`` tells the last commit that touched a file, where that is not asked of a checkout around ``root``.

    ``stop`` is set by a signal: whatever is open then finishes or is undone. ``faults`` are those that were tolerated.
    """

    root: Path
    source: Path
    ports: Ports
    specs: tree.Tree
    faults: tuple[errors.Fault, ...]
    platform_name: str
    platform: platform.PlatformSpec
    servers: Mapping[str, Server]
    receivers: Mapping[str, Receiver]
    products: Mapping[str, Product]
    place: Place
    keys: KeyFolder
    store: stores.Store | None
    snapshot: Snapshot | None = None
    hidden: frozenset[str] | None = frozenset()
    revision: str = ""
    patience: float = PATIENCE_SECONDS
    lease_seconds: float = leases.LENGTH_SECONDS
    commits: Callable[[str], Commit | None] | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    def opened(self) -> stores.Store:
        """The store. Errors: ``PlatformMisconfigured`` where none has been made yet."""
        if self.store is None:
            raise errors.PlatformMisconfigured(
                f"there is no state store at {engines.shown(self.platform.state.url)} yet",
                advice="`reconcile apply` makes it. If there was one, put it back before anything is applied.",
            )
        return self.store

    def records(
        self, wanted: Iterable[str] | None = None, *, each: Callable[[Record], Record] = lambda record: record
    ) -> dict[str, Record]:
        """What the store knows of tenants, each as ``each`` leaves it; nothing where there is no store yet."""
        if self.snapshot is not None:
            chosen = None if wanted is None else {*wanted}
            found = self.snapshot.records.items()
            return {name: each(entry) for name, entry in found if chosen is None or name in chosen}
        return self.store.read(lambda connection: records.load(connection, wanted, each=each)) if self.store else {}

    def records_without(self, present: Collection[str]) -> dict[str, Record]:
        """What the store knows of the tenants that are not among those ``present``."""
        if self.snapshot is not None or self.store is None:
            return {name: entry for name, entry in self.records().items() if name not in present}
        return self.store.read(lambda connection: records.load(connection, records.names(connection) - {*present}))

    def revision_of(self, tenant: Tenant[Any, Any]) -> str:
        """What a tenant stands at when this is applied: the commit, or without git a digest of its own spec."""
        if not self.revision.startswith("specs@"):
            return self.revision
        return f"specs@sha256:{tenant.digest}" if tenant.digest else self.revision

    def leases(self) -> leases.Leases:
        """New leases of this process; the caller closes them. Errors: as for ``opened``."""
        return leases.Leases(self.opened(), self.ports.clock.stamp, length=self.lease_seconds)

    def with_store(self, store: stores.Store) -> Setting:
        """The same run, once its store is there."""
        place = replace(self.place, platform=store.platform, platform_id=store.platform_id)
        return replace(self, store=store, place=place)

    def tenants(self, known: Mapping[str, Record], wanted: Collection[str] = ()) -> list[Tenant[Any, Any]]:
        """Every valid tenant, or those ``wanted``, resolved against the platform, in the order of their names; but for
        those that are ``stranded``.
        """
        found = [
            self._tenant(product, document, catalogue, known.get(document.name), self.servers[server])
            for product, document, catalogue, server in self._placed(known, wanted)
            if server in self.servers
        ]
        return sorted(found, key=lambda tenant: tenant.name)

    def stranded(self, known: Mapping[str, Record], wanted: Collection[str] = ()) -> list[Document]:
        """The valid tenants, of all or of those ``wanted``, whose server only their record names, and no document."""
        if all(record.server in self.servers for record in known.values()):
            return []
        return [document for _, document, _, server in self._placed(known, wanted) if server not in self.servers]

    def _placed(
        self, known: Mapping[str, Record], wanted: Collection[str]
    ) -> Iterator[tuple[Product, Document, Any, str]]:
        """The valid tenants, each with its product, the product's catalogue, and the name of its server."""
        blamed = {fault.tenant for fault in self.faults if fault.tenant}
        for product in self.products.values():
            catalogue = product.catalogue(self.specs)
            for document in self.specs.of(product.tenant_kind.name):
                if wanted and document.name not in wanted:
                    continue
                if document.valid and catalogue is not None and document.name not in blamed:
                    record = known.get(document.name)
                    # A changed default moves nobody: the server that a tenant was made on is on record.
                    server = document.spec.server or (record.server if record else "") or self.platform.defaults.server
                    yield product, document, catalogue.spec, server

    def _tenant(
        self, product: Product, document: Document, catalogue: Any, record: Record | None, server: Server
    ) -> Tenant[Any, Any]:
        database = product.database(document.name, document.spec, catalogue)
        parts = product.parts and record is not None and record.product == product.name and not database
        return Tenant(
            name=document.name,
            product=product.name,
            root=self.source,
            server=server,
            database=database,
            spec=document.spec,
            catalogue=catalogue,
            written=document.plain,
            where=document.where,
            annotations=document.annotations,
            former=record.database if record and parts else "",
            digest=document.digest,
            at=document.at,
        )


def load_setting(
    root: Path,
    ports: Ports,
    *,
    tolerate: Callable[[errors.Fault], bool] = lambda fault: False,
    tenants: Collection[str] = (),
    offline: bool = False,
) -> Setting:
    """Read the repository at ``root``. The caller closes the store, which is not opened where all is ``offline``.
    With ``tenants`` faults that are harmless to them are tolerated too.

    Errors: ``InvalidSpecs`` with all faults, unless each of them is tolerated; ``PlatformMisconfigured`` for a platform
    that can't work.
    """
    found = products.discover()
    kinds = [*platform.KINDS, *(kind for p in found.values() for kind in (p.catalogue_kind, p.tenant_kind))]
    specs = load.load(root, kinds)
    revision = git.revision(root) or _revision(specs)

    def tolerated(fault: errors.Fault) -> bool:
        return tolerate(fault) or reading.harmless(specs, fault, tenants)

    return setting_of(root, ports, specs, root, revision=revision, tolerate=tolerated, offline=offline)


def setting_of(
    root: Path,
    ports: Ports,
    specs: tree.Tree,
    source: Path,
    *,
    revision: str,
    tolerate: Callable[[errors.Fault], bool],
    offline: bool = False,
    store: stores.Store | None = None,
) -> Setting:
    """The setting of specs that were read already: ``source`` is the folder that paths in catalogues are below, while
    those of the platform are below ``root``. ``store`` is used where it is open already.

    Errors: as for ``load_setting``.
    """
    found = products.discover()
    faults = reading.faults(specs)
    blocking = [fault for fault in faults if not tolerate(fault)]
    document = specs.one(platform.PLATFORM.name)
    if blocking or document is None or document.spec is None:
        raise errors.InvalidSpecs(blocking or faults)
    spec: platform.PlatformSpec = document.spec
    servers = {server.name: _server(root, server) for server in specs.valid(platform.SERVER.name)}
    store = store or (None if offline else stores.open_store(spec.state.url, root))
    return Setting(
        root=root,
        source=source,
        ports=ports,
        specs=specs,
        faults=tuple(faults),
        platform_name=document.name,
        platform=spec,
        servers=servers,
        receivers={entry.name: _receiver(root, entry) for entry in spec.notifications},
        products=found,
        place=Place(
            platform=document.name,
            platform_id=store.platform_id if store else "",
            central_server=spec.central.server,
            central_database=spec.central.database,
            deliveries=root / spec.delivery.directory,
            trash=root / spec.trash.directory,
        ),
        keys=KeyFolder(root / spec.keys.directory, ports),
        store=store,
        revision=revision,
        lease_seconds=spec.apply.lease_seconds,
    )


def _server(root: Path, document: Document) -> Server:
    spec: platform.DatabaseServerSpec = document.spec
    return Server(
        name=document.name,
        host=spec.host or "",
        port=spec.port,
        socket=str(root / spec.socket) if spec.socket else "",
        user=spec.user,
        password=_source(root, spec.password_from) or PasswordSource(),
        tls=Tls(spec.tls.mode, str(root / spec.tls.ca) if spec.tls.ca else ""),
        client_host=spec.client_host,
        advertise=spec.advertised,
        trusted=spec.trusted_accounts,
    )


def _receiver(root: Path, spec: platform.Notification) -> Receiver:
    return Receiver(spec.name, spec.url, _source(root, spec.secret_from), frozenset(spec.events))


def _source(root: Path, source: passwords.PasswordFrom | None) -> PasswordSource | None:
    if source is None:
        return None
    return PasswordSource(env=source.env or "", file=str(root / source.file) if source.file else "")


def _revision(specs: tree.Tree) -> str:
    digest = hashlib.sha256()
    for document in sorted(specs.documents, key=lambda entry: (entry.kind, entry.name)):
        digest.update(f"{document.kind}\0{document.name}\0".encode() + document.digest.encode() + b"\0")
    return f"specs@sha256:{digest.hexdigest()}"
