"""A database as SQL, by the server's own program: what reads it back is any client."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from reconciler import errors
from reconciler.model.server import Server
from reconciler.ports import passwords

_PROGRAMS = ("mariadb-dump", "mysqldump")
_OPTIONS = (
    "--single-transaction",
    "--skip-lock-tables",
    "--routines",
    "--triggers",
    "--events",
    "--hex-blob",
    "--skip-dump-date",
    "--default-character-set=utf8mb4",
)
_PIECE = 1 << 20


class Dumper:
    """Runs ``mariadb-dump``."""

    def dump(self, server: Server, database: str, *, history: bool = False) -> Iterator[bytes]:
        """The dump of ``database`` in pieces, with the ``history`` of versioned tables if asked for.

        The password travels in memory that has no name in any folder, so that nothing of it can be left behind.

        Errors: ``DumpFailed`` without the program, or with what it said when it did not end well.
        """
        program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
        if program is None:
            raise errors.DumpFailed(
                f"none of the programs {', '.join(_PROGRAMS)} is installed",
                advice="apt-get install mariadb-client, then purge again.",
            )
        descriptor = os.memfd_create("options")
        with os.fdopen(descriptor, "w+", encoding="utf-8") as file, tempfile.TemporaryFile() as heard:
            os.fchmod(descriptor, 0o600)
            file.write(_file(server))
            file.flush()
            # The program is found on PATH, and every argument is our own or a validated name.
            process = subprocess.Popen(  # noqa: S603
                [
                    program,
                    f"--defaults-file=/dev/fd/{descriptor}",
                    *_OPTIONS,
                    *(["--dump-history"] if history else []),
                    "--",
                    database,
                ],
                stdout=subprocess.PIPE,
                stderr=heard,
                stdin=subprocess.DEVNULL,
                pass_fds=(descriptor,),
            )
            try:
                if process.stdout is None:
                    raise ValueError("a pipe was asked for")
                while piece := process.stdout.read(_PIECE):
                    yield piece
                status = process.wait()
            finally:
                process.kill()
                process.wait()
                if process.stdout is not None:
                    process.stdout.close()
            if status:
                heard.seek(0)
                said = heard.read().decode("utf-8", "replace").strip()
                raise errors.DumpFailed(
                    f"{Path(program).name} of {database} on {server.name} ended with {status}: {said}"
                )


def _file(server: Server) -> str:
    password = passwords.read(server.password, f"password of server {server.name}")
    lines = ["[client]", f"user={_quoted(server.user)}", f"password={_quoted(password)}"]
    if server.socket:
        lines.append(f"socket={_quoted(server.socket)}")
    else:
        lines += [f"host={_quoted(server.host)}", f"port={server.port}", "protocol=tcp"]
    match server.tls.mode:
        case "disabled":
            lines.append("skip-ssl")
        case "preferred":
            lines.append("loose-ssl-verify-server-cert=0")
        case "required":
            lines += ["ssl", "loose-ssl-verify-server-cert=0"]
        case "verify":
            lines += ["ssl", "ssl-verify-server-cert", *([f"ssl-ca={_quoted(server.tls.ca)}"] if server.tls.ca else [])]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
