"""Putting lines on a stream: as they are into a pipe or a file, in color on a terminal that wants it.

``NO_COLOR`` (no-color.org) and ``TERM=dumb`` mean no color. rich is loaded only where there is color.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

from reconciler.report import styled

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


def stdout() -> TextIO:
    """The stream of results, as it is now."""
    return sys.stdout


def stderr() -> TextIO:
    """The stream of everything else, as it is now."""
    return sys.stderr


def colors(stream: TextIO, wish: str = "auto") -> bool:
    """Whether ``stream`` gets colors; ``wish`` is auto, always or never."""
    if wish != "auto":
        return wish == "always"
    return is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def is_terminal(stream: Any) -> bool:
    """Whether a person may sit behind the stream; a closed one is no terminal."""
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError, OSError):
        return False


def write(lines: Iterable[styled.Line], stream: TextIO, wish: str = "auto") -> None:
    """Print lines."""
    if not colors(stream, wish):
        put(styled.plain(lines), stream)
        return
    shown = console(stream)
    with shown.capture() as captured:
        for found in lines:
            shown.print(rich_line(found), soft_wrap=True)
    put(captured.get(), stream)


def put(text: str, stream: TextIO) -> None:
    """Print text. A reader that has gone away (``reconcile plan | head``) is no failure of the work."""
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        # What is still buffered would fail again when the interpreter ends.
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def console(stream: TextIO) -> Console:
    """A rich console on ``stream`` that colors nothing by itself."""
    from rich.console import Console

    return Console(file=stream, force_terminal=True, highlight=False, markup=False, emoji=False, legacy_windows=False)


def rich_line(found: styled.Line) -> Text:
    """A line in rich's form."""
    from rich.text import Text

    made = Text()
    for segment in found:
        made.append(segment.text, style=styled.LOOKS[segment.style])
    return made


def svg(lines: Iterable[styled.Line], *, title: str, width: int = 120) -> str:
    """The lines as a picture of a terminal, for a README. The same lines give the same octets."""
    import io

    from rich.console import Console

    shown = Console(
        record=True,
        width=width,
        file=io.StringIO(),
        force_terminal=True,
        highlight=False,
        markup=False,
        emoji=False,
        color_system="truecolor",
        legacy_windows=False,
    )
    for found in lines:
        shown.print(rich_line(found), soft_wrap=False, overflow="fold")
    return shown.export_svg(title=title, unique_id="reconcile")
