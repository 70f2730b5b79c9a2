"""What has to hold in a cluster, as data: each assertion is a query for what breaks it.

``chukan database check`` runs them under the auditor's log-in; an assertion holds when its query
returns nothing. Places: ``{owner}``, ``{tenant_common}``, ``{provisioner}`` and ``{prefix}`` are text
literals; ``{ours}`` and ``{tenants}`` are patterns of our roles' and the tenants' names, ``{functions}``
and ``{open}`` those of the hardening.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg.sql import SQL

from chukan.platform.messages import mark


@dataclass(frozen=True)
class Assertion:
    """One thing that has to hold: its name, the query for what breaks it (one text column), what to do."""

    name: str
    breaking: SQL
    hint: str


_INIT = mark("Run `chukan database init` again with a superuser's URL.")
_SERVER = mark("Change the server's configuration and reload it.")
_BY_HAND = mark("Revoke it; somebody granted it by hand.")
_CODE = mark("A migration is at fault; report it to the developers.")

SERVER = (
    Assertion(
        mark("the server is PostgreSQL 18.4 or later"),
        SQL("select version() where current_setting('server_version_num')::int < 180004"),
        mark("Upgrade the server."),
    ),
    Assertion(
        mark("pages carry checksums"),
        SQL("select 'data_checksums' where current_setting('data_checksums') <> 'on'"),
        mark("Stop the server and run pg_checksums --enable."),
    ),
    Assertion(
        mark("the database is UTF-8 with the locale C.UTF-8"),
        SQL(
            """
            select datname::text from pg_database
            where datname = current_database()
                and (pg_encoding_to_char(encoding) <> 'UTF8' or 'C.UTF-8' not in (datctype, coalesce(datlocale, '')))
            """
        ),
        mark("Make the database anew with C.UTF-8; search in Japanese depends on it."),
    ),
    Assertion(
        mark("nobody is let in without a real password check"),
        SQL(
            """
            select format('line %s: %s', line_number, coalesce(auth_method, error)) from pg_hba_file_rules
            where error is not null or auth_method in ('trust', 'password', 'md5', 'ident')
            union all
            select 'password_encryption' where current_setting('password_encryption') <> 'scram-sha-256'
            """
        ),
        mark("Use scram-sha-256 in pg_hba.conf and in password_encryption."),
    ),
    Assertion(
        mark("the server's log holds no statement and no value"),
        SQL(
            """
            select format('%s = %s', name, setting)
            from pg_settings
            join (values
                ('log_statement', 'none'),
                ('log_min_error_statement', 'panic'),
                ('log_min_duration_statement', '-1'),
                ('log_parameter_max_length', '0'),
                ('log_parameter_max_length_on_error', '0'),
                ('log_error_verbosity', 'terse')
            ) as wanted (name, value) using (name)
            where setting <> value
            """
        ),
        _SERVER,
    ),
    Assertion(
        mark("the lock table is large enough for all tenants"),
        SQL(
            """
            select format('max_locks_per_transaction = %s', setting) from pg_settings
            where name = 'max_locks_per_transaction' and setting::int < 1024
            """
        ),
        _SERVER,
    ),
    Assertion(
        mark("prepared transactions are off"),
        SQL(
            """
            select format('max_prepared_transactions = %s', setting) from pg_settings
            where name = 'max_prepared_transactions' and setting <> '0'
            """
        ),
        _SERVER,
    ),
    Assertion(
        mark("no extension is installed that the platform does not use"),
        SQL("select extname::text from pg_extension where extname <> 'plpgsql'"),
        mark("Drop the extension, or move it to a cluster of its own."),
    ),
)

ROLES = (
    Assertion(
        mark("no role of ours has a right that it does not need"),
        SQL(
            """
            select format('%s: %s', rolname, r.right)
            from pg_roles
            cross join lateral (values
                ('superuser', rolsuper),
                ('createdb', rolcreatedb),
                ('replication', rolreplication),
                ('bypassrls', rolbypassrls),
                ('createrole', rolcreaterole and rolname <> {provisioner}),
                ('login', rolcanlogin and rolname in ({owner}, {tenant_common}))
            ) as r ("right", given)
            where r.given and rolname ~ {ours}
            """
        ),
        _INIT,
    ),
    Assertion(
        mark("roles are members of nothing but what they should be"),
        SQL(
            """
            select format('%s in %s', r.rolname, g.rolname)
            from pg_auth_members m
            join pg_roles r on r.oid = m.member
            join pg_roles g on g.oid = m.roleid
            where (r.rolname ~ {ours} or g.rolname ~ {ours})
                -- the provisioner may become the owner, and administers tenants without being one
                and not (r.rolname = {provisioner} and not m.inherit_option
                         and (g.rolname = {owner} or not m.set_option))
                -- a tenant has the powerless group's privileges, and can neither become it nor hand it on
                and not (r.rolname ~ {tenants} and g.rolname = {tenant_common}
                         and m.inherit_option and not m.set_option and not m.admin_option)
            """
        ),
        _BY_HAND,
    ),
    Assertion(
        mark("every tenant has its log-in, in the group of tenants, and its schema"),
        SQL(
            """
            select t.role from platform.tenant t
            where t.state <> 'closed' and not (
                exists (select from pg_namespace where nspname = t.schema)
                and exists (
                    select from pg_auth_members m join pg_roles r on r.oid = m.member
                    where r.rolname = t.role and m.roleid = {tenant_common}::regrole
                )
            )
            """
        ),
        mark("Provision the tenant again."),
    ),
    Assertion(
        mark("no role has settings stored on it"),
        SQL(
            """
            select format('%s: %s', r.rolname, array_to_string(s.setconfig, ', '))
            from pg_db_role_setting s join pg_roles r on r.oid = s.setrole
            where r.rolname ~ {ours}
            """
        ),
        mark("ALTER ROLE … RESET ALL; a tenant's log-in changed its own settings, so find out who and why."),
    ),
)

PRIVILEGES = (
    Assertion(
        mark("everybody's rights on dangerous functions are revoked"),
        SQL(
            """
            select oid::regprocedure::text from pg_proc
            where pronamespace = 'pg_catalog'::regnamespace and proname ~ {functions}
                and has_function_privilege('public', oid, 'execute')
            """
        ),
        _INIT,
    ),
    Assertion(
        mark("the catalogue is closed to tenants"),
        SQL(
            """
            select oid::regclass::text from pg_class
            where relnamespace = 'pg_catalog'::regnamespace and relkind in ('r', 'v') and relname !~ {open}
                and has_table_privilege({tenant_common}, oid, 'select')
            """
        ),
        _INIT,
    ),
    Assertion(
        mark("everybody's rights on languages, schemas and the database are revoked"),
        SQL(
            """
            select 'plpgsql' where has_language_privilege({tenant_common}, 'plpgsql', 'usage')
            union all
            select nspname::text from pg_namespace
            where nspname not in ('pg_catalog', 'information_schema')
                and has_schema_privilege('public', oid, 'usage, create')
            union all
            select datname::text from pg_database
            where datname = current_database()
                and (has_database_privilege('public', oid, 'connect, temporary, create')
                     or has_database_privilege({tenant_common}, oid, 'temporary, create'))
            """
        ),
        _INIT,
    ),
    Assertion(
        mark("tenants can connect to no other database of the cluster"),
        SQL(
            """
            select datname::text from pg_database
            where datname <> current_database() and datallowconn
                and has_database_privilege({tenant_common}, oid, 'connect')
            """
        ),
        mark("Revoke CONNECT on that database from PUBLIC; the cluster should be the platform's alone."),
    ),
    Assertion(
        mark("every object of ours belongs to the owner"),
        SQL(
            """
            select c.oid::regclass::text
            from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where n.nspname ~ '^(platform|platform_api|procrastinate|org_.*)$'
                and c.relkind in ('r', 'p', 'v', 'm', 'S')
                and c.relowner <> {owner}::regrole
            union all
            select nspname::text from pg_namespace
            where nspname ~ '^(platform|platform_api|procrastinate|org_.*)$' and nspowner <> {owner}::regrole
            """
        ),
        _CODE,
    ),
    Assertion(
        mark("only its tenant and the owner enter a tenant's schema"),
        SQL(
            """
            select format('%s: %s', n.nspname, coalesce(g.rolname, 'public'))
            from pg_namespace n
            cross join aclexplode(n.nspacl) a
            left join pg_roles g on g.oid = a.grantee
            where n.nspname ~ '^org_' and a.grantee <> n.nspowner
                and not (coalesce(g.rolname = {prefix} || n.nspname, false)
                         and a.privilege_type = 'USAGE' and not a.is_grantable)
            """
        ),
        _BY_HAND,
    ),
    Assertion(
        mark("only its tenant and the owner reach a tenant's tables"),
        SQL(
            """
            select format('%s: %s %s', c.oid::regclass, coalesce(g.rolname, 'public'), a.privilege_type)
            from pg_class c
            join pg_namespace n on n.oid = c.relnamespace
            cross join aclexplode(c.relacl) a
            left join pg_roles g on g.oid = a.grantee
            where n.nspname ~ '^org_' and a.grantee <> c.relowner
                and not (coalesce(g.rolname = {prefix} || n.nspname, false) and not a.is_grantable
                         and a.privilege_type in ('SELECT', 'INSERT', 'UPDATE', 'DELETE'))
            """
        ),
        _BY_HAND,
    ),
    Assertion(
        mark("tenants reach no shared table"),
        SQL(
            """
            select oid::regclass::text from pg_class
            where relnamespace = 'platform'::regnamespace and relkind in ('r', 'p', 'v', 'm')
                and has_table_privilege({tenant_common}, oid, 'select, insert, update, delete, truncate')
            """
        ),
        _CODE,
    ),
    Assertion(
        mark("every definer function fixes its search path, executes no text, and is not everybody's"),
        SQL(
            """
            select oid::regprocedure::text from pg_proc
            where prosecdef and (
                not exists (select from unnest(proconfig) c where c ~ '^search_path=.*pg_temp$')
                or prosrc ~* '\\mexecute\\M'
                or has_function_privilege('public', oid, 'execute')
            )
            """
        ),
        _CODE,
    ),
)

ASSERTIONS = (*SERVER, *ROLES, *PRIVILEGES)
