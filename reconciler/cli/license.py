"""``reconcile license``: looking at license files offline, with public keys only.

Neither a server nor the store nor a private key is needed, so both commands also work on a machine that has nothing
but the file and a key ring. What is presented may be anything: whatever its bytes are, the answer is a result code.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from reconciler import errors
from reconciler.cli import manual, options
from reconciler.licensing import codes, hardware, keys, revocation, verify
from reconciler.licensing import format as signed_file
from reconciler.ports import clock
from reconciler.report import faults
from reconciler.report import license as report
from reconciler.spec import folder, load, platform

T = TypeVar("T")

RING = "license-keys.json"
"""The key ring's name in the folder of the keys, as the engine writes it."""

_PLATFORM_FILES = ("specs/platform.yaml", "specs/platform.yml")
_MOST_OCTETS = revocation.MAX_FILE
_RING_ADVICE = f"Give a key ring ({RING}) or one public key in PEM with --keys."
_FIRST, _LAST = 2000, 2999
_FILE = click.Path(path_type=Path)

_file = click.argument("file", type=_FILE)
_keys = click.option(
    "--keys",
    "ring_file",
    type=_FILE,
    metavar="FILE",
    help=f"The public keys: a key ring, or one key in PEM. Default: {RING} of the repository.",
)


@click.group()
def license() -> None:
    """Look at license files, offline and with public keys only."""


@license.command(
    help=manual.page(
        "Show what the license in FILE says.\n\nIts signature is checked if there is a key ring; dates and devices are "
        "for `license verify`.",
        examples={
            "reconcile license inspect state/deliveries/abarrotes-lupita/license.lic": "",
            "reconcile license inspect license.lic --keys key.pem": "check its signature with one public key",
        },
        exits={
            0: "FILE is a license, and nothing speaks against its signature",
            3: "it is none, or its signature is not good; a result code says why",
        },
        also=(65, 78),
    )
)
@_file
@_keys
@options.output
@click.pass_context
def inspect(context: click.Context, file: Path, ring_file: Path | None, output: str) -> None:
    """Show what a license says."""
    call, data, ring = options.call(context), _read(file), _ring(ring_file, context)
    try:
        envelope = signed_file.parse(data)
        rejection = signed_file.distrust(envelope, ring) if ring else None
        granted = signed_file.read_terms(envelope)
    except errors.Refused as refused:
        malformed = codes.Rejection(codes.Code.MALFORMED, refused.message)
        if output == "json":
            call.show_data(report.rejection_data(malformed))
        else:
            call.show(report.rejection_lines(malformed))
        context.exit(malformed.code.exit)
    if output == "json":
        call.show_data(report.contents_data(envelope, granted, rejection, checked=ring is not None))
    else:
        call.show(report.contents_lines(envelope, granted, rejection, checked=ring is not None))
    context.exit(rejection.code.exit if rejection else 0)


@license.command(
    name="verify",
    help=manual.page(
        "Judge the license in FILE as a device would, and say why.\n\nThe first line is a result code.",
        examples={
            "reconcile license verify license.lic --keys license-keys.json": "",
            "reconcile license verify license.lic --hardware caja-1.json": "is it for this device?",
            "reconcile license verify license.lic --at 2028-01-05": "what will it be worth then?",
        },
        exits={0: "VALID or IN_GRACE: the application may run", 3: "any other result code"},
        also=(65, 78),
    ),
)
@_file
@_keys
@click.option(
    "--hardware",
    "hardware_file",
    type=_FILE,
    metavar="FILE",
    help="This device's components as a JSON object {component: value}. Without it the device is not checked.",
)
@click.option("--revoked", "revoked_file", type=_FILE, metavar="FILE", help="A signed revocation list.")
@click.option(
    "--at", metavar="TIME", help="Judge for this time, as 2027-12-31 or 2027-12-31T12:00:00Z (UTC). Default: now."
)
@options.output
@click.pass_context
def verify_command(
    context: click.Context,
    file: Path,
    ring_file: Path | None,
    hardware_file: Path | None,
    revoked_file: Path | None,
    at: str | None,
    output: str,
) -> None:
    """Judge a license."""
    call, data, ring = options.call(context), _read(file), _ring(ring_file, context)
    if ring is None:
        raise errors.UsageError("there is no key ring to check the signature with", advice=_RING_ADVICE)
    now = _time(at) if at is not None else clock.Clock().now()
    values = _believed(hardware_file, hardware.parse_values)
    revoked = _believed(revoked_file, lambda found: revocation.parse(found, ring))
    verdict = verify.verify(data, ring, now=now, hardware=values, revoked=revoked)
    if output == "json":
        call.show_data(report.verdict_data(verdict, signed_file.instant(now)))
    else:
        call.show(report.verdict_lines(verdict))
    context.exit(verdict.code.exit)


def _ring(file: Path | None, context: click.Context) -> keys.KeyRing | None:
    """The ring in ``file``, or else that of the repository; None if neither is there."""
    if file is None:
        file = _ring_of_repository(context)
        if file is None or not file.exists():
            return None
    data = _read(file)
    try:
        return keys.read_ring(data)
    except (errors.Refused, errors.PlatformMisconfigured) as error:
        raise errors.PlatformMisconfigured(f"{_shown(file)}: {error.message}", advice=_RING_ADVICE) from None


def _ring_of_repository(context: click.Context) -> Path | None:
    root = options.repository(context)
    found = next((name for name in _PLATFORM_FILES if root and (root / name).is_file()), None)
    if root is None or found is None:
        return None
    # Only this one file is read: a license can be looked at whatever is wrong with the tenants' specs.
    parsed = load.parse(folder.decode(found, _read(root / found)), platform.KINDS)
    specs = [document.spec for document in parsed.documents if document.kind == platform.PLATFORM.name]
    if not specs or specs[0] is None:
        raise errors.InvalidSpecs(parsed.faults)
    spec: platform.PlatformSpec = specs[0]
    return root / spec.keys.directory / RING


def _believed(file: Path | None, parse: Callable[[bytes], T]) -> T | None:
    """What ``parse`` makes of a file, if one was given. Errors: ``MalformedLicense`` that names the file."""
    if file is None:
        return None
    try:
        return parse(_read(file))
    except errors.Refused as refused:
        raise errors.MalformedLicense(f"{_shown(file)}: {refused.message}") from None


def _read(file: Path) -> bytes:
    """A file's bytes, one more than any file may have at most, so that a huge one is not read to its end."""
    try:
        with file.open("rb") as opened:
            return opened.read(_MOST_OCTETS + 1)
    except OSError as error:
        raise errors.UsageError(f"{_shown(file)} can't be read: {error.strerror or error}") from None


def _time(text: str) -> datetime.datetime:
    try:
        found = datetime.datetime.fromisoformat(text)
        found = found.astimezone(datetime.UTC) if found.tzinfo else found.replace(tzinfo=datetime.UTC)
    except (ValueError, OverflowError):
        raise errors.UsageError(f"--at {text!r} is no time; give it as 2027-12-31 or 2027-12-31T12:00:00Z") from None
    if not _FIRST <= found.year <= _LAST:
        raise errors.UsageError(f"--at {text!r} is outside of the years {_FIRST} to {_LAST} that licenses know")
    return found


def _shown(file: Path) -> str:
    return faults.printable(click.format_filename(file))
