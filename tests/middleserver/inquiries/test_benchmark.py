"""The benchmark of inquiries at its smallest: every process of the exchange, from the registration to the answer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_benchmark_of_inquiries_runs_and_tells_its_figures() -> None:
    environment = {**os.environ, "PYTHONPATH": str(TESTS), "TENANTS": "2", "ROWS": "4", "ASKED": "2", "BULK": "4"}
    program = TESTS / "benchmarks" / "inquiries.py"
    told = subprocess.run(
        [sys.executable, str(program)], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert told.returncode == 0, told.stderr
    assert "lists of 2 organisations at once" in told.stdout
    assert "busy / idle, 95 %" in told.stdout
    assert told.stdout.count("load average: ") == 3
