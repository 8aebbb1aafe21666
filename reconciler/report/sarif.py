"""Findings as a SARIF 2.1.0 log, for code scanning and editors.

Source: "Static Analysis Results Interchange Format (SARIF) Version 2.1.0", OASIS; the limit on results is GitHub's,
"SARIF support for code scanning".
"""

from __future__ import annotations

import hashlib
import json
import urllib.parse
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import reconciler
from reconciler.report.findings import PLATFORM_FILE, Finding, Rule

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
MOST: Final = 25_000
"""GitHub refuses a run with more results."""


def log(found: Sequence[Finding], *, verb: str, folder: str = "", successful: bool = True) -> dict[str, Any]:
    """The whole log, one run. ``verb`` is the command; ``folder`` is where the specs repository stands in the checkout.

    ``successful`` says whether the command could do its work at all, whatever it found.
    """
    shown = found[:MOST]
    rules: dict[str, tuple[int, Rule]] = {}
    for entry in shown:
        rules.setdefault(entry.rule.id, (len(rules), entry.rule))
    seen: Counter[str] = Counter()
    results = []
    for entry in shown:
        key = _key(entry)
        seen[key] += 1
        results.append(_result(entry, rules[entry.rule.id][0], f"{key}:{seen[key]}", folder))
    invocation: dict[str, Any] = {"executionSuccessful": successful}
    if left := len(found) - len(shown):
        text = f"{left} results are left out, the least risky ones; `reconcile {verb}` shows everything."
        invocation["toolExecutionNotifications"] = [{"level": "warning", "message": {"text": text}}]
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "reconcile",
                        "version": reconciler.__version__,
                        "semanticVersion": reconciler.__version__,
                        "rules": [_rule(rule) for _, rule in rules.values()],
                    }
                },
                "automationDetails": {"id": f"reconcile-{verb}/{folder}"},
                "columnKind": "unicodeCodePoints",
                "invocations": [invocation],
                "results": results,
            }
        ],
    }


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": _text(rule.meaning.split(". ")[0].rstrip(".") + ".")},
        "fullDescription": {"text": _text(rule.meaning)},
        "help": {"text": _text(rule.advice)},
    }


def _result(entry: Finding, rule: int, fingerprint: str, folder: str) -> dict[str, Any]:
    file = folder + (entry.where.file or PLATFORM_FILE)
    # A name that is no UTF-8 must not keep the others from being shown.
    physical: dict[str, Any] = {"artifactLocation": {"uri": urllib.parse.quote(file, errors="backslashreplace")}}
    # GitHub shows no result without a line; the first one stands for the whole file.
    physical["region"] = {"startLine": entry.where.line or 1}
    if entry.where.column:
        physical["region"]["startColumn"] = entry.where.column
    location: dict[str, Any] = {"physicalLocation": physical}
    if entry.subject:
        location["logicalLocations"] = [{"name": entry.subject, "kind": "resource"}]
    return {
        "ruleId": entry.rule.id,
        "ruleIndex": rule,
        "level": entry.level.value,
        "message": {"text": _text("\n".join([entry.title, *entry.lines]))},
        "locations": [location],
        # GitHub knows a result again by the first one, which it would else make of the line's text.
        "partialFingerprints": {"primaryLocationLineHash": fingerprint, "reconcileFinding/v1": fingerprint},
    }


def _key(entry: Finding) -> str:
    words = json.dumps([entry.rule.id, entry.subject, *entry.identity]).encode()
    return hashlib.sha256(words).hexdigest()[:32]


def _text(text: str) -> str:
    """A plain text message (3.11.2): nothing in it is a placeholder or a link."""
    return text.replace("{", "{{").replace("}", "}}").replace("](", "\\](")
