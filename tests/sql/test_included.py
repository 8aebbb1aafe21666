"""Files that a script reads by `source`."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from reconciler.sql import included, script


def read(**files: bytes) -> list[script.Item]:
    @contextmanager
    def opener(argument: bytes) -> Iterator[tuple[BinaryIO, str]]:
        name = argument.decode()
        if name not in files:
            raise included.Unopened("names a file that is not there")
        yield io.BytesIO(files[name]), name

    return list(included.read(files["main"], file="main", opener=opener))


def texts(items: list[script.Item]) -> list[bytes | str]:
    return [item.text if isinstance(item, script.Statement) else item.reason for item in items]


def test_the_items_of_a_file_come_where_it_is_named() -> None:
    items = read(main=b"SELECT 1;\nsource a\nSELECT 3;\n", a=b"\nSELECT 2;")
    assert texts(items) == [b"SELECT 1", b"SELECT 2", b"SELECT 3"]
    assert [(item.where.file, item.where.line) for item in items] == [("main", 1), ("a", 2), ("main", 3)]


def test_the_delimiter_and_the_mode_last_over_the_ends_of_files() -> None:
    items = read(
        main=b"DELIMITER //\nsource a\nSELECT 3$$\n",
        a=b"SET sql_mode='NO_BACKSLASH_ESCAPES'//\nSELECT '\\'//\nDELIMITER $$\n",
    )
    assert texts(items)[1:] == [b"SELECT '\\'", b"SELECT 3"]


def test_a_file_that_can_t_be_opened_is_an_item_with_the_reason() -> None:
    assert texts(read(main=b"\\. b\nSELECT 1;")) == ["names a file that is not there", b"SELECT 1"]


def test_source_in_the_middle_of_a_statement_is_not_followed() -> None:
    assert texts(read(main=b"SELECT 1 \\. a\n;", a=b"SELECT 2;"))[1] == "stands in the middle of a statement"


def test_a_circle_ends() -> None:
    assert "circle" in str(texts(read(main=b"source a\n", a=b"source a\n"))[0])


def test_without_an_opener_a_source_is_a_command_like_others() -> None:
    (item,) = included.read(b"source a\n", file="main")
    assert isinstance(item, script.ClientCommand)
    assert item.reason == ""
