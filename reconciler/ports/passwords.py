"""Reading a password from where a spec says that it is; it stands in no spec itself."""

from __future__ import annotations

import os
from pathlib import Path

from reconciler import errors
from reconciler.model.server import PasswordSource


def read(source: PasswordSource, what: str) -> str:
    """The password that ``source`` refers to, empty where it refers to nothing; ``what`` it is of, for messages.

    Errors: ``PlatformMisconfigured`` if the variable is not set or the file can't be read.
    """
    if source.env:
        if source.env not in os.environ:
            raise errors.PlatformMisconfigured(
                f"the {what} comes from the environment variable {source.env}, which is not set",
                advice=f"export {source.env}='…' and run again.",
            )
        return os.environ[source.env]
    if source.file:
        try:
            return Path(source.file).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise errors.PlatformMisconfigured(f"the file of the {what} can't be read: {error}") from error
    return ""
