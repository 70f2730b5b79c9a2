"""The units and the operating guide: what an operator copies and types is what the program takes."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
import pytest

from chukan.cli import root
from chukan.console.probes import HEALTH
from chukan.platform.database.roles import ProcessKind
from chukan.platform.settings import ConsoleSettings, Environment
from chukan.platform.settings.errors import SettingsInvalid
from chukan.platform.settings.load import load
from chukan.platform.settings.model import GatewaySettings
from chukan.platform.web.metrics import DOCUMENTED

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "config/systemd").glob("*.service"))
GUIDE = ROOT / "docs/operating.md"
#: Of 10; what is left is the network, which a server needs, and the files of the machine.
WORST_EXPOSURE = 2.0
PROGRAM = "/opt/chukan/bin/chukan"


def blocks(kind: str) -> list[str]:
    """Return the blocks of *kind* in the guide, without the indentation of the list that they stand in."""
    found = re.findall(rf"^( *)```{kind}\n(.*?)^ *```$", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return ["".join(line[len(indent) :] for line in body.splitlines(keepends=True)) for indent, body in found]


def typed() -> list[list[str]]:
    """Return every line of the guide that is typed, as words."""
    lines = [line for block in blocks("console") for line in block.splitlines()]
    assert lines
    assert [line for line in lines if not line.startswith("# ")] == []
    return [shlex.split(line.removeprefix("# ")) for line in lines]


def typed_chukan() -> list[list[str]]:
    """Return the words after ``chukan`` of each line that calls it."""
    return [words[1:] for words in typed() if Path(words[0]).name == "chukan"]


def values(unit: Path) -> dict[str, list[str]]:
    """Return what stands in *unit*, by name."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text("utf-8").splitlines():
        if line and not line.startswith(("#", "[")):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def parse(words: list[str]) -> None:
    """Have the program's own parser take *words*, without doing anything.

    Raises:
        click.UsageError: there is no such command or option, or it is called otherwise.
    """
    command: click.Command = root()
    context = click.Context(command, info_name="chukan")
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None
        command, context = found, click.Context(found, info_name=name, parent=context)
    command.parse_args(context, rest)


# -- units -----------------------------------------------------------------------------------------


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with the units as they are installed, but for the program, which is where this one is."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (scripts/os-packages)")
    for unit in UNITS:
        text = unit.read_text("utf-8")
        assert text.count(PROGRAM) == 1
        (tmp_path / unit.name).write_text(text.replace(PROGRAM, sys.executable))
    return tmp_path


