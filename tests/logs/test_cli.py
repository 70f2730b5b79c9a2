"""``chukan logs`` as an operator meets it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from click.testing import CliRunner, Result

from chukan.platform.clock import FixedClock, NaiveInstant
from chukan.platform.logs import bind_log_context, configure_logs, get_logger
from chukan.platform.logs.cli import logs
from chukan.platform.logs.errors import LogsNotKept, LogsUnreadable
from chukan.platform.settings import LogSettings, Settings
from chukan.platform.settings.load import LoadedSettings

log = get_logger("chukan.test")
A, B = UUID(int=0xA), UUID(int=0xB)


pytestmark = pytest.mark.usefixtures("english")


@pytest.fixture(autouse=True)
def _two_organisations(tmp_path: Path, clock: FixedClock) -> None:
    configure_logs(LogSettings(directory=tmp_path), process="worker", clock=clock)
    for organisation in (A, B):
        with bind_log_context(organisation=organisation, request="r1"):
            log.info("copy registered", count=3)


def invoke(folder: Path | None, *args: str) -> Result:
    settings = Settings(logs=LogSettings(directory=folder, retention_days=30))
    return CliRunner().invoke(logs, args, obj=LoadedSettings(settings))


def test_show_prints_the_lines_of_one_organisation_in_tokyo_time(tmp_path: Path) -> None:
    answer = invoke(tmp_path, "show", "--organisation", str(A).upper())
    assert answer.output == (
        '2026-04-01T09:00:00.000+09:00 info worker: copy registered request="r1" logger="chukan.test" count=3\n'
    )


def test_show_gives_programs_the_lines_as_they_stand(tmp_path: Path) -> None:
    answer = invoke(tmp_path, "show", "--organisation", str(A), "--request", "r1", "--json")
    assert [json.loads(line)["organisation"] for line in answer.output.splitlines()] == [str(A)]
    assert invoke(tmp_path, "show", "--organisation", str(A), "--request", "r2", "--json").output == ""


def test_show_takes_an_instant_with_its_offset(tmp_path: Path) -> None:
    asked = ("show", "--organisation", str(A), "--since")
    assert invoke(tmp_path, *asked, "2026-04-01T09:00+09:00").output != ""
    assert invoke(tmp_path, *asked, "2026-04-01T09:00:01+09:00").output == ""
    assert isinstance(invoke(tmp_path, *asked, "2026-04-01T09:00").exception, NaiveInstant)
    answer = invoke(tmp_path, *asked, "yesterday")
    assert answer.exit_code == 2
    assert "not an instant" in answer.output


def test_show_does_not_work_without_an_organisation(tmp_path: Path) -> None:
    assert invoke(tmp_path, "show").exit_code == 2


def test_show_tells_how_many_lines_were_broken(tmp_path: Path) -> None:
    with next(tmp_path.iterdir()).open("a") as file:
        file.write(f'{{"organisation": "{A}"\n')
    answer = invoke(tmp_path, "show", "--organisation", str(A))
    assert answer.stderr == "1 lines could not be read.\n"


def test_prune_deletes_what_is_too_old_and_says_what(tmp_path: Path) -> None:
    old, new = "gateway.2020-01-01.jsonl", f"gateway.{datetime(2199, 1, 1, tzinfo=UTC).date()}.jsonl"
    for name in (old, new):
        (tmp_path / name).touch()
    answer = json.loads(invoke(tmp_path, "prune", "--json").output)
    assert old in answer["deleted"]
    assert new not in answer["deleted"]
    assert not (tmp_path / old).exists()
    (tmp_path / old).touch()
    assert invoke(tmp_path, "prune").output.splitlines() == [old, "1 files deleted."]


def test_logs_that_are_not_kept_or_not_readable_are_told(tmp_path: Path) -> None:
    assert isinstance(invoke(None, "show", "--organisation", "a").exception, LogsNotKept)
    assert isinstance(invoke(None, "prune").exception, LogsNotKept)
    assert isinstance(invoke(tmp_path / "gone", "prune").exception, LogsUnreadable)
