"""What the daemon writes on stderr."""

from __future__ import annotations

import datetime as dt
import io
import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import structlog

from reconciler import errors
from reconciler.daemon import logs
from reconciler.model.outcome import Failure, Outcome, Result
from reconciler.ports.clock import Clock
from tests.report import samples


class Noon(Clock):
    def now(self) -> dt.datetime:
        return dt.datetime(2027, 1, 31, 12, 0, 0, 5000, tzinfo=dt.UTC)


def written(form: logs.Format = "json", *, verbose: bool = False) -> tuple[logs.Log, io.StringIO]:
    stream = io.StringIO()
    return logs.make(form, stream, Noon(), verbose=verbose), stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_of_json_has_the_members_in_order() -> None:
    log, stream = written()
    log.info("looked", message="fine", extra=1, result="new", tenant="sol", revision="main@sha1:ab")
    (line,) = lines(stream)
    assert line["time"] == "2027-01-31T12:00:00.005000Z"
    assert list(line) == ["time", "level", "event", "tenant", "revision", "result", "extra", "message"]


def test_text_is_a_line_for_people() -> None:
    log, stream = written("text")
    log.warning("looked", message='a "b"', tenant="sol", seconds=1.5)
    assert stream.getvalue() == '2027-01-31T12:00:00Z warning looked tenant=sol seconds=1.5 message="a \\"b\\""\n'


def test_what_is_bound_stands_on_every_line() -> None:
    log, stream = written()
    bound = log.bind(tenant="sol", transaction="1f0c")
    bound.info("one")
    bound.info("two")
    log.info("three")
    assert [line.get("tenant") for line in lines(stream)] == ["sol", "sol", None]


def test_debug_is_said_only_when_it_is_asked_for() -> None:
    log, stream = written()
    log.debug("quiet")
    assert stream.getvalue() == ""
    log, stream = written(verbose=True)
    log.debug("quiet")
    assert lines(stream)[0]["level"] == "debug"


def test_nothing_is_configured_for_the_whole_process() -> None:
    written()[0].info("one")
    assert not structlog.is_configured()


def test_what_is_no_text_and_no_number_is_not_spelled_out() -> None:
    class Key:
        def __repr__(self) -> str:
            return "hunter2"

    log, stream = written()
    log.info("one", key=Key(), keys=[Key()], error=ValueError("hunter2"), raw=b"hunter2", known={"a": "hunter2"})
    assert "hunter2" not in stream.getvalue()
    assert lines(stream)[0]["key"] == "<Key>"


@pytest.mark.parametrize("form", logs.FORMATS)
@pytest.mark.parametrize("text", ["a\nb", "a\r\x1b[2Jb", "\x00", "\u202e", "\udc80", "\u2028"])
def test_nothing_in_a_value_can_end_a_line_or_move_a_cursor(form: logs.Format, text: str) -> None:
    log, stream = written(form)
    log.info(text, tenant=text, message=text)
    said = stream.getvalue()
    assert said.count("\n") == 1
    assert said.endswith("\n")
    assert said.isascii() or form == "text" or json.loads(said)["message"] == text
    assert "\x1b" not in said
    if form == "text":
        assert said[:-1].isprintable()


def test_numbers_that_json_does_not_have_are_texts() -> None:
    log, stream = written()
    log.info("one", age=float("nan"), share=float("inf"))
    assert (lines(stream)[0]["age"], lines(stream)[0]["share"]) == ("nan", "inf")


def test_a_foreseen_error_says_what_to_do() -> None:
    error = errors.SourceFailed("the remote does not answer", where=errors.Where("specs/platform.yaml", 3, 1))
    assert logs.failure(error) == {
        "code": "source-failed",
        "message": "specs/platform.yaml:3:1: the remote does not answer",
        "advice": errors.SourceFailed.advice,
    }


def test_an_unforeseen_error_says_where_and_not_what() -> None:
    def fails() -> None:
        raise ValueError("IDENTIFIED BY 'hunter2'")

    try:
        fails()
    except ValueError as error:
        said = logs.failure(error)
    assert said["code"] == "error"
    assert said["message"] == "unforeseen ValueError"
    assert "fails" in str(said["trace"])
    log, stream = written()
    log.error("failed", **said)
    assert "hunter2" not in stream.getvalue()


class _Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def test_a_log_that_cannot_be_written_stops_no_work() -> None:
    closed = io.StringIO()
    closed.close()
    for stream in (_Broken(), closed):
        log = logs.make("json", stream, Noon())
        log.error("one")
        logs.LoggedProgress(log).ends(samples.OUTCOMES[0])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_stops_no_work() -> None:
    stream = open("/dev/full", "w", encoding="utf-8")  # noqa: SIM115 - closing it fails, as it should
    log = logs.make("json", stream, Noon())
    for _ in range(3):
        log.error("one")
    with pytest.raises(OSError, match="No space"):
        stream.close()


def test_lines_of_many_threads_do_not_mix() -> None:
    log, stream = written()

    def say(number: int) -> None:
        for _ in range(50):
            log.info("said", tenant=f"tenant-{number}", message="x" * 200)

    threads = [threading.Thread(target=say, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines(stream)) == 400


def told(*, verbose: bool) -> list[dict[str, Any]]:
    log, stream = written(verbose=verbose)
    progress = logs.LoggedProgress(log)
    progress.begins("clinica-sol", 4)
    progress.doing("clinica-sol", 1, samples.CREATE.changes[0])
    progress.advances("clinica-sol", 1, 2)
    progress.proving("clinica-sol")
    progress.undoing("clinica-sol", samples.CREATE.changes[0])
    progress.undelivered("ops", "no reply")
    for outcome in samples.OUTCOMES:
        progress.ends(outcome)
    return lines(stream)


def events(said: list[Mapping[str, Any]] | list[dict[str, Any]]) -> list[str]:
    return [line["event"] for line in said]


def test_progress_says_what_matters_and_with_verbose_all_of_it() -> None:
    quiet = {"begins", "undoing", "undelivered", "ends"}
    assert set(events(told(verbose=False))) == quiet
    assert set(events(told(verbose=True))) == quiet | {"doing", "proving"}


def test_a_tenant_that_is_in_sync_is_no_news() -> None:
    ended = [line["result"] for line in told(verbose=False) if line["event"] == "ends"]
    assert "unchanged" not in ended
    assert "applied" in ended


def test_the_end_says_how_and_why_and_what_is_left() -> None:
    stuck = next(line for line in told(verbose=False) if line.get("result") == "stuck")
    assert stuck["level"] == "error"
    assert stuck["step"] == "accounts"
    assert stuck["code"] == "connection-lost"
    assert stuck["transaction"]
    assert stuck["leftovers"] == ["database main/pos_abarrotes_lupita: not undone: server main went away"]
    assert stuck["message"]


def test_a_refusal_has_its_code() -> None:
    log, stream = written()
    failure = Failure(errors.ForeignObject.code, "", "a database of that name is there", "Rename the tenant.")
    logs.LoggedProgress(log).ends(Outcome("sol", Result.BLOCKED, failure=failure))
    (line,) = lines(stream)
    assert line["level"] == "warning"
    assert (line["code"], line["advice"]) == ("foreign", "Rename the tenant.")
    assert "step" not in line
    assert "transaction" not in line
