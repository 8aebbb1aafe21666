"""The rules between documents. What a product asks of its tenants is handed in as rules.

All faults are found at once. A rule that hangs on documents which could not be read stays silent rather
than blaming another line for it.
"""

from __future__ import annotations

import posixpath
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from reconciler import errors
from reconciler.spec import daemon_rules, platform
from reconciler.spec.document import Document
from reconciler.spec.marks import Path
from reconciler.spec.nearest import did_you_mean
from reconciler.spec.source import short, unplaced
from reconciler.spec.tree import Tree

Rule = Callable[[Tree], Iterable[errors.Fault]]

_PRODUCTS: Final = "specs/products"
_SERVERS: Final = platform.SERVER.folder
_SUSPEND: Final = "reconciler/suspend"


@dataclass(frozen=True, slots=True)
class Used:
    """A value that a document claims, and the path under which it does."""

    document: Document
    path: Path
    value: str


def validate(tree: Tree, rules: Iterable[Rule] = ()) -> tuple[errors.Fault, ...]:
    """Everything that is wrong in a tree, sorted by place: reading, schema, and all rules.

    A rule gets documents with faults too; their ``spec`` is None, and ``tree.valid`` leaves them out.
    """
    found = dict.fromkeys(tree.faults)
    for rule in (*RULES, *rules):
        found.update(dict.fromkeys(rule(tree)))
    return tuple(sorted(found, key=lambda fault: (fault.where, fault.rule, fault.message)))


def unique(used: Iterable[Used], what: str, *, rule: str) -> Iterator[errors.Fault]:
    """A fault at every value that an earlier one has already; ``what`` names it: "the domain".

    Values are compared as people read them: in Unicode's composed form and without case.
    """
    first: dict[str, Used] = {}
    for use in used:
        folded = fold(use.value)
        earlier = first.setdefault(folded, use)
        if earlier is not use:
            place = earlier.document.at(*earlier.path)
            owner = earlier.document.name or earlier.document.kind
            message = f"{what} {short(use.value)!r} is already used by {short(owner)!r} ({place})"
            hint = f"Give each its own; {what} counts without upper and lower case."
            yield use.document.fault(use.path, message, rule=rule, hint=hint)


def fold(value: str) -> str:
    """A value as ``unique`` compares it."""
    return value.casefold() if value.isascii() else unicodedata.normalize("NFC", value).casefold()


def one_platform(tree: Tree) -> Iterator[errors.Fault]:
    """Exactly one ``Platform``."""
    first, *others = tree.of(platform.PLATFORM.name) or (None,)
    if first is None and not any(tree.is_unread(f"specs/platform.{suffix}") for suffix in ("yaml", "yml")):
        hint = "`reconcile init DIR` makes one."
        yield unplaced(platform.PLATFORM.folder, "there is no Platform", rule="no-platform", hint=hint)
    for document in others:
        message = f"a second Platform; the first is at {document_place(first)}"
        yield document.fault((), message, rule="second-platform", hint="Keep one of the two.")


def some_server(tree: Tree) -> Iterator[errors.Fault]:
    """At least one ``DatabaseServer``."""
    if not tree.of(platform.SERVER.name) and not tree.is_unread(_SERVERS):
        message = "there is no DatabaseServer"
        hint = "Describe one in a file of this folder; `reconcile init DIR` shows how."
        yield unplaced(_SERVERS, message, rule="no-server", hint=hint)


def names_unique(tree: Tree) -> Iterator[errors.Fault]:
    """Tenants share one space of names over all products; servers have one of their own."""
    yield from unique(_names(tree.tenants), "the tenant name", rule="duplicate-name")
    yield from unique(_names(tree.of(platform.SERVER.name)), "the server name", rule="duplicate-name")


def one_document_a_product(tree: Tree) -> Iterator[errors.Fault]:
    """A product is described once."""
    for kind in tree.kinds:
        if not kind.folder.startswith(_PRODUCTS):
            continue
        first, *others = tree.of(kind.name) or (None,)
        for document in others:
            message = f"a second {kind.name}; the first is at {document_place(first)}"
            yield document.fault((), message, rule="second-product", hint="Keep one of the two.")


def servers_known(tree: Tree) -> Iterator[errors.Fault]:
    """Every server that is named exists: by tenants, as the default, for the central database."""
    if tree.is_unread(_SERVERS):
        return
    known = [document.name for document in tree.of(platform.SERVER.name)]
    if not known:
        return
    for document in tree.of(platform.PLATFORM.name):
        if document.spec is not None:
            yield from _server(document, ("spec", "defaults", "server"), document.spec.defaults.server, known)
            yield from _server(document, ("spec", "central", "server"), document.spec.central.server, known)
    for document in tree.tenants:
        named = document.get("spec", "server")
        if isinstance(named, str):
            yield from _server(document, ("spec", "server"), named, known)


def folders_apart(tree: Tree) -> Iterator[errors.Fault]:
    """Deliveries, keys and trash lie apart from each other and from the specs: they have other readers."""
    for document in tree.valid(platform.PLATFORM.name):
        seen: list[tuple[str, str]] = [("specs", "specs")]
        for key in ("keys", "delivery", "trash"):
            path = posixpath.normpath(getattr(document.spec, key).directory)
            for other, taken in seen:
                if _overlap(path, taken):
                    where = ("spec", key, "directory")
                    message = f"the folder {path!r} of `{key}` and the folder {taken!r} of `{other}` overlap"
                    yield document.fault(where, message, rule="folders-overlap", hint="Give each its own.")
            seen.append((key, path))


def receivers_unique(tree: Tree) -> Iterator[errors.Fault]:
    """Each receiver of notifications has a name of its own."""
    for document in tree.valid(platform.PLATFORM.name):
        named = (
            Used(document, ("spec", "notifications", number, "name"), receiver.name)
            for number, receiver in enumerate(document.spec.notifications)
        )
        yield from unique(named, "the receiver's name", rule="duplicate-name")


def only_tenants_held(tree: Tree) -> Iterator[errors.Fault]:
    """An annotation that holds a tenant would promise on another document what is not kept."""
    for document in tree.documents:
        if _SUSPEND in document.annotations and document.definition is not None and not document.is_tenant:
            path = ("metadata", "annotations", _SUSPEND)
            message = f"the annotation {_SUSPEND} holds tenants, and this is a {document.kind}"
            hint = "Take it out. `reconcile pause` holds the whole daemon."
            yield document.fault(path, message, rule="no-effect", hint=hint, on_key=True)


RULES: Final[tuple[Rule, ...]] = (
    only_tenants_held,
    one_platform,
    some_server,
    names_unique,
    one_document_a_product,
    servers_known,
    folders_apart,
    receivers_unique,
    daemon_rules.freeze_windows_sound,
    daemon_rules.review_has_a_forge,
)


def document_place(document: Document | None) -> str:
    """Where a document begins, as a message says it."""
    return str(document.where) if document is not None else ""


def _names(documents: Iterable[Document]) -> Iterator[Used]:
    return (Used(one, ("metadata", "name"), one.name) for one in documents if one.name)


def _server(document: Document, path: Path, named: str, known: list[str]) -> Iterator[errors.Fault]:
    if named not in known:
        hint = did_you_mean(named, known)
        message = f"there is no DatabaseServer {short(named)!r}"
        if document.get(*path) is None:
            message += f", and it is the default of `{'.'.join(str(part) for part in path)}`"
        yield document.fault(path, message, rule="unknown-server", hint=hint)


def _overlap(one: str, other: str) -> bool:
    return one == other or "." in (one, other) or one.startswith(other + "/") or other.startswith(one + "/")
