"""Large files: a broken last record refuses all of them, and memory stays flat (fault 44)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chukan.platform.database.engines import driver
from chukan.platform.database.roles import ProcessKind
from chukan.tenants.middleserver.duplicate_copies.rules import FileForm
from support.copies import Organisation

ROOT = Path(__file__).parent.parent.parent
#: What may come on top from a few thousand records to two million: allocators keep some of what they got.
FLAT_KIB = 64 << 10


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


@pytest.mark.parametrize("form", list(FileForm))
def test_a_broken_last_record_of_many_refuses_them_all(place: Organisation, form: FileForm) -> None:
    assert register(place, form, 20_000, "broken")[:3] == ("refused", 0, 1)
    assert place.count("duplicate_copy") == 0
    upload = place.uploads.recent(place.tenant)[0]
    assert "20000,20000," in place.report(upload.id)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("form", list(FileForm))
def test_two_million_records_are_registered_in_flat_memory(place: Organisation, form: FileForm) -> None:
    *_, small = register(place, form, 20_000, "broken")
    outcome, registered, faults, most = register(place, form, 2_000_000, "right")
    assert (outcome, registered, faults) == ("registered", 2_000_000, 0)
    assert most - small < FLAT_KIB
    assert place.count("duplicate_copy") == 2_000_000


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_two_million_records_with_a_broken_last_one_leave_nothing(place: Organisation) -> None:
    assert register(place, FileForm.CSV, 2_000_000, "broken")[:3] == ("refused", 0, 1)
    assert place.count("duplicate_copy") == 0
