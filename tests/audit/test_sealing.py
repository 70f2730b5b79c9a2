"""Seals stand in the database and in the sink, appenders never wait, and interruptions are repaired."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from typing_extensions import override

from chukan.platform.audit import store
from chukan.platform.audit.errors import (
    ChainRewritten,
    ExchangeStopped,
    KeyChanged,
    SealerBusy,
    SealInvalid,
    SinkAhead,
    SinkDisagrees,
    SinkShort,
    SinkUnreadable,
    SinkUnwritable,
)
from chukan.platform.audit.freshness import ExchangeGate, judge_freshness, judge_sink, limits_of, read_unsealed
from chukan.platform.audit.sealer import watch
from chukan.platform.audit.seals import Seal
from chukan.platform.audit.service import append
from chukan.platform.audit.sink import FileSink
from chukan.platform.component import Health
from chukan.platform.database.roles import ProcessKind
from chukan.platform.identifiers import PLATFORM
from chukan.platform.settings import AuditSettings
from support.audit import SoftwareSigner, Trail, an_act


def numbers(trail: Trail) -> list[int]:
    return [seal.number for seal in trail.sink.seals() if isinstance(seal, Seal)]


def lines(trail: Trail) -> Path:
    (path,) = (trail.directory / "sink").glob("seals-*.jsonl")
    return path


def test_the_first_seal_needs_no_earlier_one(trail: Trail) -> None:
    tenant = trail.tenant()
    trail.record(tenant, 3)
    trail.record_platform(2)
    sealed = trail.seal()
    assert (sealed.number, sealed.chains, sealed.anchored) == (1, 2, 1)
    assert [(leaf.chain, leaf.seq) for leaf in _last(trail).leaves] == [(PLATFORM, 2), (tenant, 3)]


def test_a_seal_covers_the_chains_that_moved_and_no_other(trail: Trail) -> None:
    one, other = trail.tenant(), trail.tenant()
    trail.record(one)
    trail.record(other)
    trail.seal()
    trail.record(other)
    trail.seal()
    assert [(leaf.chain, leaf.seq) for leaf in _last(trail).leaves] == [(other, 2)]


def test_nothing_new_makes_no_seal(trail: Trail) -> None:
    assert trail.seal().number is None
    trail.record_platform()
    assert trail.seal().number == 1
    assert trail.seal().number is None
    assert numbers(trail) == [1]


def test_sink_and_database_hold_the_same(trail: Trail) -> None:
    for _ in range(3):
        trail.record_platform()
        trail.seal()
    with trail.auditor.connect() as connection:
        assert list(store.seals_after(connection, 0)) == list(trail.sink.seals())


def test_appending_never_waits_for_the_sealer_nor_the_sealer_for_an_appender(trail: Trail) -> None:
    tenant = trail.tenant()
    trail.record(tenant)

    class SlowSigner(SoftwareSigner):
        @override
        def sign(self, payload: bytes) -> bytes:
            # The sealer stands in the middle of its transaction, and somebody writes.
            writer = threading.Thread(target=trail.record, args=(tenant,))
            writer.start()
            writer.join(timeout=10)
            assert not writer.is_alive()
            return super().sign(payload)

    trail.signer = SlowSigner()
    with trail.sessions.begin(tenant) as connection:
        append(connection, an_act())
        # An append that is not committed holds the chain's row; the sealer takes what was before it.
        trail.signer = SoftwareSigner()
        assert trail.seal().number == 1
    trail.signer = SlowSigner(older=trail.signer.public_keys(), kid="test-2")
    assert trail.seal().number == 2
    assert [seq for seq, _ in trail.entries(tenant)] == [1, 2, 3]
    assert [leaf.seq for leaf in _last(trail).leaves] == [2]
    assert trail.findings() == []


def test_two_sealers_do_not_seal_at_once(trail: Trail, tmp_path: Path) -> None:
    trail.record_platform()
    with trail.sink.exclusive(), pytest.raises(SealerBusy):
        Trail(trail.database, trail.directory, trail.signer).seal()
    with trail.scheduler.begin() as connection:
        store.lock_sealer(connection)
        with pytest.raises(SealerBusy):
            Trail(trail.database, tmp_path / "another machine", trail.signer).seal()
    assert trail.seal().number == 1


def test_a_late_sealer_is_fenced_off_by_the_number(trail: Trail) -> None:
    trail.record_platform()
    trail.seal()
    late = Seal(1, "late", ())
    with trail.scheduler.begin() as connection, pytest.raises(Exception, match="does not follow"):
        store.append_seal(connection, late)


def test_a_frozen_sealer_loses_its_right(trail: Trail) -> None:
    trail.record_platform()
    with trail.database.login(ProcessKind.SCHEDULER) as frozen:
        frozen.execute("set idle_in_transaction_session_timeout = '2s'")
        frozen.execute("begin")
        frozen.execute("select platform_api.lock_audit_sealer()")
        with pytest.raises(SealerBusy):
            trail.seal()
        with trail.scheduler.begin() as connection:
            connection.execute(text("set local lock_timeout = '10s'"))
            # The plain lock waits for the server to end the frozen session.
            trail.tamper("begin; select one from platform.audit_sealer for update; commit")
        assert trail.seal().number == 1
        frozen.close()


KILL_IN_THE_MIDDLE = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import create_engine
import psycopg
from support.audit import SoftwareSigner
from chukan.platform.audit.sealer import Sealer
from chukan.platform.audit.sink import FileSink
from chukan.platform.audit.seals import SealKeys
from chukan.platform.audit import sink, store

conninfo, directory, where = sys.argv[1:]
def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
write = os.write
def half(descriptor, data):
    write(descriptor, data[: len(data) // 2])
    die()
if where == "before the sink":
    FileSink.append = die
elif where == "within the line":
    os.write = half
elif where == "before the anchor":
    store.anchor_seal = die
import pickle
signer = SoftwareSigner()
signer._key = __import__("cryptography.hazmat.primitives.serialization", fromlist=["x"]).load_pem_private_key(
    sys.stdin.buffer.read(), None)
engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(conninfo, prepare_threshold=None))
Sealer(engine, FileSink(Path(directory)), signer).seal()
"""