def verified(folder: Path) -> tuple[int, str]:
    """Return what systemd says of the units in *folder*."""
    units = sorted(folder.glob("*.service"))
    command = ["systemd-analyze", "verify", "--man=no", *map(str, units)]
    # Their neighbours first, so that drop-ins beside them are read.
    environment = {**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    return done.returncode, done.stdout + done.stderr


def test_there_is_a_unit_for_each_process_that_is_always_there() -> None:
    assert [unit.stem for unit in UNITS] == [
        "chukan-console",
        "chukan-gateway",
        "chukan-scheduler",
        "chukan-worker",
    ]


def test_systemd_finds_nothing_wrong_with_the_units(installed: Path) -> None:
    assert verified(installed) == (0, "")


def test_systemd_finds_a_unit_that_is_wrong(installed: Path) -> None:
    unit = installed / "chukan-worker.service"
    unit.write_text(unit.read_text().replace("ProtectSystem=strict", "ProtectSystem=quite"))
    assert unit.name in verified(installed)[1]


def test_the_guide_s_drop_in_for_a_front_of_one_s_own_fits_the_unit(installed: Path) -> None:
    (drop_in,) = [block for block in blocks("ini") if "--no-front" in block]
    folder = installed / "chukan-console.service.d"
    folder.mkdir()
    (folder / "override.conf").write_text(drop_in.replace(PROGRAM, sys.executable))
    assert verified(installed) == (0, "")
    (folder / "override.conf").write_text(drop_in)
    assert PROGRAM in verified(installed)[1], "the drop-in is not read"


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_process_is_exposed_as_little_as_may_be(installed: Path, unit: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(installed / unit.name)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout
    exposure = re.search(r"Overall exposure level for .*: ([0-9.]+)", told)
    assert exposure is not None, told
    assert float(exposure[1]) <= WORST_EXPOSURE


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_starts_a_command_that_exists_and_ends_what_it_started(unit: Path) -> None:
    found = values(unit)
    (start,) = found["ExecStart"]
    parse(shlex.split(start)[1:])
    # The one that was started ends its own children, in order.
    assert found["KillMode"] == ["mixed"]
    assert found["LimitCORE"] == ["0"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_gives_its_process_the_secrets_that_the_guide_says_and_that_exist(unit: Path) -> None:
    found = values(unit)
    given = [each.partition(":")[0] for each in found["LoadCredential"]]
    assert [each.partition(":")[2] for each in found["LoadCredential"]] == [f"/etc/chukan/secrets/{it}" for it in given]
    process = unit.stem.removeprefix("chukan-")
    (row,) = re.findall(rf"^ *\| {process} \| (`.*`) \|$", GUIDE.read_text("utf-8"), re.MULTILINE)
    assert re.findall(r"`([^`]+)`", row) == given
    assert {each.removesuffix(".password") for each in given} - {"pkcs11.pin"} <= {kind.value for kind in ProcessKind}
    assert "provisioner.password" not in given
    assert ("pkcs11.pin" in given) is any("PKCS11_PIN_FILE" in each for each in found["Environment"])


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_what_a_unit_puts_into_the_environment_are_settings(unit: Path, tmp_path: Path) -> None:
    (tmp_path / "pkcs11.pin").write_text("1234")
    (tmp_path / "pkcs11.pin").chmod(0o600)
    variables = dict(each.replace("%d", str(tmp_path)).split("=", 1) for each in values(unit)["Environment"])
    load(environment=Environment.TEST, variables=variables, working_directory=tmp_path)


# -- the guide -------------------------------------------------------------------------------------


def test_the_guide_calls_the_program_often_enough_for_these_tests_to_mean_something() -> None:
    assert len(typed_chukan()) >= 20


@pytest.mark.parametrize("words", typed_chukan(), ids=" ".join)
def test_what_the_guide_has_one_type_is_what_the_program_takes(words: list[str]) -> None:
    parse(words)


@pytest.mark.parametrize(
    "wrong", ["jobs lst", "jobs list --jason", "releases apply --group 3", "operators create", "nothing"]
)
def test_a_command_that_is_wrong_is_found(wrong: str) -> None:
    with pytest.raises(click.UsageError):
        parse(wrong.split())


def mentioned() -> Iterator[list[str]]:
    """Yield the words after ``chukan`` of each command that the guide mentions in its text."""
    for code in re.findall(r"`((?:/opt/chukan/bin/)?chukan [^`]+)`", GUIDE.read_text("utf-8")):
        yield shlex.split(code)[1:]


@pytest.mark.parametrize("words", list(mentioned()), ids=" ".join)
def test_a_command_that_the_guide_mentions_exists_with_its_options(words: list[str]) -> None:
    command: click.Command = root()
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        assert rest[0] in command.commands, words
        command = command.commands[rest.pop(0)]
    known = {name for parameter in command.params for name in parameter.opts}
    assert [word for word in rest if word.startswith("-") and word not in known] == []


def test_the_units_that_the_guide_names_are_there() -> None:
    named = {name for words in typed() if words[0] == "systemctl" for name in words if name.startswith("chukan-")}
    assert named == {unit.stem for unit in UNITS}


def test_the_files_of_the_package_that_the_guide_names_are_there() -> None:
    inside = "/opt/chukan/lib/python3*/site-packages/chukan/"
    named = {word.removeprefix(inside) for words in typed() for word in words if word.startswith(inside)}
    assert named == {"config/systemd/*.service", "config/nginx/console.conf"}
    assert [name for name in named if not list(ROOT.glob(name))] == []


def test_the_ports_that_the_guide_has_asked_are_those_that_are_answered() -> None:
    served = {ConsoleSettings().probe_port, GatewaySettings().probe_port}
    for unit in UNITS:
        served |= {int(port) for port in re.findall(r"--metrics-port (\d+)", unit.read_text("utf-8"))}
    assert {int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", GUIDE.read_text("utf-8"))} == served
    assert f"127.0.0.1:{ConsoleSettings().probe_port}" in (ROOT / "config/nginx/console.conf").read_text("utf-8")


def test_the_guide_s_settings_are_right_for_production(tmp_path: Path) -> None:
    variables = settings_of_the_guide(tmp_path)
    loaded = load(variables=variables, working_directory=tmp_path).settings
    assert loaded.environment is Environment.PRODUCTION
    assert loaded.logs.directory == Path("/var/log/chukan")
    assert loaded.database.secrets_directory == Path("/etc/chukan/secrets")


def test_settings_that_are_wrong_for_production_are_found(tmp_path: Path) -> None:
    variables = settings_of_the_guide(tmp_path)
    site = tmp_path / "site.toml"
    site.write_text(site.read_text().replace("sslmode=verify-full", "sslmode=prefer"))
    with pytest.raises(SettingsInvalid):
        load(variables=variables, working_directory=tmp_path)


def settings_of_the_guide(folder: Path) -> Mapping[str, str]:
    """Write the guide's site file into *folder*; return the variables of its environment file."""
    (site,) = blocks("toml")
    (folder / "site.toml").write_text(site)
    (environment,) = [block for block in blocks("ini") if "CHUKAN_ENVIRONMENT" in block]
    variables = dict(line.split("=", 1) for line in environment.splitlines())
    return {**variables, "CHUKAN_CONFIG_DIRECTORY": str(folder)}


def test_prometheus_takes_the_guide_s_configuration_and_alarms(tmp_path: Path) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (scripts/os-packages)")
    configuration, rules = blocks("yaml")
    for kind, text in (("config", configuration), ("rules", rules)):
        file = tmp_path / f"{kind}.yml"
        file.write_text(text)
        done = subprocess.run(
            ["promtool", "check", kind, str(file)], capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    known = {metric.name for metric in (*DOCUMENTED, HEALTH)}
    asked = set(re.findall(r"chukan_\w+", rules))
    assert asked
    assert asked <= known
