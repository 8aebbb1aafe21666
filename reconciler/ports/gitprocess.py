"""The program git as the daemon runs it: asked nothing by it, limited in time, ended together with its children."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from reconciler import errors
from reconciler.ports.objects import MirrorBroken

LOCAL_SECONDS: Final = 120.0
PROTOCOLS: Final = "file:git:http:https:ssh"

_MOST_SAID = 1 << 20  # bytes
# What a person sets for the git of the whole host stays: how it logs in, and through which proxy. The rest would point
# git at another repository, or change what it finds in this one.
_KEPT = ("GIT_SSH", "GIT_ASKPASS", "GIT_CONFIG_", "GIT_SSL_", "GIT_HTTP_", "GIT_PROXY_", "GIT_EXEC_PATH")
_OPTIONS = (
    "--literal-pathspecs",
    *("-c", f"core.hooksPath={os.devnull}"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "gpg.x509.program=false"),  # whose certificates count is nothing that this program knows
    *("-c", "gc.autoDetach=false"),
    *("-c", "fetch.recurseSubmodules=false"),
    *("-c", "fetch.writeCommitGraph=false"),
    *("-c", "init.defaultBranch=main"),
    *("-c", "log.follow=false"),
)


class Git:
    """Runs git in ``folder``, below which all its repositories stand. May be used from several threads.

    Errors: ``SourceFailed`` if git is not there, does not end in time, or was stopped by ``close``; ``MirrorBroken``
    where there is no ``folder``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: set[subprocess.Popen[bytes]] = set()
        self._guard = threading.Lock()
        self._closed = False

    def run(
        self,
        place: Path | None,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        seconds: float = LOCAL_SECONDS,
    ) -> tuple[int, bytes, str]:
        """Exit status, stdout and stderr of one git in the bare repository ``place``, or outside of any."""
        with self.started(place, *arguments, environment=environment, stdin=subprocess.DEVNULL) as (process, said):
            try:
                out, _ = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                raise errors.SourceFailed(f"git {_verb(arguments)} did not end within {seconds:g} s") from None
            if self._closed:
                raise _stopped()
            said.seek(0)
            return process.returncode, out, said.read(_MOST_SAID).decode("utf-8", "replace")

    @contextmanager
    def started(
        self,
        place: Path | None,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        stdin: int = subprocess.PIPE,
    ) -> Iterator[tuple[subprocess.Popen[bytes], BinaryIO]]:
        """A git that runs, and the file that its stderr goes to; ended with its children when the block is left.

        A file, because what ssh leaves running in the background would keep a pipe open.
        """
        try:
            file = tempfile.TemporaryFile()  # noqa: SIM115 - closed below
        except OSError as error:
            raise errors.SourceFailed(f"git can't be run without temporary files: {error}") from error
        with file as said:
            process = self._begun(place, arguments, environment or {}, stdin, said)
            try:
                yield process, said
            finally:
                _end(process)
                with self._guard:
                    self._running.discard(process)

    def close(self) -> None:
        """End what runs, in whatever thread; nothing can be run any more."""
        with self._guard:
            self._closed = True
            running = list(self._running)
        for process in running:
            _kill(process)

    def _begun(
        self,
        place: Path | None,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        stdin: int,
        said: BinaryIO,
    ) -> subprocess.Popen[bytes]:
        where = () if place is None else (f"--git-dir={place}",)
        with self._guard:
            if self._closed:
                raise _stopped()
            if not self._folder.is_dir():
                raise MirrorBroken(f"there is no folder {self._folder}")
            try:
                process = subprocess.Popen(  # noqa: S603 - a fixed program, and arguments of ours
                    ["git", *where, *_OPTIONS, *arguments],  # noqa: S607 - the git of the person who calls
                    stdin=stdin,
                    stdout=subprocess.PIPE,
                    stderr=said,
                    cwd=self._folder,
                    env={**_environment(self._folder), **environment},
                    start_new_session=True,  # no terminal to ask anything on, and a group to end as a whole
                )
            except OSError as error:
                raise errors.SourceFailed(f"git can't be run: {error}", advice="Install git, 2.34 or newer.") from error
            self._running.add(process)
            return process


def _environment(above: Path) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or (name.startswith(_KEPT) and name != "GIT_CONFIG_PARAMETERS")
    }
    return kept | {
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "SSH_ASKPASS_REQUIRE": "never",
        "GIT_ALLOW_PROTOCOL": PROTOCOLS,
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_CEILING_DIRECTORIES": str(above.parent),
    }


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _end(process: subprocess.Popen[bytes]) -> None:
    _kill(process)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()


def _stopped() -> errors.SourceFailed:
    return errors.SourceFailed("what git was doing was stopped", advice="Nothing to do: it was asked for.")


def _verb(arguments: Sequence[str]) -> str:
    return next((word for word in arguments if word in ("fetch", "ls-remote", "log", "gc")), arguments[0])
