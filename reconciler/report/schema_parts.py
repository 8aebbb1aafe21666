"""What the JSON Schemas of outputs are put together from."""

from __future__ import annotations

from typing import Any

from reconciler.report import data

Schema = dict[str, Any]


def leftover() -> Schema:
    """Something that a rollback could not undo."""
    return members(
        "A thing that could not be undone.",
        {
            "resource": text("What kind of thing it is."),
            "name": text("Which one."),
            "reason": text("Why it stayed."),
            "clear": maybe(text("What would clear it.")),
        },
    )


def fault() -> Schema:
    """A fault of a spec; ``place`` has to be among the definitions."""
    return members(
        "One thing that is wrong.",
        {
            "where": ref("place"),
            "message": text("What is wrong."),
            "rule": text("A stable word for what is broken, such as unknown-key."),
            "hint": maybe(text("How it could be put right.")),
            "tenant": maybe(text("The tenant whose spec it is.")),
        },
    )


def place() -> Schema:
    """A place in a spec, or null."""
    place = members(
        "A place in a spec.",
        {
            "file": text("The file, relative to the repository's root."),
            "line": maybe({"type": "integer", "minimum": 1, "description": "Counted from 1."}),
            "column": maybe({"type": "integer", "minimum": 1, "description": "Counted from 1, in code points."}),
        },
    )
    return maybe(place)


def document(command: str, description: str, holds: Schema, defs: Schema) -> Schema:
    """The whole of what ``command`` prints."""
    version = {"const": data.FORMAT, "description": "Grows with any change that breaks a reader."}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:reconciler:output:v{data.FORMAT}:{command}",
        "title": f"reconcile {command}",
        **members(description, {"formatVersion": version, **holds}),
        **({"$defs": defs} if defs else {}),
    }


def members(description: str, holds: Schema) -> Schema:
    """An object that has all the members of ``holds`` and no others."""
    return {
        "description": description,
        "type": "object",
        "properties": holds,
        "required": list(holds),
        "additionalProperties": False,
    }


def listed(description: str, items: Schema) -> Schema:
    """An array."""
    return {"type": "array", "description": description, "items": items}


def text(description: str, **more: str) -> Schema:
    """A string."""
    return {"type": "string", "description": description, **more}


def moment(description: str) -> Schema:
    """A time."""
    return text(f"{description.removesuffix('.')}, ISO 8601.")


def digest(description: str) -> Schema:
    """A digest."""
    return text(description, pattern="^sha256:[0-9a-f]{64}$")


def count(description: str) -> Schema:
    """A whole number from 0."""
    return {"type": "integer", "minimum": 0, "description": description}


def maybe(schema: Schema) -> Schema:
    """What ``schema`` allows, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def ref(name: str) -> Schema:
    """A definition of the same document."""
    return {"$ref": f"#/$defs/{name}"}
