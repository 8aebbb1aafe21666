"""docs/daemon.md: its example of a hook call is taken, its figures are the defaults, its conditions and codes exist."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from reconciler import errors
from reconciler.daemon import fitness, only_one
from reconciler.daemon.hook import Hook
from reconciler.engine import specs
from reconciler.ports.store import leases
from reconciler.spec.daemon import Daemon

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "daemon.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_the_example_of_a_hook_call_is_taken() -> None:
    (example,) = [text for kind, text in BLOCKS if kind == "sh" and "curl" in text]
    shown = 'curl() { printf "%s\\n" "$@"; }\n'
    done = subprocess.run(
        ["sh", "-ec", shown + example],
        env={"PATH": "/usr/bin:/bin", "RECONCILE_HOOK_SECRET": "s3cret"},
        capture_output=True,
        text=True,
        check=True,
    )
    words = done.stdout.splitlines()
    body = words[words.index("--data") + 1].encode()
    said = [words[at + 1].partition(": ") for at, word in enumerate(words) if word == "--header"]
    headers = {name.lower(): value for name, _, value in said}
    assert words[-1].endswith("/hooks/git")
    answer = Hook("s3cret", "main", time.time).answer(headers, body)
    assert (answer.status, answer.wakes) == (202, True), answer
    assert Hook("another", "main", time.time).answer(headers, body).status == 401


def test_the_figures_are_the_defaults() -> None:
    said = Daemon()
    for figure in (
        f"default `daemon.pollSeconds`, {said.poll_seconds}",
        f"`retry.firstSeconds` ({said.retry.first_seconds} s)",
        f"`retry.longestSeconds` ({said.retry.longest_seconds / 60:.0f} min)",
        f"`daemon.graceSeconds` ({said.grace_seconds})",
        f"`apply.leaseSeconds` long ({leases.LENGTH_SECONDS:.0f})",
        f"`{fitness.MARK}`",
        f"`state/{only_one.LOCK}`",
    ):
        assert figure in TEXT, figure


def test_the_examples_of_settings_are_valid(tmp_path: Path) -> None:
    examples = [text for kind, text in BLOCKS if kind == "yaml"]
    assert len(examples) == 2
    shutil.copytree(ROOT / "specs", tmp_path / "specs")
    for example in examples:
        document = {"apiVersion": "reconciler/v1", "kind": "Platform", "metadata": {"name": "default"}}
        text = yaml.safe_dump({**document, **yaml.safe_load(example)})
        (tmp_path / "specs/platform.yaml").write_text(text, encoding="utf-8")
        assert specs.check(tmp_path)[1] == ()


@pytest.mark.parametrize("code", ["not-leader", "already-running", "history-rewritten", "store-failed"])
def test_the_codes_that_are_named_are_errors(code: str) -> None:
    assert f"`{code}`" in TEXT
    assert code in {kind.code for kind in errors.tree()}
