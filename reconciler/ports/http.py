"""Sending to somebody else's HTTP endpoint."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler import errors

SECONDS = 10.0


class Http:
    """A client that follows no redirect: what was signed for one address is sent to no other."""

    def post(self, url: str, headers: Mapping[str, str], body: bytes, *, seconds: float = SECONDS) -> int:
        """Send ``body``; the status of the reply, whatever it is.

        Errors: ``NotDelivered`` if there was no reply within ``seconds``.
        """
        # Loading the client takes longer than most commands that never send anything.
        import http.client
        import urllib.error
        import urllib.request

        request = urllib.request.Request(url, data=body, headers=dict(headers), method="POST")  # noqa: S310 - by schema

        class Stay(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *_arguments: object) -> None:
                return None

        try:
            with urllib.request.build_opener(Stay).open(request, timeout=seconds) as reply:
                return int(reply.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise errors.NotDelivered(f"no reply: {reason}") from error
