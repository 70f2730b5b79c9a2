"""Folders for demonstrations: directly below the folder for temporary files, where the server's user can come in."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from chukan.demo.place import reset


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that does not exist yet; what a demonstration leaves in it is stopped and removed at the end."""
    above = Path(tempfile.mkdtemp(prefix="chukan-test-demo-"))
    above.chmod(0o755)
    try:
        yield above / "demo"
    finally:
        reset(above / "demo")
        shutil.rmtree(above)
