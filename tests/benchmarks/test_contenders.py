"""The benchmark compares what is equal: bare statements and `apply` make the same tenant."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import benchmarks.__main__ as command
from benchmarks import contenders, plan, plot, report, tenants
from reconciler.model.outcome import Result
from tests.support.server import Server

_DIFFERING = (
    rb"DEFINER=\S+ ",
    rb"COMMENT 'reconciler/v1 [^']+'",  # platform, tenant and transaction
    rb"\$argon2id\$[^']+",
    rb"'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d'",  # when a row was made
)


def test_bare_statements_and_apply_make_equal_databases(clean_server: Server, tmp_path: Path) -> None:
    shop = tenants.shop(tmp_path / "shop", clean_server)
    shop.apply()
    tenants.write(shop, 2)
    work = tenants.work(shop, 1)
    work["tenants"] = work["tenants"][1:]
    (tmp_path / "work.json").write_text(json.dumps(work))
    subprocess.run([sys.executable, contenders.PEERS / "bare.py", tmp_path / "work.json"], check=True)
    clean_server.sql("DELETE FROM license_manager.tenants")
    clean_server.sql("DELETE FROM license_manager.licenses")
    clean_server.sql("DELETE FROM license_manager.webhook_endpoints")

    assert shop.apply(tenants=[tenants.name(0)])[tenants.name(0)].result is Result.APPLIED

    ours, bare = (_plain(clean_server, f"agenda_clinic_0000{number}") for number in (0, 1))
    assert ours.count("CREATE TABLE") == tenants.TABLES
    assert ours.replace("clinic-0.", "clinic-1.").replace("Clínica 0", "Clínica 1") == bare
    assert _accounts(clean_server, 0) == [line.replace("00001", "00000") for line in _accounts(clean_server, 1)]


def _plain(server: Server, database: str) -> str:
    tables = "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME LIKE '\\_rec%%'"
    for (table,) in server.sql(tables, database):
        server.sql(f"DROP TABLE `{database}`.`{table}`")
    text = server.dump([database])[database].replace(database.encode(), b"it")
    for pattern in _DIFFERING:
        text = re.sub(pattern, b"", text)
    return text.decode()


def _accounts(server: Server, number: int) -> list[str]:
    found = []
    for role in ("own", "app"):
        for (line,) in server.sql(f"SHOW GRANTS FOR agenda_clinic_0000{number}_{role}@'%'"):
            found.append(re.sub(r"'\*[0-9A-F]{40}'", "", line))
        shown = server.sql(f"SHOW CREATE USER agenda_clinic_0000{number}_{role}@'%'")[0][0]
        found.append(re.sub(r"'\*[0-9A-F]{40}'", "", shown))
    return found


def test_both_commands_say_what_they_do(capsys: pytest.CaptureFixture[str]) -> None:
    for main in (command.main, plan.main):
        with pytest.raises(SystemExit) as ended:
            main(["--help"])
        assert ended.value.code == 0
        assert "--tenants" in capsys.readouterr().out


def test_the_best_round_counts_and_all_are_kept() -> None:
    results = report.Results("python -m benchmarks", {"cores": "2"})
    for seconds in (3.0, 2.0, 4.0):
        results.add(report.Figure("bare", "apply", 10, seconds, (seconds,)))
    results.add(report.Figure("reconcile", "apply", 10, 2.5, (2.5,)))

    assert results.seconds("bare", "apply", 10) == 2.0
    assert results.figures["bare", "apply", 10].rounds == (3.0, 2.0, 4.0)
    assert [(goal.measured, goal.holds) for goal in report.goals(results)] == [("0.80", False)]
    assert "1.25 ×" in report.markdown(results)


def test_a_projected_point_is_drawn_hollow() -> None:
    image = plot.lines("Time", "s", {"a": [(10.0, 1.0, False), (100.0, 10.0, True)]})

    assert image.count('fill="none"') == 1
    assert "prefers-color-scheme: dark" in image
