from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from reconciler import errors
from reconciler.cli import program, signals
from reconciler.report import explanation

Said = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("kind", list(errors.tree()), ids=lambda kind: kind.__name__)
def test_every_error_ends_with_its_own_status(
    kind: type[errors.ReconcileError], monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    fault = errors.Fault(errors.Where("specs/x.yaml", 1, 1), "it is wrong", "some-rule")
    error = kind([fault]) if issubclass(kind, errors.InvalidSpecs) else kind("what happened")

    def fails() -> None:
        raise error

    monkeypatch.setattr(explanation, "overview", fails)
    status, out, err = said("explain")
    assert (status, out) == (kind.exit, "")
    assert f"error: {error.message}" in err
    assert f"  → {kind.advice}" in err


@pytest.mark.parametrize("verbose", [False, True])
def test_what_nobody_foresaw_ends_with_1_and_a_traceback_only_if_asked_for(
    verbose: bool, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    def fails() -> None:
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr(explanation, "overview", fails)
    status, _, err = said(*(["--verbose"] if verbose else []), "explain")
    assert status == 1
    assert "unforeseen ZeroDivisionError: of all things" in err
    assert ("Traceback" in err) is verbose


def test_a_message_moves_no_cursor(monkeypatch: pytest.MonkeyPatch, said: Said) -> None:
    def fails() -> None:
        raise errors.Refused("\x1b[2Jgone\u202e", advice="\x1b[31m")

    monkeypatch.setattr(explanation, "overview", fails)
    assert not {"\x1b", "\u202e"} & set(said("explain")[2])


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_command_at_once_where_nothing_is_open(number: int, status: int) -> None:
    code = (
        "import sys, threading\n"
        "from reconciler import cli\n"
        "from reconciler.cli import explain\n"
        "from reconciler.report import explanation\n"
        "def waits():\n"
        "    print('waiting', flush=True)\n"
        "    threading.Event().wait(60)\n"
        "explanation.overview = waits\n"
        "sys.exit(cli.main(['explain']))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"waiting\n"
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (status, b"")


@contextlib.contextmanager
def _watched() -> Iterator[signals.Signals]:
    found = signals.Signals()
    with found.watched():
        yield found


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals need the main thread")
def test_while_work_is_open_a_signal_only_asks_it_to_stop(capfd: pytest.CaptureFixture[str]) -> None:
    stop = threading.Event()
    before = signal.getsignal(signal.SIGTERM)
    with _watched() as found:
        found.hold(stop)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(10)
        assert found.received == signal.SIGTERM
        found.release()
        with pytest.raises(signals.Signalled):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) is before
    said = capfd.readouterr().err
    assert "finished or undone first" in said
    assert "reconcile recover" in said


def test_a_terminal_that_cannot_show_a_letter_gets_another(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "reconciler", "explain", "stuck"], env=environment, capture_output=True, check=True
    )
    assert b"  ? Look at the leftovers" in done.stdout


def test_an_end_of_input_is_a_no(monkeypatch: pytest.MonkeyPatch, said: Said) -> None:
    def aborts(**_: object) -> None:
        raise click.Abort

    monkeypatch.setattr(program.reconcile, "main", aborts)
    assert said("plan")[0] == 130
