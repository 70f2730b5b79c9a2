"""The full size: memory does not grow with the trail, neither of the verifier nor of an export."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from chukan.platform.identifiers import PLATFORM
from support.audit import Trail

CHAINS = 200
PER_CHAIN = 800

#: Appended through the product's own function, in one statement for each chain, as its tenant would.
APPEND = """
    select count(platform.append_audit_entry(%s, format('{"n":%%s,"detail":"%%s"}', n, repeat('x', 200))))
    from generate_series(1, %s) n
"""

VERIFY = """
import json, resource, sys
from pathlib import Path
import psycopg
from sqlalchemy import create_engine
from chukan.platform.audit.cli import read_keys
from chukan.platform.audit.sink import FileSink
from chukan.platform.audit.verifier import verify
conninfo, directory = sys.argv[1:]
engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(conninfo, prepare_threshold=None))
sink = FileSink(Path(directory))
with engine.connect():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
verified = verify(engine, sink, read_keys(sink.keys_path))
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
kinds = [[f.kind.value, str(f.chain), f.first] for f in verified.findings]
told = {"entries": verified.entries, "unsealed": verified.unsealed, "findings": kinds, "grown_kib": after - before}
print(json.dumps(told))
"""


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_a_trail_of_320_000_entries_is_verified_in_flat_memory(trail: Trail) -> None:
    with trail.database.superuser() as superuser:
        tenants = [
            superuser.execute("select uuidv7()").fetchone()[0]  # type: ignore[index]
            for _ in range(CHAINS - 1)
        ]
        for _ in range(2):
            for chain in (PLATFORM, *tenants):
                superuser.execute(APPEND, (chain, PER_CHAIN))
            trail.seal()
    result = _verify(trail)
    assert (result["entries"], result["unsealed"], result["findings"]) == (2 * CHAINS * PER_CHAIN, 0, [])
    # Everything together is some 150 MB; what is held at once is a batch of rows and a seal.
    assert int(str(result["grown_kib"])) < 40_000
    trail.tamper("update platform.audit_entry set body = '{}' where chain = %s and seq = 1500", tenants[77])
    assert _verify(trail)["findings"] == [["edited", str(tenants[77]), 1_500]]


def _verify(trail: Trail) -> dict[str, object]:
    conninfo = trail.database.cluster.superuser_conninfo(trail.database.settings.name)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    run = subprocess.run(
        [sys.executable, "-c", VERIFY, conninfo, str(Path(trail.sink.directory))],
        capture_output=True,
        env=environment,
        check=False,
    )
    assert run.returncode == 0, run.stderr.decode()
    found: dict[str, object] = json.loads(run.stdout)
    return found
