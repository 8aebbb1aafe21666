from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler import errors
from reconciler.daemon.only_one import only_one

ROOT = Path(__file__).parents[2]

HOLDS = """
import pathlib, subprocess, sys
from reconciler.daemon.only_one import only_one
with only_one(pathlib.Path(sys.argv[1])):
    child = subprocess.Popen(["sleep", "60"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, close_fds=False)
    print(child.pid, flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(state: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process that holds the lock and has a child that outlives it; the child's process id."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(state)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        try:
            yield process, child
        finally:
            os.kill(child, signal.SIGKILL)
            process.communicate()


def refused(state: Path) -> errors.AlreadyRunning:
    with pytest.raises(errors.AlreadyRunning) as found, only_one(state):
        pass
    return found.value


def test_the_folder_and_the_file_are_its_owners_alone(tmp_path: Path) -> None:
    with only_one(tmp_path / "state"):
        lock = tmp_path / "state/daemon.lock"
        assert stat.S_IMODE(lock.stat().st_mode) == 0o600
        assert stat.S_IMODE(lock.parent.stat().st_mode) == 0o700
        assert lock.read_text() == f"{os.getpid()}\n"


def test_a_second_one_is_told_who_the_first_is(tmp_path: Path) -> None:
    with holder(tmp_path) as (process, _):
        said = refused(tmp_path)
        assert said.message == f"a daemon works with {tmp_path} already: process {process.pid}"
        assert said.exit == 5
        assert (tmp_path / "daemon.lock").read_text() == f"{process.pid}\n"


def test_it_is_free_again_after_the_block_also_if_that_raised(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), only_one(tmp_path):
        raise ZeroDivisionError
    with only_one(tmp_path):
        pass


def test_two_folders_take_two(tmp_path: Path) -> None:
    with only_one(tmp_path / "one"), only_one(tmp_path / "two"):
        pass


def test_a_killed_daemon_leaves_it_free_although_its_children_live_on(tmp_path: Path) -> None:
    with holder(tmp_path) as (process, child):
        process.kill()
        process.wait()
        os.kill(child, 0)
        with only_one(tmp_path):
            assert (tmp_path / "daemon.lock").read_text() == f"{os.getpid()}\n"


def test_a_symlink_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("kept")
    (tmp_path / "daemon.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(errors.FileFailed), only_one(tmp_path):
        pass
    assert (tmp_path / "elsewhere").read_text() == "kept"


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(errors.FileFailed, match=r"daemon\.lock"), only_one(tmp_path / "state"):
        pass
