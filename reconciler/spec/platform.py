"""The kinds that every repository has, whatever its products: ``Platform`` and ``DatabaseServer``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from reconciler.spec import kind, metadata
from reconciler.spec.daemon import Daemon
from reconciler.spec.kind import option
from reconciler.spec.passwords import PasswordFrom

_IDENTIFIER: Final = "^[A-Za-z0-9_$-]{1,64}$"
_HOST: Final = "^[A-Za-z0-9_.:%-]{1,255}$"


@dataclass(frozen=True, slots=True)
class State:
    """Where the journal and the sealed secrets are kept."""

    url: str = option(
        doc="The state store: sqlite:///PATH (relative to the repository's root), mysql+pymysql://… "
        "or postgresql+psycopg://….",
        default="sqlite:///state/reconcile.db",
        pattern=r"^(sqlite:///|mysql\+pymysql://|postgresql\+psycopg://).",
        examples=["sqlite:///state/reconcile.db", "postgresql+psycopg://reconcile@db.example.com/reconcile"],
    )


@dataclass(frozen=True, slots=True)
class Central:
    """The central system's database: licences, tenants, webhooks."""

    server: str = option(
        doc="The DatabaseServer that holds the central database.", default="main", pattern=metadata.NAME_PATTERN
    )
    database: str = option(doc="The central database's name.", default="license_manager", pattern=_IDENTIFIER)


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where finished credentials and licence files are handed over."""

    directory: str = option(
        doc="The folder with one folder a tenant; 0700, never inside what git tracks.",
        default="state/deliveries",
        min_length=1,
    )


@dataclass(frozen=True, slots=True)
class Keys:
    """Where sealing and signing keys are kept."""

    directory: str = option(doc="The folder of the keys; 0700, never committed.", default="state/keys", min_length=1)


@dataclass(frozen=True, slots=True)
class Trash:
    """What a deleted tenant leaves behind, and for how long."""

    directory: str = option(doc="The folder of deleted tenants' files and dumps.", default="state/trash", min_length=1)
    retention_days: int = option(
        doc="Days for which a deleted tenant is kept at least, before it may be purged.",
        default=30,
        minimum=0,
        maximum=36500,
    )


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a tenant gets that does not say otherwise."""

    server: str = option(
        doc="The DatabaseServer of a tenant that names none. A changed default moves no tenant.",
        default="main",
        pattern=metadata.NAME_PATTERN,
    )


@dataclass(frozen=True, slots=True)
class Guards:
    """What holds deletions back."""

    prune: bool = option(doc="Whether a tenant whose spec is removed goes to the trash at all.", default=False)
    max_deletes: int = option(doc="Most tenants that one apply sends to the trash.", default=3, minimum=0)
    max_delete_percent: int = option(
        doc="Most tenants that one apply deletes, in per cent of all; counts from 20 tenants on.",
        default=10,
        minimum=0,
        maximum=100,
    )
    protect: tuple[str, ...] = option(
        doc="Names of tenants that are never sent to the trash, and never purged.",
        default=(),
        pattern=metadata.NAME_PATTERN,
        unique_items=True,
    )


@dataclass(frozen=True, slots=True)
class Apply:
    """How changes are carried out."""

    parallel: int = option(doc="Tenants that are worked on at the same time.", default=4, minimum=1, maximum=64)
    lease_seconds: int = option(
        doc="How long a lease on a tenant holds whose holder gives no sign of life, in seconds.",
        default=30,
        minimum=5,
        maximum=3600,
    )


@dataclass(frozen=True, slots=True)
class Notification:
    """A receiver that is told how transactions ended: CloudEvents over HTTP, signed."""

    name: str = option(doc="Unique among the receivers.", pattern=metadata.NAME_PATTERN, examples=["ops"])
    url: str = option(
        doc="Where events are posted to.",
        pattern=r"^https?://[^\s'\"]+$",
        max_length=2048,
        examples=["https://ops.example.com/hooks/reconciler"],
    )
    secret_from: PasswordFrom | None = option(
        doc="Where the secret is read from with which each event is signed; absent means unsigned.", default=None
    )
    events: tuple[Literal["applied", "rolled-back", "stuck", "transition"], ...] = option(
        doc="Which ends it is told of; transition: when the daemon finds a condition of a tenant come, gone or turned.",
        default=("applied", "rolled-back", "stuck"),
        min_items=1,
        unique_items=True,
    )


