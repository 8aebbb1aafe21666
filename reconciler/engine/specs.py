"""The specs of a repository as every command reads them: all kinds there are, all rules there are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Final

from reconciler import errors, products
from reconciler.ports import cache
from reconciler.products.product import Product
from reconciler.spec import kind, load, nearest, platform, tree, validate

_RULES: Final = "rules"
_SOUND: Final = b"no faults\n"


def kinds() -> list[kind.Kind]:
    """Every kind of document: the platform's, and each product's two."""
    found = products.discover().values()
    return [*platform.KINDS, *(one for product in found for one in (product.catalogue_kind, product.tenant_kind))]


def check(root: Path) -> tuple[tree.Tree, tuple[errors.Fault, ...]]:
    """The repository's tree, and everything that is wrong with it. Needs no server and no store."""
    specs = load.load(root, kinds())
    return specs, faults(specs)


def faults(specs: tree.Tree) -> tuple[errors.Fault, ...]:
    """Everything that is wrong with a tree. Where nothing was, and every document, every file that the rules read and
    this program are as they were then, the rules are not asked again.
    """
    found = products.discover().values()
    stamp = _stamp(specs, found) if specs.digest else ""
    if stamp and cache.read(specs.root, _RULES, stamp) == _SOUND:
        return ()
    wrong = validate.validate(specs, [_resources_known, *(product.rules for product in found)])
    if stamp and not wrong and stamp == _stamp(specs, found):
        cache.write(specs.root, _RULES, stamp, [_SOUND])
    return wrong


def _resources_known(specs: tree.Tree) -> Iterator[errors.Fault]:
    """Every kind of resource that the daemon has a policy for exists."""
    for document in specs.valid(platform.PLATFORM.name):
        for named in document.spec.daemon.drift.resources:
            from reconciler.resources import kinds as resources  # every kind, which most commands don't need

            if named not in resources.all_kinds():
                yield document.fault(
                    ("spec", "daemon", "drift", "resources", named),
                    f"there is no kind of resource {named!r}",
                    rule="unknown-resource",
                    hint=nearest.did_you_mean(named, sorted(resources.all_kinds())),
                    on_key=True,
                )


def _stamp(specs: tree.Tree, found: Iterable[Product]) -> str:
    """What the rules stand on; empty where that is not known."""
    reads = []
    for product in found:
        catalogue = product.catalogue(specs)
        reads.append(product.reads(specs.root, catalogue.spec) if catalogue is not None else "")
    told = [said for said in reads if said is not None]
    return cache.program(specs.digest, *told) if len(told) == len(reads) else ""


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
