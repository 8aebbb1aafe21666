"""The JSON Schemas of what ``--format json`` prints: ``schemas/output/``, beside those of the kinds of documents.

They say what this version prints, member by member; a later one may print more within the same ``formatVersion``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from reconciler.model.outcome import Result
from reconciler.model.plan import SUMMARY_ORDER, Action
from reconciler.report import schema_parts as parts
from reconciler.report import tenant_shapes
from reconciler.report.schema_parts import Schema

FOLDER: Final = "output"
SUFFIX: Final = ".schema.json"


def all_of_them() -> Mapping[str, Schema]:
    """Every schema by its command."""
    return {
        "plan": plan(),
        "apply": apply(),
        "validate": validate(),
        "status": tenant_shapes.status(),
        "why": tenant_shapes.why(),
    }


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
    counts = {action: parts.count(f"How many tenants have the action {action}.") for action in SUMMARY_ORDER}
    return parts.document(
        "plan",
        "What `reconcile plan --format json` prints.",
        {
            "revision": parts.text("What the plan was made from: <branch>@sha1:<40 hex>, or specs@sha256:<64 hex>."),
            "createdAt": parts.text("When it was made, UTC.", format="date-time"),
            "deep": {"type": "boolean", "description": "Whether it also looked at what takes long to look at."},
            "snapshot": parts.maybe(
                parts.members(
                    "What the plan was made from where nobody looked at the servers; null where somebody did.",
                    {
                        "createdAt": parts.text("When the snapshot was taken, UTC.", format="date-time"),
                        "ageSeconds": parts.count("How old it was when the plan was made."),
                    },
                )
            ),
            "fingerprint": parts.digest("Equal for plans that do the same."),
            "summary": parts.members("How many tenants have which action.", counts),
            "platform": parts.listed(
                "What comes before any tenant, and is kept whatever follows.", parts.ref("change")
            ),
            "tenants": parts.listed("Every tenant, those without changes too.", parts.ref("tenant")),
        },
        {"tenant": _tenant(), "change": _change(), "place": parts.place()},
    )


def apply() -> Schema:
    """``reconcile apply --format json``, and ``recover``."""
    error = parts.members(
        "Why it did not end well.",
        {
            "code": parts.text("An error's code; `reconcile explain CODE` tells about it."),
            "step": parts.maybe(parts.text("The step in which it happened.")),
            "message": parts.text("What happened."),
            "advice": parts.maybe(parts.text("What to do next.")),
        },
    )
    outcome = parts.members(
        "How the work on one tenant ended.",
        {
            "tenant": parts.text("The tenant's name."),
            "outcome": {"enum": [result.value for result in Result], "description": "How it ended, in one word."},
            "transaction": parts.maybe(parts.text("The transaction's id, for `reconcile show`.")),
            "seconds": {"type": "number", "minimum": 0, "description": "How long it took."},
            "error": parts.maybe(error),
            "leftovers": parts.listed("What a rollback could not undo; empty unless it is stuck.", parts.leftover()),
        },
    )
    return parts.document(
        "apply",
        "What `reconcile apply --format json` and `reconcile recover --format json` print.",
        {"outcomes": parts.listed("One for each tenant.", outcome)},
        {},
    )


def validate() -> Schema:
    """``reconcile validate --format json``."""
    return parts.document(
        "validate",
        "What `reconcile validate --format json` prints.",
        {
            "valid": {"type": "boolean", "description": "Whether nothing is wrong."},
            "faults": parts.listed("Everything that is wrong.", parts.fault()),
        },
        {"place": parts.place()},
    )


def _tenant() -> Schema:
    blocker = parts.members(
        "Why the tenant can't be worked on.",
        {
            "code": parts.text("An error's code; `reconcile explain CODE` tells about it."),
            "message": parts.text("The fact, with names and numbers."),
            "advice": parts.maybe(parts.text("What to do next.")),
            "where": parts.ref("place"),
        },
    )
    unknown = parts.members(
        "Something that the account may not see, so that nothing is said about it.",
        {"what": parts.text("What it is."), "privilege": parts.text("The privilege that is missing.")},
    )
    report = parts.members(
        "Something that differs and that nothing is done about.",
        {
            "code": parts.text(
                "A class of drift, as docs/drift.md lists them; or held: somebody wants the tenant left as it is."
            ),
            "message": parts.text("What differs."),
        },
    )
    return parts.members(
        "What would be done with one tenant.",
        {
            "tenant": parts.text("The tenant's name."),
            "product": parts.text("The product that it is a tenant of."),
            "action": {
                "enum": [action.value for action in Action],
                "description": "The first that holds, in this order.",
            },
            "fingerprint": parts.digest("Equal where the same would be done with this tenant."),
            "where": parts.ref("place"),
            "changes": parts.listed("In the order in which they would be made.", parts.ref("change")),
            "unknown": parts.listed("What could not be seen.", unknown),
            "reports": parts.listed("What differs and is left as it is.", report),
            "blockers": parts.listed("Everything that blocks it; nothing is done while there is one.", blocker),
        },
    )


def _change() -> Schema:
    detail = parts.members(
        "A field that changes.",
        {
            "field": parts.text("The field's name."),
            "from": parts.text("What it is, in words; empty if there is nothing."),
            "to": parts.text("What it becomes, in words; empty if there is nothing."),
        },
    )
    return parts.members(
        "One change of one resource.",
        {
            "step": parts.text("The step of the product's flow."),
            "resource": parts.text("What kind of thing changes."),
            "name": parts.text("Which one."),
            "action": parts.text("What happens to it, such as create, update, repair, delete."),
            "summary": parts.text("The change in words."),
            "reason": parts.text("Why it is needed."),
            "undo": parts.text("What a rollback would do."),
            "details": parts.listed("The fields that change.", detail),
        },
    )
