"""Rules and bits of specs that products tend to share. A product calls what it wants; nothing here decides for it."""

from __future__ import annotations

import hashlib
import json
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from reconciler import errors
from reconciler.model import names
from reconciler.model.secret import Secret
from reconciler.model.server import Server
from reconciler.ports import cache
from reconciler.spec.document import Document
from reconciler.spec.kind import Kind, option
from reconciler.spec.marks import Path
from reconciler.spec.nearest import did_you_mean
from reconciler.spec.tree import Tree

if TYPE_CHECKING:
    from reconciler.resources import scripts

PREFIX: Final = "^[a-z][a-z0-9]{0,14}_$"
"""Ends with ``_``, so that one product's prefix is never the beginning of a name of another's."""

ONE_LINE: Final = r"^[^\x00-\x1f\x7f]*$"
PRIVILEGES: Final = ("SELECT", "INSERT", "UPDATE", "DELETE", "EXECUTE")
PRIVILEGE: Final = "^[A-Z]+( [A-Z]+)*$"
_CANONICAL: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
_SOUND: Final = b"no refusals\n"
_ALLOWED: Final = frozenset({*PRIVILEGES, "CREATE TEMPORARY TABLES", "LOCK TABLES", "SHOW VIEW"})


@dataclass(frozen=True, slots=True)
class Import:
    """How a product's SQL files are taken in."""

    map_database: str | None = option(
        doc="The database that the files were made of: what makes or chooses it is left out, and its name taken away.",
        default=None,
        min_length=1,
        max_length=64,
        examples=["sakila"],
    )


def scripts_of(root: pathlib.Path, catalogue: Any) -> scripts.Scripts:
    """A product's SQL files; its catalogue has ``schema``, and perhaps ``import_``. Errors: as for ``scripts.load``."""
    from reconciler.resources import scripts  # all that reads SQL, which is seldom read again

    wanted: Import | None = getattr(catalogue, "import_", None)
    return scripts.load(root, catalogue.schema, (wanted and wanted.map_database) or "")


def digest_of(root: pathlib.Path, *locations: str) -> str | None:
    """A digest over the files at ``locations`` below ``root``, each a folder with all that is in it, or a file; None
    where they can't be read.
    """
    told: list[str] = []
    settled = cache.settled()
    try:
        for location in locations:
            place = root / location
            folder = place if place.is_dir() else place.parent
            found = sorted(folder.rglob("*"))
            if any(path.is_symlink() and path.is_dir() for path in found):
                return None  # what is behind it is not listed
            for path in (path for path in found if path.is_file()):
                # What stands beside a single file may be read by it; it is told by its state, for it may be much.
                state = cache.state(path.stat(), settled).decode()
                if not state or path == place or folder == place:
                    with path.open("rb") as stream:
                        state = hashlib.file_digest(stream, "sha256").hexdigest()
                told += [str(path.relative_to(root)), state]
    except (OSError, ValueError):
        return None
    return hashlib.sha256("\0".join(told).encode("utf-8", "surrogateescape")).hexdigest()


def json_text(value: Any) -> str:
    """Canonical JSON, for a text column."""
    return _CANONICAL(value)


def database_pairs(server: Server, database: str, user: str, secret: Secret) -> tuple[tuple[str, str | Secret], ...]:
    """The lines of ``.env`` that an application connects with."""
    host, port = server.advertise
    return (
        ("DB_HOST", host),
        ("DB_PORT", str(port)),
        ("DB_DATABASE", database),
        ("DB_USERNAME", user),
        ("DB_PASSWORD", secret),
    )


def known(
    tenants: Iterable[Document],
    path: Path,
    value: Callable[[Any], str],
    codes: Sequence[str],
    what: str,
    catalogue: Document,
) -> Iterator[errors.Fault]:
    """Whether each tenant's ``value`` is one of the catalogue's codes."""
    for entry in tenants:
        wanted = value(entry.spec)
        if wanted not in codes:
            hint = did_you_mean(wanted, codes)
            message = f"there is no {what} {wanted!r} in {catalogue.file}"
            yield entry.fault(path, message, rule=f"unknown-{what}", hint=hint)


