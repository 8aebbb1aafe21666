"""Where a branch is fetched from: its address without credentials, and how those reach git without being seen."""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path

from reconciler import errors

_USER, _PASSWORD = "RECONCILE_SOURCE_USER", "RECONCILE_SOURCE_PASSWORD"
# Builtins of the shell only: a program's arguments would stand in the list of processes.
_HELPER = f'!f() {{ test "$1" = get && printf "username=%s\\npassword=%s\\n" "${_USER}" "${_PASSWORD}"; }}; f'
_UNSAFE = re.compile(r"[\x00-\x20\x7f]")
_NO_BRANCH = re.compile(r"^[-/.]|[\x00-\x20\x7f~^:?*\[\\]|\.\.|//|/\.|@\{|[/.]$|\.lock(/|$)|^@$")
_IN_A_URL = re.compile(r"(\w[\w+.-]*://)[^/\s@]*@")
_NOT_SHOWN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Remote:
    """A branch of a remote. ``url`` has no password in it, so it may be shown and stored."""

    url: str
    branch: str
    user: str = field(default="", repr=False)
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str, branch: str) -> Remote:
        """A remote as a person names it; a folder's name may be relative to the present one.

        Errors: ``UsageError`` for what git would take for an option, for control characters, and for a branch that
        git would not take (git-check-ref-format(1)).
        """
        if not url or url.startswith("-") or _UNSAFE.search(url.replace(" ", "")):
            raise errors.UsageError(
                f"{scrubbed(url)!r} is no address of a git repository", advice="Give a URL or a path."
            )
        if not branch or _NO_BRANCH.search(branch):
            raise errors.UsageError(f"{branch!r} is no name of a branch", advice="Give its name, as in `main`.")
        scheme, separator, rest = url.partition("://")
        if not separator:
            # Without a scheme it is host:path, as ssh has it, or a folder; git tells them apart by the first slash.
            local = ":" not in url.partition("/")[0]
            return cls(str(Path(url).resolve()) if local else url, branch)
        place, slash, path = rest.partition("/")
        who, at, host = place.rpartition("@")
        user, colon, password = who.partition(":")
        if not (at and colon):
            return cls(url, branch)
        user, password = urllib.parse.unquote(user), urllib.parse.unquote(password)
        if _NOT_SHOWN.search(user + password) or "\n" in user + password:
            raise errors.UsageError(f"the credentials in {scrubbed(url)} hold a control character")
        if scheme.lower() in ("http", "https"):
            return cls(f"{scheme}://{host}{slash}{path}", branch, user, password)
        return cls(f"{scheme}://{urllib.parse.quote(user)}@{host}{slash}{path}", branch)

    def options(self) -> tuple[str, ...]:
        """What git is called with, so that it takes the password from its environment."""
        return () if self.password is None else ("-c", "credential.helper=", "-c", f"credential.helper={_HELPER}")

    def environment(self) -> dict[str, str]:
        """Where git finds the password. Other users can't read a process's environment."""
        return {} if self.password is None else {_USER: self.user, _PASSWORD: self.password}

    @property
    def shown(self) -> str:
        """The address for people: a user name in it may be a token, so it is left out too."""
        return scrubbed(self.url)

    def said(self, text: str) -> str:
        """The end of what git or the other side said, fit to be shown: no credentials, no control characters."""
        lines = [line.strip() for line in _NOT_SHOWN.sub("", scrubbed(text)).splitlines() if line.strip()]
        # Git ends with advice for people at a terminal; what happened stands in these lines.
        told = [line for line in lines if line.startswith(("fatal:", "error:", "remote:", "warning:"))] or lines
        joined = "; ".join(told[-4:])[-600:]
        for secret in filter(None, (self.password, urllib.parse.quote(self.password or "", safe=""))):
            joined = joined.replace(secret, "***")
        return joined or "it said nothing"


def scrubbed(text: str) -> str:
    """A text without the credentials of the URLs in it."""
    return _IN_A_URL.sub(r"\1", text)