@pytest.mark.parametrize("where", ["before the sink", "within the line", "before the anchor"])
def test_a_sealer_killed_between_database_and_sink_is_repaired_by_the_next(trail: Trail, where: str) -> None:
    trail.record_platform()
    trail.seal()
    trail.record_platform()
    conninfo = trail.database.cluster.superuser_conninfo(trail.database.settings.name)
    killed = _python(KILL_IN_THE_MIDDLE, conninfo, str(trail.directory / "sink"), where, stdin=_pem(trail.signer))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert trail.findings() == []
    assert read_unsealed(trail.worker).oldest is not None
    repaired = trail.seal()
    assert repaired.number is None
    assert numbers(trail) == [1, 2]
    assert read_unsealed(trail.worker).oldest is None
    assert trail.findings() == []


def test_a_full_disk_leaves_the_seal_unanchored_raises_the_alarm_and_stops_the_exchange(trail: Trail) -> None:
    trail.record_platform()
    trail.seal()
    trail.record_platform()
    _with_file_limit(lines(trail).stat().st_size + 100, lambda: _assert_unwritable(trail))
    assert numbers(trail) == [1]
    assert lines(trail).read_bytes().endswith(b"\n")
    _age(trail, "5 hours")
    found = read_unsealed(trail.worker)
    assert judge_freshness(found, limits_of(AuditSettings())).health is Health.RED
    gate = ExchangeGate(trail.worker, AuditSettings())
    with pytest.raises(ExchangeStopped) as stopped:
        gate.require_accepting()
    assert (stopped.value.http_status, stopped.value.retryable) == (503, True)
    trail.seal()
    assert numbers(trail) == [1, 2]


AS_NOBODY = """
import os, sys
from pathlib import Path
from chukan.platform.audit.errors import SinkUnwritable
from chukan.platform.audit.sink import FileSink
if os.getuid() == 0:
    os.setgid(65534); os.setuid(65534)
try:
    with FileSink(Path(sys.argv[1])).exclusive():
        print("written")
except SinkUnwritable as error:
    print(error.code)
"""


