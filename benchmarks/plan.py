"""How long a plan takes where nothing is to be done, how much memory, and whether both grow in proportion.

    python -m benchmarks.plan [--tenants 1000,10000,50000] [--databases 20,200,1000] [--rounds N] [--daemon]
                              [--json FILE] [--write]

Synthetic tenants of POS Tree Codes: a signed license and a delivery each, a database for the first --databases of
them. Those with a database and a few others are applied; the rest is made in bulk (``benchmarks.bulk``). Nothing is
measured before a deep plan has found every one of them in sync.

Server and repository stand in memory where there is room, for a plan only reads. Every plan is a process of its own.
Cold: the first one after the server was started, without the repository's cache; warm: the best of the rounds after it.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import itertools
import json
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import bulk, contenders, daemon, plot, report
from benchmarks.process import Done, Unmeasured, run
from tests.support import server as servers
from tests.support.shop import Shop

APPLIED = 3
"""So many tenants without a database are applied too, so that those made in bulk are not alone."""
_TIMEOUT = 3600.0


@dataclass(frozen=True)
class Row:
    """Plans of one size; seconds, and MB of memory."""

    tenants: int
    databases: int
    made: float
    cold: float
    cold_processor: float
    cold_peak: float
    warm: float
    warm_processor: float
    peak: float
    one: float
    one_processor: float
    one_peak: float
    changed: float


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plan", description=(__doc__ or "").split("\n", 1)[0])
    sized(parser)
    parser.add_argument("--rounds", type=int, default=3, help="Rounds; the best one counts.")
    parser.add_argument("--daemon", action="store_true", help="Also a daemon among them, as in benchmarks.daemon.")
    parser.add_argument("--json", type=Path, help="Write the raw figures here.")
    parser.add_argument("--write", action="store_true", help="Put table and plot into benchmarks/README.md.")
    given = parser.parse_args(arguments)
    rows, watched = [], []
    with repository(sizes(given)) as shop:
        for count, databases in sizes(given):
            rows.append(measured(shop, count, databases, given.rounds))
            print(f"  {rows[-1]}", file=sys.stderr, flush=True)
            if given.daemon:
                remote = shop.root.parent / f"remote-{count}.git"
                watched.append(daemon.observed(shop, remote, count, databases, idle=60))
                print(f"  {watched[-1]}", file=sys.stderr, flush=True)
    words = [word for word in (sys.argv[1:] if arguments is None else arguments) if word != "--write"]
    said = shlex.join(["python", "-m", "benchmarks.plan", *words])
    text = markdown(rows, said)
    print(text)
    if watched:
        print(daemon.markdown(watched, said))
        if given.write:
            daemon.write(watched, daemon.markdown(watched, said))
    data = json.dumps([asdict(row) for row in rows], indent=2) + "\n"
    if given.json:
        given.json.write_text(data)
    if given.write:
        drawn: dict[str, plot.Line] = {
            "plan, cold": [(float(row.tenants), row.cold, False) for row in rows],
            "plan, warm": [(float(row.tenants), row.warm, False) for row in rows],
            "plan --tenant": [(float(row.tenants), row.one, False) for row in rows],
        }
        report.write("plan", text, {"plan.svg": plot.lines("Plan where nothing is to be done", "s", drawn)})
        (report.HERE / "plots/plan.json").write_text(data)


def sized(parser: argparse.ArgumentParser) -> None:
    """The options that say how many tenants there are."""
    parser.add_argument("--tenants", default="1000,10000,50000", help="How many, separated by commas.")
    parser.add_argument(
        "--databases", default="20,200,1000", help="How many of them have a database: one figure, or one for each size."
    )


def sizes(given: argparse.Namespace) -> list[tuple[int, int]]:
    """Tenants, and how many of them have a database; the smallest first. Errors: ValueError."""
    tenants, databases = ([int(part) for part in text.split(",")] for text in (given.tenants, given.databases))
    if len(databases) == 1:
        databases *= len(tenants)
    return sorted(zip(tenants, databases, strict=True))


@contextlib.contextmanager
def repository(wanted: Sequence[tuple[int, int]]) -> Iterator[Shop]:
    """A platform without tenants on a server of its own, with room for the most that are ``wanted``."""
    room = 1024 + max(tenants for tenants, _ in wanted) // 20  # MB; a tenant takes less than 50 kB
    with (
        servers.private_server("--innodb-buffer-pool-size=256M") as server,
        tempfile.TemporaryDirectory(prefix="reconcile-benchmark-", dir=servers.fast_folder(room)) as folder,
    ):
        shop = Shop(Path(folder) / "shop", server)
        shop.platform(**daemon.PLATFORM)
        yield shop


def measured(shop: Shop, count: int, databases: int, rounds: int) -> Row:
    """The repository grown to ``count`` tenants, and its plans."""
    made = grow(shop, count, databases)
    assert shop.server.dev is not None
    shop.server.close()
    shop.server.dev.stop()
    shop.server.dev.start()
    shutil.rmtree(shop.root / "state/cache", ignore_errors=True)
    cold = command(shop, "plan", "--detailed-exitcode")
    warm = [command(shop, "plan", "--detailed-exitcode") for _ in range(rounds)]
    changed = name(count // 2)
    shop.tenant("PosTenant", changed, {**spec(count // 2, count // 2 < databases), "displayName": "Changed"})
    one = [command(shop, "plan", "--tenant", changed, "--detailed-exitcode", statuses=(2,)) for _ in range(rounds)]
    whole = [command(shop, "plan", "--detailed-exitcode", statuses=(2,)) for _ in range(rounds)]
    shop.tenant("PosTenant", changed, spec(count // 2, count // 2 < databases))
    return Row(
        tenants=count,
        databases=min(databases, count),
        made=made,
        cold=cold.seconds,
        cold_processor=cold.processor,
        cold_peak=cold.peak,
        warm=min(done.seconds for done in warm),
        warm_processor=min(done.processor for done in warm),
        peak=max(done.peak for done in warm),
        one=min(done.seconds for done in one),
        one_processor=min(done.processor for done in one),
        one_peak=max(done.peak for done in one),
        changed=min(done.seconds for done in whole),
    )


def grow(shop: Shop, count: int, databases: int) -> float:
    """Let the repository have ``count`` tenants that are in sync; the seconds that took. Errors: ``Unmeasured``."""
    began = time.monotonic()
    applied = min(count, databases + APPLIED)
    for number in range(applied):
        shop.tenant("PosTenant", name(number), spec(number, number < databases))
    command(shop, "apply", "--yes", "--parallel", "8")
    lacking = [number for number in range(applied, count) if not (shop.root / _path(number)).exists()]
    for number in lacking:
        shop.tenant("PosTenant", name(number), spec(number, False))
    if lacking:
        setting = shop.setting()
        try:
            bulk.make(setting, {name(number) for number in lacking})
        finally:
            setting.opened().close()
    prove(shop, count)
    return time.monotonic() - began


def prove(shop: Shop, count: int) -> None:
    """Errors: ``Unmeasured`` unless plans find all of ``count`` tenants in sync, all at once and one of them alone."""
    for names in ((), (name(count - 1),)):
        chosen = [word for one in names for word in ("--tenant", one)]
        done = command(shop, "plan", "--deep", "--format", "json", *chosen, statuses=(0, 2, 3))
        found = {action: tenants for action, tenants in json.loads(done.output)["summary"].items() if tenants}
        if found != {"unchanged": len(names) or count}:
            raise Unmeasured(f"of {len(names) or count} tenants that were made in sync, a plan finds {found}")


def command(shop: Shop, *arguments: str, statuses: Sequence[int] = (0,)) -> Done:
    """One command of ours on the repository. Errors: ``Unmeasured`` if it ends with another status."""
    line = [sys.executable, "-m", "reconciler", "-C", str(shop.root), *arguments]
    return run(line, folder=shop.root, timeout=_TIMEOUT, environment=contenders.PATH, statuses=statuses)


def name(number: int) -> str:
    """The name of one tenant."""
    return f"shop-{number:06}"


def _path(number: int) -> str:
    return f"specs/tenants/{name(number)}.yaml"


def spec(number: int, database: bool) -> dict[str, Any]:
    """The spec of one tenant."""
    # With a letter before it, for some hex digits are a number to YAML 1.2, which PyYAML leaves without quotes: 12e34.
    machine = f"f{hashlib.sha256(b'%d' % number).hexdigest()[:31]}"
    device = {"name": "caja-1", "hardware": {"machineId": machine, "boardSerial": f"PF{machine[:10].upper()}"}}
    return {
        "displayName": f"Abarrotes {number}",
        "edition": "standard",
        "cloudSync": database,
        "license": {"expires": "2099-12-31", "devices": [device]},
    }


def markdown(rows: list[Row], said: str) -> str:
    """The table, and how time grows."""
    out = [
        f"Made by `{said}` on {time.strftime('%Y-%m-%d', time.gmtime())}.",
        "",
        "| tenants | with a database | plan, cold | its memory | warm | of it processor | a tenant, warm | memory | "
        "one changed: plan | plan --tenant | its memory |",
        "|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        out.append(
            f"| {row.tenants:,} | {row.databases:,} | {row.cold:.2f} s | {row.cold_peak:.0f} MB | {row.warm:.2f} s | "
            f"{row.warm_processor:.2f} s | {row.warm / row.tenants * 1000:.2f} ms | {row.peak:.0f} MB | "
            f"{row.changed:.2f} s | {row.one:.2f} s | {row.one_peak:.0f} MB |"
        )
    for few, many in itertools.pairwise(rows):
        times = many.tenants / few.tenants
        out += [
            "",
            f"From {few.tenants:,} to {many.tenants:,} tenants ({times:g} times as many) a cold plan takes "
            f"{many.cold / few.cold:.1f} times as long, a warm one {many.warm / few.warm:.1f} times as long and "
            f"{many.peak / few.peak:.1f} times the memory; with --tenant {many.one / few.one:.1f} times as long. Each "
            f"further tenant costs {(many.warm - few.warm) / (many.tenants - few.tenants) * 1000:.2f} ms and "
            f"{(many.peak - few.peak) / (many.tenants - few.tenants) * 1000:.1f} kB.",
        ]
    return "\n".join(out)


if __name__ == "__main__":
    main()
