"""What all commands share: help in the reader's language, misuse told plainly, tables that lose nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import click
import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, create_engine

from chukan.platform.command_line import (
    CommandActor,
    Needs,
    TranslatedCommand,
    TranslatedGroup,
    acting,
    ask_who_acts,
    json_option,
    misused,
    needs,
    needs_of,
    print_json,
    print_table,
    system_actor,
)
from chukan.platform.messages import language


@click.group(cls=TranslatedGroup)
def tool() -> None:
    """Check and show the settings.

    This part is for programmers.
    """


@tool.group()
def deeper() -> None:
    """Read and delete the logs."""


@deeper.command()
@click.option("--size", type=click.IntRange(1, 5), default=2, show_default=True)
@click.option("--kind", type=click.Choice(["east", "west"]), required=True)
@click.option("--level", type=int, default=0)
@click.option("--quiet", is_flag=True, hidden=True)
@click.argument("name", help="Answer in JSON, for programs.")
@json_option
def work(*, size: int, level: int, kind: str, quiet: bool, name: str, as_json: bool) -> None:
    """Show the lines of one organisation, oldest first."""
    print_json({"size": size + level, "kind": kind, "name": name, "quiet": quiet, "as_json": as_json})


def helped(*args: str) -> str:
    answer = CliRunner().invoke(tool, [*args, "--help"])
    assert answer.exit_code == 0
    return answer.output


def test_help_is_japanese_to_the_last_word() -> None:
    shown = helped("deeper", "work")
    for expected in (
        "使い方: ",
        "1団体のログを",
        "[既定値: 2; 1<=x<=5]",
        "[必須]",
        "引数:",
        "オプション:",
        "この説明を表示",
    ):
        assert expected in shown
    assert "--quiet" not in shown


def test_only_the_first_line_of_a_docstring_is_help() -> None:
    with language("en"):
        assert "programmers" not in helped()
        assert "Check and show the settings." in helped()


def test_commands_are_listed_with_their_whole_first_line() -> None:
    assert "1団体のログを古い順に表示します。" in helped("deeper")


def test_groups_and_commands_inside_are_translated_too() -> None:
    assert isinstance(deeper, TranslatedGroup)
    assert isinstance(work, TranslatedCommand)


def test_a_command_answers_in_json() -> None:
    answer = CliRunner().invoke(tool, ["deeper", "work", "--kind", "east", "--json", "札幌市"])
    assert json.loads(answer.output) == {"size": 2, "kind": "east", "name": "札幌市", "quiet": False, "as_json": True}
    assert "札幌市" in answer.output


@pytest.mark.parametrize(
    ("args", "english", "japanese"),
    [
        (
            ["deeper", "work", "--kynd", "x"],
            "there is no option --kynd; perhaps --kind",
            "オプション --kynd はありません",
        ),
        (["deepr"], "there is no command deepr; perhaps deeper", "コマンド deepr はありません"),
        (["deeper", "work", "--kind", "east"], "name is missing", "が指定されていません"),
        (["deeper", "work", "x"], "--kind is missing", "--kind が指定されていません"),
        (
            ["deeper", "work", "--kind", "up", "x"],
            "it takes one of east, west",
            "--kind の値が正しくありません: 指定できる値: east, west",
        ),
        (["deeper", "work", "--kind", "east", "--size", "9", "x"], "a number from 1 to 5", "1～5 の数値"),
        (["deeper", "work", "--kind", "east", "--level", "x", "x"], "--level does not take", "整数を指定"),
        (["deeper", "work", "--kind"], "--kind stands there without its value", "--kind の値がない"),
        (["deeper", "work", "--kind", "east", "x", "y"], "(y)", "(y)"),
    ],
)
def test_misuse_is_told_in_the_readers_language(args: list[str], english: str, japanese: str) -> None:
    with pytest.raises(click.UsageError) as raised, tool.make_context("tool", args) as ctx:
        tool.invoke(ctx)
    with language("en"):
        error = misused(raised.value)
        assert english.lower() in error.told().lower()
        assert "--help" in error.hinted()
    with language("ja"):
        assert japanese in misused(raised.value).told()
    assert error.exit_code == 2


def test_a_table_cuts_nothing_and_takes_no_markup_from_values(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    long = "x" * 100
    print_table("Options", ("Key", "Value"), [("[bold]red[/bold]", long)])
    printed = capsys.readouterr().out
    assert "オプション" in printed
    assert printed.count("x") == 100
    assert "[bold]" in printed.replace("│", "")


def test_without_a_terminal_rows_stay_on_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    print_table("Options", ("Key", "Value"), [("a" * 60, "b" * 100)])
    assert any("a" * 60 in line and "b" * 100 in line for line in capsys.readouterr().out.splitlines())


# -- who acts -------------------------------------------------------------------------------------


@dataclass
class Keeper:
    """Somebody who may do everything, and remembers what was asked for."""

    name: str = "operator:7"
    asked: list[str] = field(default_factory=list)

    def require(self, permission: str) -> None:
        self.asked.append(permission)


def whose(*, with_needs: bool, **given: str) -> click.Group:
    """Return a program whose one command, two groups down, says who acts."""

    @click.group()
    def program() -> None:
        """Do things."""

    @program.group()
    def feature() -> None:
        """Do these things."""

    @click.option("--lift")
    @click.option("--also", is_flag=True)
    def act(**_options: object) -> None:
        click.echo(acting(create_engine("postgresql+psycopg://")).name)

    feature.command("act")(needs("a:b:read", "a:b:do", **given)(act) if with_needs else act)
    return program


def run(program: click.Group, keeper: CommandActor | None, *args: str) -> None:
    def answer(_engine: Engine) -> CommandActor:
        assert keeper is not None
        return keeper

    with program.make_context("program", ["feature", "act", *args]) as ctx:
        if keeper is not None:
            ask_who_acts(ctx, answer)
        program.invoke(ctx)


def test_a_command_asks_whoever_the_program_put_in(capsys: pytest.CaptureFixture[str]) -> None:
    keeper = Keeper()
    run(whose(with_needs=True), keeper)
    assert capsys.readouterr().out == "operator:7\n"
    assert keeper.asked == ["a:b:do", "a:b:read"]


def test_without_anybody_who_knows_operators_the_machine_acts(capsys: pytest.CaptureFixture[str]) -> None:
    run(whose(with_needs=True), None)
    assert capsys.readouterr().out == f"{system_actor()}\n"


@pytest.mark.parametrize(
    ("args", "more"),
    [([], []), (["--lift", "x"], ["a:b:lift"]), (["--also"], ["a:b:more"]), (["--lift", ""], ["a:b:lift"])],
)
def test_an_option_that_is_given_may_need_a_permission_of_its_own(args: list[str], more: list[str]) -> None:
    keeper = Keeper()
    run(whose(with_needs=True, lift="a:b:lift", also="a:b:more"), keeper, *args)
    assert sorted(keeper.asked) == sorted(["a:b:do", "a:b:read", *more])


@pytest.mark.parametrize("value", [None, False, ()])
def test_what_was_not_given_needs_nothing(value: object) -> None:
    assert Needs(frozenset({"a:b:c"}), {"more": "a:b:d"}).now({"more": value, "other": 1}) == {"a:b:c"}


@pytest.mark.parametrize("value", ["x", "", 0, True, ("x",), ("",), [], 0.0])
def test_a_zero_or_an_empty_text_was_given(value: object) -> None:
    assert Needs(frozenset({"a:b:c"}), {"more": "a:b:d"}).now({"more": value}) == {"a:b:c", "a:b:d"}


def test_who_asks_without_having_declared_anything_fails() -> None:
    with pytest.raises(LookupError, match="program feature act"):
        run(whose(with_needs=False), Keeper())


def test_what_a_command_needs_can_be_listed() -> None:
    program = whose(with_needs=True, lift="a:b:lift")
    feature = program.commands["feature"]
    assert isinstance(feature, click.Group)
    found = needs_of(feature.commands["act"])
    assert found is not None
    assert found.all == {"a:b:read", "a:b:do", "a:b:lift"}
    assert needs_of(program) is None