@dataclass(frozen=True, slots=True)
class PlatformSpec:
    """The spec of the one ``Platform``."""

    state: State = option(doc="The state store.", default_factory=State)
    central: Central = option(doc="The central database.", default_factory=Central)
    delivery: Delivery = option(doc="Where deliveries go.", default_factory=Delivery)
    keys: Keys = option(doc="Where keys are kept.", default_factory=Keys)
    trash: Trash = option(doc="Where deleted tenants are kept.", default_factory=Trash)
    defaults: Defaults = option(doc="What a tenant gets that does not say otherwise.", default_factory=Defaults)
    guards: Guards = option(doc="What holds deletions back.", default_factory=Guards)
    apply: Apply = option(doc="How changes are carried out.", default_factory=Apply)
    notifications: tuple[Notification, ...] = option(doc="Who is told how transactions ended.", default=())
    daemon: Daemon = option(doc="How `reconcile daemon` works.", default_factory=Daemon)


@dataclass(frozen=True, slots=True)
class Tls:
    """How connections to the server are encrypted."""

    GROUPS: ClassVar[tuple[kind.Group, ...]] = (kind.needs("mode", "ca", value="verify"),)

    mode: Literal["disabled", "preferred", "required", "verify"] = option(
        doc="disabled; preferred: where the server offers it; required: always; verify: and the "
        "certificate is checked against `ca`.",
        default="disabled",
    )
    ca: str | None = option(
        doc="A PEM file with the authorities that are trusted; for `mode: verify`.", default=None, min_length=1
    )


@dataclass(frozen=True, slots=True)
class Advertise:
    """The address that deliveries tell applications, where it differs from the one used here."""

    host: str = option(doc="The host.", pattern=_HOST, examples=["db.example.com"])
    port: int | None = option(doc="The port; default: the server's.", default=None, minimum=1, maximum=65535)


@dataclass(frozen=True, slots=True)
class DatabaseServerSpec:
    """The spec of a ``DatabaseServer``."""

    GROUPS: ClassVar[tuple[kind.Group, ...]] = (
        kind.one_of("host", "socket"),
        kind.needs("socket", "advertise"),
    )

    host: str | None = option(doc="The host; or give `socket`.", default=None, pattern=_HOST, examples=["127.0.0.1"])
    socket: str | None = option(
        doc="The path of a Unix socket, instead of `host`; `advertise` is needed then.",
        default=None,
        min_length=1,
        examples=["/run/mysqld/mysqld.sock"],
    )
    port: int = option(doc="The port.", default=3306, minimum=1, maximum=65535)
    user: str = option(doc="The provisioning account.", default="provisioner", min_length=1, max_length=80)
    password_from: PasswordFrom | None = option(
        doc="Where the account's password is read from; absent means an empty password.", default=None
    )
    tls: Tls = option(doc="How the connection is encrypted.", default_factory=Tls)
    client_host: str = option(
        doc="The host part of the accounts that are made for tenants.", default="%", pattern=_HOST
    )
    advertise: Advertise | None = option(
        doc="What deliveries say; default: `host` and `port`. Required with `socket`.", default=None
    )
    trusted_accounts: tuple[str, ...] = option(
        doc="Accounts that may reach every tenant (backup, monitoring): USER or USER@HOST.",
        default=(),
        pattern="^[^@]{1,80}(@[^@]{1,255})?$",
        unique_items=True,
        examples=[["backup@localhost", "monitoring"]],
    )

    @property
    def advertised(self) -> tuple[str, int]:
        """Host and port as deliveries say them."""
        if self.advertise is not None:
            return self.advertise.host, self.advertise.port or self.port
        return self.host or "", self.port


PLATFORM: Final = kind.Kind(
    "Platform",
    PlatformSpec,
    doc="What holds for all tenants: the state store, the central database, folders, guards.",
    folder="specs/platform.yaml",
    examples=({"central": {"server": "main", "database": "license_manager"}, "guards": {"prune": False}},),
)
SERVER: Final = kind.Kind(
    "DatabaseServer",
    DatabaseServerSpec,
    doc="A MariaDB server that tenants' databases are made on.",
    folder="specs/servers",
    examples=(
        {"host": "127.0.0.1", "passwordFrom": {"env": "RECONCILE_MAIN_PASSWORD"}},
        {"socket": "/run/mysqld/mysqld.sock", "advertise": {"host": "db.example.com"}},
    ),
)
KINDS: Final = (PLATFORM, SERVER)
