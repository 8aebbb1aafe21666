"""The parts of the documents that are made from the code: ``python -m tests.docs.generated`` writes them anew.

They stand between ``<!-- made from the code: NAME -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from reconciler.cli import manual
from reconciler.engine import specs
from reconciler.model import drift

ROOT = Path(__file__).parents[2]
DOCUMENTS = tuple(ROOT / "docs" / name for name in ("contract.md", "ARCHITECTURE.md", "drift.md"))
_PART = re.compile(r"(?<=<!-- made from the code: )(\w+)( -->\n).*?(?=<!-- end -->)", re.DOTALL)
_NOT_BUILT = {4}  # kept for saved plans


def fresh(document: str) -> str:
    """The document with every generated part as the code has it now."""
    return _PART.sub(lambda found: f"{found[1]}{found[2]}\n{PARTS[found[1]]()}\n", document)


def kinds() -> str:
    """Every kind of document with all its keys."""
    parts = []
    for kind in specs.kinds():
        rows = ["| key | type | default | |", "|---|---|---|---|"]
        rows += [f"| `{key}` | {of} | {default} | {doc} |" for key, of, default, doc in _keys(kind.schema())]
        parts.append(f"### {kind.name}\n\n{kind.doc} Stands in `{kind.place}`.\n\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def exits() -> str:
    """The exit statuses."""
    rows = [f"| {status} | {meaning} |" for status, meaning in manual.EXITS.items() if status not in _NOT_BUILT]
    return "\n".join(["| exit | means |", "|---|---|", *rows]) + "\n"


def floors() -> list[str]:
    """The floors from the top, as import-linter's contract has them; ``(name)`` is one that may be missing."""
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = contract["contracts"][0]["layers"]
    return [floor.strip(" ()") for layer in layers for floor in layer.split("|")]


def files() -> str:
    """Every module with the first sentence of its docstring, floor by floor."""
    parts = []
    for floor in floors():
        place = ROOT / "reconciler" / floor
        paths = [place.with_suffix(".py")] if place.with_suffix(".py").exists() else sorted(place.rglob("*.py"))
        if not paths:
            continue
        rows = ["| file | |", "|---|---|"]
        for path in paths:
            if said := _first(path):
                rows.append(f"| `{path.relative_to(ROOT / 'reconciler')}` | {_cell(said)} |")
        parts.append(f"### {floor}\n\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def drifts() -> str:
    """Every class of drift."""
    rows = [
        f"| `{entry.code}` | {entry.words} | {entry.look} | {entry.policy} | `{entry.shown}` | {_cell(entry.answer)} |"
        for entry in drift.CLASSES
    ]
    head = ["| class | what happened | found by | policy | shown as | the plan has |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *rows]) + "\n"


PARTS: Mapping[str, Callable[[], str]] = {"kinds": kinds, "exits": exits, "files": files, "drift": drifts}


def _first(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    paragraph = " ".join(text.split("\n\n")[0].split()).replace("``", "`")
    return re.split(r"(?<=[.!?]) (?=[A-Z])", paragraph)[0]


def _keys(schema: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    yield from _below("", schema["properties"]["spec"])


def _below(prefix: str, schema: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    for key, held in schema.get("properties", {}).items():
        nested = held.get("properties") or held.get("items", {}).get("properties")
        if key in schema.get("required", ()):
            default = "required"
        elif nested and held.get("type") == "object" and held.get("default"):
            default = "as below"
        else:
            default = _spoken(held["default"]) if "default" in held else ""
        yield f"{prefix}{key}", _type(held), default, _cell(held.get("description", ""))
        if held.get("type") == "array":
            yield from _below(f"{prefix}{key}[].", held.get("items", {}))
        else:
            yield from _below(f"{prefix}{key}.", held)


def _listed(item: Mapping[str, Any]) -> str:
    return _type(item) if "enum" in item else f"{item['type']}s"


def _type(held: Mapping[str, Any]) -> str:
    if "enum" in held:
        return ", ".join(f"`{value}`" for value in held["enum"])
    if "anyOf" in held:
        return ", ".join(_type(one) for one in held["anyOf"])
    match held.get("type"):
        case "array":
            return "list" if "properties" in held.get("items", {}) else f"list of {_listed(held['items'])}"
        case "object" if isinstance(held.get("additionalProperties"), dict):
            return f"mapping to {_listed(held['additionalProperties'])}"
        case "object":
            return "mapping"
        case "string" if held.get("format") == "date":
            return "date"
        case found:
            low, high = held.get("minimum"), held.get("maximum")
            bounds = f" {low}…{high if high is not None else ''}" if low is not None else ""
            return f"{found}{bounds}"


def _spoken(value: object) -> str:
    return _cell(f"`{value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}`")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    for document in DOCUMENTS:
        document.write_text(fresh(document.read_text(encoding="utf-8")), encoding="utf-8")
