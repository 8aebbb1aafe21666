"""Statements as steps with undo, for contenders in any environment: needs PyMySQL and nothing else."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pymysql
from pymysql.constants import CLIENT

_mine = threading.local()


class Work:
    """What is to be done, read from the file that the benchmark has written."""

    def __init__(self, path: str) -> None:
        read = json.loads(Path(path).read_text())
        self.parallel: int = read["parallel"]
        self.tenants: list[dict[str, Any]] = read["tenants"]
        self.hashing: dict[str, int] | None = read.get("hashing")
        self._schema: list[str] = read["schema"]
        self._server: dict[str, Any] = read["server"]

    def do(self, step: dict[str, Any]) -> None:
        """Send a step's packets on this thread's own connection."""
        self._send(step, self._schema if step["schema"] else step["packets"])

    def undo(self, step: dict[str, Any]) -> None:
        """Send what takes a step back."""
        self._send(step, step["undo"])

    def _send(self, step: dict[str, Any], packets: list[str]) -> None:
        connection = self._connection()
        if step["database"]:
            connection.select_db(step["database"])
        with connection.cursor() as cursor:
            for packet in packets:
                cursor.execute(packet)
                while cursor.nextset():
                    pass

    def _connection(self) -> Any:
        found = getattr(_mine, "connection", None)
        if found is None:
            found = _mine.connection = pymysql.connect(
                **self._server,
                autocommit=True,
                charset="utf8mb4",
                client_flag=CLIENT.MULTI_STATEMENTS,
            )
        return found
