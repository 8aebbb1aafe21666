"""The outermost layer of a signed file: base64 between two marker lines, in exactly one possible form.

Base64 readers are lenient by habit: they skip stray characters and ignore the spare bits before the
padding. Here a text is accepted only if writing it again gives the same bytes, so one content has one file
and no byte of it can change unnoticed.
"""

from __future__ import annotations

import base64
from typing import Final

from reconciler.licensing import wire

LINE: Final = 64


def encode64(data: bytes) -> str:
    """Standard base64 with padding (RFC 4648, section 4)."""
    return base64.b64encode(data).decode("ascii")


def decode64(text: bytes, what: str) -> bytes:
    """The bytes behind ``text``, which must be what `encode64` writes. Raises `errors.Refused`."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise wire.malformed(f"{what} is not base64") from None
    if base64.b64encode(data) != text:
        raise wire.malformed(f"{what} is base64 with stray bits or padding")
    return data


def wrap(label: str, content: bytes) -> bytes:
    """``content`` as a file: marker lines around lines of 64 characters, each ended by one newline."""
    text = encode64(content)
    lines = [text[start : start + LINE] for start in range(0, len(text), LINE)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode("ascii")


def unwrap(label: str, data: bytes, limit: int) -> bytes:
    """The content of a file of at most ``limit`` bytes that `wrap` could have written.

    Raises `errors.Refused`.
    """
    if len(data) > limit:
        raise wire.malformed(f"the file has {len(data)} bytes; a {label.lower()} has at most {limit}")
    if b"\r" in data:
        raise wire.malformed("the file has carriage returns: it was copied as text; copy it as bytes")
    begin, end = f"-----BEGIN {label}-----\n".encode("ascii"), f"-----END {label}-----\n".encode("ascii")
    if not (data.startswith(begin) and data.endswith(end)):
        raise wire.malformed(f"the file does not begin and end with the lines of a {label.lower()}")
    content = decode64(data[len(begin) : -len(end)].replace(b"\n", b""), "the file's body")
    if wrap(label, content) != data:
        raise wire.malformed(f"the file's body is not in lines of {LINE} characters")
    return content
