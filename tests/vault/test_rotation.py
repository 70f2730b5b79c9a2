"""The rotation of a tenant's data key: both versions readable, killed anywhere it resumes, retired in time."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from chukan.platform.database.engines import driver
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.database.tenants import Placement
from chukan.platform.vault import store
from chukan.platform.vault.errors import KeyMissing, RotationUnfinished, VaultTampered
from chukan.platform.vault.rotation import DataKeyRotation
from chukan.platform.vault.rules import EncryptedColumn, KeyState, Purpose, unpack
from support.vault import Safe, rotate

SEALED = EncryptedColumn("secret_fact", "sealed")
AT_ONCE = timedelta()


@pytest.fixture
def tenant(safe: Safe) -> Placement:
    """A tenant with keys, a credential in the vault, and thirty sealed rows."""
    placement = safe.tenant()
    with safe.database.engine(ProcessKind.PROVISIONER).begin() as connection:
        credentials = safe.credentials(safe.vault(ProcessKind.PROVISIONER), ProcessKind.PROVISIONER)
        password = safe.database.credentials.password(placement.tenant)
        credentials.store(driver(connection), placement.tenant, password)
    fill(safe, placement, 30)
    return placement


def table_of(tenant: Placement) -> sql.Identifier:
    return sql.Identifier(tenant.schema, "secret_fact")


def fill(safe: Safe, tenant: Placement, count: int) -> None:
    cipher = safe.vault().column(tenant.tenant, "secret_fact", "sealed")
    insert = sql.SQL("insert into {} (id, content, sealed) values (%s, %s, %s)").format(table_of(tenant))
    rows = [(row, str(row), cipher.seal(row, str(row).encode())) for row in (uuid4() for _ in range(count))]
    with safe.database.superuser() as superuser:
        superuser.cursor().executemany(insert, rows)


def stored(safe: Safe, tenant: Placement) -> dict[UUID, bytes]:
    query = sql.SQL("select id, sealed from {} where sealed is not null").format(table_of(tenant))
    with safe.database.superuser() as superuser:
        return dict(superuser.execute(query).fetchall())


def versions(safe: Safe, tenant: Placement) -> Counter[int]:
    parts = [unpack(sealed) for sealed in stored(safe, tenant).values()]
    return Counter(part.version for part in parts if part)


def states(safe: Safe, tenant: Placement) -> list[KeyState]:
    with safe.database.engine(ProcessKind.WORKER).connect() as connection:
        keys = store.read_keys(driver(connection), tenant.tenant, Purpose.CONTENT)
    return [key.state for key in keys]


def assert_all_open(safe: Safe, tenant: Placement) -> None:
    """A gateway that starts now opens every row, and the credential."""
    vault = safe.vault(ProcessKind.GATEWAY)
    cipher = vault.column(tenant.tenant, "secret_fact", "sealed")
    for row, sealed in stored(safe, tenant).items():
        assert cipher.open(row, sealed) == str(row).encode()
    password = safe.credentials(vault, ProcessKind.GATEWAY).password(tenant.tenant)
    assert password == safe.database.credentials.password(tenant.tenant)


def rotation(
    safe: Safe, columns: Sequence[EncryptedColumn] = (SEALED,), settle: timedelta = AT_ONCE
) -> DataKeyRotation:
    vault = safe.vault()
    credentials = safe.credentials(vault)
    sessions = TenantSessions(safe.database.settings, safe.database.engine(ProcessKind.WORKER), credentials)
    safe.database._engines.callback(sessions.close)
    return DataKeyRotation(safe.actor(), vault, credentials, sessions, columns, settle=settle)


def test_a_rotation_re_encrypts_every_row_and_retires_the_old_version(safe: Safe, tenant: Placement) -> None:
    work = rotation(safe)
    before = stored(safe, tenant)
    assert work.begin(tenant.tenant) == 2
    assert states(safe, tenant) == [KeyState.RETIRING, KeyState.ACTIVE]
    assert work.pending() == [tenant.tenant]
    reports: list[tuple[int, int]] = []
    done = work.reencrypt(tenant.tenant, progress=lambda done, total: reports.append((done, total)), batch=7)
    assert (done.reencrypted, done.remaining, done.retired) == (30, 0, True)
    assert reports[0] == (0, 30)
    assert reports[-1] == (30, 30)
    assert versions(safe, tenant) == {2: 30}
    assert states(safe, tenant) == [KeyState.RETIRED, KeyState.ACTIVE]
    assert work.pending() == []
    assert_all_open(safe, tenant)
    # A restored backup still has rows of the retired version.
    cipher = safe.vault().column(tenant.tenant, "secret_fact", "sealed")
    assert all(cipher.open(row, sealed) == str(row).encode() for row, sealed in before.items())


def test_each_act_of_a_rotation_is_in_the_trail(safe: Safe, tenant: Placement) -> None:
    work = rotation(safe)
    work.begin(tenant.tenant)
    work.reencrypt(tenant.tenant)
    assert safe.actions() == ["vault:data_key:rotate", "vault:data_key:retire"]


def test_both_versions_are_readable_while_a_rotation_runs(safe: Safe, tenant: Placement) -> None:
    work = rotation(safe)
    reader = safe.vault(ProcessKind.GATEWAY).column(tenant.tenant, "secret_fact", "sealed")
    some = next(iter(stored(safe, tenant)))
    assert reader.open(some, stored(safe, tenant)[some])
    work.begin(tenant.tenant)
    seen: list[Counter[int]] = []

    def progress(_done: int, _total: int) -> None:
        seen.append(versions(safe, tenant))
        # The reader that had the old key in memory, and one that starts now.
        for row, sealed in stored(safe, tenant).items():
            assert reader.open(row, sealed) == str(row).encode()
        assert_all_open(safe, tenant)

    work.reencrypt(tenant.tenant, progress=progress, batch=20)
    assert seen[:3] == [{1: 30}, {1: 10, 2: 20}, {2: 30}]


@pytest.mark.parametrize(
    ("where", "count", "left"),
    [
        ("inside", 1, 30),  # the new version exists, no row is re-encrypted
        ("inside", 7, 30),  # at the end of the first batch, before its commit
        ("between", 2, 16),
        ("inside", 31, 0),  # all rows are done, the credential is not
    ],
)
def test_a_rotation_killed_anywhere_leaves_everything_readable_and_resumes(
    safe: Safe, tenant: Placement, where: str, count: int, left: int
) -> None:
    killed = rotate(safe, str(tenant.tenant), where, count)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert versions(safe, tenant)[1] == left
    assert states(safe, tenant) == [KeyState.RETIRING, KeyState.ACTIVE]
    assert_all_open(safe, tenant)
    resumed = rotate(safe, str(tenant.tenant))
    assert resumed.stdout.split() == [str(left), "0", "True"], resumed.stderr
    assert versions(safe, tenant) == {2: 30}
    assert states(safe, tenant) == [KeyState.RETIRED, KeyState.ACTIVE]
    assert_all_open(safe, tenant)


def test_a_version_is_not_retired_while_another_process_may_still_write_under_it(safe: Safe, tenant: Placement) -> None:
    work = rotation(safe, settle=timedelta(minutes=5))
    slow = safe.vault(ProcessKind.GATEWAY).column(tenant.tenant, "secret_fact", "sealed")
    slow.seal(uuid4(), b"has the old key in memory now")
    work.begin(tenant.tenant)
    first = work.reencrypt(tenant.tenant)
    assert (first.reencrypted, first.remaining, first.retired) == (30, 0, False)
    assert timedelta(minutes=4) < first.settles_in <= timedelta(minutes=5)
    late = uuid4()
    with safe.database.superuser() as superuser:
        insert = sql.SQL("insert into {} (id, content, sealed) values (%s, '', %s)").format(table_of(tenant))
        superuser.execute(insert, (late, slow.seal(late, str(late).encode())))
        assert versions(safe, tenant) == {1: 1, 2: 30}
        superuser.execute("update platform.data_key set changed_at = changed_at - interval '6 minutes'")
    second = work.reencrypt(tenant.tenant)
    assert (second.reencrypted, second.remaining, second.retired) == (1, 0, True)
    assert_all_open(safe, tenant)


def test_rows_that_others_hold_are_left_for_the_next_pass(safe: Safe, tenant: Placement) -> None:
    work = rotation(safe)
    work.begin(tenant.tenant)
    held = list(stored(safe, tenant))[:4]
    with safe.database.superuser() as superuser, superuser.transaction():
        lock = sql.SQL("select 1 from {} where id = any(%s) for update").format(table_of(tenant))
        superuser.execute(lock, (held,))
        first = work.reencrypt(tenant.tenant, batch=7)
    assert (first.reencrypted, first.remaining, first.retired) == (26, 4, False)
    second = work.reencrypt(tenant.tenant, batch=7)
    assert (second.reencrypted, second.remaining, second.retired) == (4, 0, True)
    assert_all_open(safe, tenant)


def test_a_row_that_does_not_open_is_told_of_kept_and_keeps_the_old_version(safe: Safe, tenant: Placement) -> None:
    victim, spoiled = next(iter(stored(safe, tenant).items()))
    spoiled = spoiled[:-1] + bytes([spoiled[-1] ^ 1])
    with safe.database.superuser() as superuser:
        superuser.execute(
            sql.SQL("update {} set sealed = %s where id = %s").format(table_of(tenant)), (spoiled, victim)
        )
    work = rotation(safe)
    work.begin(tenant.tenant)
    with pytest.raises(VaultTampered) as told:
        work.reencrypt(tenant.tenant, batch=7)
    assert "1 values" in told.value.detail
    assert versions(safe, tenant) == {1: 1, 2: 29}
    assert stored(safe, tenant)[victim] == spoiled
    assert states(safe, tenant) == [KeyState.RETIRING, KeyState.ACTIVE]


def test_a_second_rotation_waits_for_the_first(safe: Safe, tenant: Placement) -> None:
    work = rotation(safe)
    work.begin(tenant.tenant)
    with pytest.raises(RotationUnfinished):
        work.begin(tenant.tenant)
    work.reencrypt(tenant.tenant)
    assert work.begin(tenant.tenant) == 3
    work.reencrypt(tenant.tenant)
    assert states(safe, tenant) == [KeyState.RETIRED, KeyState.RETIRED, KeyState.ACTIVE]
    assert_all_open(safe, tenant)


@pytest.mark.usefixtures("tenant")
def test_only_one_version_can_be_written_with(safe: Safe) -> None:
    with safe.database.superuser() as superuser, pytest.raises(psycopg.errors.UniqueViolation):
        superuser.execute(
            "insert into platform.data_key (owner, purpose, version, state, wrapping_key, wrapped, binding)"
            " select owner, purpose, 2, state, wrapping_key, wrapped, binding from platform.data_key"
        )


def test_rows_without_a_value_and_other_tenants_are_left_alone(safe: Safe, tenant: Placement) -> None:
    other = safe.tenant()
    fill(safe, other, 3)
    with safe.database.superuser() as superuser:
        superuser.execute(sql.SQL("insert into {} (content) values ('nothing sealed')").format(table_of(tenant)))
    others_before: dict[UUID, Any] = dict(stored(safe, other))
    work = rotation(safe)
    work.begin(tenant.tenant)
    assert work.reencrypt(tenant.tenant).reencrypted == 30
    assert stored(safe, other) == others_before
    assert states(safe, other) == [KeyState.ACTIVE]


def test_the_index_key_is_left_alone(safe: Safe, tenant: Placement) -> None:
    before = safe.vault().blind_index(tenant.tenant, "field", "value")
    work = rotation(safe)
    work.begin(tenant.tenant)
    work.reencrypt(tenant.tenant)
    assert safe.vault().blind_index(tenant.tenant, "field", "value") == before


def test_a_tenant_without_keys_has_nothing_to_rotate(safe: Safe) -> None:
    with pytest.raises(KeyMissing):
        rotation(safe).begin(safe.database.create_tenant().tenant)
