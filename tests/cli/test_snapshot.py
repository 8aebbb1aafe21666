"""``reconcile snapshot`` and ``reconcile plan --offline`` as they are called."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from reconciler import cli, errors
from reconciler.cli import snapshots
from reconciler.engine import snapshot
from reconciler.model import plan as plans
from reconciler.report import plan as report
from reconciler.report import shapes, styled
from tests.support import server as servers
from tests.support.repository import Repository

Said = Callable[..., tuple[int, str, str]]


@pytest.fixture
def place(tmp_path: Path, clean_server: servers.Server) -> Repository:
    """A repository whose sample tenants have been made."""
    root = tmp_path / "shop"
    made = Repository.made(root, clean_server)
    made.run("apply", "--yes", expect=0)
    return made


def test_a_checkout_plans_from_a_published_file_and_public_keys(place: Repository, tmp_path: Path) -> None:
    published = tmp_path / "published" / "snapshot.json.gz"
    published.parent.mkdir()
    published.write_bytes(b"an older one")
    out = place.run("snapshot", "--out", str(published), expect=0)
    assert "2 tenants on 1 server" in out
    assert [path.name for path in published.parent.iterdir()] == [published.name]
    assert published.stat().st_mode & 0o777 == 0o600
    assert gzip.decompress(published.read_bytes()).startswith(b"{")
    checkout = tmp_path / "checkout"
    shutil.copytree(place.root / "specs", checkout / "specs")
    shutil.copy(place.root / "state/keys/license-keys.json", checkout / snapshots.PUBLIC)
    (checkout / "specs/servers/main.yaml").write_text(
        (checkout / "specs/servers/main.yaml").read_text().replace("RECONCILE_MAIN_PASSWORD", "NOT_SET_ANYWHERE")
    )
    words = ("-C", str(checkout), "plan", "--offline", "--snapshot", str(published))
    text = place.run(*words, expect=0)
    assert text.startswith("from a snapshot of 20")
    assert "2 tenants in sync" in text
    spec = checkout / "specs/tenants/clinica-sol.yaml"
    spec.write_text(spec.read_text().replace("plan: pro", "plan: starter"))
    found = json.loads(place.run(*words, "--format", "json", "--detailed-exitcode", expect=2))
    jsonschema.Draft202012Validator(shapes.plan()).validate(found)
    assert found["snapshot"]["createdAt"].endswith("Z")
    assert 0 <= found["snapshot"]["ageSeconds"] < 600
    assert found["summary"]["update"] == 1
    markdown = place.run(*words, "--format", "markdown", expect=0)
    assert re.search(r"From a snapshot of [0-9-]+T[0-9:.]+Z, ", markdown)
    assert "From a snapshot of" in place.run(*words, "--format", "github", expect=0)
    assert sorted(path.name for path in checkout.iterdir()) == ["specs"]


def test_without_options_the_file_and_the_keys_are_those_of_the_state_folder(place: Repository) -> None:
    said = json.loads(place.run("snapshot", "--format", "json", expect=0))
    assert said["file"] == str(place.root / snapshots.DEFAULT)
    assert (said["tenants"], said["unseen"], said["unreachable"]) == (2, [], [])
    assert (place.root / snapshots.DEFAULT).stat().st_size == said["bytes"]
    online = place.data("plan", expect=0)
    offline = place.data("plan", "--offline", expect=0)
    assert offline["tenants"] == online["tenants"]
    assert (online["snapshot"], offline["fingerprint"]) == (None, online["fingerprint"])
    edited = (place.root / snapshots.DEFAULT).read_text().replace('"default"', '"another"')
    (place.root / snapshots.DEFAULT).write_text(edited)
    _, err = place.call("plan", "--offline", expect=65)
    assert "changed or forged" in err


# --- wrong calls -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--offline"], "there is no snapshot"),
        (["--offline", "--snapshot", "missing.json"], "missing.json"),
        (["--offline", "--deep"], "--deep"),
        (["--offline", "--out", "plan.json"], "can't be saved"),
        (["--snapshot", "snapshot.json"], "Add --offline"),
        (["--keys", "keys.json"], "Add --offline"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_says_nothing_together_is_wrong_usage(specs: Path, said: Said, words: list[str], says: str) -> None:
    status, out, err = said("plan", *words)
    assert (status, out) == (64, "")
    assert says in err


def test_a_snapshot_without_keys_to_check_it_is_wrong_usage(specs: Path, said: Said) -> None:
    (specs / "snapshot.json").write_text("{}")
    status, _, err = said("plan", "--offline", "--snapshot", "snapshot.json")
    assert status == 64
    assert snapshots.PUBLIC in err
    (specs / snapshots.PUBLIC).write_text("no ring")
    assert said("plan", "--offline", "--snapshot", "snapshot.json")[0] == 78
    (specs / snapshots.PUBLIC).write_text('{"ver": 1, "keys": []}')
    status, out, _ = said("plan", "--offline", "--snapshot", "snapshot.json", "--format", "github")
    assert status == 65
    assert "no snapshot" in out


def test_there_is_nothing_to_take_a_snapshot_of_before_the_first_apply(specs: Path, said: Said) -> None:
    status, out, err = said("snapshot")
    assert (status, out) == (78, "")
    assert "no state store" in err


def test_a_snapshot_that_is_too_large_is_refused(specs: Path, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "LARGEST", 100)
    (specs / snapshots.PUBLIC).write_text('{"ver": 1, "keys": []}')
    for content in (b"x" * 101, gzip.compress(b"x" * 101)):
        (specs / "snapshot.json").write_bytes(content)
        status, _, err = said("plan", "--offline", "--snapshot", "snapshot.json")
        assert status == 65
        assert "larger than 100 bytes" in err


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 seconds old"),
        (1, "1 second old"),
        (119, "119 seconds old"),
        (7200, "2 hours old"),
        (7199, "119 minutes old"),
        (259200, "3 days old"),
        (-1, "1 second ahead of the clock here"),
        (-259200, "3 days ahead of the clock here"),
    ],
)
def test_an_age_is_told_in_the_largest_unit_that_says_something(seconds: int, words: str) -> None:
    taken = plans.Taken("2027-01-31T12:00:00.000000Z", seconds)
    plan = plans.Plan("specs", "2027-01-31T13:00:00.000000Z", False, (), snapshot=taken)
    first = next(iter(report.lines(plan)))
    assert styled.flat(first).startswith(f"from a snapshot of 2027-01-31T12:00:00.000000Z, {words};")


def test_a_file_that_can_not_be_written_leaves_nothing_behind(specs: Path) -> None:
    with pytest.raises(errors.UsageError, match="can't be saved"):
        snapshots.save(specs / "missing" / "snapshot.json", b"{}")
    folder = specs / "folder.json"
    folder.mkdir()
    with pytest.raises(errors.UsageError, match="can't be saved"):
        snapshots.save(folder, b"{}")
    assert [path for path in specs.iterdir() if path.name.startswith(".folder")] == []


def test_the_command_is_in_the_overview(said: Said) -> None:
    assert cli.main(["--help"]) == 0
    assert "snapshot" in said("--help")[1]
