"""Lines: declared fields only, no personal value, and nothing that breaks out of a line."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from chukan.platform.clock import FixedClock, NaiveInstant
from chukan.platform.logs import configure_logs, get_logger
from chukan.platform.logs.fields import FIELDS
from chukan.platform.logs.lines import line
from chukan.platform.settings import LogSettings

NUMBER = "123456789018"
NAME = "山田太郎"
Lines = Callable[[], list[dict[str, Any]]]
log = get_logger("chukan.test")


def failing(name: str) -> None:
    """Fail as a database driver does: with the values in the message and in local variables."""
    statement, parameters = "INSERT INTO person VALUES (%(name)s)", {"name": name}
    raise IntegrityError(statement, parameters, psycopg.errors.UniqueViolation(f"Key (name)=({name}) exists"))


def test_a_line_says_when_who_and_what(lines: Lines) -> None:
    log.info("tenant session opened", count=2)
    assert lines() == [
        {
            "at": "2026-04-01T00:00:00.000000+00:00",
            "level": "info",
            "event": "tenant session opened",
            "process": "worker",
            "logger": "chukan.test",
            "count": 2,
        }
    ]


def test_an_unknown_field_leaves_only_its_name(lines: Lines) -> None:
    log.info("person looked up", name=NAME, count=1, body={"name": NAME})
    (written,) = lines()
    assert written["dropped"] == ["name", "body"]
    assert written["count"] == 1
    assert NAME not in json.dumps(written, ensure_ascii=False)


def test_a_caller_cannot_write_the_head_of_a_line(lines: Lines) -> None:
    log.info("x", at="1970", process="gateway", logger="other", level="debug")
    (written,) = lines()
    assert (written["at"][:4], written["process"], written["logger"], written["level"]) == (
        "2026",
        "worker",
        "chukan.test",
        "info",
    )


def test_a_number_in_the_event_itself_is_masked(lines: Lines) -> None:
    log.info("found 123456789018")
    assert lines()[0]["event"] == "found [masked]"


def test_the_level_is_the_lowest_that_is_written(tmp_path: Path, clock: FixedClock, lines: Lines) -> None:
    configure_logs(LogSettings(directory=tmp_path, level="warning"), process="worker", clock=clock)
    log.debug("a")
    log.info("b")
    log.warning("c")
    log.error("d")
    assert [written["event"] for written in lines()] == ["c", "d"]


def test_an_exception_of_a_library_is_told_without_its_text_parameters_or_variables(lines: Lines) -> None:
    try:
        failing(NAME)
    except IntegrityError:
        log.exception("could not register")
    (written,) = lines()
    assert written["error_type"] == "sqlalchemy.exc.IntegrityError"
    assert written["frames"][-1].endswith(" failing")
    assert "test_lines.py:" in written["frames"][0]
    whole = json.dumps(written, ensure_ascii=False)
    assert NAME not in whole
    assert "INSERT" not in whole


def test_the_causes_and_the_sqlstate_behind_an_error_of_ours_are_told(lines: Lines) -> None:
    error = NaiveInstant(instant="x", detail=f"while working on {NAME}")
    try:
        try:
            raise psycopg.errors.UniqueViolation(NAME)
        except psycopg.Error as cause:
            raise error from cause
    except NaiveInstant:
        log.exception("refused")
    (written,) = lines()
    assert written["error"] == "clock.naive_instant"
    assert written["reference"] == error.reference
    assert written["causes"] == ["psycopg.errors.UniqueViolation"]
    assert written["sqlstate"] == "23505"
    assert NAME not in json.dumps(written, ensure_ascii=False)


def test_the_detail_of_an_error_of_ours_alone_is_told_and_masked(lines: Lines) -> None:
    log.warning("refused", exc_info=NaiveInstant(instant="x", detail=f"row {NUMBER}"))
    assert lines()[0]["detail"] == "row [masked]"


def test_a_ring_of_causes_ends() -> None:
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first
    configured = line({"event": "x"})
    assert configured == {"event": "x"}
    from chukan.platform.logs.lines import described

    assert described(first)["causes"] == ["KeyError"]


def test_a_deep_recursion_keeps_the_innermost_frames(lines: Lines) -> None:
    def deeper(left: int) -> None:
        if not left:
            raise ValueError(NAME)
        deeper(left - 1)

    try:
        deeper(300)
    except ValueError:
        log.exception("too deep")
    frames = lines()[0]["frames"]
    assert len(frames) == 40
    assert all(frame.endswith("deeper") for frame in frames)


def test_of_a_librarys_message_only_the_template_is_taken(lines: Lines) -> None:
    other = logging.getLogger("some.library")
    other.warning("could not send to %s: %r", NAME, NUMBER)
    other.error(ValueError(NAME))
    other.warning({"name": NAME})
    other.info("not heard")
    assert [written["event"] for written in lines()] == ["could not send to %s: %r", "ValueError", "dict"]
    assert NAME not in json.dumps(lines(), ensure_ascii=False)
    assert {written["logger"] for written in lines()} == {"some.library"}


def test_a_librarys_exception_goes_the_same_way(lines: Lines) -> None:
    try:
        failing(NAME)
    except IntegrityError:
        logging.getLogger("some.library").exception("failed for %s", NAME, extra={"name_of_person": NAME})
    (written,) = lines()
    assert written["error_type"] == "sqlalchemy.exc.IntegrityError"
    assert NAME not in json.dumps(written, ensure_ascii=False)


@pytest.mark.parametrize("hook", ["main", "thread"])
def test_an_uncaught_exception_is_logged_without_its_text(
    hook: str, lines: Lines, capsys: pytest.CaptureFixture[str]
) -> None:
    if hook == "thread":
        thread = threading.Thread(target=failing, args=(NAME,))
        thread.start()
        thread.join()
    else:
        try:
            failing(NAME)
        except IntegrityError as error:
            sys.excepthook(type(error), error, error.__traceback__)
    (written,) = lines()
    assert (written["level"], written["error_type"]) == ("critical", "sqlalchemy.exc.IntegrityError")
    assert NAME not in json.dumps(written, ensure_ascii=False) + capsys.readouterr().err


@given(
    st.dictionaries(st.text(max_size=20) | st.sampled_from(sorted(FIELDS)), st.text() | st.integers() | st.floats()),
    st.text(),
)
def test_whatever_is_logged_stays_one_line_of_plain_ascii_with_known_fields(
    values: dict[str, object], event: str
) -> None:
    printed = json.dumps(line({**values, "event": event}))
    assert printed.isascii()
    assert printed.isprintable() or "\x7f" in printed
    assert json.loads(printed).keys() <= FIELDS.keys()


def test_a_value_cannot_forge_a_second_line_or_steer_a_terminal(lines: Lines) -> None:
    log.warning("bad input", reason='x\n{"organisation":"b","event":"forged"}\r\x1b[2J\u2028\u202e')
    (written,) = lines()
    assert "organisation" not in written


def test_without_a_folder_lines_go_to_standard_error(capsys: pytest.CaptureFixture[str], clock: FixedClock) -> None:
    configure_logs(LogSettings(), process="command", clock=clock)
    log.warning("x")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert json.loads(captured.err)["event"] == "x"


def test_before_the_set_up_nothing_is_written_anywhere(capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("chukan").setLevel(logging.WARNING)
    log.error("too early", name=NAME)
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""


def test_setting_up_again_replaces_the_earlier_set_up(lines: Lines, tmp_path: Path, clock: FixedClock) -> None:
    configure_logs(LogSettings(directory=tmp_path), process="worker", clock=clock)
    log.info("once")
    assert len(lines()) == 1
