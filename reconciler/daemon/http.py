"""Where others ask how the daemon is: ``/healthz``, ``/readyz``, ``/metrics``; and the push hook, ``/hooks/git``.

Checks read as Kubernetes' own ("Kubernetes API health endpoints"): 200 or 503, and with ``?verbose`` a line a check.
A connection carries one request, of bounded size and time (``daemon.listening``).
"""

from __future__ import annotations

import io
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, Final, cast

from reconciler import errors
from reconciler.daemon import hook, listening, logs
from reconciler.daemon.listening import RequestRefused
from reconciler.report import faults

SECONDS: Final = 10.0
"""How long a request may take to arrive, and its answer to be taken, together."""
BODY_BYTES: Final = 1 << 20
_HEAD_BYTES: Final = 1 << 17
_LEAST_SECONDS: Final = 1.0
_POLL_SECONDS: Final = 0.1
_TEXT: Final = "text/plain; charset=utf-8"
_MOST_FIELDS: Final = 20
_NONE: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that has to be well. ``ask`` gives an empty text, or why it is not.

    Nobody may be kept waiting by a check: it tells what is known already and asks no server.
    """

    name: str
    ask: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Served:
    """What there is to ask for. ``hook`` judges a call by its headers (names in lower case) and its body; where its
    answer says so, ``wake`` is called.
    """

    health: Sequence[Check]
    ready: Sequence[Check]
    metrics: Callable[[], bytes]
    metrics_type: str
    hook: Callable[[Mapping[str, str], bytes], hook.Answer]
    wake: Callable[[], None]


class Server:
    """A running server; ``close`` ends it. Port 0 takes a free one, which ``port`` tells.

    Errors: ``PlatformMisconfigured`` where it can't listen.
    """

    def __init__(self, host: str, port: int, served: Served, log: logs.Log) -> None:
        handler = type("_Bound", (_Handler,), {"served": served, "log": log})
        self._listener = listening.listen(host, port, handler, log)
        self.port = int(self._listener.server_address[1])
        self._thread = threading.Thread(
            target=self._listener.serve_forever, args=(_POLL_SECONDS,), name="http", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Take no further request; let the open ones end within a second, and cut off the rest."""
        self._listener.shutdown()
        self._thread.join()
        self._listener.server_close()
        self._listener.settle()


