"""The direction of imports is kept by .importlinter; these tests see it refuse what it must refuse."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from repository.tree import copy_product

LINTER = Path(sys.executable).with_name("lint-imports")

#: A planted module, what it imports, and the contract that must break.
WRONG = [
    ("platform/identifiers.py", "import chukan.tenants.component", "Composition root above areas"),
    ("tenants/component.py", "import chukan.helpdesk.component", "Composition root above areas"),
    ("vpn/component.py", "import chukan.monitoring.component", "Composition root above areas"),
    ("helpdesk/component.py", "import chukan.wiring", "Composition root above areas"),
    ("src/chukan/stray.py", "import chukan.platform.errors", "Composition root above areas"),
    ("platform/messages.py", "import chukan.platform.errors", "Layers of platform"),
    ("platform/stray.py", "import chukan.platform.errors", "Layers of platform"),
    ("tenants/registry/__init__.py", "import chukan.tenants.limits", "Layers of tenants"),
    ("tenants/limits/rules.py", "import psycopg.sql", "Rules do no input or output"),
    ("tenants/limits/rules.py", "from sqlalchemy import select", "Rules do no input or output"),
    ("tenants/limits/rules.py", "import time", "Rules do no input or output"),
    ("tenants/limits/rules.py", "from os import environ", "Rules do no input or output"),
    ("tenants/limits/rules.py", "import socket", "Rules do no input or output"),
    ("tenants/limits/rules.py", "import chukan.tenants.limits.store", "Rules know nothing"),
    ("tests/simulators/stray.py", "import chukan.platform.errors", "Simulators do not import the product"),
    ("vpn/component.py", "import chukan_simulators", "The product does not import the simulators"),
]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the product with its links and an empty ``tenants/limits`` feature."""
    copy_product(tmp_path)
    limits = tmp_path / "tenants/limits"
    limits.mkdir(exist_ok=True)
    for name in ("__init__", "rules", "store"):
        (limits / f"{name}.py").touch()
    return tmp_path


def lint(copy: Path) -> subprocess.CompletedProcess[str]:
    """Run the linter on *copy*, which comes before the installed product on the path."""
    return subprocess.run(
        [LINTER, "--no-logo", "--no-cache"],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy / "src")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_product_as_it_is_is_accepted(copy: Path) -> None:
    answer = lint(copy)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize(("module", "statement", "contract"), WRONG)
def test_an_import_in_the_wrong_direction_is_refused(copy: Path, module: str, statement: str, contract: str) -> None:
    path = copy / module
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as target:
        target.write(f"\n{statement}\n")
    answer = lint(copy)
    assert answer.returncode == 1
    verdicts = [line for line in answer.stdout.splitlines() if line.startswith(contract)]
    assert verdicts
    assert verdicts[0].endswith("BROKEN")
