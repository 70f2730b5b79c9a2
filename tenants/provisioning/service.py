"""Provisioning a tenant, and renewing its credential: each one transaction, recorded in the trail.

Everything here runs under the provisioner's log-in, which can reach everything (docs/security.md); no
process that serves requests holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

from sqlalchemy import Connection, Engine, select

from chukan.platform.audit.rules import Action, AuditEntry, canonical_body
from chukan.platform.audit.service import Chain, audited
from chukan.platform.database.engines import driver
from chukan.platform.database.errors import TenantUnknown
from chukan.platform.database.roles import RoleNames, schema_name
from chukan.platform.database.secrets import new_password, set_password
from chukan.platform.database.tables import Site, Tenant, TenantState
from chukan.platform.database.tenants import Placement, TenantTable, create_table, create_tenant, join_tenants
from chukan.platform.identifiers import TenantId, new_opaque_name
from chukan.platform.settings import DatabaseSettings
from chukan.platform.vault.credentials import VaultCredentials
from chukan.platform.vault.service import Vault
from chukan.tenants.provisioning.scripts import Script, message, run_message
from chukan.tenants.registry import store
from chukan.tenants.registry.store import Registered


class ProvisioningAction(Action):
    """What provisioning records, in the platform's chain."""

    PROVISION = "tenants:tenant:provision"
    #: The first entry of a tenant's own chain, and the last one of a tenant that was purged.
    OPEN = "tenants:chain:open"
    END = "tenants:chain:end"
    ROTATE_CREDENTIAL = "tenants:credential:rotate"
    SUSPEND = "tenants:tenant:suspend"
    RESUME = "tenants:tenant:resume"
    CLOSE = "tenants:tenant:close"
    PURGE = "tenants:tenant:purge"


class Provisioner:
    """Makes tenants and renews their credentials, on behalf of *actor* in one *request*."""

    def __init__(
        self,
        settings: DatabaseSettings,
        engine: Engine,
        vault: Vault,
        credentials: VaultCredentials,
        *,
        actor: str,
        request: str,
    ) -> None:
        self._settings = settings
        self.names = RoleNames(settings.role_prefix)
        self.engine = engine
        self._vault = vault
        self._credentials = credentials
        self.actor = actor
        self.request = request

    def provision(
        self,
        script: Script,
        *,
        tables: Sequence[TenantTable] = (),
        site: Site = Site.EAST,
        link: Callable[[Connection, Placement], None] | None = None,
    ) -> Placement:
        """Make a tenant: row, log-in, schema, keys, sealed credential, first audit entry; all of it or nothing.

        *script* fills the empty schema, *tables* are put beside it, and *link* (the registry's) says in
        the same transaction whose tenant it is.

        Source: A0-130.
        """
        opaque, password = new_opaque_name(), new_password()
        act = self._entry(ProvisioningAction.PROVISION, f"schema:{schema_name(opaque)}")
        with audited(self.engine.begin, act, chain=Chain.PLATFORM) as unit:
            connection = driver(unit.connection)
            placement = create_tenant(
                connection, self.names, opaque=opaque, password=password, cluster=self._settings.cluster, site=site,
                joined=False,
            )  # fmt: skip
            first = self._entry(ProvisioningAction.OPEN, f"tenant:{placement.tenant}")
            run_message(connection, message(self.names, placement, script, canonical_body(first)))
            for table in tables:
                create_table(connection, self.names, placement, table)
            self._vault.create_keys(connection, placement.tenant)
            self._credentials.store(connection, placement.tenant, password)
            if link is not None:
                link(unit.connection, placement)
            join_tenants(connection, self.names, placement.role)
            unit.note(tenant=str(placement.tenant), site=site.value, revision=script.to_revision)
        return placement

    def rotate_credential(self, tenant: TenantId) -> None:
        """Give the tenant's log-in a new password. Open sessions go on; the next ones use the new one.

        Raises:
            TenantUnknown: there is no such tenant, or it was purged.
        """
        act = self._entry(ProvisioningAction.ROTATE_CREDENTIAL, f"tenant:{tenant}")
        # Locked, so that no purge takes the log-in away meanwhile.
        alive = select(Tenant.role).where(Tenant.id == tenant, Tenant.state != TenantState.CLOSED.value)
        with audited(self.engine.begin, act, chain=Chain.PLATFORM) as unit:
            role = unit.connection.execute(alive.with_for_update()).scalar_one_or_none()
            if role is None:
                raise TenantUnknown(tenant=tenant)
            password = new_password()
            connection = driver(unit.connection)
            set_password(connection, role, password)
            self._credentials.store(connection, tenant, password)

    def organisation(self, reference: str, day: date) -> Registered:
        """Return the organisation of *reference* as it is registered on *day*; raises as the registry's ``get``."""
        with self.engine.connect() as connection:
            return store.get(connection, reference, day)

    def tenants(self) -> list[TenantId]:
        """Return all tenants that have a log-in, oldest first."""
        query = select(Tenant.id).where(Tenant.state != TenantState.CLOSED.value).order_by(Tenant.id)
        with self.engine.connect() as connection:
            return [TenantId(id_) for id_ in connection.execute(query).scalars()]

    def forget(self, tenant: TenantId) -> None:
        """Drop what this process holds of a tenant that was purged; others do so within ``vault.cache_seconds``."""
        self._vault.forget(tenant)
        self._credentials.forget(tenant)

    def _entry(self, action: ProvisioningAction, subject: str) -> AuditEntry:
        return AuditEntry(self.actor, action, subject, self.request)
