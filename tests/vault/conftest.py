"""The vault's fixtures: a key provider of each kind, and a database whose tenants have keys."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pkcs11
import pytest

from chukan.platform.vault.adapters.file import FileKeyProvider
from chukan.platform.vault.ports import KeyProvider
from support.database import Database
from support.vault import MODULE, PIN, Safe, Token, file_safe


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Token]:
    if not MODULE.exists() or shutil.which("softhsm2-util") is None:
        pytest.skip("softhsm2 is not installed (apt-get install softhsm2)")
    tokens = tmp_path / "tokens"
    tokens.mkdir()
    configuration = tmp_path / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(configuration))
    make = ["softhsm2-util", "--init-token", "--free", "--label", "chukan", "--pin", PIN, "--so-pin", "00000000"]
    subprocess.run(make, check=True, capture_output=True)
    yield Token("chukan", configuration)
    # The module reads its configuration when it is initialised: the next test has another one.
    pkcs11.lib(str(MODULE)).finalize()


@pytest.fixture(params=["file", "pkcs11"])
def provider(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KeyProvider]:
    """A provider of each kind, without any key."""
    if request.param == "file":
        yield FileKeyProvider(tmp_path / "secrets" / "keys.json")
        return
    token: Token = request.getfixturevalue("token")
    kept = token.provider()
    yield kept
    kept.close()


@pytest.fixture
def safe(database: Database, tmp_path: Path) -> Safe:
    return file_safe(database, tmp_path)
