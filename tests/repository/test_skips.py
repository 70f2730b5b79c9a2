"""Skips are listed with their reason, and are failures where CI is true."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from repository.tree import ROOT

SKIPPING = """
import pytest

def test_that_runs(): pass

@pytest.mark.skip(reason="no such peer here")
def test_that_is_skipped(): pass
"""
WHOLE_MODULE = 'import pytest\npytest.skip("not on this system", allow_module_level=True)\n'
EXPECTED_FAILURE = "import pytest\n@pytest.mark.xfail(strict=True)\ndef test_known(): assert False\n"
RUNNING = "def test_that_runs(): pass\n"


def run(folder: Path, body: str, *arguments: str, ci: str) -> subprocess.CompletedProcess[str]:
    """Run pytest with the plugin on one file that holds *body*."""
    (folder / "test_it.py").write_text(body)
    (folder / "test_other.py").write_text(RUNNING)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "support.skips", "-ra", *arguments, folder],
        cwd=folder,
        env={**os.environ, "CI": ci, "PYTHONPATH": str(ROOT / "tests"), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize(
    "workers", [(), pytest.param(("--numprocesses=2",), marks=pytest.mark.slow)], ids=["alone", "xdist"]
)
@pytest.mark.parametrize("body", [SKIPPING, WHOLE_MODULE], ids=["one test", "a module"])
def test_a_skip_fails_the_run_in_ci(tmp_path: Path, body: str, workers: tuple[str, ...]) -> None:
    answer = run(tmp_path, body, *workers, ci="true")
    assert answer.returncode == 1
    assert "which is a failure here" in answer.stdout
    assert "test_it.py" in answer.stdout


@pytest.mark.parametrize(
    "workers", [(), pytest.param(("--numprocesses=2",), marks=pytest.mark.slow)], ids=["alone", "xdist"]
)
def test_a_skip_elsewhere_is_listed_with_its_reason(tmp_path: Path, workers: tuple[str, ...]) -> None:
    answer = run(tmp_path, SKIPPING, *workers, ci="")
    assert answer.returncode == 0
    assert "no such peer here" in answer.stdout
    assert "which is a failure here" not in answer.stdout


@pytest.mark.parametrize("body", [RUNNING, EXPECTED_FAILURE], ids=["passes", "fails as expected"])
def test_a_run_without_skips_passes_in_ci(tmp_path: Path, body: str) -> None:
    assert run(tmp_path, body, ci="true").returncode == 0


def test_another_failure_keeps_its_exit_code(tmp_path: Path) -> None:
    assert run(tmp_path, SKIPPING + "\ndef test_bad(): assert False\n", ci="true").returncode == 1
    assert run(tmp_path, "import nothing_of_this_name\n", ci="true").returncode == 2
