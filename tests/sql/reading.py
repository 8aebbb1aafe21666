"""Short ways to read a script in a test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler import errors
from reconciler.sql import firewall, rewrite, script, statement

SCHEMAS = Path(os.environ.get("RECONCILE_TEST_SCHEMAS") or Path(__file__).parents[3] / "shared/schemas")
"""Third-party SQL that is read where it is at hand."""


def items(text: bytes) -> list[script.Item]:
    return list(script.read(text, file="s.sql"))


def texts(text: bytes) -> list[bytes]:
    """The statements' texts, with client commands as `name argument` behind a backslash."""
    return [
        item.text if isinstance(item, script.Statement) else b"\\" + item.name.encode() + b" " + item.argument
        for item in items(text)
    ]


def one(text: bytes) -> script.Statement:
    """The only statement of a script whose delimiter is `;;`, so that bodies can hold semicolons."""
    (item,) = items(b"DELIMITER ;;\n" + text)
    assert isinstance(item, script.Statement)
    return item


def check(item: script.Item, *, database: str | None = None, mapping: str | None = None) -> errors.Fault | None:
    """Why the item alone is refused."""
    return firewall.Firewall(database, mapping).judge(item).fault


def skipped(item: script.Item, *, mapping: str | None) -> bool:
    """Whether the item is left out."""
    return firewall.Firewall(None, mapping).judge(item).skipped


def for_tenant(item: script.Statement, *, mapping: str | None = None) -> rewrite.Rewritten:
    """The statement as it is sent."""
    return rewrite.for_tenant(item.text, statement.parse(item), mapping=mapping)


def schema(name: str) -> bytes:
    path = SCHEMAS / name
    if not path.exists():
        pytest.skip(f"{name} is not at hand")
    return path.read_bytes()
