"""A private MariaDB in one folder: what ``reconcile dev up``, ``reconcile demo`` and the tests run on.

Nothing outside the folder is touched: no option file is read, no service is installed, no account of the
system is used. The server runs as the calling user, listens on 127.0.0.1 only, and goes on after the caller
has ended; its process id, port and socket stand in files of the folder, so that any later process can find,
stop or start it again. The folder holds::

    data/                  the data directory
    tmp/                   temporary tables (a starting server deletes those of others in a shared folder)
    server.log             what the server and its installation print
    server.pid             process id while it runs
    port, socket           the endpoint, kept over restarts as long as the port is free
    accounts.sql           read by the server at each start, before it listens
    provisioner.password   0600, for ``passwordFrom: {file: …}`` of a DatabaseServer spec

Two accounts exist. ``root`` has no password and is only let in over the unix socket, which stands in a 0700
folder. ``provisioner`` has exactly the privileges that the contract asks for, so that what works here works
on a server with a cautious administrator.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pymysql

from reconciler import errors

PROVISIONER = "provisioner"
"""The account that a DatabaseServer spec names as ``user``."""

_INSTALL = "apt-get install --no-install-recommends mariadb-server-core mariadb-client"
_BESIDE_PATH = ("/usr/sbin", "/usr/local/sbin", "/usr/libexec", "/usr/local/mysql/bin")
# sockaddr_un of Linux has 108 bytes, one of them for the closing zero (unix(7)).
_LONGEST_SOCKET = 107
# Below Linux' range for outgoing connections (32768 to 60999), so that nothing borrows the port of a server
# while it is down.
_PORTS = range(17_000, 32_000)
_GLOBAL = "CREATE USER, RELOAD, PROCESS, CONNECTION ADMIN, SHOW DATABASES"
# The shell answers with the process id before the server has begun, and is gone at once: the server belongs
# to nobody who would have to wait for it. The pid file is written by the shell too, because a caller that is
# killed right after would leave a server that nobody finds; and not by mariadbd, because that empties it first.
_LAUNCH = 'log=$1; pid=$2; shift 2; "$@" >>"$log" 2>&1 </dev/null & echo $! >"$pid"'


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the server listens: TCP on ``host``:``port`` and the unix ``socket``."""

    host: str
    port: int
    socket: Path


def find_program(name: str) -> str | None:
    """The path of a program, looked for in PATH and where servers are put outside a plain user's PATH."""
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(_BESIDE_PATH))


