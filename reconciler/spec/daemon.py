"""How ``reconcile daemon`` works: what it watches, when it acts, whom it tells. A part of the ``Platform``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from reconciler.spec import kind
from reconciler.spec.kind import option
from reconciler.spec.passwords import PasswordFrom

_TIME: Final = "^([01][0-9]|2[0-3]):[0-5][0-9]$"

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Healing = Literal["off", "report", "heal"]


@dataclass(frozen=True, slots=True)
class Retry:
    """When something that failed is tried again: after a random part of a wait that doubles."""

    first_seconds: float = option(
        doc="Longest wait before the first retry, in seconds.", default=2, minimum=0.1, maximum=3600
    )
    longest_seconds: float = option(doc="Longest wait ever, in seconds.", default=900, minimum=1, maximum=86400)


@dataclass(frozen=True, slots=True)
class Verify:
    """Whose commits are trusted. Every commit since the last trusted one has to carry a good signature."""

    signers: str = option(
        doc="The file of allowed signers, in OpenSSH's format: a path in the repository, read from the last trusted "
        "commit, or an absolute path outside of it.",
        min_length=1,
        examples=["allowed_signers", "/etc/reconciler/allowed_signers"],
    )


@dataclass(frozen=True, slots=True)
class DriftSweep:
    """How often the daemon looks for drift, and what it does about it."""

    every_seconds: int = option(
        doc="Seconds between two sweeps, give or take a fifth.", default=900, minimum=10, maximum=86400
    )
    policy: Healing = option(
        doc="heal: what a plan would repair is repaired; report: the condition Drifted says so; off: no sweeps.",
        default="heal",
    )
    resources: dict[str, Healing] = option(
        doc="Another policy for a kind of resource, as plans name it. A tenant is healed only if all of "
        "its drift may be.",
        default_factory=dict,
        key_pattern="^[a-z][a-z-]*$",
        examples=[{"grants": "report"}],
    )
    heals_an_hour: int = option(
        doc="Most tenants that are healed within an hour; further ones are reported.", default=50, minimum=0
    )


@dataclass(frozen=True, slots=True)
class Daily:
    """A window that comes on days of the week. One that ends before it begins ends on the next day."""

    start: str = option(doc="When it begins.", pattern=_TIME, examples=["22:00"])
    end: str = option(doc="When it ends.", pattern=_TIME, examples=["06:00"])
    days: tuple[Day, ...] = option(
        doc="The days on which it begins.",
        default=("mon", "tue", "wed", "thu", "fri", "sat", "sun"),
        min_items=1,
        unique_items=True,
    )


@dataclass(frozen=True, slots=True)
class Once:
    """A window that comes once: two moments, as RFC 3339 writes them."""

    start: str = option(doc="When it begins.", format="date-time", examples=["2027-12-24T00:00:00Z"])
    end: str = option(doc="When it ends.", format="date-time", examples=["2027-12-27T00:00:00Z"])


@dataclass(frozen=True, slots=True)
class Window:
    """Times at which nothing is started. What runs when one begins is finished or undone."""

    GROUPS: ClassVar[tuple[kind.Group, ...]] = (kind.one_of("daily", "once"),)

    name: str = option(doc="What it is called in conditions and logs.", min_length=1, examples=["night"])
    reason: str = option(doc="Why nothing is started then.", min_length=1, examples=["backups run"])
    by: str = option(doc="Who asked for it.", min_length=1, examples=["Ana Ruiz"])
    timezone: str = option(doc="The time zone of its times.", default="UTC", max_length=64)
    daily: Daily | None = option(doc="It comes again and again.", default=None)
    once: Once | None = option(doc="It comes once.", default=None)


@dataclass(frozen=True, slots=True)
class GitHub:
    """A repository on GitHub, which is told how what was merged ended."""

    repository: str = option(doc="OWNER/NAME.", pattern="^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$", examples=["acme/tenants"])
    token_from: PasswordFrom = option(
        doc="Where the token is read from: commit statuses and pull requests, read and write."
    )
    api: str = option(
        doc="The API's address.",
        default="https://api.github.com",
        pattern=r"^https?://[^\s'\"]+$",
        examples=["https://github.example.com/api/v3"],
    )
    reviewers: tuple[str, ...] = option(
        doc="The accounts whose comments count as reviewed plans: those as which CI comments. "
        "The names of apps end with [bot].",
        default=("github-actions[bot]",),
        pattern=r"^[A-Za-z0-9_-]+(\[bot\])?$",
        min_items=1,
        unique_items=True,
    )


@dataclass(frozen=True, slots=True)
class Forge:
    """Where pull requests are made, so that they can be told what became of them."""

    GROUPS: ClassVar[tuple[kind.Group, ...]] = (kind.one_of("github"),)

    github: GitHub | None = option(doc="A repository on GitHub.", default=None)


@dataclass(frozen=True, slots=True)
class Daemon:
    """How ``reconcile daemon`` works."""

    poll_seconds: float = option(
        doc="Seconds between two looks at the source, give or take a fifth.", default=60, minimum=1, maximum=86400
    )
    retry: Retry = option(doc="When something that failed is tried again.", default_factory=Retry)
    per_server: int = option(
        doc="Most tenants of one database server that are worked on at the same time.",
        default=4,
        minimum=1,
        maximum=64,
    )
    tenant_seconds: float = option(
        doc="How long the work on one tenant may take before it is undone, in seconds.",
        default=600,
        minimum=10,
        maximum=86400,
    )
    grace_seconds: float = option(
        doc="How long SIGTERM waits for what is open before it is undone, in seconds.",
        default=60,
        minimum=0,
        maximum=3600,
    )
    verify: Verify | None = option(doc="Whose commits are trusted; absent: no signature is looked at.", default=None)
    hook_secret_from: PasswordFrom | None = option(
        doc="Where the secret of the push hook is read from; absent: the hook is closed.", default=None
    )
    drift: DriftSweep = option(doc="Looking for drift.", default_factory=DriftSweep)
    freeze: tuple[Window, ...] = option(doc="Times at which nothing is started.", default=())
    review: Literal["off", "warn", "require"] = option(
        doc="Whether what is applied has to be no riskier than the plan that was shown in the pull request. "
        "warn: it is applied and said; require: it is not applied. Needs `forge`.",
        default="off",
    )
    forge: Forge | None = option(doc="Where pull requests are made.", default=None)
