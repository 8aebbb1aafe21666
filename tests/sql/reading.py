"""Short ways to read a script in a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.sql import script

SCHEMAS = Path(__file__).resolve().parents[3] / "shared" / "schemas"


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


def schema(name: str) -> bytes:
    path = SCHEMAS / name
    if not path.exists():
        pytest.skip(f"{name} is not at hand")
    return path.read_bytes()
