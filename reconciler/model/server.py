"""A database server as the world is asked for it: where it is, as whom to log in, how."""

from __future__ import annotations

from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class PasswordSource:
    """Where a password is read from when it is needed: an environment variable or a file; neither: no password."""

    env: str = ""
    file: str = ""


@dataclass(frozen=True, slots=True)
class Tls:
    """``mode``: disabled, preferred, required or verify; ``ca``: a PEM file, with verify."""

    mode: str = "disabled"
    ca: str = ""


@dataclass(frozen=True, slots=True)
class Server:
    """One database server. Holds a reference to the password, never the password."""

    name: str
    host: str = "127.0.0.1"
    port: int = 3306
    socket: str = ""
    user: str = "root"
    password: PasswordSource = field(default_factory=PasswordSource)
    tls: Tls = field(default_factory=Tls)
    client_host: str = "%"
    advertise: tuple[str, int] = ("127.0.0.1", 3306)
    trusted: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """Where it is, for people."""
        return f"unix:{self.socket}" if self.socket else f"{self.host}:{self.port}"

    def as_data(self) -> dict[str, object]:
        """What recovery needs to reach the server without the specs; a password reference, never a password."""
        return {
            "name": self.name,
            "host": self.host,
            "port": self.port,
            "socket": self.socket,
            "user": self.user,
            "password": {"env": self.password.env, "file": self.password.file},
            "tls": {"mode": self.tls.mode, "ca": self.tls.ca},
        }

    @staticmethod
    def from_data(data: dict[str, object]) -> Server:
        """The server that ``as_data`` wrote down; what only planning needs keeps its default."""
        password, tls = data["password"], data["tls"]
        if not isinstance(password, dict) or not isinstance(tls, dict):
            raise ValueError("a server's record has a wrong form")
        return replace(
            Server(name=str(data["name"]), host=str(data["host"]), port=int(str(data["port"]))),
            socket=str(data["socket"]),
            user=str(data["user"]),
            password=PasswordSource(**password),
            tls=Tls(**tls),
        )
