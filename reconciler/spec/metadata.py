"""The ``metadata`` of every document: its name, labels, and the annotations that reconciler reads itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from reconciler.spec import formats

NAME_PATTERN: Final = "^[a-z][a-z0-9-]{1,38}[a-z0-9]$"
PREFIX: Final = "reconciler/"

ANNOTATIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    "reconciler/suspend": {
        "description": "Holds the tenant as it is: nothing is applied to it until then.",
        "type": "object",
        "properties": {
            "until": {
                "description": "When the hold ends: a day (its end, UTC) or a moment of RFC 3339. "
                "Absent: until the annotation is removed.",
                "type": "string",
                "anyOf": [{"format": "date"}, {"format": "date-time"}],
                "examples": ["2027-01-31", "2027-01-31T18:00:00Z"],
            },
            "reason": {"description": "Why it is held.", "type": "string", "minLength": 1},
            "by": {"description": "Who holds it.", "type": "string", "minLength": 1},
        },
        "required": ["reason", "by"],
        "additionalProperties": False,
    },
    "reconciler/prune": {
        "description": "disabled: the tenant is kept even when its spec is removed.",
        "enum": ["disabled", "enabled"],
    },
    "reconciler/protect": {
        "description": '"true": the tenant can\'t be deleted, whatever the guards say.',
        "enum": ["true", "false"],
    },
    "reconciler/requestedAt": {
        "description": "Any token; a new one asks the daemon for a pass over this tenant.",
        "type": "string",
        "minLength": 1,
        "maxLength": 255,
    },
}


def schema() -> dict[str, Any]:
    """The JSON Schema of ``metadata``."""
    texts = {"type": "object", "additionalProperties": {"type": "string"}}
    return {
        "title": "Metadata",
        "description": "What the document is called and how it is marked.",
        "type": "object",
        "properties": {
            "name": {
                "title": "Name",
                "description": "The name: 3 to 40 lower case letters, digits and dashes. "
                "A tenant's name is unique over all products.",
                "type": "string",
                "pattern": NAME_PATTERN,
                "examples": ["clinica-sol"],
            },
            "labels": {"title": "Labels", "description": "Free marks for people and tools.", **texts},
            "annotations": {
                "title": "Annotations",
                "description": "Free notes; those under `reconciler/` steer reconciler.",
                "type": "object",
                "properties": {key: dict(held) for key, held in ANNOTATIONS.items()},
                "propertyNames": {"anyOf": [{"enum": list(ANNOTATIONS)}, {"not": {"pattern": f"^{PREFIX}"}}]},
                "additionalProperties": {"type": "string"},
            },
        },
        "required": ["name"],
        "additionalProperties": False,
    }


def is_plain(data: Any) -> bool:
    """Whether ``metadata`` is surely valid: the cheap answer for nearly every document.

    False only means that the schema has to look, for instance at annotations of reconciler's own.
    """
    if not isinstance(data, dict) or not data.keys() <= {"name", "labels", "annotations"}:
        return False
    name = data.get("name")
    if not isinstance(name, str) or formats.pattern(NAME_PATTERN).search(name) is None:
        return False
    for texts in (data.get("labels", {}), data.get("annotations", {})):
        if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
            return False
    return not any(key.startswith(PREFIX) for key in data.get("annotations", {}))
