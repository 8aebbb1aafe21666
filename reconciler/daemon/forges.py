"""The forge that the platform names. Another kind is one more module below ``ports/forge``, and a branch here."""

from __future__ import annotations

from pathlib import Path

from reconciler import errors
from reconciler.model.server import PasswordSource
from reconciler.ports import passwords
from reconciler.ports.forge import forge as forges
from reconciler.ports.forge.github import GitHub
from reconciler.ports.ports import Ports
from reconciler.spec import daemon as spec


def opened(wanted: spec.Forge, root: Path, ports: Ports) -> forges.Forge:
    """The port to the forge; nothing is asked of it yet. ``root`` is where a relative file of a token is.

    Errors: ``PlatformMisconfigured`` if no forge is named.
    """
    if wanted.github is None:
        raise errors.PlatformMisconfigured("the forge of specs/platform.yaml names none")
    told = wanted.github
    held = told.token_from
    source = PasswordSource(env=held.env or "", file=str(root / held.file) if held.file else "")
    return GitHub(
        ports.http,
        ports.clock,
        repository=told.repository,
        api=told.api,
        token=lambda: passwords.read(source, "token of GitHub"),
    )
