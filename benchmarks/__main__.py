"""How fast tenants are made, against bare statements, Ansible, TaskFlow and DBOS, side by side in one run.

    python -m benchmarks [--tenants 10,100,1000] [--only NAME …] [--parallel 4] [--rounds N] [--budget SECONDS]
                         [--budget-of-peers SECONDS] [--environments FOLDER] [--json FILE] [--write]

Starts a private MariaDB on disk. The best of all rounds counts; contenders take turns within a round. What would take
longer than the budget is projected from fewer tenants and marked. --write puts table and plots into README.md.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import platform
import shlex
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks import contenders, details, report, stage
from benchmarks import environments as env
from benchmarks.contenders import CONTENDERS, Scene
from benchmarks.process import Unmeasured
from benchmarks.report import Figure, Results

_DETAILS_AT_MOST = 100  # tenants


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, and write."""
    given = _parser().parse_args(arguments)
    counts = sorted(int(count) for count in given.tenants.split(","))
    chosen = [name for name in CONTENDERS if not given.only or name in given.only]
    words = [word for word in (sys.argv[1:] if arguments is None else arguments) if word != "--write"]
    results = Results(
        command=shlex.join(["python", "-m", "benchmarks", *words]),
        machine={
            "cores": str(os.cpu_count()),
            "MariaDB": stage.version(),
            "Python": platform.python_version(),
        },
    )
    environments = env.Environments(given.environments)
    with stage.set_up() as place:
        for count in counts:
            scene = Scene(place, environments, count, given.parallel, given.budget)
            of_peers = replace(scene, timeout=min(given.budget, given.budget_of_peers))
            rounds = given.rounds if count <= _DETAILS_AT_MOST else given.rounds_of_many
            for number in range(rounds):
                for name in chosen:
                    if number == 0 or name in contenders.REPEATED:
                        _measure(results, scene if name in contenders.REPEATED else of_peers, name, counts)
        if "reconcile" in chosen:
            _ours(results, place, environments, counts, given)
    for peer in (env.ANSIBLE, env.TASKFLOW, env.DBOS):
        if peer.name in chosen:
            try:
                results.versions[peer.name] = environments.versions(peer)
            except Unmeasured as error:
                results.versions[peer.name] = f"{peer.name}: {error}"
    text = report.markdown(results)
    print(text)
    if given.json:
        given.json.write_text(json.dumps(results.data(), indent=2, ensure_ascii=False) + "\n")
    if given.write:
        report.write("measured", text, report.plots(results))
        (report.HERE / "plots/benchmarks.json").write_text(
            json.dumps(results.data(), indent=2, ensure_ascii=False) + "\n"
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--tenants", default="10,100,1000", help="How many, separated by commas.")
    parser.add_argument("--only", nargs="+", choices=[*CONTENDERS], help="These contenders only.")
    parser.add_argument("--parallel", type=int, default=4, help="Tenants at the same time, for all.")
    parser.add_argument("--rounds", type=int, default=3, help="Rounds of bare and ours, up to 100 tenants.")
    parser.add_argument("--rounds-of-many", type=int, default=1, help="Rounds above 100 tenants.")
    parser.add_argument("--budget", type=float, default=900, help="Seconds that one command may take.")
    parser.add_argument("--budget-of-peers", type=float, default=900, help="The same, for TaskFlow, DBOS and Ansible.")
    parser.add_argument(
        "--environments", type=Path, default=Path("state/benchmarks"), help="Where the peers' environments are kept."
    )
    parser.add_argument("--json", type=Path, help="Write the raw figures here.")
    parser.add_argument("--write", action="store_true", help="Put table and plots into benchmarks/README.md.")
    return parser


def _measure(results: Results, scene: Scene, name: str, counts: list[int]) -> None:
    """One round of one contender, or what it would be, or why there is none."""
    smaller = [count for count in counts if count < scene.count]
    known = [f for count in smaller for f in results.figures.values() if (f.contender, f.tenants) == (name, count)]
    latest = {f.measure: f for f in known if f.seconds}
    expected = {measure: f.seconds * scene.count / f.tenants for measure, f in latest.items()}
    if expected and max(expected.values()) > scene.timeout:
        _say(f"{scene.count} × {name}: projected")
        for measure, seconds in expected.items():
            results.add(Figure(name, measure, scene.count, seconds, projected=True))
        return
    try:
        scene.stage.fresh(scene.count)
        for measure, done in CONTENDERS[name](scene).items():
            _say(f"{scene.count} × {name}: {measure} {done.seconds:.2f} s")
            rounds, spent = (done.seconds,), (done.processor, done.server)
            results.add(Figure(name, measure, scene.count, done.seconds, rounds, *spent, done.peak))
    except Unmeasured as error:
        _say(f"{scene.count} × {name}: not measured: {error}")
        results.add(Figure(name, "apply", scene.count, note=str(error)))


def _ours(results: Results, place: stage.Stage, environments: env.Environments, counts: list[int], given: Any) -> None:
    few = max((count for count in counts if count <= _DETAILS_AT_MOST), default=min(counts))
    scene = Scene(place, environments, few, given.parallel, given.budget)
    one = Scene(place, environments, min(few, 20), given.parallel, given.budget)
    wanted: dict[str, Callable[[], dict[str, Any]]] = {
        "inside, 1": lambda: details.inside(one, 1),
        f"inside, {given.parallel}": lambda: details.inside(scene, given.parallel),
        "synchronous writes": lambda: details.synchronous_writes(one),
        "start-up": details.start_up,
    }
    for count in counts:
        many = Scene(place, environments, count, given.parallel, given.budget)
        wanted[f"recovery, {count}"] = functools.partial(_recovery, many)
    for name, measure in wanted.items():
        try:
            results.details[name] = measure()
        except Unmeasured as error:
            results.details[name] = {"unmeasured": str(error)}
        _say(f"{name}: {results.details[name]}")


def _recovery(scene: Scene) -> dict[str, Any]:
    return asdict(contenders.recovery(scene))


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
