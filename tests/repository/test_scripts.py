"""The scripts behind `make`, with the machine's own tools played by small programs on the path.

What a bare Debian does cannot be had on a machine that has everything, so python, id, apt-get and
dpkg-query are replaced; the scripts are the real ones.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from repository.tree import ROOT

SERVICES_FORBIDDEN = "exit 101"

# Like Debian's python3 without python3-venv, until the file `venv-installed` is there.
PYTHON = """
case "$*" in
    "-m venv "*)
        if [ ! -e "$HERE/venv-installed" ]; then mkdir -p "$3"; exit 1; fi
        mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
    "-m pip "*) echo "pip $*" >>"$HERE/log" ;;
    *version_info*print*|*print*version_info*) echo python3.12 ;;
    -V) echo Python 3.12.0 ;;
esac
"""
APT_GET = """
echo "apt-get $*" >>"$HERE/log"
case "$*" in
    *install*) if [ -e "$POLICY_RC_D" ]; then cat "$POLICY_RC_D" >"$HERE/policy-seen"; fi
        touch "$HERE/venv-installed"; exit "${APT_FAILS:-0}" ;;
esac
"""


@dataclass
class Machine:
    """A checkout with the real scripts, and the tools that they find."""

    home: Path
    tools: Path
    environment: dict[str, str] = field(default_factory=dict)

    def tool(self, name: str, body: str) -> None:
        """Put a program *name* on the path."""
        path = self.tools / name
        path.write_text(f"#!/bin/bash\n{body}\n")
        path.chmod(0o755)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a script of the checkout."""
        return subprocess.run(
            [self.home / command[0], *command[1:]],
            env={
                "PATH": f"{self.tools}:/usr/bin:/bin",
                "HERE": str(self.home),
                "POLICY_RC_D": str(self.policy),
                **self.environment,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    @property
    def policy(self) -> Path:
        """The file that packages ask whether they may start services."""
        return self.home / "policy-rc.d"

    @property
    def log(self) -> str:
        """What the tools were called with."""
        path = self.home / "log"
        return path.read_text() if path.exists() else ""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return a Debian without python3-venv and softhsm2, used by root."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for folder in ("scripts", "requirements", ".ci"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    made = Machine(home=tmp_path, tools=tools, environment={"PYTHON": str(tools / "python3")})
    made.tool("python3", PYTHON)
    made.tool("apt-get", APT_GET)
    made.tool("dpkg-query", "exit 1")
    made.tool("id", "echo 0")
    return made


def test_bootstrap_installs_what_is_locked_by_hash(machine: Machine) -> None:
    (machine.home / "venv-installed").touch()
    answer = machine.run("scripts/bootstrap", "dev")
    assert answer.returncode == 0, answer.stderr
    locked, own = machine.log.splitlines()
    assert "--require-hashes -r requirements/dev.txt" in locked
    assert "--no-deps --no-build-isolation --editable ." in own
    assert (machine.home / ".venv/.dev").exists()
    assert (machine.home / ".venv/.runtime").exists()


def test_bootstrap_for_the_demo_leaves_the_tests_dependencies_out(machine: Machine) -> None:
    (machine.home / "venv-installed").touch()
    assert machine.run("scripts/bootstrap", "runtime").returncode == 0
    assert "requirements/runtime.txt" in machine.log
    assert (machine.home / ".venv/.runtime").exists()
    assert not (machine.home / ".venv/.dev").exists()


def test_bootstrap_refuses_a_python_that_is_too_old(machine: Machine) -> None:
    machine.tool("python3", "exit 1")
    answer = machine.run("scripts/bootstrap", "runtime")
    assert answer.returncode != 0
    assert "Python 3.11 or newer is needed" in answer.stderr
    assert not (machine.home / ".venv").exists()


def test_bootstrap_as_root_installs_the_missing_venv_module_and_says_so(machine: Machine) -> None:
    answer = machine.run("scripts/bootstrap", "runtime")
    assert answer.returncode == 0, answer.stderr
    assert "installing the OS package python3.12-venv" in answer.stderr
    assert "install -y -qq --no-install-recommends python3.12-venv" in machine.log


def test_bootstrap_as_another_user_says_what_to_type(machine: Machine) -> None:
    machine.tool("id", "echo 1000")
    answer = machine.run("scripts/bootstrap", "runtime")
    assert answer.returncode != 0
    assert "sudo apt-get install python3.12-venv" in answer.stderr
    assert machine.log == ""
    assert not (machine.home / ".venv").exists()


def test_services_may_not_start_while_packages_are_installed(machine: Machine) -> None:
    answer = machine.run("scripts/os-packages")
    assert answer.returncode == 0, answer.stderr
    assert "installing softhsm2" in answer.stderr
    assert "softhsm2" in machine.log
    assert SERVICES_FORBIDDEN in (machine.home / "policy-seen").read_text()
    assert not machine.policy.exists()


def fail(machine: Machine) -> None:
    machine.environment["APT_FAILS"] = "100"


def leave_as_it_is(machine: Machine) -> None:
    assert machine.environment


@pytest.mark.parametrize("happens", [fail, leave_as_it_is])
def test_the_policy_of_the_owner_is_restored(machine: Machine, happens: Callable[[Machine], None]) -> None:
    machine.policy.write_text("#!/bin/sh\n# the owner's\nexit 0\n")
    happens(machine)
    answer = machine.run("scripts/os-packages")
    assert answer.returncode == int(machine.environment.get("APT_FAILS", "0"))
    assert SERVICES_FORBIDDEN in (machine.home / "policy-seen").read_text()
    assert "# the owner's" in machine.policy.read_text()
    assert list(machine.home.glob("policy-rc.d?*")) == []


def test_what_a_killed_run_left_behind_is_undone(machine: Machine) -> None:
    machine.tool("apt-get", 'if [[ "$*" == *" install "* ]]; then kill -9 $PPID; fi')
    assert machine.run("scripts/os-packages").returncode != 0
    assert machine.policy.exists()
    machine.tool("dpkg-query", "echo -n installed")
    assert machine.run("scripts/os-packages").returncode == 0
    assert not machine.policy.exists()


def test_nothing_is_installed_that_is_there(machine: Machine) -> None:
    machine.tool("dpkg-query", "echo -n installed")
    answer = machine.run("scripts/os-packages")
    assert (answer.returncode, answer.stdout, answer.stderr, machine.log) == (0, "", "", "")


def test_another_user_is_told_what_will_be_skipped(machine: Machine) -> None:
    machine.tool("id", "echo 1000")
    answer = machine.run("scripts/os-packages")
    assert answer.returncode == 0
    assert "sudo apt-get install softhsm2" in answer.stderr
    assert machine.log == ""


def test_every_os_package_has_a_reason() -> None:
    lines = (ROOT / "scripts/os-packages.txt").read_text().splitlines()
    packages = [line for line in lines if line and not line.startswith("#")]
    assert packages
    assert [line for line in packages if not line.partition("#")[2].strip()] == []


def test_ci_runs_the_tests_and_then_the_slow_ones(machine: Machine) -> None:
    machine.tool("make", 'echo "make $* CI=$CI stdin=$(cat | wc -c)" >>"$HERE/log"')
    assert machine.run(".ci/run").returncode == 0
    assert machine.log.splitlines() == ["make test CI=true stdin=0", "make test-slow CI=true stdin=0"]


def test_ci_keeps_the_exit_code_of_a_failure(machine: Machine) -> None:
    machine.tool("make", 'echo "make $*" >>"$HERE/log"; exit 7')
    assert machine.run(".ci/run").returncode == 7
    assert machine.log.splitlines() == ["make test"]


@pytest.mark.parametrize("name", [".ci/run", "scripts/bootstrap", "scripts/os-packages", "scripts/lock"])
def test_a_program_may_be_run(name: str) -> None:
    assert os.access(ROOT / name, os.X_OK)


def test_make_help_names_every_command() -> None:
    answer = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    ).stdout
    named = {line.split()[1] for line in answer.splitlines()}
    assert {"help", "demo", "test", "test-slow", "lint", "bench", "clean", "lock"} <= named


def test_make_alone_shows_the_help() -> None:
    plan = subprocess.run(["make", "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert "awk" in plan.stdout
    assert "pip" not in plan.stdout
