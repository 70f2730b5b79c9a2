"""The vault over a real database: what moves does not open, and who may not hold keys cannot."""

from __future__ import annotations

from typing import LiteralString
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from chukan.platform.database.engines import driver
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.tenants import Placement
from chukan.platform.errors import ChukanError
from chukan.platform.identifiers import PLATFORM, TenantId
from chukan.platform.vault import store
from chukan.platform.vault.cipher import DataKey
from chukan.platform.vault.errors import KeyDestroyed, KeyMissing, ProviderKeyMissing, VaultTampered
from chukan.platform.vault.rotation import destroy_keys
from chukan.platform.vault.rules import KeyState, KeyUse, Place, Purpose
from support.vault import NOW, Safe

ROW = UUID("019800aa-0000-7000-8000-000000000001")
PLACE = Place("secret_fact", "sealed", ROW)

MAY = {
    ProcessKind.GATEWAY: {"data_key": {"SELECT"}, "tenant_credential": {"SELECT"}},
    ProcessKind.WORKER: {"data_key": {"SELECT", "INSERT", "UPDATE"}, "tenant_credential": {"SELECT"}},
    ProcessKind.PROVISIONER: {
        "data_key": {"SELECT", "INSERT", "UPDATE", "DELETE"},
        "tenant_credential": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    },
}


class Seconds:
    """A monotonic clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def fill(safe: Safe, tenant: Placement, contents: list[str]) -> list[UUID]:
    """Seal *contents* into rows of the tenant's own table; return their ids."""
    cipher = safe.vault().column(tenant.tenant, "secret_fact", "sealed")
    ids = [uuid4() for _ in contents]
    with superuser_of(safe) as connection:
        for row, content in zip(ids, contents, strict=True):
            statement = psycopg.sql.SQL("insert into {} (id, content, sealed) values (%s, '', %s)")
            table = psycopg.sql.Identifier(tenant.schema, "secret_fact")
            connection.execute(statement.format(table), (row, cipher.seal(row, content.encode())))
    return ids


def superuser_of(safe: Safe) -> psycopg.Connection:
    return safe.database.superuser()


def stored(safe: Safe, tenant: Placement) -> dict[UUID, bytes]:
    table = psycopg.sql.Identifier(tenant.schema, "secret_fact")
    with superuser_of(safe) as connection:
        return dict(connection.execute(psycopg.sql.SQL("select id, sealed from {}").format(table)).fetchall())


def second_version(safe: Safe, tenant: TenantId) -> None:
    """Give *tenant* a second content key, as a rotation does."""
    with safe.database.engine(ProcessKind.WORKER).begin() as connection:
        below = driver(connection)
        store.move_keys(below, tenant, Purpose.CONTENT, KeyState.ACTIVE, KeyState.RETIRING)
        safe.vault().add_key(below, DataKey.generate(tenant, Purpose.CONTENT, 2))


# -- what moves does not open ---------------------------------------------------------------------


def test_a_sealed_value_opens_where_it_was_sealed(safe: Safe) -> None:
    tenant = safe.tenant().tenant
    sealed = safe.vault().seal(tenant, PLACE, "山田 太郎".encode())
    assert "山田".encode() not in sealed
    # Another process, with nothing in memory, opens it as well.
    assert safe.vault(ProcessKind.GATEWAY).open(tenant, PLACE, sealed) == "山田 太郎".encode()


def test_two_rows_whose_ciphertexts_were_swapped_do_not_open(safe: Safe) -> None:
    tenant = safe.tenant()
    first, second = fill(safe, tenant, ["one", "two"])
    cipher = safe.vault().column(tenant.tenant, "secret_fact", "sealed")
    before = stored(safe, tenant)
    assert [cipher.open(row, before[row]) for row in (first, second)] == [b"one", b"two"]
    with superuser_of(safe) as connection:
        swap = psycopg.sql.SQL("update {} a set sealed = b.sealed from {} b where a.id <> b.id")
        table = psycopg.sql.Identifier(tenant.schema, "secret_fact")
        connection.execute(swap.format(table, table))
    after = stored(safe, tenant)
    assert after == {first: before[second], second: before[first]}
    for row in (first, second):
        with pytest.raises(VaultTampered):
            cipher.open(row, after[row])


