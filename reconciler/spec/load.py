"""A specs repository's documents, typed, with everything that is wrong with them.

``load`` reads a folder. A caller that has the files elsewhere (in git's object store) parses each with
``parse`` and puts the tree together with ``assemble``; what ``parse`` gives depends on the file's name and
text only, so it can be kept by the blob's id.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler import errors
from reconciler.spec import build, folder, kept, metadata
from reconciler.spec.document import Document
from reconciler.spec.kind import API_VERSION, Kind
from reconciler.spec.source import Source
from reconciler.spec.tree import Tree

if TYPE_CHECKING:
    from reconciler.spec import reader


@dataclass(frozen=True, slots=True)
class Parsed:
    """What one file holds. Unless ``complete``, documents may be hidden behind a fault."""

    file: str
    documents: tuple[Document, ...]
    faults: tuple[errors.Fault, ...]
    complete: bool


def load(root: Path, kinds: Sequence[Kind]) -> Tree:
    """The tree below ``root``. ``kinds`` are all that may be met, those of the products too.

    Never raises for what a person can write or for a file that can't be read: that is a fault of the tree.
    """
    shelf = kept.Shelf(root, kinds)

    def known(file: str, state: os.stat_result) -> Parsed | None:
        documents = shelf.unchanged(file, state)
        return None if documents is None else Parsed(file, documents, (), complete=True)

    files = [_parsed(file, kinds, shelf) for file in folder.read(root, known)]
    shelf.save()
    return told(assemble(root, kinds, files), shelf)


def told(tree: Tree, shelf: kept.Shelf) -> Tree:
    """The tree, with what tells it apart from others if all of it was right."""
    if tree.faults:
        return tree
    contents: dict[str, str] = {}
    for document in tree.documents:
        if not isinstance(document, kept.Kept):
            return tree
        contents[document.file] = document.content
    digest = hashlib.sha256("".join([shelf.stamp, *contents.values()]).encode()).hexdigest()
    return replace(tree, digest=digest, contents=contents)


def assemble(root: Path, kinds: Sequence[Kind], files: Iterable[Parsed]) -> Tree:
    """A tree from parsed files, in the order of their names."""
    in_order = sorted(files, key=lambda parsed: parsed.file)
    return Tree(
        root,
        documents=tuple(document for parsed in in_order for document in parsed.documents),
        faults=tuple(fault for parsed in in_order for fault in parsed.faults),
        kinds=tuple(kinds),
        unread=frozenset(parsed.file for parsed in in_order if not parsed.complete),
    )


def _parsed(source: Source | errors.Fault | Parsed, kinds: Sequence[Kind], shelf: kept.Shelf) -> Parsed:
    return source if isinstance(source, Parsed) else remembered(source, kinds, shelf)


def remembered(source: Source | errors.Fault, kinds: Sequence[Kind], shelf: kept.Shelf) -> Parsed:
    """The documents of one file, as they were kept or as they are read now."""
    if isinstance(source, errors.Fault):
        return parse(source, kinds)
    if (documents := shelf.documents(source)) is not None:
        return Parsed(source.file, documents, (), complete=True)
    parsed = parse(source, kinds)
    if parsed.complete and not parsed.faults:
        return replace(parsed, documents=shelf.keep(source, parsed.documents))
    return parsed


def parse(source: Source | errors.Fault, kinds: Sequence[Kind]) -> Parsed:
    """The documents of one file, or of the fault that hid it."""
    if isinstance(source, errors.Fault):
        return Parsed(source.where.file, (), (source,), complete=False)
    from reconciler.spec import reader  # YAML, which is seldom read again

    reading = reader.read(source)
    faults = list(reading.faults)
    refused = {fault.where for fault in reading.faults}
    documents = []
    complete = reading.complete
    for raw in reading.documents:
        if isinstance(raw.data, dict):
            document, found = _document(source, raw, kinds)
            documents.append(document)
            # What the reader refused is nothing in the data; once said is enough.
            faults.extend(fault for fault in found if fault.where not in refused)
            # Whose document it is stays unknown, so nothing that was read from here counts as absent.
            known = raw.sound and bool(document.name) and document.definition is not None
            complete = complete and known
        else:
            where = raw.marks.start
            message = "a document is a mapping with apiVersion, kind, metadata and spec"
            faults.append(source.fault(where.line, where.column, message, rule="not-a-mapping"))
            complete = False
    if not reading.documents and reading.complete:
        hint = "Delete the file if that is meant; an empty file may as well be a failed write."
        faults.append(source.fault(1, 1, "the file holds no document", rule="empty-file", hint=hint))
        complete = False
    faults.sort(key=lambda fault: fault.where)
    return Parsed(source.file, tuple(documents), tuple(faults), complete)


def _document(source: Source, raw: reader.Raw, kinds: Sequence[Kind]) -> tuple[Document, list[errors.Fault]]:
    data = raw.data
    named = data.get("kind")
    definition = next((kind for kind in kinds if kind.name == named), None)
    described = data.get("metadata")
    described = described if isinstance(described, dict) else {}
    name = described.get("name")

    def made(spec: Any) -> Document:
        return Document(
            kind=named if isinstance(named, str) else "",
            name=name if isinstance(name, str) else "",
            labels=_mapping(described.get("labels")),
            annotations=_mapping(described.get("annotations")),
            spec=spec,
            data=data,
            where=raw.marks.start,
            marks=raw.marks,
            source=source,
            definition=definition,
        )

    if raw.sound and definition is not None and definition.belongs(source.file) and _is_framed(data):
        try:
            return made(definition.builder(data["spec"])), []
        except build.Mismatch:
            pass
    return _slowly(made, definition, kinds, sound=raw.sound)


def _is_framed(data: dict[str, Any]) -> bool:
    """Whether everything around the spec is right, without asking the schema."""
    return (
        data.keys() == {"apiVersion", "kind", "metadata", "spec"}
        and data["apiVersion"] == API_VERSION
        and metadata.is_plain(data["metadata"])
    )


def _slowly(
    made: Any, definition: Kind | None, kinds: Sequence[Kind], *, sound: bool
) -> tuple[Document, list[errors.Fault]]:
    """The document with all its faults, when the fast path did not take it."""
    document: Document = made(None)
    faults = list(_frame(document, kinds))
    if definition is None:
        return document, faults
    from reconciler.spec import check  # jsonschema is only for documents in which something is wrong

    ruled = {fault.rule for fault in faults}
    for found in check.findings(definition, document.data):
        if not (found.path == ("apiVersion",) and "api-version" in ruled):
            faults.append(
                document.fault(found.path, found.message, rule=found.rule, hint=found.hint, on_key=found.on_key)
            )
    if faults or not sound:
        return document, faults
    try:
        return made(definition.builder(document.data["spec"])), []
    except build.Mismatch as mismatch:
        # The schema can't say everything, such as that no number in free data may be infinite.
        return document, [document.fault(("spec", *mismatch.path), mismatch.message, rule="schema")]


def _frame(document: Document, kinds: Sequence[Kind]) -> Iterable[errors.Fault]:
    """Faults of ``apiVersion``, ``kind``, and the place of the file."""
    from reconciler.spec import wording
    from reconciler.spec.nearest import did_you_mean

    version = document.data.get("apiVersion")
    if "apiVersion" in document.data and version != API_VERSION:
        message = f"apiVersion is {wording.said(version)}; this program reads {API_VERSION}"
        yield document.fault(("apiVersion",), message, rule="api-version", hint=f"apiVersion: {API_VERSION}")
    if document.definition is None:
        names = [kind.name for kind in kinds]
        if "kind" in document.data:
            named = document.data["kind"]
            message = f"`kind` is {wording.said(named)}, which is unknown"
            hint = did_you_mean(named if isinstance(named, str) else "", names)
            yield document.fault(("kind",), message, rule="unknown-kind", hint=hint)
        else:
            message = "the document has no `kind`"
            yield document.fault((), message, rule="missing-key", hint=did_you_mean("", names))
    elif not document.definition.belongs(document.file):
        message = f"a document of kind {document.kind} does not belong in this file"
        hint = f"Move it to {document.definition.place}."
        yield document.fault(("kind",), message, rule="wrong-folder", hint=hint)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
