"""The formats of a plan: what ``--format`` prints and ``--report`` writes, of a plan or of why there is none.

Most calls ask for the text alone, so the others are loaded by who is asked for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import click

from reconciler import errors
from reconciler.model import plan as plans
from reconciler.report import plan as report
from reconciler.report import styled

PLAN: Final = ("text", "json", "markdown", "github", "sarif")
FAULTS: Final = ("text", "json", "github", "sarif")
TOLD: Final = ("markdown", "github", "sarif")
"""The formats that also say why there is no plan; for the others stderr says it."""

Report = tuple[str, Path]


def asked(_context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[Report, ...]:
    """The reports that were asked for, each as ``FORMAT=FILE``. Errors: ``click.BadParameter``."""
    found = []
    for value in values:
        form, _, file = value.partition("=")
        if form not in PLAN or not file:
            raise click.BadParameter(f"{value!r} is no FORMAT=FILE; formats: {', '.join(PLAN)}", param=parameter)
        found.append((form, Path(file)))
    return tuple(found)


def of_plan(found: plans.Plan, form: str, folder: str) -> str:
    """The plan in a format, without color. ``folder`` is where the repository stands in its checkout."""
    if form == "text":
        return styled.plain(report.lines(found))
    from reconciler.report import data, findings, github, markdown, sarif

    if form == "json":
        return data.text(data.plan(found))
    if form == "markdown":
        return markdown.render(found)
    if form == "github":
        return github.render(findings.of_plan(found), _summary(found), folder=folder)
    return data.text(sarif.log(findings.of_plan(found), verb="plan", folder=folder))


def _summary(found: plans.Plan) -> str:
    origin = f" {report.sentence(found.snapshot)}" if found.snapshot else ""
    return styled.flat(report.summary(found)) + origin


def of_error(error: errors.ReconcileError, form: str, folder: str) -> str:
    """Why there is no plan, in one of the formats ``TOLD``."""
    from reconciler.report import data, findings, github, markdown, sarif

    if form == "markdown":
        return markdown.failed(error)
    found = findings.of_error(error)
    if form == "github":
        return github.render(found, f"No plan: {error.message}.", folder=folder)
    return data.text(sarif.log(found, verb="plan", folder=folder, successful=False))


def of_faults(found: Iterable[errors.Fault], form: str, folder: str) -> str:
    """What is wrong with specs, as ``github`` or ``sarif``."""
    from reconciler.report import data, findings, github, sarif

    listed = findings.of_faults(found)
    if form == "github":
        counted = f"{len(listed)} fault{'s' * (len(listed) != 1)} in the specs"
        return github.render(listed, f"{counted if listed else 'The specs are valid'}.", folder=folder)
    return data.text(sarif.log(listed, verb="validate", folder=folder))


def write(reports: Iterable[Report], render: Callable[[str], str]) -> None:
    """Write the reports. Errors: ``UsageError`` for a file that can't be written."""
    for form, file in reports:
        try:
            # A name in a spec may hold halves of pairs, which UTF-8 can't.
            file.write_text(render(form), encoding="utf-8", errors="replace")
        except OSError as error:
            raise errors.UsageError(f"the report can't be written to {file}: {error.strerror}") from error
