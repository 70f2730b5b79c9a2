"""The vault against its floors: bare AES-256-GCM of the same kilobyte, and the provider's own wrapping.

Run it: ``python tests/benchmarks/vault.py``. Every line alternates ours and the floor in one run.
"""

from __future__ import annotations

import hmac
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.measure import Measured, alternate, print_report
from chukan.platform.audit.actor import Actor
from chukan.platform.database.engines import driver
from chukan.platform.database.roles import ProcessKind
from chukan.platform.identifiers import TenantId
from chukan.platform.vault.adapters.pkcs11 import Pkcs11KeyProvider
from chukan.platform.vault.ports import KeyProvider
from chukan.platform.vault.rules import KeyUse
from chukan.platform.vault.service import ColumnCipher, Vault
from chukan.platform.vault.wrapping import rotate_wrapping_key
from support.database import Database, fresh_database, running_cluster

ROWS = 20_000
TENANTS = 1_788
TENANT = TenantId(UUID(int=1))
PLAINTEXT = os.urandom(1024)
ROW_IDS = [uuid4() for _ in range(ROWS)]
CONTEXTS = [TENANT.bytes + row.bytes for row in ROW_IDS]
BARE = AESGCM(AESGCM.generate_key(256))
NOW = datetime(2026, 7, 1, tzinfo=UTC)
MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")


def main() -> None:
    """Print sealing, opening and indexing against their floors, and the rate of a rotation."""
    with hsm() as provider, running_cluster() as running, fresh_database(*running) as database:
        vault = Vault(database.engine(ProcessKind.WORKER), provider, cache_seconds=300)
        give_keys(database, vault, 1)
        cipher = vault.column(TENANT, "copy", "content")
        lines = [sealing(cipher), opening(cipher), indexing(vault), rewrapping(database, vault, provider)]
        print_report("Vault, 1 KiB a value", lines)


def sealing(cipher: ColumnCipher) -> Measured:
    """Seal rows of one column."""

    def ours() -> int:
        for row in ROW_IDS:
            cipher.seal(row, PLAINTEXT)
        return ROWS

    def floor() -> int:
        for context in CONTEXTS:
            nonce = os.urandom(12)
            nonce + BARE.encrypt(nonce, PLAINTEXT, context)
        return ROWS

    return alternate("seal", ours, floor, floor_name="AESGCM, random nonce")


def opening(cipher: ColumnCipher) -> Measured:
    """Open rows of one column."""
    nonce = os.urandom(12)
    ours_sealed = [(row, cipher.seal(row, PLAINTEXT)) for row in ROW_IDS]
    floor_sealed = [(context, BARE.encrypt(nonce, PLAINTEXT, context)) for context in CONTEXTS]

    def ours() -> int:
        for row, sealed in ours_sealed:
            cipher.open(row, sealed)
        return ROWS

    def floor() -> int:
        for context, sealed in floor_sealed:
            BARE.decrypt(nonce, sealed, context)
        return ROWS

    return alternate("open", ours, floor, floor_name="AESGCM")


def indexing(vault: Vault) -> Measured:
    """Index short values against the HMAC alone."""
    values, key = [str(number) for number in range(ROWS)], os.urandom(32)

    def ours() -> int:
        for value in values:
            vault.blind_index(TENANT, "address_number", value)
        return ROWS

    def floor() -> int:
        for value in values:
            hmac.digest(key, value.encode(), "sha256")
        return ROWS

    return alternate("blind index", ours, floor, floor_name="HMAC-SHA-256")


def rewrapping(database: Database, vault: Vault, provider: KeyProvider) -> Measured:
    """Rotate the wrapping key over the keys of all tenants, against the HSM's part of it alone."""
    give_keys(database, vault, TENANTS)
    actor = Actor(database.engine(ProcessKind.WORKER), "system:bench", "bench")
    data_key = os.urandom(32)

    def rotate() -> int:
        return rotate_wrapping_key(actor, provider, now=NOW).rewrapped

    def unwrap_and_wrap() -> int:
        key_id = provider.current(KeyUse.WRAPPING)
        wrapped = provider.wrap(key_id, data_key)
        for _ in range(2 * TENANTS):
            provider.wrap(key_id, provider.unwrap(key_id, wrapped))
        return 2 * TENANTS

    return alternate("rewrap", rotate, unwrap_and_wrap, floor_name="HSM alone", unit="data keys", rounds=3)


def give_keys(database: Database, vault: Vault, count: int) -> None:
    """Give keys to as many owners as *count* says, all together."""
    with database.engine(ProcessKind.PROVISIONER).begin() as connection:
        below = driver(connection)
        row = below.execute("select count(distinct owner) from platform.data_key").fetchone()
        for number in range(row[0] if row else 0, count):
            vault.create_keys(below, TenantId(UUID(int=number + 1)))


@contextmanager
def hsm() -> Iterator[KeyProvider]:
    """Make a SoftHSM token of this run's own, with a wrapping key in it."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "tokens").mkdir()
        (home / "softhsm2.conf").write_text(f"directories.tokendir = {home / 'tokens'}\nlog.level = ERROR\n")
        os.environ["SOFTHSM2_CONF"] = str(home / "softhsm2.conf")
        tool = shutil.which("softhsm2-util")
        if tool is None:
            sys.exit("softhsm2 is not installed")
        pin = ["--pin", "4417", "--so-pin", "00000000"]
        subprocess.run([tool, "--init-token", "--free", "--label", "bench", *pin], check=True, capture_output=True)
        provider = Pkcs11KeyProvider(MODULE, "bench", SecretStr("4417"))
        provider.create(KeyUse.WRAPPING, now=NOW)
        yield provider
        provider.close()


if __name__ == "__main__":
    main()