def test_a_value_moved_to_another_tenant_table_or_column_does_not_open(safe: Safe) -> None:
    one, other = safe.tenant().tenant, safe.tenant().tenant
    vault = safe.vault()
    sealed = vault.seal(one, PLACE, b"one")
    for tenant, place in (
        (other, PLACE),
        (one, Place("other_fact", "sealed", ROW)),
        (one, Place("secret_fact", "content", ROW)),
        (one, Place("secret_fact", "sealed", uuid4())),
    ):
        with pytest.raises(VaultTampered):
            vault.open(tenant, place, sealed)
    assert vault.open(one, PLACE, sealed) == b"one"


def test_a_value_that_claims_another_version_does_not_open(safe: Safe) -> None:
    tenant = safe.tenant().tenant
    vault = safe.vault()
    sealed = vault.seal(tenant, PLACE, b"one")
    second_version(safe, tenant)
    vault.forget(tenant)
    assert vault.seal(tenant, PLACE, b"x")[:5] == b"\x01\x00\x00\x00\x02"
    assert vault.open(tenant, PLACE, sealed) == b"one"
    with pytest.raises(VaultTampered):
        vault.open(tenant, PLACE, b"\x01\x00\x00\x00\x02" + sealed[5:])
    with pytest.raises(KeyMissing):
        vault.open(tenant, PLACE, b"\x01\x00\x00\x00\x03" + sealed[5:])


@pytest.mark.parametrize("damaged", [b"", b"\x01", b"\x02" + bytes(60), b"plain text that was never sealed at all"])
def test_what_was_never_sealed_does_not_open(safe: Safe, damaged: bytes) -> None:
    tenant = safe.tenant().tenant
    with pytest.raises(VaultTampered) as refused:
        safe.vault().open(tenant, PLACE, damaged)
    assert str(ROW) not in refused.value.told() + refused.value.detail


# -- wrapped keys ---------------------------------------------------------------------------------

SWAP_OWNERS = """
    update platform.data_key a set wrapped = b.wrapped
    from platform.data_key b where a.purpose = b.purpose and a.owner <> b.owner
"""
SWAP_OWNERS_WITH_BINDINGS = """
    update platform.data_key a set wrapped = b.wrapped, binding = b.binding, wrapping_key = b.wrapping_key
    from platform.data_key b where a.purpose = b.purpose and a.owner <> b.owner
"""
SWAP_PURPOSES = """
    update platform.data_key a set wrapped = b.wrapped, binding = b.binding
    from platform.data_key b where a.owner = b.owner and a.purpose <> b.purpose
"""


@pytest.mark.parametrize("swap", [SWAP_OWNERS, SWAP_OWNERS_WITH_BINDINGS, SWAP_PURPOSES])
def test_swapped_wrapped_keys_are_refused_for_sealing_opening_and_searching(safe: Safe, swap: LiteralString) -> None:
    tenants = [safe.tenant().tenant, safe.tenant().tenant]
    sealed = {tenant: safe.vault().seal(tenant, PLACE, b"one") for tenant in tenants}
    with superuser_of(safe) as connection:
        assert connection.execute(swap).rowcount == 4
    vault = safe.vault()
    for tenant in tenants:
        with pytest.raises(VaultTampered):
            vault.open(tenant, PLACE, sealed[tenant])
        with pytest.raises(VaultTampered):
            vault.seal(tenant, PLACE, b"new")
        with pytest.raises(VaultTampered):
            vault.blind_index(tenant, "field", "value")


def test_two_versions_whose_wrapped_keys_were_swapped_are_refused(safe: Safe) -> None:
    tenant = safe.tenant().tenant
    sealed = safe.vault().seal(tenant, PLACE, b"one")
    second_version(safe, tenant)
    assert safe.vault().open(tenant, PLACE, sealed) == b"one"
    with superuser_of(safe) as connection:
        connection.execute(
            "update platform.data_key a set wrapped = b.wrapped, binding = b.binding from platform.data_key b"
            " where a.owner = b.owner and a.purpose = b.purpose and a.version <> b.version"
        )
    with pytest.raises(VaultTampered):
        safe.vault().open(tenant, PLACE, sealed)
    with pytest.raises(VaultTampered):
        safe.vault().seal(tenant, PLACE, b"new")


def test_a_key_whose_wrapping_key_is_gone_is_not_guessed(safe: Safe) -> None:
    tenant = safe.tenant().tenant
    sealed = safe.vault().seal(tenant, PLACE, b"one")
    safe.provider.create(KeyUse.WRAPPING, now=NOW)
    with superuser_of(safe) as connection:
        connection.execute("update platform.data_key set wrapping_key = %s", (safe.provider.current(KeyUse.WRAPPING),))
    with pytest.raises(VaultTampered):
        safe.vault().open(tenant, PLACE, sealed)
    with superuser_of(safe) as connection:
        connection.execute("update platform.data_key set wrapping_key = 'wrapping-20200101T000000000000Z-00000000'")
    with pytest.raises(ProviderKeyMissing):
        safe.vault().open(tenant, PLACE, sealed)


