"""A TCP server that stands open to a network: at most so many connections at a time, and no request that never ends.

Who sends slowly loses the place to who comes next: a probe is answered while somebody holds connections open for fun.
"""

from __future__ import annotations

import errno
import io
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

from reconciler import errors
from reconciler.daemon import logs

CONNECTIONS: Final = 32
_ROOM_SECONDS: Final = 1.0
_FULL_SECONDS: Final = 0.1
_ELSEWHERE: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


class RequestRefused(Exception):
    """The request is answered with this HTTP status, words and headers, and nothing else is done about it."""

    def __init__(self, status: int, words: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(words)
        self.status = status
        self.words = words
        self.headers = headers or {}


def address(listen: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``, ``[::1]:PORT`` or ``:PORT``, which is every address of this machine.

    Errors: ``UsageError`` if it does not read like that.
    """
    host, _, port = listen.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    known = port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535
    if not known or ":" not in listen or (":" in host and not bracketed):
        raise errors.UsageError(f"{listen!r} is no HOST:PORT", advice="Such as 127.0.0.1:9090, [::1]:9090 or :9090.")
    return host[1:-1] if bracketed else host, int(port)


def listen(host: str, port: int, handler: Callable[..., Any], log: logs.Log) -> Listener:
    """A listener, which takes nothing before ``serve_forever``; port 0 takes a free one.

    ``handler`` is a class as ``socketserver`` wants it. Errors: ``PlatformMisconfigured`` where nobody can listen.
    """
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # Every address of this machine is one socket on IPv6 that takes IPv4 too, where there is IPv6 at all.
        found.sort(key=lambda entry: not host and entry[0] != socket.AF_INET6)
        for family, _, _, _, where in found[:-1]:
            try:
                return Listener(family, where, handler, log, everywhere=not host)
            except OSError as error:
                if error.errno not in _ELSEWHERE:
                    raise
        family, _, _, _, where = found[-1]
        return Listener(family, where, handler, log, everywhere=not host)
    except (OSError, UnicodeError) as error:
        raise errors.PlatformMisconfigured(
            f"can't listen on {host or '*'}:{port}: {getattr(error, 'strerror', None) or error}",
            advice="Name another address with --listen, or end what listens there.",
        ) from error


class Listener(socketserver.TCPServer):
    """Answers each connection in a thread of its own."""

    allow_reuse_address = True
    request_queue_size = 128

    def __init__(
        self, family: int, where: Any, handler: Callable[..., Any], log: logs.Log, *, everywhere: bool
    ) -> None:
        self.address_family = family
        self._log = log
        self._everywhere = everywhere
        self._room = threading.Semaphore(CONNECTIONS)
        self._open: dict[socket.socket, None] = {}  # the oldest first
        self._guard = threading.Lock()
        super().__init__(where, handler)

    def server_bind(self) -> None:
        """Take the address."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if self._everywhere else 1)
        super().server_bind()

    def get_request(self) -> tuple[socket.socket, Any]:
        """The next connection."""
        try:
            return super().get_request()
        except OSError:
            # Out of file descriptors, most likely: the connection goes on waiting, and would be asked for at once.
            time.sleep(_FULL_SECONDS)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer it. Where all places are taken, the oldest connection has to make room."""
        if not self._room.acquire(blocking=False):
            self._cut_oldest()
            if not self._room.acquire(timeout=_ROOM_SECONDS):
                self.shutdown_request(request)
                return
        with self._guard:
            self._open[request] = None
        thread = threading.Thread(target=self._answer, args=(request, client_address), name="request", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no further thread is to be had
            self._end(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say what failed, as the log says everything."""
        if (error := sys.exception()) is not None and not isinstance(error, OSError):
            self._log.error("request failed", **logs.failure(error))

    def settle(self) -> None:
        """Wait a second for what is open, cut it off, and wait as long again; ``serve_forever`` has ended before."""
        left = CONNECTIONS - self._places(CONNECTIONS)
        while self._cut_oldest():
            pass
        self._places(left)

    def _places(self, wanted: int) -> int:
        until = time.monotonic() + _ROOM_SECONDS
        return sum(self._room.acquire(timeout=max(until - time.monotonic(), 0)) for _ in range(wanted))

    def _answer(self, request: socket.socket, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except Exception:  # noqa: BLE001 - the end of a request must not be a traceback on stderr
            self.handle_error(request, client_address)
        finally:
            self._end(request)

    def _end(self, request: socket.socket) -> None:
        with self._guard:
            self._open.pop(request, None)
        self.shutdown_request(request)
        self._room.release()

    def _cut_oldest(self) -> bool:
        """Whether there was one. Its thread meets the end of the connection and gives its place back."""
        with self._guard:
            oldest = next(iter(self._open), None)
            if oldest is None:
                return False
            del self._open[oldest]
        with suppress(OSError):
            oldest.shutdown(socket.SHUT_RDWR)
        return True


class Wire(io.RawIOBase):
    """What a client sends, as a stream that ends with ``RequestRefused`` when its time is up or it is too much.

    ``until`` is of the monotonic clock. A time for each read would be none at all: a byte every few seconds keeps to
    it for hours.
    """

    def __init__(self, connection: socket.socket, until: float, most: int) -> None:
        self._connection = connection
        self._until = until
        self._left = most

    def readable(self) -> bool:
        """It is there to be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """What is there, at most ``buffer`` full; 0: the client has ended."""
        seconds = self._until - time.monotonic()
        if seconds <= 0:
            raise RequestRefused(HTTPStatus.REQUEST_TIMEOUT)
        if self._left <= 0:
            raise RequestRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        self._connection.settimeout(seconds)
        try:
            count = self._connection.recv_into(memoryview(buffer)[: self._left])
        except TimeoutError:
            raise RequestRefused(HTTPStatus.REQUEST_TIMEOUT) from None
        self._left -= count
        return count


def drain(connection: socket.socket) -> None:
    """Let a client finish what it sends before the connection ends, for a second.

    What nobody read when a socket is closed makes the kernel reset the connection, and the client may never see the
    answer that it was given.
    """
    until = time.monotonic() + _ROOM_SECONDS
    with suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        while (seconds := until - time.monotonic()) > 0:
            connection.settimeout(seconds)
            if not connection.recv(1 << 16):
                return
