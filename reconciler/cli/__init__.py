"""The command line: parses, calls the engine, renders. One file a family of verbs; nothing is decided here.

``main`` is the entry point. It loads nothing but the standard library until a word asks for more, because most calls
of a program are for its help, its version or its completion.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``reconcile`` with ``arguments`` (default: the process's); returns the exit status, and raises nothing."""
    from reconciler.cli import ending

    return ending.run(sys.argv[1:] if arguments is None else arguments)