class _Handler(BaseHTTPRequestHandler):
    served: Served
    log: logs.Log
    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.0"  # with 0.9, what can not be read would be answered without a status

    def setup(self) -> None:
        super().setup()
        self._until = time.monotonic() + SECONDS
        self.rfile.close()
        self.rfile = io.BufferedReader(listening.Wire(self.connection, self._until, _HEAD_BYTES + BODY_BYTES))
        # Known before the first line is read, for an answer that comes as early as that.
        self.command, self.requestline, self.request_version = "", "", self.protocol_version

    def handle(self) -> None:
        try:
            self.handle_one_request()
        except RequestRefused as refused:
            self._answer(refused.status, refused.words, refused.headers)
            listening.drain(self.connection)
        except OSError:
            raise  # who asked has gone away
        except Exception as error:  # noqa: BLE001 - whatever it is, it is an answer to this request and to no other
            self.log.error("request failed", **logs.failure(error))
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, "")

    def do_GET(self) -> None:
        path, query = self._asked()
        match path:
            case "/healthz":
                self._checked("healthz", self.served.health, query)
            case "/readyz":
                self._checked("readyz", self.served.ready, query)
            case "/metrics":
                self._send(HTTPStatus.OK, self.served.metrics(), self.served.metrics_type)
            case "/hooks/git":
                raise _not_allowed("POST")
            case _:
                raise RequestRefused(HTTPStatus.NOT_FOUND)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        path, _ = self._asked()
        if path in ("/healthz", "/readyz", "/metrics"):
            raise _not_allowed("GET, HEAD")
        if path != "/hooks/git":
            raise RequestRefused(HTTPStatus.NOT_FOUND)
        body = self._body()
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            known = headers.get(name.lower())
            # Two signatures are none: which of them was meant is not for us to choose.
            headers[name.lower()] = value if known is None else f"{known}, {value}"
        judged = self.served.hook(headers, body)
        if judged.wakes:
            self.served.wake()
        self.log.debug("hook", status=judged.status, message=judged.words)
        self._answer(judged.status, judged.words)

    def handle_expect_100(self) -> bool:
        self._length()  # who asks before sending too much is told so before
        return super().handle_expect_100()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the library refuses, without its words: they quote what was sent."""
        raise RequestRefused(code)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a probe every few seconds is no news."""

    def _asked(self) -> tuple[str, Mapping[str, list[str]]]:
        try:
            parts = urllib.parse.urlsplit(self.path)
            query = urllib.parse.parse_qs(parts.query, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
        except ValueError:
            raise RequestRefused(HTTPStatus.BAD_REQUEST, "this is no path") from None
        return parts.path, query

    def _length(self) -> int:
        if "Transfer-Encoding" in self.headers:
            raise RequestRefused(
                HTTPStatus.LENGTH_REQUIRED, "the body has to come with its Content-Length, not in chunks"
            )
        said = cast(list[str], self.headers.get_all("Content-Length", []))
        if not said:
            return 0
        if len(said) > 1 or not said[0].isascii() or not said[0].isdigit():
            raise RequestRefused(HTTPStatus.BAD_REQUEST, "Content-Length is no number")
        if len(said[0]) > len(str(BODY_BYTES)) or int(said[0]) > BODY_BYTES:
            raise RequestRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body may have {BODY_BYTES} bytes")
        return int(said[0])

    def _body(self) -> bytes:
        length = self._length()
        body = self.rfile.read(length)
        if len(body) != length:
            raise RequestRefused(HTTPStatus.BAD_REQUEST, f"the body ends after {len(body)} of {length} bytes")
        return body

    def _checked(self, page: str, checks: Sequence[Check], query: Mapping[str, list[str]]) -> None:
        found = {check.name: self._why(check) for check in checks}
        well = not any(found.values())
        if well and "verbose" not in query:
            self._answer(HTTPStatus.OK, "ok")
            return
        lines = [f"[-]{name} failed: {why}" if why else f"[+]{name} ok" for name, why in found.items()]
        lines.append(f"{page} check {'passed' if well else 'failed'}")
        self._answer(HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE, "\n".join(lines))

    def _why(self, check: Check) -> str:
        try:
            return faults.one_line(check.ask())
        except errors.ReconcileError as error:
            return faults.one_line(str(error))
        except Exception as error:  # noqa: BLE001 - what can't be told is not well, and the other checks go on
            self.log.error("check failed", check=check.name, **logs.failure(error))
            return f"it could not be checked ({type(error).__name__})"

    def _answer(self, status: int, words: str, more: Mapping[str, str] = _NONE) -> None:
        self._send(status, f"{words or HTTPStatus(status).phrase}\n".encode(), _TEXT, more)

    def _send(self, status: int, content: bytes, kind: str, more: Mapping[str, str] = _NONE) -> None:
        """The answer, without telling which program of which version gives it."""
        self.send_response_only(status)
        said = {
            "Date": self.date_time_string(),
            "Content-Type": kind,
            "Content-Length": str(len(content)),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Connection": "close",
        }
        for name, value in {**said, **more}.items():
            self.send_header(name, value)
        self.close_connection = True
        self.connection.settimeout(max(self._until - time.monotonic(), _LEAST_SECONDS))
        self.end_headers()
        if self.command != "HEAD":
            self.connection.settimeout(max(self._until - time.monotonic(), _LEAST_SECONDS))
            self.wfile.write(content)


def _not_allowed(allowed: str) -> RequestRefused:
    return RequestRefused(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": allowed})
