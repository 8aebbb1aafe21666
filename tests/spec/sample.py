"""A made-up product for the tests of this floor: the real ones stand on a higher one."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from reconciler.spec import kind, platform
from reconciler.spec.kind import option


@dataclass(frozen=True, slots=True)
class Admin:
    name: str = option(doc="Who it is.", min_length=1, max_length=80, examples=["Ana Ruiz"])
    email: str = option(doc="Where mail goes.", format="email", examples=["ana@example.com"])


@dataclass(frozen=True, slots=True)
class Hook:
    name: str = option(doc="Its name.", pattern="^[a-z][a-z0-9-]*$", examples=["crm"])
    url: str = option(doc="Its address.", pattern="^https://", examples=["https://crm.example.com/hook"])
    events: tuple[str, ...] = option(doc="What it hears of.", min_items=1, unique_items=True)


@dataclass(frozen=True, slots=True)
class Match:
    GROUPS: ClassVar[tuple[kind.Group, ...]] = (kind.needs("mode", "ca", value="strict"),)

    match: int = option(doc="How many must agree.", default=2, minimum=1, maximum=4)
    of: tuple[Literal["mac", "disk", "board"], ...] = option(doc="Of which.", default=("mac", "disk"))
    from_: datetime.date | None = option(doc="From when on.", default=None)
    mode: Literal["strict", "loose"] = option(doc="How.", default="loose")
    ca: str | None = option(doc="A file.", default=None)


@dataclass(frozen=True, slots=True)
class ShopSpec:
    display_name: str = option(doc="Shown everywhere.", min_length=1, max_length=200, examples=["Sol"])
    server: str | None = option(doc="Where it lives.", default=None)
    plan: Literal["free", "pro"] = option(doc="What it pays for.", default="free")
    domain: str = option(doc="Its domain.", examples=["sol.example.com"])
    expires: datetime.date = option(doc="Its last day.", default=datetime.date(2099, 12, 31))
    ratio: float = option(doc="A share.", default=0.5, minimum=0, maximum=1)
    sync: bool = option(doc="Whether it is synchronised.", default=True)
    admin: Admin = option(doc="Its first user.")
    hooks: tuple[Hook, ...] = option(doc="Its webhooks.", default=())
    limits: dict[str, int | None] = option(
        doc="Bounds; nothing is no bound.", default_factory=dict, key_pattern="^[a-z]+$", minimum=0
    )
    match: Match = option(doc="Hardware.", default_factory=Match)
    extra: dict[str, Any] = option(doc="Anything.", default_factory=dict)
    state: Literal["active", "suspended"] = option(doc="Its state.", default="active")


SHOP = kind.Kind(
    "ShopTenant",
    ShopSpec,
    doc="A shop.",
    folder="specs/tenants",
    examples=(
        {
            "displayName": "Sol",
            "domain": "sol.example.com",
            "admin": {"name": "Ana", "email": "ana@example.com"},
            "match": {"of": ["mac"], "from": "2026-01-31"},
        },
    ),
)


@dataclass(frozen=True, slots=True)
class ProductSpec:
    prefix: str = option(doc="Of its databases.", default="shop_")


PRODUCT = kind.Kind("ShopProduct", ProductSpec, doc="The product.", folder="specs/products/shop")
KINDS = (*platform.KINDS, PRODUCT, SHOP)

PLATFORM = """\
apiVersion: reconciler/v1
kind: Platform
metadata: {name: default}
spec: {}
"""
SERVER = """\
apiVersion: reconciler/v1
kind: DatabaseServer
metadata: {name: main}
spec: {host: 127.0.0.1}
"""
TENANT = """\
# a shop
apiVersion: reconciler/v1
kind: ShopTenant
metadata:
  name: clinica-sol
  labels: {tier: gold}
spec:
  displayName: Clínica Sol
  server: main                    # default: platform
  plan: pro
  domain: clinica-sol.example.com
  expires: 2027-12-31
  admin: {name: Ana Ruiz, email: ana@example.com}
  hooks: [{name: crm, url: "https://crm.example.com/hook", events: [appointment.created]}]
  state: active
"""


def repository(root: Path, **files: str) -> Path:
    """A repository with a platform and a server; ``files`` are more, with ``__`` for ``/``."""
    everything = {"platform": PLATFORM, "servers__main": SERVER} | files
    for name, text in everything.items():
        path = root / "specs" / (name.replace("__", "/").replace("_", "-") + ".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root
