"""``chukan config`` as an operator meets it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from chukan.platform.settings import Settings
from chukan.platform.settings.cli import config
from chukan.platform.settings.leaves import leaves
from chukan.platform.settings.load import LoadedSettings, load, pass_settings
from support.program import chukan as run_chukan

PRIVATE = "s3cret-and-never-printed"


def chukan(*args: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return run_chukan(*args, environment={"PATH": "/usr/bin:/bin", "LANG": "en_US.UTF-8", **variables})


def test_check_says_that_all_is_right() -> None:
    answer = chukan("config", "check")
    assert (answer.returncode, answer.stdout) == (0, "The settings are right (development).\n")
    answer = chukan("config", "check", "--json")
    assert json.loads(answer.stdout) == {"accepted": True, "environment": "development", "problems": []}


def test_check_works_when_the_settings_do_not_and_lists_all_that_is_wrong() -> None:
    wrong = {"CHUKAN_DEBUG": "perhaps", "CHUKAN_LOGS__LEVL": "x", "CHUKAN_VAULT__CACHE_SECONDS": "301"}
    answer = chukan("config", "check", **wrong)
    assert answer.returncode == 78
    assert all(name in answer.stdout for name in wrong)
    assert "chukan config check" in answer.stderr


def test_check_gives_programs_the_same_list_as_json() -> None:
    answer = chukan("config", "check", "--json", CHUKAN_DEBUG="perhaps")
    assert answer.returncode == 78
    told = json.loads(answer.stdout)
    assert told["accepted"] is False
    assert told["problems"] == [
        {"where": "CHUKAN_DEBUG", "key": "debug", "expected": "true or false", "found": "perhaps"}
    ]


def test_check_speaks_japanese() -> None:
    answer = chukan("config", "check", LANG="ja_JP.UTF-8", CHUKAN_DEBUG="perhaps")
    assert "期待される値" in answer.stdout


def test_another_command_lists_what_is_wrong_too() -> None:
    answer = chukan("config", "show", CHUKAN_DEBUG="perhaps")
    assert answer.returncode == 78
    assert answer.stdout == ""
    assert "CHUKAN_DEBUG | debug | true or false | perhaps" in answer.stderr


def test_show_prints_every_leaf_with_its_origin_and_no_secret(tmp_path: Path) -> None:
    pin = tmp_path / "pin"
    pin.write_text(PRIVATE)
    pin.chmod(0o600)
    (tmp_path / "site.toml").write_text('\n[database]\nurl = "postgresql://chukan:pw@db.example/chukan"\n')
    variables = {
        "CHUKAN_CONFIG_DIRECTORY": str(tmp_path),
        "CHUKAN_VAULT__PKCS11_PIN_FILE": str(pin),
        "CHUKAN_LOGS__LEVEL": "warning",
    }
    answer = chukan("config", "show", "--json", **variables)
    shown = json.loads(answer.stdout)
    assert shown.keys() == leaves().keys()
    assert shown["vault.pkcs11_pin"] == {
        "value": "********",
        "origin": f"CHUKAN_VAULT__PKCS11_PIN_FILE → {pin}",
        "kind": "secret_file",
    }
    assert shown["logs.level"] == {"value": "warning", "origin": "CHUKAN_LOGS__LEVEL", "kind": "variable"}
    assert shown["database.url"]["value"] == "postgresql://********@db.example/chukan"
    assert shown["database.url"]["origin"] == f"{tmp_path}/site.toml:3"
    assert shown["debug"] == {"value": True, "origin": "config/settings/development.toml:2", "kind": "file"}
    assert shown["database.pool_size"] == {"value": 5, "origin": "default", "kind": "default"}
    table = chukan("config", "show", **variables).stdout
    assert all(key in table for key in leaves())
    assert PRIVATE not in answer.stdout + table


def test_an_unset_secret_is_shown_as_empty() -> None:
    assert json.loads(chukan("config", "show", "--json").stdout)["vault.pkcs11_pin"]["value"] == ""


def test_commands_get_the_settings_that_their_caller_has_loaded(tmp_path: Path) -> None:
    @click.command()
    @click.option("--word", default="")
    @pass_settings
    def told(settings: Settings, /, *, word: str) -> None:
        click.echo(f"{settings.external_url} {word}")

    loaded = load(variables={"CHUKAN_EXTERNAL_URL": "https://x.example"}, working_directory=tmp_path)
    assert CliRunner().invoke(told, ["--word", "hi"], obj=loaded).output == "https://x.example hi\n"


def test_settings_are_loaded_once_for_all_commands_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    count = []

    def counted() -> LoadedSettings:
        count.append(1)
        return load(variables={})

    monkeypatch.setattr("chukan.platform.settings.load.load", counted)

    @click.group()
    @pass_settings
    def outer(settings: Settings, /) -> None:
        assert settings.debug

    outer.add_command(config)
    assert CliRunner().invoke(outer, ["config", "check"]).exit_code == 0
    assert len(count) == 1
