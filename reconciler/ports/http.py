"""Asking and telling somebody else's HTTP endpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler import errors

if TYPE_CHECKING:
    import http.client
    import urllib.error

SECONDS = 10.0
MOST_OCTETS = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. ``headers`` have their names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Http:
    """A client that follows no redirect: what was signed for one address is sent to no other."""

    def post(self, url: str, headers: Mapping[str, str], body: bytes, *, seconds: float = SECONDS) -> int:
        """Send ``body``; the status of the reply, whatever it is.

        Errors: ``NotDelivered`` if there was no reply within ``seconds``.
        """
        with _asked("POST", url, headers, body, seconds) as reply:
            return int(reply.status or 0)

    def request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None, seconds: float = SECONDS
    ) -> Reply:
        """Send a request; the whole reply, whatever its status is.

        Errors: ``NotDelivered`` if nothing came for ``seconds``, or more than ``MOST_OCTETS``.
        """
        with _asked(method, url, headers, body, seconds) as reply:
            found = reply.read(MOST_OCTETS + 1)
            if len(found) > MOST_OCTETS:
                raise errors.NotDelivered(f"the reply is longer than {MOST_OCTETS} octets")
            return Reply(int(reply.status or 0), {name.lower(): value for name, value in reply.headers.items()}, found)


@contextmanager
def _asked(
    method: str, url: str, headers: Mapping[str, str], body: bytes | None, seconds: float
) -> Iterator[http.client.HTTPResponse | urllib.error.HTTPError]:
    # Loading the client takes longer than most commands that never send anything.
    import http.client
    import urllib.error
    import urllib.request

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_arguments: object) -> None:
            return None

    try:
        request = urllib.request.Request(url, data=body, headers=dict(headers), method=method)  # noqa: S310 - by schema
        try:
            reply = urllib.request.build_opener(Stay).open(request, timeout=seconds)
        except urllib.error.HTTPError as error:
            reply = error
        with reply:
            yield reply
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise errors.NotDelivered(f"no reply: {reason}") from error