def without_catalogue(tree: Tree, kind: Kind, tenants: Sequence[Document]) -> Iterator[errors.Fault]:
    """Tenants of a product that the repository does not describe; silent where the document may be unreadable."""
    if tree.of(kind.name) or tree.is_unread(kind.folder):
        return
    for entry in tenants:
        hint = f"Add {kind.folder}/product.yaml; `reconcile init DIR` makes one."
        yield entry.fault(("kind",), f"the repository has no {kind.name}", rule="no-product", hint=hint)


def unique_codes(catalogue: Document, path: Path, codes: Sequence[str]) -> Iterator[errors.Fault]:
    """Whether a catalogue lists a code twice."""
    for index, code in enumerate(codes):
        if code in codes[:index]:
            at = (*path, index, "code")
            yield catalogue.fault(at, f"the code {code!r} is listed twice", rule="duplicate-code")


def unique_names(entry: Document, path: Path, items: Sequence[Any], what: str) -> Iterator[errors.Fault]:
    """Whether a tenant's list has two entries of one name, without case and with ``-`` read as ``_``."""
    seen: set[str] = set()
    for index, item in enumerate(items):
        folded = item.name.casefold().replace("-", "_")
        if folded in seen:
            message = f"two entries are called {item.name!r}"
            yield entry.fault((*path, index, "name"), message, rule=f"duplicate-{what}", hint="Names are unique here.")
        seen.add(folded)


def prefix(catalogue: Document) -> Iterator[errors.Fault]:
    """Whether the databases' prefix is safe, and the application's privileges are such as an application needs."""
    if catalogue.spec.database_prefix.startswith("test"):
        yield catalogue.fault(
            ("spec", "databasePrefix"),
            "a prefix that begins with `test` is refused: many servers grant such databases to everybody",
            rule="public-prefix",
            hint="Choose another prefix.",
        )
    for index, privilege in enumerate(catalogue.spec.privileges):
        if privilege not in _ALLOWED:
            yield catalogue.fault(
                ("spec", "privileges", index),
                f"an application's account does not get {privilege!r}",
                rule="unknown-privilege",
                hint=did_you_mean(privilege, sorted(_ALLOWED)) or f"Allowed: {', '.join(sorted(_ALLOWED))}.",
            )


def scripts_allowed(tree: Tree, catalogue: Document) -> Iterator[errors.Fault]:
    """Everything that the product's SQL files hold and a tenant's script may not do. Files in which there was nothing
    are not read again as long as all of them, the catalogue and this program are the same.
    """
    digest = digest_of(tree.root, catalogue.spec.schema)
    name = f"scripts-{hashlib.sha256(catalogue.kind.encode()).hexdigest()[:16]}"
    stamp = cache.program(catalogue.digest, digest or "")
    if digest is not None and cache.read(tree.root, name, stamp) == _SOUND:
        return
    try:
        refusals = scripts_of(tree.root, catalogue.spec).refusals
    except errors.PlatformMisconfigured as error:
        yield catalogue.fault(("spec", "schema"), error.message, rule="no-schema")
        return
    yield from refusals
    if digest is not None and digest == digest_of(tree.root, catalogue.spec.schema) and not refusals:
        cache.write(tree.root, name, stamp, [_SOUND])


def databases_apart(tenants: Iterable[tuple[Document, str]]) -> Iterator[errors.Fault]:
    """Whether two tenants would get one database or account, without case and after shortening."""
    seen: dict[str, Document] = {}
    for entry, database in tenants:
        for name in _on_server(database):
            earlier = seen.setdefault(name.casefold(), entry)
            if earlier is not entry:
                yield entry.fault(
                    ("metadata", "name"),
                    f"the name {name!r} on the server is already that of {earlier.name!r} ({earlier.where})",
                    rule="duplicate-database",
                    hint="Choose a name that differs in more than its end.",
                )
                break


def words_of_database(database: str) -> list[str]:
    """What ``databases_apart`` compares of a tenant, for ``Product.words``."""
    return [f"database {name.casefold()}" for name in _on_server(database)]


def _on_server(database: str) -> set[str]:
    return {database, names.owner(database)} if database else set()
