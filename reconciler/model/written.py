"""JSON that is read when it is looked into."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from json import encoder
from typing import Any


class Written(Mapping[str, Any]):
    """A mapping that stays the text it is stored as until somebody looks into it: most of a plan's tenants are as they
    should be, and nobody does.
    """

    __slots__ = ("_read", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._read: dict[str, Any] | None = None

    @property
    def text(self) -> str:
        """As it is stored."""
        return self._text

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._may_have(key) and key in self._made()

    def __getitem__(self, key: str) -> Any:
        return self._made()[key]

    def get(self, key: str, default: Any = None) -> Any:
        """As for any mapping."""
        return self._made().get(key, default) if self._may_have(key) else default

    def __iter__(self) -> Iterator[str]:
        return iter(self._made())

    def __len__(self) -> int:
        return len(self._made())

    def __repr__(self) -> str:
        return repr(self._made())

    def _may_have(self, key: str) -> bool:
        return encoder.encode_basestring(key) in self._text

    def _made(self) -> dict[str, Any]:
        if self._read is None:
            self._read = json.loads(self._text)
        return self._read
