"""Trees in which the rules found nothing wrong: the tenants' files as they were, and what the rules compared of them.

A tenant that has changed needs to be compared with all others, and they need not be read for that: of each, the words
that a product's rules compare are kept, as short digests. Two that seem to be one only make the rules be asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.products.product import Product
from reconciler.spec import tree, validate
from reconciler.spec.document import Document

Files = Mapping[str, str]
"""What tells the content of each file with tenants, by its name."""

Words = dict[str, list[str]]
"""What is compared of the tenants in a file, by its name."""

_HEAD: Final = b"no faults"
_OCTETS: Final = 8


@dataclass(frozen=True, slots=True)
class Judged:
    """A tree that was right."""

    files: Files
    words: Words


def of(specs: tree.Tree) -> Files:
    """The files with tenants of a tree that has a digest."""
    return {document.file: specs.contents[document.file] for document in specs.tenants}


def words(tenants: Iterable[Document], products: Iterable[Product], specs: tree.Tree) -> Words | None:
    """What is compared of these tenants, by their files; None where a product does not say, or something twice."""
    found: Words = {}
    sold = {product.tenant_kind.name: (product, product.catalogue(specs)) for product in products}
    for document in tenants:
        product, catalogue = sold[document.kind]
        told = product.words(document, catalogue.spec) if catalogue is not None else None
        if told is None:
            return None
        said = {f"name {validate.fold(document.name)}", *(f"{product.name} {word}" for word in told)}
        found.setdefault(document.file, []).extend(map(_short, said))
    return found


def read(body: bytes) -> Judged | None:
    """What was written; None where nothing of the kind was."""
    head, *lines = body.split(b"\n")
    if head != _HEAD:
        return None
    files: dict[str, str] = {}
    told: Words = {}
    try:
        for line in lines:
            file, content, said = line.decode().split("\t")
            files[file] = content
            told[file] = said.split(" ")
    except ValueError:
        return None
    return Judged(files, told)


def written(files: Files, told: Words) -> Iterator[bytes]:
    """A tree that was right, to be read again."""
    yield _HEAD
    for file, content in files.items():
        yield f"\n{file}\t{content}\t{' '.join(told[file])}".encode()


def _short(word: str) -> str:
    return hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=_OCTETS).hexdigest()
