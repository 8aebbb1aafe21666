"""What was measured: figures, goals, the table, the plots, and where they stand in the README."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import plot

HERE = Path(__file__).parent
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"

LABELS = {
    "bare": "bare PyMySQL (the limit)",
    "hashing": "bare PyMySQL, hashing passwords",
    "reconcile": "reconcile",
    "taskflow": "TaskFlow",
    "dbos": "DBOS",
    "ansible": "Ansible",
}
MEASURES = {
    "apply": "apply",
    "re-run": "apply again",
    "plan": "plan, nothing to do",
    "plan --tenant": "plan of one tenant",
}


@dataclass(frozen=True)
class Figure:
    """One measurement: seconds of the best round, of every round, of processor time of its own and of the server; MB of
    the largest process.

    ``projected`` says that it was not measured but taken from fewer tenants in proportion; ``note`` why there is none.
    """

    contender: str
    measure: str
    tenants: int
    seconds: float = 0.0
    rounds: tuple[float, ...] = ()
    processor: float = 0.0
    server: float = 0.0
    peak: float = 0.0
    projected: bool = False
    note: str = ""


@dataclass
class Results:
    """Everything of one run."""

    command: str
    machine: dict[str, str]
    figures: dict[tuple[str, str, int], Figure] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def add(self, figure: Figure) -> None:
        """Add a round; the best one counts."""
        key = (figure.contender, figure.measure, figure.tenants)
        known = self.figures.get(key)
        if known is not None and known.rounds and figure.rounds:
            best = min(known, figure, key=lambda entry: entry.seconds)
            figure = Figure(**{**asdict(best), "rounds": known.rounds + figure.rounds})
        self.figures[key] = figure

    def seconds(self, contender: str, measure: str, tenants: int) -> float | None:
        """A measured or projected time."""
        found = self.figures.get((contender, measure, tenants))
        return found.seconds if found is not None and found.seconds else None

    @property
    def counts(self) -> list[int]:
        """The numbers of tenants."""
        return sorted({count for _, _, count in self.figures})

    def data(self) -> dict[str, Any]:
        """All raw figures, for JSON."""
        return {
            "command": self.command,
            "machine": self.machine,
            "versions": self.versions,
            "figures": [asdict(figure) for figure in self.figures.values()],
            "details": self.details,
            "goals": [asdict(goal) for goal in goals(self)],
        }


@dataclass(frozen=True)
class Goal:
    """A goal, what was measured, and whether it holds; None where it is set for another number of tenants."""

    goal: str
    measured: str
    holds: bool | None


def goals(results: Results) -> list[Goal]:
    """Every goal that this run says something about."""
    found = []
    for count in results.counts:
        ours = results.seconds("reconcile", "apply", count)
        for limit in ("bare", "hashing"):
            if ours and (bare := results.seconds(limit, "apply", count)):
                text = f"apply of {count:,} tenants ≥ 0.9 of {LABELS[limit]}"
                found.append(Goal(text, f"{bare / ours:.2f}", bare / ours >= 0.9))
    for count in results.counts:
        for measure, least in (("apply", 30), ("plan", 500)):
            ours, theirs = (results.seconds(name, measure, count) for name in ("reconcile", "ansible"))
            if ours and theirs:
                said = {"apply": "apply", "plan": "no-op plan"}[measure]
                against = {"apply": "Ansible", "plan": "Ansible's check mode"}[measure]
                known = " (projected)" * results.figures["ansible", measure, count].projected
                text = f"{said} of {count:,} tenants ≥ {least} × {against}"
                holds = None if measure == "plan" and count != 1000 else theirs / ours >= least
                found.append(Goal(text, f"{theirs / ours:.0f} ×{known}", holds))
    for name, entry in results.details.items():
        if name.startswith("inside"):
            share = entry["journal_share"]
            found.append(
                Goal(f"journalling ≤ 10 % of an apply, {entry['parallel']} at a time", f"{share:.1%}", share <= 0.1)
            )
    if start := results.details.get("start-up"):
        found.append(
            Goal(
                "`reconcile --help` ≤ 150 ms",
                f"best {start['help best'] * 1000:.0f} ms, median {start['help median'] * 1000:.0f} ms "
                f"(a Python that does nothing: {start['python best'] * 1000:.0f} ms)",
                start["help best"] <= 0.15,
            )
        )
    return found


def markdown(results: Results) -> str:
    """The table, the goals and the notes."""
    counts = results.counts
    out = [
        f"Made by `{results.command}` on {', '.join(f'{k} {v}' for k, v in results.machine.items())}.",
        "",
        "| | " + " | ".join(f"{count:,} tenants" for count in counts) + " | memory |",
        "|---|" + "--:|" * (len(counts) + 1),
    ]
    notes: list[str] = []
    for contender, label in LABELS.items():
        for measure, said in MEASURES.items():
            row = [results.figures.get((contender, measure, count)) for count in counts]
            if not any(row):
                continue
            peak = max((figure.peak for figure in row if figure), default=0.0)
            said = "check mode" if (contender, measure) == ("ansible", "plan") else said
            cells = [_cell(figure, results, notes) for figure in row]
            out.append(f"| {label}: {said} | " + " | ".join(cells) + f" | {f'{peak:.0f} MB' if peak else ''} |")
    out += ["", *notes, "", "| goal | measured | |", "|---|--:|---|"]
    out += [f"| {goal.goal} | {goal.measured} | {_VERDICTS[goal.holds]} |" for goal in goals(results)]
    out += ["", *_processor(results), "", *_details(results.details), ""]
    out += [f"- {versions}" for versions in results.versions.values()]
    return "\n".join(out)


def _processor(results: Results) -> Iterable[str]:
    """What of the processor a tenant costs, of most tenants; and how many cores were busy with it on average."""
    count = results.counts[-1]
    rows = [results.figures.get((contender, "apply", count)) for contender in LABELS]
    measured = [figure for figure in rows if figure is not None and figure.rounds]
    if not measured:
        return
    yield f"| apply, a tenant of {count:,} | its processor time | the server's | both | cores busy |"
    yield "|---|--:|--:|--:|--:|"
    for figure in measured:
        own, server = (seconds / count * 1000 for seconds in (figure.processor, figure.server))
        busy = (figure.processor + figure.server) / figure.seconds
        yield f"| {LABELS[figure.contender]} | {own:.0f} ms | {server:.0f} ms | {own + server:.0f} ms | {busy:.1f} |"


_VERDICTS = {True: "holds", False: "missed", None: "(the goal is at 1,000)"}


def _cell(figure: Figure | None, results: Results, notes: list[str]) -> str:
    if figure is None:
        return ""
    if not figure.seconds:
        mark = f"- {LABELS[figure.contender]}, {figure.tenants:,} tenants: not measured: {figure.note}"
        if mark not in notes:
            notes.append(mark)
        return "not measured"
    bare = results.seconds("bare", "apply", figure.tenants)
    ratio = f" ({figure.seconds / bare:.2f} ×)" if bare and figure.measure == "apply" else ""
    return f"{'≈ ' * figure.projected}{_time(figure.seconds)}{ratio}"


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s" if seconds < 100 else f"{seconds:,.0f} s"


def _details(details: Mapping[str, Any]) -> Iterable[str]:
    for name, entry in details.items():
        if "unmeasured" in entry:
            yield f"- {name}: not measured: {entry['unmeasured']}"
        elif name.startswith("inside"):
            each = entry["tenants"] or 1
            yield (
                f"- {entry['parallel']} at a time, a tenant: {entry['statements'] / each:.0f} round trips, "
                f"{entry['logins'] / each:.1f} logins, {entry['writes'] / each:.1f} writes of the store, in which a "
                f"worker waits {entry['journal_seconds'] / each * 1000:.1f} ms ({entry['journal_share']:.1%})"
            )
        elif name == "synchronous writes":
            said = ", ".join(f"{key} {value:.1f}" for key, value in entry.items())
            yield f"- synchronous writes a tenant: {said}"
        elif name.startswith("recovery"):
            yield (
                f"- an apply of {entry['tenants']:,} tenants killed when {entry['complete']} were complete: `recover` "
                f"took {_time(entry['recover'])} and settled {entry['settled']}, the rest was applied in "
                f"{_time(entry['rest'])}"
            )


def plots(results: Results) -> dict[str, str]:
    """The SVG files by name."""
    found = {}
    for name, measures, title in (
        ("apply", ("apply",), "Time to make the tenants"),
        ("nothing-to-do", ("plan", "re-run"), "Time where nothing is to be done"),
    ):
        drawn: dict[str, plot.Line] = {}
        for contender, label in LABELS.items():
            for measure in measures:
                line = [
                    (float(count), figure.seconds, figure.projected)
                    for count in results.counts
                    if (figure := results.figures.get((contender, measure, count))) and figure.seconds
                ]
                if line:
                    short = label.partition(" (")[0]
                    said = "check mode" if (contender, measure) == ("ansible", "plan") else MEASURES[measure]
                    drawn[short if len(measures) == 1 else f"{short}: {said}".partition(",")[0]] = line
        if drawn:
            found[f"{name}.svg"] = plot.lines(title, "s", drawn)
    return found


def write(section: str, text: str, images: Mapping[str, str]) -> None:
    """Put ``text`` between the markers of ``section`` in the README, and the images beside it."""
    (HERE / "plots").mkdir(exist_ok=True)
    for name, image in images.items():
        (HERE / "plots" / name).write_text(image)
    shown = "\n".join(f"![{name.removesuffix('.svg')}](plots/{name})" for name in images)
    readme = HERE / "README.md"
    begin, end = BEGIN.replace("measured", section), END.replace("measured", section)
    before, _, rest = readme.read_text().partition(begin)
    _, _, after = rest.partition(end)
    readme.write_text(f"{before}{begin}\n\n{text}\n\n{shown}\n\n{end}{after}")
