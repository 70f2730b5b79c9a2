"""The tenants' passwords, as tenant sessions get them from the vault."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import text

from chukan.platform.database.engines import driver
from chukan.platform.database.errors import CredentialMissing
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.secrets import new_password, set_password
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.database.tenants import Placement
from chukan.platform.identifiers import TenantId
from chukan.platform.vault.credentials import VaultCredentials
from chukan.platform.vault.errors import VaultTampered
from chukan.platform.vault.rotation import destroy_keys
from support.vault import Safe


def keep(safe: Safe, tenant: TenantId, password: str) -> None:
    """Store *password* as provisioning does: with the keys, in one transaction of its log-in."""
    with safe.database.engine(ProcessKind.PROVISIONER).begin() as connection:
        credentials = safe.credentials(safe.vault(ProcessKind.PROVISIONER), ProcessKind.PROVISIONER)
        credentials.store(driver(connection), tenant, password)


def provisioned(safe: Safe) -> Placement:
    placement = safe.tenant()
    keep(safe, placement.tenant, safe.database.credentials.password(placement.tenant))
    return placement


def sessions(safe: Safe, credentials: VaultCredentials) -> TenantSessions:
    return TenantSessions(safe.database.settings, safe.database.engine(ProcessKind.WORKER), credentials)


def who(pool: TenantSessions, tenant: TenantId) -> str:
    with pool.connection(tenant) as connection:
        return str(connection.execute(text("select session_user")).scalar_one())


def test_a_tenant_session_is_opened_with_the_password_from_the_vault(safe: Safe) -> None:
    tenant = provisioned(safe)
    pool = sessions(safe, safe.credentials(safe.vault()))
    assert who(pool, tenant.tenant) == tenant.role
    pool.close()


def test_the_password_is_stored_in_no_readable_form(safe: Safe) -> None:
    tenant = provisioned(safe)
    password = safe.database.credentials.password(tenant.tenant)
    with safe.database.superuser() as superuser:
        row = superuser.execute("select sealed, version from platform.tenant_credential").fetchone()
    assert row is not None
    assert password.encode() not in row[0]
    assert row[1] == 1


def test_a_rotated_password_is_found_by_a_process_that_remembers_the_old_one(safe: Safe) -> None:
    tenant = provisioned(safe)
    credentials = safe.credentials(safe.vault())
    pool = sessions(safe, credentials)
    assert who(pool, tenant.tenant) == tenant.role
    pool.close()
    new = new_password()
    with safe.database.login(ProcessKind.PROVISIONER) as connection:
        set_password(connection, tenant.role, new)
    keep(safe, tenant.tenant, new)
    again = sessions(safe, credentials)
    assert who(again, tenant.tenant) == tenant.role
    assert credentials.password(tenant.tenant) == new
    again.close()


def test_a_password_is_remembered_until_it_is_forgotten(safe: Safe) -> None:
    tenant = provisioned(safe)
    credentials = safe.credentials(safe.vault())
    old = credentials.password(tenant.tenant)
    keep(safe, tenant.tenant, "another")
    assert credentials.password(tenant.tenant) == old
    credentials.forget(tenant.tenant)
    assert credentials.password(tenant.tenant) == "another"


def test_two_tenants_whose_credentials_were_swapped_are_let_in_nowhere(safe: Safe) -> None:
    one, other = provisioned(safe), provisioned(safe)
    with safe.database.superuser() as superuser:
        superuser.execute(
            "update platform.tenant_credential a set sealed = b.sealed"
            " from platform.tenant_credential b where a.tenant <> b.tenant"
        )
    pool = sessions(safe, safe.credentials(safe.vault()))
    for tenant in (one, other):
        with pytest.raises(VaultTampered):
            who(pool, tenant.tenant)
    pool.close()


def test_a_tenant_without_a_credential_is_named(safe: Safe) -> None:
    tenant = safe.tenant().tenant
    with pytest.raises(CredentialMissing) as missing:
        safe.credentials(safe.vault()).password(tenant)
    assert str(tenant) in missing.value.told()


@pytest.mark.parametrize("kind", [ProcessKind.CONSOLE, ProcessKind.SUPPORT_SITE, ProcessKind.SCHEDULER])
def test_a_process_without_keys_gets_no_password(safe: Safe, kind: ProcessKind) -> None:
    tenant = provisioned(safe).tenant
    with pytest.raises(CredentialMissing):
        safe.credentials(safe.vault(kind), kind).password(tenant)


def test_destroyed_keys_end_the_tenant_s_sessions(safe: Safe) -> None:
    tenant = provisioned(safe).tenant
    destroy_keys(safe.actor(), safe.vault(), tenant)
    with pytest.raises(CredentialMissing):
        safe.credentials(safe.vault()).password(tenant)


def test_keys_and_credential_are_made_in_the_transaction_that_makes_the_tenant(safe: Safe) -> None:
    tenant = safe.database.create_tenant()
    vault = safe.vault(ProcessKind.PROVISIONER)
    credentials = safe.credentials(vault, ProcessKind.PROVISIONER)
    with safe.database.login(ProcessKind.PROVISIONER) as connection, connection.transaction():
        vault.create_keys(connection, tenant.tenant)
        credentials.store(connection, tenant.tenant, "secret")
    assert safe.credentials(safe.vault()).password(tenant.tenant) == "secret"


def test_the_worker_may_reseal_a_credential_and_not_replace_its_history(safe: Safe) -> None:
    provisioned(safe)
    with safe.database.login(ProcessKind.WORKER) as connection:
        connection.execute("update platform.tenant_credential set sealed = sealed")
        for statement in (
            "update platform.tenant_credential set version = 9",
            "delete from platform.tenant_credential",
            "insert into platform.tenant_credential (tenant, version, sealed) values (uuidv7(), 1, '')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
