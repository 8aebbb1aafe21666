"""Where the daemon has its specs from, and what one revision of them holds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from reconciler.ports.mirror import Commit
from reconciler.spec.tree import Tree


@dataclass(frozen=True, eq=False)
class Checkout:
    """What one revision holds.

    ``revision`` is ``<branch>@sha1:<40 hex>`` or ``specs@sha256:<64 hex>``. The products' files stand in ``folder``,
    and don't change as long as this checkout or its ``tree`` is referred to: keep either while its tenants are worked
    on. ``blobs`` has for each tenant what its file's content is known by. ``commits`` gives the last commit that
    touched a file, named as faults name it; None where that is not known. ``merges`` gives the id of the commit of the
    branch itself that brought a file to where it is; empty where that is not known. ``ground`` is a digest over every
    file that holds no tenant.
    """

    revision: str
    tree: Tree
    folder: Path
    blobs: Mapping[str, str]
    commits: Callable[[str], Commit | None]
    merges: Callable[[str], str]
    ground: str


class Source(Protocol):
    """A place that specs come from. Used by one thread, but for ``close``, which any may call."""

    def look(self) -> Checkout | None:
        """The newest checkout that may be trusted; None if there is nothing new since the last one that was given.

        Errors: ``SourceFailed`` and what is below it, as long as what is wrong stays; what was given before holds on.
        ``StoreFailed``.
        """

    def accept(self, checkout: Checkout) -> None:
        """Remember a checkout as trusted. To be called before anything of it is applied, and again once there is a
        store, which may be known only through the first checkout.

        Errors: ``SourceFailed`` and what is below it if the store trusts something that this did not come out of; the
        checkout must not be used then. ``StoreFailed``.
        """

    def wait(self, seconds: float, wake: threading.Event) -> None:
        """Return after ``seconds``, when ``wake`` is set, or when something changed; a change may set ``wake``."""

    def close(self) -> None:
        """End what runs, at once; nothing can be asked any more. A second time does nothing."""