def test_a_folder_that_may_not_be_written_is_told() -> None:
    # Not below pytest's own folder, because the unprivileged user has to be able to reach it.
    with tempfile.TemporaryDirectory(prefix="chukan-sink-") as name:
        directory = Path(name)
        directory.chmod(0o555)
        assert _python(AS_NOBODY, name).stdout.strip() == b"audit.sink_unwritable"
        directory.chmod(0o777)
        assert _python(AS_NOBODY, name).stdout.strip() == b"written"


def test_a_sink_that_is_ahead_of_the_database_is_an_alarm_and_is_not_overwritten(trail: Trail) -> None:
    for _ in range(2):
        trail.record_platform()
        trail.seal()
    before = lines(trail).read_bytes()
    trail.tamper("with l as (delete from platform.audit_seal_leaf where seal = 2) select 1")
    trail.tamper("delete from platform.audit_seal where number = 2")
    trail.record_platform()
    with pytest.raises(SinkAhead):
        trail.seal()
    assert lines(trail).read_bytes() == before
    assert judge_sink(trail.sealer.compare).health is Health.RED


def test_a_sink_whose_last_seal_is_another_is_an_alarm(trail: Trail) -> None:
    trail.record_platform()
    trail.seal()
    seal = _last(trail)
    lines(trail).unlink()
    with trail.sink.exclusive():
        trail.sink.append(Seal(1, seal.checkpoint.replace(".", ".x", 1), seal.leaves))
    with pytest.raises(SinkDisagrees):
        trail.seal()


def test_a_sink_whose_last_line_is_nonsense_is_an_alarm(trail: Trail) -> None:
    trail.record_platform()
    trail.seal()
    lines(trail).write_text("nonsense\n")
    with pytest.raises(SinkUnreadable):
        trail.seal()


def test_a_sink_that_lost_seals_is_an_alarm_until_it_is_refilled(trail: Trail) -> None:
    for _ in range(3):
        trail.record_platform()
        trail.seal()
    complete = lines(trail).read_bytes()
    lines(trail).write_bytes(b"".join(complete.splitlines(keepends=True)[:1]))
    with pytest.raises(SinkShort):
        trail.seal()
    assert trail.sealer.refill(trail.keys) == 2
    assert lines(trail).read_bytes() == complete
    assert trail.findings() == []


def test_a_refill_takes_no_seal_that_the_pinned_key_did_not_sign(trail: Trail) -> None:
    trail.record_platform()
    trail.seal()
    lines(trail).unlink()
    trail.tamper("update platform.audit_seal set checkpoint = 'x' || checkpoint")
    with pytest.raises(SealInvalid):
        trail.sealer.refill(trail.keys)
    assert numbers(trail) == []


def test_leaves_changed_before_they_reached_the_sink_do_not_reach_it(trail: Trail) -> None:
    trail.record_platform()
    trail.seal()
    lines(trail).unlink()
    trail.tamper("update platform.audit_seal_leaf set seq = 9")
    with pytest.raises(SealInvalid):
        trail.sealer.refill(trail.keys)


def test_a_key_that_changed_under_its_name_is_an_alarm(trail: Trail) -> None:
    trail.record_platform()
    trail.seal()
    trail.record_platform()
    trail.signer = SoftwareSigner()
    with pytest.raises(KeyChanged):
        trail.seal()


def test_a_rotated_key_leaves_the_older_seals_verifiable(trail: Trail) -> None:
    trail.record_platform()
    trail.seal()
    trail.record_platform()
    trail.signer = SoftwareSigner("test-2", older=trail.signer.public_keys())
    trail.seal()
    assert set(json.loads(trail.sink.keys_path.read_text())["keys"][0]) == {"crv", "kid", "kty", "x", "y"}
    assert trail.findings() == []


