"""An entry is written with its act or not at all, by nobody but the functions, and refusals are written too."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import text

from chukan.platform.audit import store
from chukan.platform.audit.errors import AuditUnavailable, EntryMalformed
from chukan.platform.audit.rules import AuditEntry, Personal, entry_hash
from chukan.platform.audit.service import Chain, UnitOfWork, append, append_all, audited
from chukan.platform.database.roles import ProcessKind
from chukan.platform.errors import ChukanError, Failure
from chukan.platform.identifiers import PLATFORM, TenantId
from support.audit import Act, KeyedMasker, Trail, an_act


class NotYours(ChukanError):
    code = "tests.not_yours"
    failure = Failure.REFUSED
    message = "No."
    hint = "Ask."


def facts(trail: Trail, tenant: TenantId) -> int:
    with trail.sessions.begin(tenant) as connection:
        return int(connection.execute(text("select count(*) from secret_fact")).scalar_one())


INSERT = text("insert into secret_fact (content) values ('x')")


def attempt(trail: Trail, tenant: TenantId, then: Callable[[UnitOfWork], object]) -> None:
    """Do an act, and *then* what ends it."""
    with audited(lambda: trail.sessions.begin(tenant), an_act(1)) as unit:
        unit.connection.execute(INSERT)
        then(unit)


def refuse() -> None:
    raise NotYours


def test_the_database_hashes_the_bytes_that_the_verifier_hashes(trail: Trail) -> None:
    tenant = trail.tenant()
    with trail.sessions.begin(tenant) as connection:
        append(connection, an_act(1, 名前="髙橋 \\ \n \u2028 🏯"))
        append(connection, an_act(2))
    with trail.auditor.connect() as connection:
        entries = list(store.entries(connection, tenant))
    assert [entry.hash for entry in entries] == [entry_hash(entry) for entry in entries]
    assert [entry.prev for entry in entries] == [bytes(32), entries[0].hash]


def test_entries_that_are_appended_together_stand_in_their_order_and_are_chained(trail: Trail) -> None:
    tenant = trail.tenant()
    with trail.sessions.begin(tenant) as connection:
        append_all(connection, [an_act(number) for number in range(40, 0, -1)])
        append_all(connection, [])
    with trail.auditor.connect() as connection:
        entries = list(store.entries(connection, tenant))
    subjects = [json.loads(entry.body)["subject"] for entry in entries]
    assert subjects == [an_act(number).subject for number in range(40, 0, -1)]
    assert [entry.hash for entry in entries] == [entry_hash(entry) for entry in entries]
    assert [entry.prev for entry in entries] == [bytes(32), *[entry.hash for entry in entries[:-1]]]


def test_the_act_and_its_entry_are_committed_together(trail: Trail) -> None:
    tenant = trail.tenant()
    with audited(lambda: trail.sessions.begin(tenant), an_act(1)) as unit:
        unit.connection.execute(INSERT)
        unit.note(rows=1)
        unit.record(AuditEntry("operator:7", Act.READ, "thing:2", "request-1"))
    assert facts(trail, tenant) == 1
    bodies = [json.loads(body) for _, body in trail.entries(tenant)]
    assert [(body["action"], body["outcome"]) for body in bodies] == [
        ("tests:thing:do", "done"),
        ("tests:thing:read", "done"),
    ]
    assert bodies[0]["detail"] == {"rows": 1}


def test_a_refusal_undoes_the_act_and_is_recorded_before_it_is_told(trail: Trail) -> None:
    tenant = trail.tenant()
    with pytest.raises(NotYours) as refused:
        attempt(trail, tenant, lambda _: refuse())
    assert facts(trail, tenant) == 0
    ((seq, body),) = trail.entries(tenant)
    assert seq == 1
    assert json.loads(body)["outcome"] == "refused"
    assert json.loads(body)["detail"] == {"error": "tests.not_yours", "reference": refused.value.reference}


def test_a_fault_undoes_the_act_and_is_recorded_as_failed(trail: Trail) -> None:
    tenant = trail.tenant()
    with pytest.raises(ZeroDivisionError):
        attempt(trail, tenant, lambda _: 1 // 0)
    assert facts(trail, tenant) == 0
    ((_, body),) = trail.entries(tenant)
    assert (json.loads(body)["outcome"], json.loads(body)["detail"]) == ("failed", {"error": "ZeroDivisionError"})


def test_an_act_whose_entry_cannot_be_written_does_not_happen(trail: Trail) -> None:
    tenant = trail.tenant()
    with pytest.raises(EntryMalformed):
        attempt(trail, tenant, lambda unit: unit.note(number=0.5))  # type: ignore[arg-type]
    assert facts(trail, tenant) == 0


def test_a_refusal_that_cannot_be_recorded_is_told_as_unavailable(trail: Trail) -> None:
    tenant = trail.tenant()

    def shut(_unit: UnitOfWork) -> None:
        trail.tamper("revoke execute on function platform_api.append_audit(text) from chukan_owner, tenant_common")
        refuse()

    with pytest.raises(AuditUnavailable) as unavailable:
        attempt(trail, tenant, shut)
    assert unavailable.value.retryable
    assert isinstance(unavailable.value.__cause__, NotYours)
    assert trail.entries(tenant) == []


def test_masked_values_are_stored_and_plain_ones_nowhere(trail: Trail) -> None:
    tenant = trail.tenant()
    act = an_act(1, person=Personal("address_number", "0001234567"))
    with audited(lambda: trail.sessions.begin(tenant), act, masker=KeyedMasker()):
        pass
    with trail.database.superuser() as superuser:
        rows = superuser.execute("select e::text from platform.audit_entry e").fetchall()
    assert "address_number:" in rows[0][0]
    assert "0001234567" not in rows[0][0]


def test_a_rolled_back_append_leaves_no_gap(trail: Trail) -> None:
    tenant = trail.tenant()
    trail.record(tenant)
    with trail.sessions.connection(tenant) as connection, connection.begin() as transaction:
        append(connection, an_act(2))
        transaction.rollback()
    trail.record(tenant)
    assert [seq for seq, _ in trail.entries(tenant)] == [1, 2]
    assert trail.findings() == []


def test_many_writers_of_one_chain_leave_one_unbroken_chain(trail: Trail) -> None:
    tenant = trail.tenant()

    def write(writer: int) -> None:
        for number in range(10):
            with audited(lambda: trail.sessions.begin(tenant), an_act(writer * 100 + number)) as unit:
                unit.connection.execute(INSERT)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert [seq for seq, _ in trail.entries(tenant)] == list(range(1, 41))
    assert facts(trail, tenant) == 40
    assert trail.findings() == []


def test_an_act_under_way_keeps_nobody_from_appending(trail: Trail) -> None:
    tenant = trail.tenant()
    with audited(lambda: trail.sessions.begin(tenant), an_act(1)) as unit:
        unit.connection.execute(INSERT)
        other = threading.Thread(target=trail.record, args=(tenant,))
        other.start()
        other.join(timeout=10)
        assert not other.is_alive()
    assert [seq for seq, _ in trail.entries(tenant)] == [1, 2]


def test_the_database_says_whose_chain_it_is_and_who_wrote(trail: Trail) -> None:
    one, other = trail.tenant(), trail.tenant()
    trail.record(one)
    trail.record_platform()
    with trail.database.superuser() as superuser:
        rows = superuser.execute("select chain, login from platform.audit_entry order by chain").fetchall()
        (role,) = superuser.execute("select role from platform.tenant where id = %s", (one,)).fetchone() or ("",)
    assert rows == [(PLATFORM, trail.database.names.process(ProcessKind.WORKER)), (one, role)]
    assert trail.entries(other) == []


def test_a_tenant_cannot_write_to_the_platforms_chain_nor_a_process_to_a_tenants(trail: Trail) -> None:
    tenant = trail.tenant()
    with pytest.raises(AuditUnavailable), trail.sessions.begin(tenant) as connection:
        append(connection, an_act(1), chain=Chain.PLATFORM)
    with pytest.raises(AuditUnavailable), trail.worker.begin() as connection:
        append(connection, an_act(1), chain=Chain.TENANT)
    assert trail.entries(tenant) == trail.entries(PLATFORM) == []


TABLES = ("audit_chain", "audit_entry", "audit_seal", "audit_seal_leaf", "audit_sealer")


@pytest.mark.parametrize("kind", list(ProcessKind))
def test_no_log_in_may_write_to_the_trail_itself(trail: Trail, kind: ProcessKind) -> None:
    with trail.database.superuser() as superuser:
        held = superuser.execute(
            """
            select t, p from unnest(%s::text[]) t,
                unnest(array['insert', 'update', 'delete', 'truncate', 'references', 'trigger', 'maintain']) p
            where has_table_privilege(%s, 'platform.' || t, p)
            """,
            (list(TABLES), trail.database.names.process(kind)),
        ).fetchall()
    assert held == []


def test_a_tenant_can_neither_read_nor_change_the_trail(trail: Trail) -> None:
    tenant = trail.tenant()
    trail.record(tenant)
    statements = (
        text("select * from platform.audit_entry"),
        text("update platform.audit_entry set body = '{}'"),
        text("delete from platform.audit_entry"),
        text("select platform.append_audit_entry('00000000-0000-0000-0000-000000000000', '{}')"),
        text("select platform_api.append_audit_seal(1, '', '{}', '{}', '{}')"),
        text("select platform_api.anchor_audit_seal(1)"),
        text("select * from platform_api.audit_unsealed_since()"),
    )
    for statement in statements:
        with trail.sessions.connection(tenant) as connection, pytest.raises(Exception, match="permission denied"):
            connection.execute(statement)


@pytest.mark.parametrize("body", ["", "x", "[]", "1", '{"a":', '{"a":"' + "x" * 70_000 + '"}'])
def test_a_body_that_is_no_small_json_object_is_refused_by_the_database(trail: Trail, body: str) -> None:
    with trail.worker.begin() as connection, pytest.raises(Exception, match=r"audit_entry_body|json"):
        store.append_platform(connection, body)


KILLED = """
import sys, psycopg, time
with psycopg.connect(sys.argv[1]) as connection:
    connection.execute("select platform_api.append_platform_audit('{}')")
    print("appended", flush=True)
    time.sleep(60)
"""


def test_a_process_killed_before_its_commit_leaves_nothing(trail: Trail) -> None:
    conninfo = trail.database.cluster.superuser_conninfo(trail.database.settings.name)
    child = subprocess.Popen([sys.executable, "-c", KILLED, conninfo], stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "appended\n"
        child.send_signal(signal.SIGKILL)
    deadline = time.perf_counter() + 20  # noqa: TID251 - a bound on waiting
    while True:
        try:
            trail.record_platform()
            break
        except (AuditUnavailable, psycopg.Error):
            assert time.perf_counter() < deadline  # noqa: TID251 - a bound on waiting
    assert [seq for seq, _ in trail.entries(PLATFORM)] == [1]
    assert trail.findings() == []