def test_a_tenant_without_keys_can_neither_seal_nor_open(safe: Safe) -> None:
    bare, other = safe.database.create_tenant().tenant, safe.tenant().tenant
    vault = safe.vault()
    with pytest.raises(KeyMissing):
        vault.seal(bare, PLACE, b"one")
    with pytest.raises(KeyMissing):
        vault.open(bare, PLACE, vault.seal(other, PLACE, b"one"))
    with pytest.raises(KeyMissing):
        vault.blind_index(bare, "field", "value")


def test_a_tenant_that_gets_its_keys_later_is_served_from_then_on(safe: Safe) -> None:
    tenant = safe.database.create_tenant().tenant
    vault = safe.vault()
    cipher = vault.column(tenant, "secret_fact", "sealed")
    with pytest.raises(KeyMissing):
        cipher.seal(ROW, b"too early")
    safe.give_keys(tenant)
    assert vault.open(tenant, PLACE, cipher.seal(ROW, b"one")) == b"one"


def test_a_rolled_back_provisioning_leaves_no_key(safe: Safe) -> None:
    tenant = safe.database.create_tenant().tenant
    vault = safe.vault(ProcessKind.PROVISIONER)
    with safe.database.engine(ProcessKind.PROVISIONER).connect() as connection:
        vault.create_keys(driver(connection), tenant)
        sealed = vault.column_on(driver(connection), tenant, "t", "c").seal(1, b"one")
        connection.rollback()
    with pytest.raises(KeyMissing):
        vault.open(tenant, Place("t", "c", 1), sealed)


def test_keys_cannot_be_made_twice(safe: Safe) -> None:
    tenant = safe.tenant().tenant
    with pytest.raises(psycopg.errors.UniqueViolation):
        safe.give_keys(tenant)


# -- destruction ----------------------------------------------------------------------------------


def test_what_a_destroyed_key_sealed_is_gone_for_everybody(safe: Safe) -> None:
    tenant, other = safe.tenant().tenant, safe.tenant().tenant
    vault = safe.vault()
    sealed, kept = vault.seal(tenant, PLACE, b"one"), vault.seal(other, PLACE, b"two")
    assert destroy_keys(safe.actor(), vault, tenant) == 2
    for one in (vault, safe.vault()):
        with pytest.raises(KeyDestroyed):
            one.open(tenant, PLACE, sealed)
        with pytest.raises(KeyDestroyed):
            one.seal(tenant, PLACE, b"new")
        with pytest.raises(KeyDestroyed):
            one.blind_index(tenant, "field", "value")
    assert vault.open(other, PLACE, kept) == b"two"
    assert safe.actions() == ["vault:data_key:destroy"]
    with superuser_of(safe) as connection:
        left = connection.execute(
            "select count(*) from platform.data_key where owner = %s and num_nonnulls(wrapped, binding) > 0", (tenant,)
        ).fetchone()
    assert left == (0,)


# -- memory ---------------------------------------------------------------------------------------


def test_an_unwrapped_key_is_used_no_longer_than_it_may_be(safe: Safe) -> None:
    tenant, clock = safe.tenant().tenant, Seconds()
    vault = safe.vault(cache_seconds=300, now=clock)
    cipher = vault.column(tenant, "secret_fact", "sealed")
    sealed = cipher.seal(ROW, b"one")
    with superuser_of(safe) as connection:
        connection.execute("update platform.data_key set wrapped = decode(repeat('00', 40), 'hex')")
    clock.now += 299.9
    assert cipher.open(ROW, sealed) == b"one"
    clock.now += 0.2
    with pytest.raises(VaultTampered):
        cipher.open(ROW, sealed)
    with pytest.raises(VaultTampered):
        cipher.seal(ROW, b"new")


def test_forgetting_an_owner_takes_its_key_from_ciphers_that_are_in_use(safe: Safe) -> None:
    tenant, other = safe.tenant().tenant, safe.tenant().tenant
    vault = safe.vault()
    ciphers = {owner: vault.column(owner, "secret_fact", "sealed") for owner in (tenant, other)}
    for cipher in ciphers.values():
        cipher.seal(ROW, b"one")
    with superuser_of(safe) as connection:
        connection.execute("delete from platform.data_key")
    vault.forget(tenant)
    with pytest.raises(KeyMissing):
        ciphers[tenant].seal(ROW, b"two")
    assert ciphers[other].seal(ROW, b"two")


