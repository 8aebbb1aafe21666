"""The daemon's HTTP server, over real sockets."""

from __future__ import annotations

import http.client
import io
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import pytest

from reconciler import errors
from reconciler.daemon import hook, listening, logs
from reconciler.daemon import http as daemon_http
from reconciler.daemon.http import Check, Served, Server
from reconciler.ports.clock import Clock

TOKEN = "the hook's secret"
PUSH = b'{"ref": "refs/heads/main"}'
SIGNED = {"X-Gitlab-Token": TOKEN, "X-Gitlab-Event": "Push Hook", "Content-Type": "application/json"}


@dataclass
class World:
    """What the server is told, and what it said."""

    ready: str = ""
    woken: int = 0
    log: io.StringIO = field(default_factory=io.StringIO)
    port: int = 0

    def wake(self) -> None:
        self.woken += 1

    def served(self) -> Served:
        return Served(
            health=[Check("loop", lambda: "")],
            ready=[Check("first-pass", lambda: ""), Check("fetch", lambda: self.ready)],
            metrics=lambda: b"reconcile_leader 1.0\n",
            metrics_type="text/plain; version=0.0.4; charset=utf-8",
            hook=hook.Hook(TOKEN, "main", time.time).answer,
            wake=self.wake,
        )

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, str, http.client.HTTPMessage]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, dict(headers or {}))
            reply = connection.getresponse()
            return reply.status, reply.read().decode(), reply.msg
        finally:
            connection.close()

    def raw(self, sent: bytes) -> bytes:
        """Send bytes as they are, and give all that comes back before the server ends the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(sent)
            return rest(connection)


def rest(connection: socket.socket) -> bytes:
    got = b""
    while part := connection.recv(65536):
        got += part
    return got


def server(world: World, host: str = "127.0.0.1", change: Callable[[Served], Served] = lambda served: served) -> Server:
    made = Server(host, 0, change(world.served()), logs.make("json", world.log, Clock(), verbose=True))
    world.port = made.port
    return made


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    running = server(made)
    yield made
    running.close()


def test_a_healthy_daemon_says_ok(world: World) -> None:
    assert world.ask("GET", "/healthz")[:2] == (200, "ok\n")
    assert world.ask("GET", "/readyz")[:2] == (200, "ok\n")


def test_verbose_lists_the_checks(world: World) -> None:
    assert world.ask("GET", "/readyz?verbose")[:2] == (200, "[+]first-pass ok\n[+]fetch ok\nreadyz check passed\n")
    assert world.ask("GET", "/healthz?verbose=1")[:2] == (200, "[+]loop ok\nhealthz check passed\n")


@pytest.mark.parametrize("path", ["/readyz", "/readyz?verbose"])
def test_a_daemon_that_is_not_ready_says_why(world: World, path: str) -> None:
    world.ready = "the last fetch was 700 s ago,\nand failed"
    status, text, _ = world.ask("GET", path)
    assert status == 503
    assert text == (
        "[+]first-pass ok\n[-]fetch failed: the last fetch was 700 s ago, and failed\nreadyz check failed\n"
    )
    assert world.ask("GET", "/healthz")[0] == 200


def test_a_check_that_fails_is_not_well_and_the_others_are_told() -> None:
    def fails() -> str:
        raise ValueError("hunter2")

    def foreseen() -> str:
        raise errors.StoreFailed("the store is locked")

    world = World()
    checks = [Check("one", fails), Check("two", foreseen), Check("three", lambda: "")]
    running = server(world, change=lambda served: replace(served, health=checks))
    try:
        status, text, _ = world.ask("GET", "/healthz")
    finally:
        running.close()
    assert status == 503
    assert text.splitlines() == [
        "[-]one failed: it could not be checked (ValueError)",
        "[-]two failed: the store is locked",
        "[+]three ok",
        "healthz check failed",
    ]
    assert "hunter2" not in world.log.getvalue()
    assert '"check": "one"' in world.log.getvalue()


def test_metrics_are_served_with_their_type(world: World) -> None:
    status, text, headers = world.ask("GET", "/metrics")
    assert (status, text) == (200, "reconcile_leader 1.0\n")
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_head_has_the_headers_and_no_body(world: World, path: str) -> None:
    status, _, wanted = world.ask("GET", path)
    got = world.raw(f"HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    head, _, body = got.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert f"Content-Length: {wanted['Content-Length']}".encode() in head
    assert body == b""


def test_no_answer_tells_which_program_gives_it(world: World) -> None:
    for method, path in (("GET", "/healthz"), ("GET", "/nowhere"), ("PUT", "/healthz"), ("POST", "/hooks/git")):
        _, text, headers = world.ask(method, path)
        assert "Server" not in headers
        assert "ython" not in text + str(headers)
        assert headers["Content-Type"].startswith("text/plain")
        assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/", 404, None),
        ("GET", "/healthz/", 404, None),
        ("GET", "/../healthz", 404, None),
        ("POST", "/nowhere", 404, None),
        ("GET", "/hooks/git", 405, "POST"),
        ("POST", "/metrics", 405, "GET, HEAD"),
        ("PUT", "/healthz", 501, None),
        ("GET", "//[", 404, None),
        ("GET", "/readyz?" + "&".join(["a"] * 100), 400, None),
    ],
)
def test_what_is_not_there_is_refused(world: World, method: str, path: str, status: int, allow: str | None) -> None:
    got, text, headers = world.ask(method, path, b"a body" if method == "POST" else None)
    assert (got, headers["Allow"]) == (status, allow)
    assert path not in text


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /healthz HTTP/9.9\r\n\r\n", 505),
        (b"GET /healthz FTP/1.1\r\n\r\n", 400),
        (b"GET http://[/healthz HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a greeting of TLS\r\n\r\n", 400),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET /healthz HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", 431),
        (b"GET /healthz HTTP/1.1\r\na: " + b"b" * 70_000 + b"\r\n\r\n", 431),
        (b"POST /hooks/git HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST /hooks/git HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /hooks/git HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        (b"POST /hooks/git HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"POST /hooks/git HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 413),
        (b"POST /hooks/git HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2000000\r\n\r\n", 413),
    ],
)
def test_nonsense_is_refused(world: World, sent: bytes, status: int) -> None:
    assert world.raw(sent).startswith(f"HTTP/1.1 {status} ".encode())
    assert world.ask("GET", "/healthz")[0] == 200
    assert '"error"' not in world.log.getvalue()


def test_a_body_that_ends_early_is_refused(world: World) -> None:
    with socket.create_connection(("127.0.0.1", world.port), timeout=30) as connection:
        connection.sendall(b"POST /hooks/git HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc")
        connection.shutdown(socket.SHUT_WR)
        assert rest(connection).startswith(b"HTTP/1.1 400 ")


def test_the_largest_body_is_taken_and_one_byte_more_is_not(world: World) -> None:
    body = PUSH + b" " * (daemon_http.BODY_BYTES - len(PUSH))
    assert world.ask("POST", "/hooks/git", body, SIGNED)[0] == 202
    assert world.ask("POST", "/hooks/git", body + b" ", SIGNED)[0] == 413
    assert world.woken == 1


def test_a_push_wakes_and_is_answered_at_once(world: World) -> None:
    status, text, _ = world.ask("POST", "/hooks/git", PUSH, SIGNED)
    assert (status, text) == (202, "woken\n")
    assert world.woken == 1


def test_what_is_not_signed_does_not_wake(world: World) -> None:
    assert world.ask("POST", "/hooks/git", PUSH, {**SIGNED, "X-Gitlab-Token": "another"})[0] == 401
    assert world.ask("POST", "/hooks/git", PUSH)[0] == 401
    assert world.woken == 0
    assert TOKEN not in world.log.getvalue()


def test_two_signatures_are_none(world: World) -> None:
    sent = f"X-Gitlab-Token: {TOKEN}\r\n" * 2
    got = world.raw(f"POST /hooks/git HTTP/1.1\r\n{sent}Content-Length: {len(PUSH)}\r\n\r\n".encode() + PUSH)
    assert got.startswith(b"HTTP/1.1 401 ")
    assert world.woken == 0


def test_a_failure_inside_is_an_answer_and_a_line_in_the_log() -> None:
    def fails() -> bytes:
        raise ValueError("hunter2")

    world = World()
    running = server(world, change=lambda served: replace(served, metrics=fails))
    try:
        assert world.ask("GET", "/metrics")[:2] == (500, "Internal Server Error\n")
        assert world.ask("GET", "/healthz")[0] == 200
    finally:
        running.close()
    assert "ValueError" in world.log.getvalue()
    assert "hunter2" not in world.log.getvalue()


def test_a_request_that_comes_a_byte_at_a_time_has_an_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon_http, "SECONDS", 0.6)
    with socket.create_connection(("127.0.0.1", world.port), timeout=30) as connection:
        began = time.monotonic()
        got = b""
        connection.settimeout(0.05)
        while not got and time.monotonic() - began < 20:
            connection.send(b"G")
            try:
                got = connection.recv(65536)
            except TimeoutError:
                continue
        assert got.startswith(b"HTTP/1.1 408 ")
        assert 0.5 < time.monotonic() - began < 10


def test_idle_connections_keep_nobody_out(world: World) -> None:
    idle = [socket.create_connection(("127.0.0.1", world.port), timeout=30) for _ in range(2 * listening.CONNECTIONS)]
    try:
        began = time.monotonic()
        assert world.ask("GET", "/healthz")[0] == 200
        assert time.monotonic() - began < daemon_http.SECONDS / 2
        assert handlers() <= listening.CONNECTIONS
        assert idle[0].recv(1) == b""  # the oldest had to go
    finally:
        for connection in idle:
            connection.close()


def handlers() -> int:
    return sum(thread.name == "request" for thread in threading.enumerate())


def test_a_connection_carries_one_request(world: World) -> None:
    got = world.raw(b"GET /healthz HTTP/1.1\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n")
    assert got.count(b"HTTP/1.1 ") == 1
    assert b"Connection: close" in got


def test_a_closed_server_leaves_no_thread_and_no_port_behind() -> None:
    world = World()
    before = set(threading.enumerate())
    running = server(world)
    idle = socket.create_connection(("127.0.0.1", world.port), timeout=30)
    assert world.ask("GET", "/healthz")[0] == 200
    running.close()
    assert idle.recv(1) == b""
    idle.close()
    deadline = time.monotonic() + 10
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert set(threading.enumerate()) - before == set()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", world.port), timeout=30)


def test_an_answer_that_is_under_way_is_given_before_the_end() -> None:
    asked, go = threading.Event(), threading.Event()

    def slow() -> bytes:
        asked.set()
        go.wait(30)
        return b"slow\n"

    world = World()
    running = server(world, change=lambda served: replace(served, metrics=slow))
    with socket.create_connection(("127.0.0.1", world.port), timeout=30) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert asked.wait(30)
        closing = threading.Thread(target=running.close)
        closing.start()
        go.set()
        assert rest(connection).endswith(b"slow\n")
        closing.join(30)


def test_a_port_that_is_taken_is_a_configuration_that_cannot_work(world: World) -> None:
    log = logs.make("json", io.StringIO(), Clock())
    with pytest.raises(errors.PlatformMisconfigured, match=f"can't listen on 127.0.0.1:{world.port}: Address already"):
        Server("127.0.0.1", world.port, world.served(), log)
    with pytest.raises(errors.PlatformMisconfigured, match=r"no\.such\.host\.invalid:0: "):
        Server("no.such.host.invalid", 0, world.served(), log)
    with pytest.raises(errors.PlatformMisconfigured):
        Server("a" * 70, 0, world.served(), log)


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="the machine has no IPv6")
@pytest.mark.parametrize(("host", "reached"), [("::1", ["::1"]), ("", ["::1", "127.0.0.1"])])
def test_ipv6_is_listened_on(host: str, reached: list[str]) -> None:
    world = World()
    running = server(world, host)
    try:
        for address in reached:
            with socket.create_connection((address, world.port), timeout=30) as connection:
                connection.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
                assert rest(connection).endswith(b"ok\n")
    finally:
        running.close()


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("127.0.0.1:9090", ("127.0.0.1", 9090)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:9090", ("::1", 9090)),
        (":9090", ("", 9090)),
    ],
)
def test_an_address_is_read(said: str, meant: tuple[str, int]) -> None:
    assert listening.address(said) == meant


@pytest.mark.parametrize("said", ["", "9090", "host", "host:", "host:x", "host:65536", "::1:9090", "[::1]", "a:٣"])
def test_what_is_no_address_is_refused(said: str) -> None:
    with pytest.raises(errors.UsageError, match="is no HOST:PORT"):
        listening.address(said)
