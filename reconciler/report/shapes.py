"""The JSON Schemas of what ``--format json`` prints: ``schemas/output/``, beside those of the kinds of documents.

They say what this version prints, member by member; a later one may print more within the same ``formatVersion``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from reconciler.model.outcome import Result
from reconciler.model.plan import SUMMARY_ORDER, Action
from reconciler.report import data

FOLDER: Final = "output"
SUFFIX: Final = ".schema.json"

Schema = dict[str, Any]


def all_of_them() -> Mapping[str, Schema]:
    """Every schema by its command."""
    return {"plan": plan(), "apply": apply(), "validate": validate()}


def text(schema: Schema) -> str:
    """A schema as its file has it."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def write(schemas: Path) -> None:
    """Write the files into their folder below ``schemas``. Raises ``OSError``."""
    folder = schemas / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for command, schema in all_of_them().items():
        (folder / f"{command}{SUFFIX}").write_text(text(schema), encoding="utf-8")


def plan() -> Schema:
    """``reconcile plan --format json``."""
    counts = {action: _count(f"How many tenants have the action {action}.") for action in SUMMARY_ORDER}
    return _document(
        "plan",
        "What `reconcile plan --format json` prints.",
        {
            "revision": _text("What the plan was made from: <branch>@sha1:<40 hex>, or specs@sha256:<64 hex>."),
            "createdAt": _text("When it was made, UTC.", format="date-time"),
            "deep": {"type": "boolean", "description": "Whether it also looked at what takes long to look at."},
            "snapshot": _maybe(
                _object(
                    "What the plan was made from where nobody looked at the servers; null where somebody did.",
                    {
                        "createdAt": _text("When the snapshot was taken, UTC.", format="date-time"),
                        "ageSeconds": _count("How old it was when the plan was made."),
                    },
                )
            ),
            "fingerprint": _digest("Equal for plans that do the same."),
            "summary": _object("How many tenants have which action.", counts),
            "platform": _list("What comes before any tenant, and is kept whatever follows.", _ref("change")),
            "tenants": _list("Every tenant, those without changes too.", _ref("tenant")),
        },
        {"tenant": _tenant(), "change": _change(), "place": _place()},
    )


def apply() -> Schema:
    """``reconcile apply --format json``, and ``recover``."""
    error = _object(
        "Why it did not end well.",
        {
            "code": _text("An error's code; `reconcile explain CODE` tells about it."),
            "step": _maybe(_text("The step in which it happened.")),
            "message": _text("What happened."),
            "advice": _maybe(_text("What to do next.")),
        },
    )
    leftover = _object(
        "A thing that could not be undone.",
        {
            "resource": _text("What kind of thing it is."),
            "name": _text("Which one."),
            "reason": _text("Why it stayed."),
            "clear": _maybe(_text("What would clear it.")),
        },
    )
    outcome = _object(
        "How the work on one tenant ended.",
        {
            "tenant": _text("The tenant's name."),
            "outcome": {"enum": [result.value for result in Result], "description": "How it ended, in one word."},
            "transaction": _maybe(_text("The transaction's id, for `reconcile show`.")),
            "seconds": {"type": "number", "minimum": 0, "description": "How long it took."},
            "error": _maybe(error),
            "leftovers": _list("What a rollback could not undo; empty unless it is stuck.", leftover),
        },
    )
    return _document(
        "apply",
        "What `reconcile apply --format json` and `reconcile recover --format json` print.",
        {"outcomes": _list("One for each tenant.", outcome)},
        {},
    )


def validate() -> Schema:
    """``reconcile validate --format json``."""
    fault = _object(
        "One thing that is wrong.",
        {
            "where": _ref("place"),
            "message": _text("What is wrong."),
            "rule": _text("A stable word for what is broken, such as unknown-key."),
            "hint": _maybe(_text("How it could be put right.")),
            "tenant": _maybe(_text("The tenant whose spec it is.")),
        },
    )
    return _document(
        "validate",
        "What `reconcile validate --format json` prints.",
        {
            "valid": {"type": "boolean", "description": "Whether nothing is wrong."},
            "faults": _list("Everything that is wrong.", fault),
        },
        {"place": _place()},
    )


def _tenant() -> Schema:
    blocker = _object(
        "Why the tenant can't be worked on.",
        {
            "code": _text("An error's code; `reconcile explain CODE` tells about it."),
            "message": _text("The fact, with names and numbers."),
            "advice": _maybe(_text("What to do next.")),
            "where": _ref("place"),
        },
    )
    unknown = _object(
        "Something that the account may not see, so that nothing is said about it.",
        {"what": _text("What it is."), "privilege": _text("The privilege that is missing.")},
    )
    report = _object(
        "Something that differs and that nothing is done about.",
        {"code": _text("A class of drift; docs/drift.md lists them."), "message": _text("What differs.")},
    )
    return _object(
        "What would be done with one tenant.",
        {
            "tenant": _text("The tenant's name."),
            "product": _text("The product that it is a tenant of."),
            "action": {
                "enum": [action.value for action in Action],
                "description": "The first that holds, in this order.",
            },
            "fingerprint": _digest("Equal where the same would be done with this tenant."),
            "where": _ref("place"),
            "changes": _list("In the order in which they would be made.", _ref("change")),
            "unknown": _list("What could not be seen.", unknown),
            "reports": _list("What differs and is left as it is.", report),
            "blockers": _list("Everything that blocks it; nothing is done while there is one.", blocker),
        },
    )


def _change() -> Schema:
    detail = _object(
        "A field that changes.",
        {
            "field": _text("The field's name."),
            "from": _text("What it is, in words; empty if there is nothing."),
            "to": _text("What it becomes, in words; empty if there is nothing."),
        },
    )
    return _object(
        "One change of one resource.",
        {
            "step": _text("The step of the product's flow."),
            "resource": _text("What kind of thing changes."),
            "name": _text("Which one."),
            "action": _text("What happens to it, such as create, update, repair, delete."),
            "summary": _text("The change in words."),
            "reason": _text("Why it is needed."),
            "undo": _text("What a rollback would do."),
            "details": _list("The fields that change.", detail),
        },
    )


def _place() -> Schema:
    place = _object(
        "A place in a spec.",
        {
            "file": _text("The file, relative to the repository's root."),
            "line": _maybe({"type": "integer", "minimum": 1, "description": "Counted from 1."}),
            "column": _maybe({"type": "integer", "minimum": 1, "description": "Counted from 1, in code points."}),
        },
    )
    return _maybe(place)


def _document(command: str, description: str, members: Schema, defs: Schema) -> Schema:
    version = {"const": data.FORMAT, "description": "Grows with any change that breaks a reader."}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:reconciler:output:v{data.FORMAT}:{command}",
        "title": f"reconcile {command}",
        **_object(description, {"formatVersion": version, **members}),
        **({"$defs": defs} if defs else {}),
    }


def _object(description: str, members: Schema) -> Schema:
    return {
        "description": description,
        "type": "object",
        "properties": members,
        "required": list(members),
        "additionalProperties": False,
    }


def _list(description: str, items: Schema) -> Schema:
    return {"type": "array", "description": description, "items": items}


def _text(description: str, **more: str) -> Schema:
    return {"type": "string", "description": description, **more}


def _digest(description: str) -> Schema:
    return _text(description, pattern="^sha256:[0-9a-f]{64}$")


def _count(description: str) -> Schema:
    return {"type": "integer", "minimum": 0, "description": description}


def _maybe(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}