def test_expired_keys_do_not_pile_up(safe: Safe) -> None:
    tenants, clock = [safe.tenant().tenant for _ in range(3)], Seconds()
    vault = safe.vault(cache_seconds=10, now=clock)
    for tenant in tenants:
        vault.seal(tenant, PLACE, b"one")
        clock.now += 11
    assert len(vault._rings._rings) == 1


def test_a_process_reads_what_another_one_sealed_under_a_newer_version(safe: Safe) -> None:
    tenant = safe.tenant().tenant
    slow = safe.vault()
    slow.seal(tenant, PLACE, b"in memory now")
    second_version(safe, tenant)
    sealed = safe.vault().seal(tenant, PLACE, b"newer")
    assert slow.open(tenant, PLACE, sealed) == b"newer"


# -- blind index ----------------------------------------------------------------------------------


def test_a_blind_index_finds_equal_values_of_one_tenant_and_field_only(safe: Safe) -> None:
    one, other = safe.tenant().tenant, safe.tenant().tenant
    vault = safe.vault()
    entry = vault.blind_index(one, "address_number", "0012345")
    assert len(entry) == 32
    assert entry == safe.vault(ProcessKind.GATEWAY).blind_index(one, "address_number", "００１２３４５")
    others = {
        vault.blind_index(other, "address_number", "0012345"),
        vault.blind_index(one, "linkage_code", "0012345"),
        vault.blind_index(one, "address_number", "0012346"),
    }
    assert len(others | {entry}) == 4


def test_a_blind_index_outlives_the_rotation_of_the_content_key(safe: Safe) -> None:
    tenant = safe.tenant().tenant
    before = safe.vault().blind_index(tenant, "field", "value")
    second_version(safe, tenant)
    assert safe.vault().blind_index(tenant, "field", "value") == before


# -- who may --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(ProcessKind))
def test_a_process_holds_exactly_the_privileges_on_keys_that_its_work_needs(safe: Safe, kind: ProcessKind) -> None:
    role = safe.database.names.process(kind)
    with superuser_of(safe) as connection:
        for table in ("data_key", "tenant_credential"):
            held = {
                privilege
                for privilege in ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
                if connection.execute(
                    "select has_table_privilege(%s, %s, %s)", (role, f"platform.{table}", privilege)
                ).fetchone()
                == (True,)
            }
            assert held == MAY.get(kind, {}).get(table, set()), table
        on_columns = connection.execute(
            "select attname from pg_attribute where attrelid = 'platform.tenant_credential'::regclass"
            " and attnum > 0 and has_column_privilege(%s, attrelid, attnum, 'UPDATE') order by attnum",
            (role,),
        ).fetchall()
    expected = {ProcessKind.WORKER: 1, ProcessKind.PROVISIONER: 4}
    assert len(on_columns) == expected.get(kind, 0)


@pytest.mark.parametrize("kind", sorted(set(ProcessKind) - set(MAY)))
def test_the_log_in_of_a_process_without_keys_cannot_read_them(safe: Safe, kind: ProcessKind) -> None:
    safe.tenant()
    with safe.database.login(kind) as connection:
        for statement in (
            "select wrapped from platform.data_key",
            "select count(*) from platform.data_key",
            "select sealed from platform.tenant_credential",
            "update platform.data_key set state = 'destroyed'",
            "delete from platform.data_key",
            "copy platform.data_key to stdout",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_a_tenant_s_own_session_cannot_read_wrapped_keys(safe: Safe) -> None:
    tenant = safe.tenant().tenant
    sessions = safe.database.sessions()
    for statement in ("select * from platform.data_key", "select * from platform.tenant_credential"):
        with sessions.connection(tenant) as connection, pytest.raises(ProgrammingError, match="permission denied"):
            connection.execute(text(statement))


def test_a_vault_of_the_console_opens_nothing(safe: Safe) -> None:
    tenant = safe.tenant().tenant
    sealed = safe.vault().seal(tenant, PLACE, b"one")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        safe.vault(ProcessKind.CONSOLE).open(tenant, PLACE, sealed)


def test_the_platform_has_keys_of_its_own(safe: Safe) -> None:
    safe.give_keys(PLATFORM)
    sealed = safe.vault().seal(PLATFORM, PLACE, b"one")
    assert safe.vault().open(PLATFORM, PLACE, sealed) == b"one"
    with pytest.raises(ChukanError):
        safe.vault().open(safe.tenant().tenant, PLACE, sealed)
