"""`chukan demo isolation`, as the newcomer runs it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path


def test_the_demonstration_shows_every_defence_and_the_tampered_record() -> None:
    before = {path.name for path in Path(tempfile.gettempdir()).glob("chukan-demo-*")}
    command = [sys.executable, "-c", "import sys; from chukan.cli import main; sys.exit(main())", "demo", "isolation"]
    environment = {**os.environ, "LANG": "en_US.UTF-8", "LC_ALL": "en_US.UTF-8", "COLUMNS": "200"}
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert shown.returncode == 0, shown.stderr
    assert "of them residual" in shown.stdout
    assert "✗" not in shown.stdout
    assert "0 findings" in shown.stdout
    found = shown.stdout.split("What the verifier found")[1]
    assert "The record was changed." in found
    assert " 4 " in found
    assert {path.name for path in Path(tempfile.gettempdir()).glob("chukan-demo-*")} == before
