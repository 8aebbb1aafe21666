"""What an import would do, what is refused in it, and how it went when it was tried: for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler import errors
from reconciler.engine.import_check import Trial
from reconciler.report import data, faults
from reconciler.report.styled import Line, Style, line, styled
from reconciler.resources.scripts import Scripts


def lines(source: Scripts, trial: Trial | None) -> Iterator[Line]:
    """For people: first what is refused, each with its place and the way out."""
    for fault in source.refusals:
        yield from (line(text) for text in faults.one(fault).splitlines())
    if source.refused > len(source.refusals):
        yield line(f"… and {source.refused - len(source.refusals)} more")
    if source.refused:
        yield line("")
    files = ", ".join(file.label for file in source.files)
    yield line(styled(f"{files}: ", Style.HEADING), f"{_total(source)} statements, {source.size:,} bytes")
    for kind, count in source.kinds:
        yield line(f"  {count:>8,}  {kind}")
    if source.skipped:
        yield line(f"  {source.skipped:>8,}  left out: they make or choose the file's database, or are for MySQL alone")
    made = ", ".join(f"{count} {what}" for what, count in source.counts.items() if count)
    yield line(f"makes {made or 'nothing'}; the longest statement has {source.longest:,} bytes ({source.longest_at})")
    if source.databases and not source.mapping:
        named = ", ".join(source.databases)
        yield line(f"names the database{'s' * (len(source.databases) > 1)} {named}: see --map-database")
    if source.refused:
        yield line(styled("refused: ", Style.BAD), f"{source.refused} statement{'s' * (source.refused != 1)}")
    elif trial is None:
        yield line(styled("may be imported", Style.GOOD), "; with --server NAME it is tried")
    if trial is not None:
        yield from _tried(trial)


def as_data(source: Scripts, trial: Trial | None) -> dict[str, Any]:
    """For programs."""
    return {
        "formatVersion": data.FORMAT,
        "files": [{"name": name, "sha256": digest} for name, digest in source.sums.items()],
        "mapDatabase": source.mapping or None,
        "databases": list(source.databases),
        "statements": _total(source),
        "kinds": dict(source.kinds),
        "skipped": source.skipped,
        "makes": source.counts,
        "longest": {"bytes": source.longest, "where": data.place(source.longest_at)},
        "refused": source.refused,
        "refusals": [_fault(fault) for fault in source.refusals],
        "trial": _trial(trial) if trial is not None else None,
    }


def _total(source: Scripts) -> int:
    return sum(count for _, count in source.kinds)


def _fault(fault: errors.Fault) -> Mapping[str, Any]:
    return {
        "where": data.place(fault.where),
        "message": fault.message,
        "rule": fault.rule,
        "hint": fault.hint or None,
    }


def _tried(trial: Trial) -> Iterator[Line]:
    if trial.failure:
        yield line(styled("failed ", Style.BAD), f"on {trial.server}: {trial.failure.message}")
        if trial.failure.advice:
            yield line(f"  {trial.failure.advice}")
    else:
        made = ", ".join(f"{count} {what}" for what, count in trial.counts.items() if count)
        yield line(styled("imported ", Style.GOOD), f"on {trial.server} in {trial.seconds:.1f} s: {made or 'nothing'}")
    if trial.leftovers:
        yield line(styled("left over:", Style.BAD))
        for left in trial.leftovers:
            yield line(f"  {left.resource} {left.name}: {left.reason}; {left.clear}")
    else:
        yield line("the scratch database and its account are gone again")


def _trial(trial: Trial) -> Mapping[str, Any]:
    failure = trial.failure
    return {
        "server": trial.server,
        "transaction": trial.transaction,
        "outcome": "failed" if failure else "imported",
        "seconds": round(trial.seconds, 3),
        "counts": dict(trial.counts),
        "error": {"code": failure.code, "message": failure.message} if failure else None,
        "leftovers": [[left.resource, left.name, left.reason] for left in trial.leftovers],
    }
