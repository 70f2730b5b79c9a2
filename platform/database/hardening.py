"""What is taken away from everybody, so that a tenant's log-in finds nothing to lean on.

Every statement here closes attempts of ``attacks.py`` that succeeded on a plain PostgreSQL. They act
on the catalogue of one database, are lost with every new cluster, and so are applied by
``chukan database init`` and asserted by ``chukan database check``.
"""

from __future__ import annotations

import psycopg
from psycopg import sql

from chukan.platform.database.roles import ProcessKind, RoleNames

#: Functions that tell of, or disturb, other sessions, or change the session from inside an expression.
#: As patterns over pg_proc, so that a new PostgreSQL's variants are taken away too.
REVOKED_FUNCTIONS = (
    "set_config",
    r"pg_sleep(_for|_until)?",
    "pg_notify",
    "pg_logical_emit_message",
    r"pg_(try_)?advisory_.*",
    r"lo_.*",
    "lo(read|write)",
    r"pg_(relation|total_relation|table|indexes|database|tablespace)_size",
    r"pg_stat_get_.*",
    r"pg_get_(functiondef|function_.*|viewdef|constraintdef|indexdef|ruledef|triggerdef|statisticsobjdef.*|partkeydef)",
    r"pg_(describe_object|identify_object.*|relation_filenode|relation_filepath|filenode_relation)",
    r"(obj|col|shobj)_description",
    r"to_reg.*",
    r"pg_(current|last)_wal.*|pg_walfile.*|pg_wal_.*",
    "pg_lock_status",
    r"pg_(cancel|terminate)_backend",
    r"pg_(export_snapshot|current_snapshot|snapshot_.*|visible_in_snapshot|current_xact_id.*|xact_status)",
    r"txid_.*",
    r"pg_(blocking_pids|safe_snapshot_blocking_pids|isolation_test_session_is_blocked)",
    r"pg_(prepared_xact|prepared_statement|cursor)",
    r"pg_(get_backend_memory_contexts|show_all_file_settings|hba_file_rules|ident_file_mappings)",
    r"(query|cursor|table|schema|database)_to_xml.*",
    "ts_stat",
)

#: Relations of the catalogue that everybody may still read; all others tell of other tenants' schemas,
#: tables, roles, sizes or statements. information_schema stays: PostgreSQL filters it by privilege.
OPEN_RELATIONS = (
    "pg_type",
    "pg_range",
    "pg_enum",
    "pg_collation",
    "pg_cast",
    "pg_settings",
    "pg_timezone_(names|abbrevs)",
    "pg_ts_(config|dict|parser|template|config_map)",
    "pg_aggregate",
    "pg_operator",
    "pg_opclass",
    "pg_opfamily",
    "pg_am(op|proc)?",
    "pg_language",
)

#: The log-ins that may read the catalogue; the other processes have no use for it.
CATALOGUE_READERS = (ProcessKind.PROVISIONER, ProcessKind.AUDITOR)

_REVOKE = sql.SQL(
    """
    do $$
    declare
        object record;
    begin
        for object in
            select p.oid::regprocedure::text as name
            from pg_proc p
            where p.pronamespace = 'pg_catalog'::regnamespace and p.proname ~ {functions}
        loop
            execute format('revoke execute on function %s from public', object.name);
        end loop;
        for object in
            select c.oid::regclass::text as name
            from pg_class c
            join pg_init_privs i on i.classoid = 'pg_class'::regclass and i.objoid = c.oid and i.objsubid = 0
            cross join aclexplode(i.initprivs) a
            where c.relnamespace = 'pg_catalog'::regnamespace and c.relname !~ {open}
                and a.grantee = 0 and a.privilege_type = 'SELECT'
        loop
            execute format('revoke all on %s from public', object.name);
            execute format('grant select on %s to {readers}', object.name);
        end loop;
    end $$
    """
)


def pattern(names: tuple[str, ...]) -> str:
    """Return one regular expression that matches exactly the *names*."""
    return f"^({'|'.join(names)})$"


def harden_database(superuser: psycopg.Connection, names: RoleNames) -> None:
    """Apply the revokes to the database that *superuser* is connected to, and give back what is needed."""
    owner = sql.Identifier(names.owner)
    # Migrations read the catalogue as the owner; provisioning and the checks under their own log-ins.
    readers = (owner, *(sql.Identifier(names.process(kind)) for kind in CATALOGUE_READERS))
    superuser.execute(
        _REVOKE.format(
            functions=sql.Literal(pattern(REVOKED_FUNCTIONS)),
            open=sql.Literal(pattern(OPEN_RELATIONS)),
            readers=sql.SQL(", ").join(readers),
        )
    )
    superuser.execute("revoke usage on language plpgsql from public")
    superuser.execute("revoke all on schema public from public")
    superuser.execute(sql.SQL("grant usage on language plpgsql to {}").format(owner))
    # A definer function measures the memory of the session that calls it; see TenantSessions.
    superuser.execute(sql.SQL("grant execute on function pg_get_backend_memory_contexts() to {}").format(owner))
    # `database check` reads how clients are let in.
    auditor = sql.Identifier(names.process(ProcessKind.AUDITOR))
    superuser.execute(sql.SQL("grant execute on function pg_hba_file_rules() to {}").format(auditor))
    superuser.execute(sql.SQL("grant select on pg_hba_file_rules to {}").format(auditor))


def revoke_connections(superuser: psycopg.Connection, database: str, names: RoleNames) -> None:
    """Let only our own roles connect to *database*, and nobody make temporary tables in it.

    A database's own privileges live in the shared catalogue: a copy made from a template loses them
    (decision 20), so this is separate and is applied to every copy.
    """
    target = sql.Identifier(database)
    superuser.execute(sql.SQL("revoke all on database {} from public").format(target))
    for role in (names.tenant_common, *(names.process(kind) for kind in ProcessKind)):
        superuser.execute(sql.SQL("grant connect on database {} to {}").format(target, sql.Identifier(role)))


def close_other_databases(superuser: psycopg.Connection) -> None:
    """Keep everybody but superusers out of the cluster's maintenance databases.

    A tenant's log-in could otherwise connect to ``postgres`` and make temporary tables, or listen, there.
    """
    superuser.execute("revoke all on database postgres, template1 from public")