@pytest.mark.parametrize(
    "rewrite",
    [
        "update platform.audit_entry set hash = sha256('x') where chain = %s and seq = 2",
        "update platform.audit_chain set seq = 1 where chain = %s",
        "delete from platform.audit_entry where chain = %s and seq = 2",
    ],
)
def test_a_chain_that_lost_what_was_sealed_is_not_sealed_again_and_the_others_are(trail: Trail, rewrite: str) -> None:
    tenant = trail.tenant()
    trail.record(tenant, 2)
    trail.seal()
    trail.record_platform()
    trail.tamper(rewrite, tenant)
    if "audit_chain" not in rewrite:
        trail.record(tenant)
    with pytest.raises(ChainRewritten, match=str(tenant)):
        trail.seal()
    assert [leaf.chain for leaf in _last(trail).leaves] == [PLATFORM]


def test_freshness_is_the_age_of_the_oldest_entry_without_an_anchored_seal(trail: Trail) -> None:
    assert read_unsealed(trail.worker).oldest is None
    tenant = trail.tenant()
    trail.record(tenant)
    trail.record_platform()
    with trail.database.superuser() as superuser:
        (first,) = superuser.execute("select min(recorded_at) from platform.audit_entry").fetchone() or (None,)
    found = read_unsealed(trail.worker)
    assert found.oldest == first
    assert timedelta(0) < found.measured_at - first < timedelta(minutes=5)
    trail.seal()
    assert read_unsealed(trail.worker).oldest is None
    trail.tamper("update platform.audit_seal set anchored_at = null")
    assert read_unsealed(trail.worker).oldest == first


def test_exchanges_pass_until_the_limit_stop_there_and_resume_with_a_seal(trail: Trail) -> None:
    seconds = [0.0]
    gate = ExchangeGate(trail.worker, AuditSettings(), now=lambda: seconds[0])
    trail.record_platform()
    gate.require_accepting()
    _age(trail, "3 hours 59 minutes")
    seconds[0] += 6
    gate.require_accepting()
    _age(trail, "2 minutes")
    gate.require_accepting()  # asked again only after a few seconds
    seconds[0] += 6
    with pytest.raises(ExchangeStopped):
        gate.require_accepting()
    trail.tamper("update platform.audit_entry set recorded_at = clock_timestamp()")
    trail.tamper("update platform.audit_entry set prev = prev")
    seconds[0] += 6
    gate.require_accepting()


def test_the_watch_seals_until_it_is_told_to_end_and_survives_failures(trail: Trail) -> None:
    trail.record_platform()
    stop = threading.Event()
    outcomes: list[int | None] = []
    calls: list[None] = []

    def seal() -> object:
        calls.append(None)
        if len(calls) == 1:
            raise SinkUnwritable(directory="sink", reason="full")
        return trail.seal()

    def told(sealed: object) -> None:
        outcomes.append(sealed.number)  # type: ignore[attr-defined]
        if len(outcomes) == 2:
            stop.set()

    watch(seal, told, stop, 0.01)  # type: ignore[arg-type]
    assert outcomes == [1, None]


def test_a_day_of_seals_begins_a_new_file(tmp_path: Path) -> None:
    sink = FileSink(tmp_path)
    with sink.exclusive():
        for number in range(1, 1_443):
            sink.append(Seal(number, "x", ()))
    assert [path.name for path in sorted(tmp_path.glob("*.jsonl"))] == [
        "seals-000000000001.jsonl",
        "seals-000000001441.jsonl",
    ]
    assert [seal.number for seal in sink.seals() if isinstance(seal, Seal)] == list(range(1, 1_443))
    assert sink.last() == Seal(1_442, "x", ())


def _last(trail: Trail) -> Seal:
    last = trail.sink.last()
    assert last is not None
    return last


def _age(trail: Trail, interval: str) -> None:
    """Let entries be recorded *interval* earlier: the database's clock cannot be turned."""
    trail.tamper("update platform.audit_entry set recorded_at = recorded_at - %s::interval", interval)


def _assert_unwritable(trail: Trail) -> None:
    with pytest.raises(SinkUnwritable):
        trail.seal()


def _with_file_limit(size: int, act: Callable[[], None]) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        act()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _pem(signer: SoftwareSigner) -> bytes:
    from cryptography.hazmat.primitives import serialization as forms

    return signer._key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())


def _python(program: str, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    paths = os.pathsep.join(path for path in sys.path if path)
    environment = {**os.environ, "PYTHONPATH": paths}
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, env=environment, timeout=60, check=False)