class DevServer:
    """One private MariaDB in ``directory``. Several objects, in several processes, may mean the same server.

    ``find`` maps a program's name to its path or None. ``options`` are added to mariadbd's command line, and
    win over the options set here. ``prefixes`` and ``databases`` are what ``provisioner`` may work on: every
    database whose name begins so, and databases of exactly that name.
    """

    def __init__(
        self,
        directory: Path,
        *,
        find: Callable[[str], str | None] = find_program,
        options: Sequence[str] = (),
        prefixes: Sequence[str] = ("agenda_", "pos_"),
        databases: Sequence[str] = ("license_manager",),
    ) -> None:
        self.directory = directory.absolute()
        self.data = self.directory / "data"
        self.log = self.directory / "server.log"
        self.password_file = self.directory / "provisioner.password"
        self._pid_file = self.directory / "server.pid"
        self._find = find
        self._options = tuple(options)
        self._prefixes = tuple(prefixes)
        self._databases = tuple(databases)

    # --- life ---------------------------------------------------------------------------------------------

    def start(self, *, timeout: float = 60.0) -> Endpoint:
        """Start the server if it does not run, and return when it answers. May be called at any time.

        ``timeout`` is in seconds. Raises PlatformMisconfigured without MariaDB's programs, or when the server
        ends or does not answer in time; the message holds the end of its log.
        """
        program, installer = self._program("mariadbd"), self._program("mariadb-install-db")
        self.directory.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o700)
        (self.directory / "tmp").mkdir(exist_ok=True)
        deadline = time.monotonic() + timeout
        with self._only_starter():
            if (pid := self._pid()) is not None:
                self._wait_until_it_answers(pid, deadline)
                return self.endpoint
            if not self.data.is_dir():
                self._install(installer)
            self._write_accounts()
            for last in (False, False, False, True):
                began = self.log.stat().st_size if self.log.exists() else 0
                self._choose_endpoint()
                pid = self._launch(program)
                try:
                    self._wait_until_it_answers(pid, deadline)
                    break
                except errors.PlatformMisconfigured:
                    # Someone else can take a port between the choice and the server's bind.
                    if last or b"Address already in use" not in self.log.read_bytes()[began:]:
                        raise
                    (self.directory / "port").unlink()
        return self.endpoint

    def stop(self, *, timeout: float = 30.0) -> None:
        """End the server in order, and return when it has ended. Does nothing if it does not run.

        A server that has not ended after ``timeout`` seconds is killed: InnoDB recovers at the next start.
        """
        if (pid := self._pid()) is not None:
            _send(pid, signal.SIGTERM)
            if not self._ends(pid, timeout):
                self.kill()
        self._clear_endpoint_leftovers()

    def kill(self, *, timeout: float = 30.0) -> None:
        """End the server at once, as a power cut would, and return when the process is gone."""
        if (pid := self._pid()) is not None:
            _send(pid, signal.SIGKILL)
            if not self._ends(pid, timeout):
                raise errors.PlatformMisconfigured(
                    f"the server in {self.directory} (process {pid}) outlives SIGKILL by {timeout:.0f} s",
                    advice=f"It hangs in the kernel: see /proc/{pid}/stack and the disk under the folder.",
                )

    def running(self) -> bool:
        """Whether this folder's server process lives. It may not answer yet."""
        return self._pid() is not None

    @property
    def endpoint(self) -> Endpoint:
        """Where the server listens, or listened last. Raises PlatformMisconfigured before the first start."""
        try:
            port = int((self.directory / "port").read_text())
            return Endpoint("127.0.0.1", port, Path((self.directory / "socket").read_text()))
        except FileNotFoundError:
            raise errors.PlatformMisconfigured(
                f"no server was ever started in {self.directory}", advice="Run `reconcile dev up` first."
            ) from None

    @property
    def password(self) -> str:
        """The password of ``provisioner``, drawn at the first start."""
        return self.password_file.read_text()

    # --- steps of a start ---------------------------------------------------------------------------------

    def _program(self, name: str) -> str:
        if path := self._find(name):
            return path
        raise errors.PlatformMisconfigured(
            f"{name} is not installed: neither PATH nor {', '.join(_BESIDE_PATH)} has it",
            advice=f"Run `{_INSTALL}` as root (or with sudo), then start again.",
        )

    @contextlib.contextmanager
    def _only_starter(self) -> Iterator[None]:
        """Hold off other processes that start the same server; the kernel frees the lock of a dead one."""
        with (self.directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _install(self, installer: str) -> None:
        # Under another name until it is complete: a killed installation must not look like a data folder.
        unfinished = self.directory / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        command = [installer, "--no-defaults", f"--datadir={unfinished}", "--innodb-log-file-size=32M"]
        command += ["--auth-root-authentication-method=normal", "--skip-test-db", "--force"]
        if os.geteuid() == 0:
            # As two words this goes through to mariadbd only. As `--user=root` the script would also change
            # owner and mode of the PAM helper under /usr/lib, which belongs to the system's own server.
            command += ["--user", "root"]
        with self.log.open("ab") as log:
            done = subprocess.run(  # noqa: S603 - a fixed command line; the program was looked up by name
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment(), check=False
            )
        if done.returncode != 0:
            # What went wrong stands before the general advice that the script ends with.
            raise errors.PlatformMisconfigured(
                f"{installer} failed with status {done.returncode} in {self.directory}:\n"
                + self._end_of_log(before="Installation of system tables failed!")
            )
        unfinished.rename(self.data)

    def _write_accounts(self) -> None:
        if not self.password_file.exists():
            _write_private(self.password_file, secrets.token_urlsafe(24))
        # The host is % alone: every further provisioner@host would be one more account that reaches all
        # tenants. Only a hash goes to the server, so that no log of it ever holds the password.
        account = f"`{PROVISIONER}`@`%`"
        inner = hashlib.sha1(self.password.encode(), usedforsecurity=False).digest()
        hashed = hashlib.sha1(inner, usedforsecurity=False).hexdigest().upper()
        identified = f"IDENTIFIED VIA mysql_native_password USING '*{hashed}'"
        reach = [_pattern(prefix) + "%" for prefix in self._prefixes]
        reach += [_pattern(name) for name in self._databases]
        statements = [
            # The installation also makes root@127.0.0.1, root@::1 and root@<host name>, without passwords.
            "DELETE FROM mysql.global_priv WHERE User = 'root' AND Host <> 'localhost'",
            "DELETE FROM mysql.proxies_priv WHERE User = 'root' AND Host <> 'localhost'",
            "FLUSH PRIVILEGES",
            f"CREATE USER IF NOT EXISTS {account} {identified}",
            f"ALTER USER {account} {identified}",
            f"GRANT {_GLOBAL} ON *.* TO {account}",
            f"GRANT SELECT ON mysql.* TO {account}",
            *(f"GRANT ALL PRIVILEGES ON `{name}`.* TO {account} WITH GRANT OPTION" for name in reach),
        ]
        _write_private(self.directory / "accounts.sql", "".join(f"{text};\n" for text in statements))

    def _choose_endpoint(self) -> None:
        port_file, socket_file = self.directory / "port", self.directory / "socket"
        kept = int(port_file.read_text()) if port_file.exists() else 0
        if not kept or not _is_free(kept):
            port_file.write_text(str(_free_port()))
        path = self.directory / "server.sock"
        if len(os.fsencode(path)) > _LONGEST_SOCKET:
            # mkdtemp makes it 0700, and its name can't be foreseen; the name is not kept over a stop.
            path = Path(tempfile.mkdtemp(prefix="reconcile-", dir="/tmp")) / "server.sock"
            self._clear_endpoint_leftovers()
        socket_file.write_text(str(path))

    def _clear_endpoint_leftovers(self) -> None:
        """Remove the short folder that stood in for a socket path that was too long."""
        with contextlib.suppress(FileNotFoundError):
            folder = Path((self.directory / "socket").read_text()).parent
            if folder != self.directory:
                shutil.rmtree(folder, ignore_errors=True)

    def _launch(self, program: str) -> int:
        endpoint = self.endpoint
        command = [program, "--no-defaults", f"--datadir={self.data}"]
        command += [
            f"--bind-address={endpoint.host}",
            f"--port={endpoint.port}",
            f"--socket={endpoint.socket}",
        ]
        # Without name resolution a TCP connection from 127.0.0.1 is never `localhost`: root, who has no
        # password, is let in over the socket only.
        command += ["--skip-name-resolve", f"--init-file={self.directory / 'accounts.sql'}"]
        command += ["--innodb-log-file-size=32M"]
        if os.geteuid() == 0:
            command += ["--user=root"]
        # A session of its own: a Ctrl-C in the terminal is meant for the caller.
        subprocess.run(  # noqa: S603 - a fixed script; everything else travels as its arguments
            ["/bin/sh", "-c", _LAUNCH, "sh", str(self.log), str(self._pid_file), *command, *self._options],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env=self._environment(),
            check=True,
        )
        return int(self._pid_file.read_text())

    def _wait_until_it_answers(self, pid: int, deadline: float) -> None:
        endpoint, refusal = self.endpoint, "nothing was tried"
        while time.monotonic() < deadline:
            if _has_ended(pid):
                raise errors.PlatformMisconfigured(
                    f"the server in {self.directory} ended while it started:\n{self._end_of_log()}"
                )
            try:
                pymysql.connect(
                    host=endpoint.host,
                    port=endpoint.port,
                    user=PROVISIONER,
                    password=self.password,
                    connect_timeout=5,
                ).close()
                return
            except pymysql.MySQLError as refused:
                refusal = str(refused)
            time.sleep(0.02)
        raise errors.PlatformMisconfigured(
            f"the server in {self.directory} does not answer in time ({refusal}):\n{self._end_of_log()}"
        )

    def _environment(self) -> dict[str, str]:
        # Through the environment, because the installation script breaks --tmpdir at spaces.
        return {**os.environ, "TMPDIR": str(self.directory / "tmp")}

    def _end_of_log(self, before: str = "") -> str:
        text = self.log.read_text(errors="replace")
        if before and before in text:
            text = text[: text.rindex(before)]
        return "\n".join(text.splitlines()[-15:])

    # --- its process --------------------------------------------------------------------------------------

    def _pid(self) -> int | None:
        """The server's process id, or None. A number that now belongs to another program is not ours."""
        try:
            pid = int(self._pid_file.read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (FileNotFoundError, NotADirectoryError, ProcessLookupError, ValueError):
            return None
        # A process that has ended but was not waited for has an empty command line.
        return pid if os.fsencode(f"--datadir={self.data}") in command.split(b"\0") else None

    def _ends(self, pid: int, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while not _has_ended(pid):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        self._pid_file.unlink(missing_ok=True)
        return True


def _has_ended(pid: int) -> bool:
    """Whether all threads of a process are gone, so that its files are closed and its locks are free.

    Its first thread can be a zombie (state Z) while others still write; where nobody waits for orphans it
    stays a zombie for good.
    """
    try:
        threads = os.listdir(f"/proc/{pid}/task")
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in "ZX" and len(threads) <= 1


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _free_port() -> int:
    for _ in range(200):
        if _is_free(port := _PORTS[secrets.randbelow(len(_PORTS))]):
            return port
    raise errors.PlatformMisconfigured(
        f"200 ports of 127.0.0.1 between {_PORTS.start} and {_PORTS.stop - 1} were tried and none is free"
    )


def _pattern(name: str) -> str:
    """A database name as GRANT takes it, between back quotes: `_` and `%` would be wildcards there."""
    escaped = name.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%")
    return escaped.replace("`", "``")


def _write_private(path: Path, text: str) -> None:
    """Write a 0600 file in one step: readers see the old text or the new one."""
    fresh = path.with_name(path.name + ".new")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)
