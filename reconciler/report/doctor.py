"""What the doctor found, and the GRANT statements."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from reconciler.engine import doctor
from reconciler.report import data, problem
from reconciler.report.styled import EMPTY, Line, Style, line, styled

_LOOKS: Final[dict[doctor.Health, tuple[str, Style]]] = {
    doctor.Health.OK: ("ok    ", Style.GOOD),
    doctor.Health.NOTE: ("note  ", Style.UPDATE),
    doctor.Health.FAILED: ("failed", Style.BAD),
}


def lines(found: doctor.Diagnosis) -> Iterator[Line]:
    """The checks, then the statements, one a line, to be copied."""
    for check in found.checks:
        word, style = _LOOKS[check.health]
        yield line(styled(word, style), "  ", styled(check.name, Style.HEADING), f"  {check.message}")
        if check.advice:
            yield problem.advice(check.advice, indent=8)
    for grants in found.grants:
        yield EMPTY
        yield line(styled(f"-- The provisioning account of server {grants.server} needs:", Style.FAINT))
        yield from (line(statement) for statement in grants.provisioning)
        yield line(styled("-- A planning account, which can only look, needs:", Style.FAINT))
        yield from (line(statement) for statement in grants.planning)
    yield EMPTY
    failed = sum(check.health is doctor.Health.FAILED for check in found.checks)
    if failed:
        yield line(styled(f"{failed} of {len(found.checks)} checks failed.", Style.BAD))
    else:
        yield line(styled("Everything that an apply needs is there.", Style.GOOD))


def as_data(found: doctor.Diagnosis) -> dict[str, Any]:
    """``reconcile doctor --format json``."""
    return {
        "formatVersion": data.FORMAT,
        "checks": [
            {
                "name": check.name,
                "health": check.health.value,
                "message": check.message,
                "advice": check.advice or None,
                "code": check.code or None,
            }
            for check in found.checks
        ],
        "grants": [
            {
                "server": grants.server,
                "provisioning": list(grants.provisioning),
                "planning": list(grants.planning),
            }
            for grants in found.grants
        ],
    }
