"""The specs of a repository as every command reads them: all kinds there are, all rules there are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from reconciler import errors, products
from reconciler.engine import judged
from reconciler.ports import cache
from reconciler.products.product import Product
from reconciler.spec import kind, load, nearest, platform, tree, validate
from reconciler.spec.document import Document

_RULES: Final = "rules"
_FEW: Final = 1000
"""Of more tenants that changed, the rules are asked of all."""


def kinds() -> list[kind.Kind]:
    """Every kind of document: the platform's, and each product's two."""
    found = products.discover().values()
    return [*platform.KINDS, *(one for product in found for one in (product.catalogue_kind, product.tenant_kind))]


def check(root: Path) -> tuple[tree.Tree, tuple[errors.Fault, ...]]:
    """The repository's tree, and everything that is wrong with it. Needs no server and no store."""
    specs = load.load(root, kinds())
    return specs, faults(specs)


def faults(specs: tree.Tree) -> tuple[errors.Fault, ...]:
    """Everything that is wrong with a tree. Where nothing was, and whatever all tenants stand on, the files that the
    rules read and this program are as they were then, the rules are asked only of the tenants that changed.
    """
    found = products.discover().values()
    stamp = _stamp(specs, found) if specs.digest else ""
    if not stamp:
        return _asked(specs, found)
    mine = judged.of(specs)
    before = judged.read(cache.read(specs.home or specs.root, _RULES, stamp))
    if before is not None and before.files == mine:
        return ()
    told = _told_apart(specs, found, mine, before) if before is not None else None
    if told is None:
        if wrong := _asked(specs, found):
            return wrong
        told = judged.words(specs.tenants, found, specs)
    if told is not None and stamp == _stamp(specs, found):
        cache.write(specs.home or specs.root, _RULES, stamp, judged.written(mine, told))
    return ()


def _asked(specs: tree.Tree, found: Iterable[Product]) -> tuple[errors.Fault, ...]:
    return validate.validate(specs, [_resources_known, *(product.rules for product in found)])


def _told_apart(
    specs: tree.Tree, found: Iterable[Product], mine: judged.Files, before: judged.Judged
) -> judged.Words | None:
    """What is compared of every tenant, where those that changed are right by themselves and have nothing in common
    with the others; None where that can't be told, or is not so.
    """
    changed = [document for document in specs.tenants if before.files.get(document.file) != mine[document.file]]
    if len(changed) > _FEW:
        return None
    fresh = judged.words(changed, found, specs)
    if fresh is None:
        return None
    stay = {file: words for file, words in before.words.items() if before.files[file] == mine.get(file)}
    others = set().union(*stay.values())
    if any(not others.isdisjoint(words) for words in fresh.values()):
        return None
    if _asked(replace(specs, documents=(*_ground(specs), *changed)), found):
        return None  # the rules say the same of all of them, and where the others stand
    return {**stay, **fresh}


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
    """What the rules stand on besides tenants; empty where that is not known."""
    reads = []
    for product in found:
        catalogue = product.catalogue(specs)
        reads.append(product.reads(specs.root, catalogue.spec) if catalogue is not None else "")
    told = [said for said in reads if said is not None]
    ground = sorted({(document.file, specs.contents[document.file]) for document in _ground(specs)})
    return cache.program(repr(ground), *told) if len(told) == len(reads) else ""


def _ground(specs: tree.Tree) -> list[Document]:
    return [document for document in specs.documents if not document.is_tenant]


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
