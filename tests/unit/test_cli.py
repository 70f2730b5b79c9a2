"""The program as a whole: what a failure looks like on a terminal, and to a program."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import click
import pytest

from chukan import cli
from chukan.platform.command_line import TranslatedGroup
from chukan.platform.component import Command, Component
from chukan.platform.errors import ChukanError, Failure
from support.program import chukan as run_chukan

PROGRAM = "import sys; from chukan.cli import main; sys.exit(main())"
PRIVATE = "山田太郎"


class Refused(ChukanError):
    """A failure that a command foresees."""

    code = "test.refused"
    failure = Failure.REFUSED


@click.group(cls=TranslatedGroup)
def tried() -> None:
    """Commands that fail in every way."""


@tried.command()
@click.option("--json", "as_json", is_flag=True)
@click.argument("how")
def fail(*, as_json: bool, how: str) -> None:
    """Fail."""
    match how:
        case "foreseen":
            raise Refused(detail="for the log")
        case "unforeseen":
            raise ValueError(PRIVATE)
        case "interrupted":
            raise KeyboardInterrupt
        case "aborted":
            raise click.Abort
        case "file":
            raise click.FileError("x", "gone")
        case "exit":
            click.get_current_context().exit(9)
    assert not as_json


@pytest.fixture(autouse=True)
def _with_failing_commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue("english")
    monkeypatch.setattr(cli, "components", lambda: (Component("tried", commands=(Command(tried),)),))
    monkeypatch.setenv("CHUKAN_ENVIRONMENT", "test")
    monkeypatch.setenv("CHUKAN_LOGS__DIRECTORY", str(tmp_path))


def logged(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for path in folder.iterdir() for line in path.read_text().splitlines()]


def test_a_foreseen_failure_tells_message_hint_and_reference(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert cli.run(["tried", "fail", "foreseen"]) == 77
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.fullmatch(rf"{Refused.message}\n{Refused.hint}\nReference: [a-z]{{12}}\n", captured.err)
    (line,) = logged(tmp_path)
    assert line["reference"] == captured.err.split()[-1]
    assert (line["error"], line["detail"], line["process"]) == ("test.refused", "for the log", "command")
    assert re.fullmatch("[0-9a-f]{16}", str(line["request"]))


def test_a_foreseen_failure_is_json_on_standard_output_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["tried", "fail", "foreseen", "--json"]) == 77
    captured = capsys.readouterr()
    assert json.loads(captured.out)["error"] == "test.refused"
    assert captured.err == ""


def test_an_unforeseen_failure_tells_a_reference_and_nothing_of_itself(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert cli.run(["tried", "fail", "unforeseen"]) == 70
    captured = capsys.readouterr()
    assert captured.err.startswith(ChukanError.message)
    (line,) = logged(tmp_path)
    assert line["reference"] == captured.err.split()[-1]
    assert line["error_type"] == "ValueError"
    assert PRIVATE not in captured.err + json.dumps(line, ensure_ascii=False)
    assert "Traceback" not in captured.err


def test_a_developer_sees_the_traceback_of_an_unforeseen_failure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHUKAN_DEBUG", "true")
    assert cli.run(["tried", "fail", "unforeseen"]) == 70
    assert f"ValueError: {PRIVATE}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("how", "code"), [("interrupted", 130), ("aborted", 130), ("exit", 9), ("file", 2), ("not", 0)]
)
def test_other_ends_have_their_exit_codes(how: str, code: int) -> None:
    assert cli.run(["tried", "fail", how]) == code


@pytest.mark.parametrize("args", [["nothing"], ["tried", "nothing"], ["tried", "fail"], ["tried", "fail", "--x", "y"]])
def test_misuse_ends_with_2_and_names_the_help(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(args) == 2
    assert "--help" in capsys.readouterr().err
    assert cli.run([*args, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"] == "command_line.misused"


def test_json_after_two_dashes_is_an_argument(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["tried", "fail", "foreseen", "--", "--json"]) == 2
    assert capsys.readouterr().out == ""


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([]) == 2
    assert "Commands:" in capsys.readouterr().err
    assert cli.run(["--help"]) == 0
    assert "tried" in capsys.readouterr().out


def test_a_command_can_join_another_components_group(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def joined() -> None:
        """Join."""

    first, second = (
        Component("a", commands=(Command(tried),)),
        Component("b", commands=(Command(joined, under="tried"),)),
    )
    monkeypatch.setattr(cli, "components", lambda: (first, second))
    group = cli.root().commands["tried"]
    assert isinstance(group, click.Group)
    assert group.commands.pop("joined") is joined
    monkeypatch.setattr(
        cli, "components", lambda: (Component("a", commands=(Command(joined), Command(joined, "joined"))),)
    )
    with pytest.raises(TypeError, match="joined"):
        cli.root()


def test_logs_that_cannot_be_kept_do_not_stop_a_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "occupied").touch()
    monkeypatch.setenv("CHUKAN_LOGS__DIRECTORY", str(tmp_path / "occupied"))
    assert cli.run(["tried", "fail", "foreseen"]) == 77
    assert '"event": "command failed"' in capsys.readouterr().err


def test_the_program_tells_its_version_whatever_the_settings() -> None:
    answer = program("--version", CHUKAN_DEBUG="perhaps")
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, f"chukan {version('chukan')}\n", "")


def test_the_program_speaks_the_language_of_the_terminal() -> None:
    assert "使い方" in program("--help", LANG="ja_JP.UTF-8").stdout
    assert "Usage" in program("--help", LANG="en_US.UTF-8").stdout


def test_a_reader_that_goes_away_is_no_failure() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "config", "show"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_the_program_ends_with_130_when_it_is_interrupted() -> None:
    # What starts the tests in the background may have them ignore Ctrl-C.
    code = (
        "import os, signal, sys, click\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from chukan import cli\n"
        "from chukan.platform.component import Command, Component\n"
        "stop = click.Command('stop', callback=lambda: os.kill(os.getpid(), signal.SIGINT))\n"
        "cli.components = lambda: (Component('a', commands=(Command(stop),)),)\n"
        "sys.argv = ['chukan', 'stop']\n"
        "sys.exit(cli.main())\n"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={}, check=False)
    assert (answer.returncode, answer.stderr) == (128 + signal.SIGINT, "")


def program(*args: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return run_chukan(*args, environment=variables)
