"""The specs of a repository as every command reads them: all kinds there are, all rules there are."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from reconciler import errors, products
from reconciler.spec import kind, load, platform, tree, validate


def kinds() -> list[kind.Kind]:
    """Every kind of document: the platform's, and each product's two."""
    found = products.discover().values()
    return [*platform.KINDS, *(one for product in found for one in (product.catalogue_kind, product.tenant_kind))]


def check(root: Path) -> tuple[tree.Tree, tuple[errors.Fault, ...]]:
    """The repository's tree, and everything that is wrong with it. Needs no server and no store."""
    specs = load.load(root, kinds())
    return specs, validate.validate(specs, [product.rules for product in products.discover().values()])


def harmless(specs: tree.Tree, fault: errors.Fault, tenants: Collection[str]) -> bool:
    """Whether ``fault`` is no reason to leave ``tenants`` alone: it is another tenant's, in a file of others.

    If one of them can't be found, it may stand behind any fault.
    """
    files = {document.name: document.file for document in specs.tenants if document.name in tenants}
    if not tenants or files.keys() != set(tenants):
        return False
    return in_tenants(fault) and fault.where.file not in files.values()


def in_tenants(fault: errors.Fault) -> bool:
    """Whether the fault lies in a tenant's file, and not in what all tenants stand on."""
    return fault.where.file.startswith(kind.TENANTS + "/")
