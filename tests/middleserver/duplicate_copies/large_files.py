"""Large files, registered in a process of its own, whose memory can be looked at."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from chukan.platform.database.engines import driver
from chukan.platform.database.roles import ProcessKind
from chukan.tenants.middleserver.duplicate_copies.rules import FileForm
from support.copies import Organisation

ROOT = Path(__file__).parent.parent.parent


def register(place: Organisation, form: FileForm, records: int, state: str) -> tuple[str, int, int, int]:
    """Run ``register_large.py``; return outcome, registered records, faults, and the most memory it held in KiB."""
    with place.safe.database.engine(ProcessKind.PROVISIONER).begin() as connection:
        credentials = place.safe.credentials(place.safe.vault(ProcessKind.PROVISIONER), ProcessKind.PROVISIONER)
        credentials.store(driver(connection), place.tenant, place.safe.database.credentials.password(place.tenant))
    program = Path(__file__).parent / "register_large.py"
    settings = place.safe.database.settings.model_dump_json()
    arguments = [settings, str(place.safe.key_file), str(place.tenant), form.value, str(records), state]
    command = [sys.executable, str(program), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=3_000, check=False)
    assert done.returncode == 0, done.stderr
    outcome, *numbers = done.stdout.split()
    registered, faults, most = map(int, numbers)
    return outcome, registered, faults, most
