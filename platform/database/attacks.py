"""The attack cases as data: what a tenant's session is made to try against another tenant.

The numbers are those of the isolation study; a number with a letter splits a case. The tests run them,
and ``chukan database check --attack`` runs them on an operator's own cluster (decision 24). Every case
says how success would be recognised and with which SQLSTATE a refusal has to come, so that a misspelt
attempt does not pass for a defended one.

Places: ``{own}`` and ``{other}`` are the two schemas, ``{own_role}`` and ``{other_role}`` the log-ins,
``{other_schema_text}`` and ``{other_role_text}`` the same as text literals, ``{owner}`` the owning role,
``{superuser}`` a superuser, ``{database}`` the database, ``{scratch}`` a schema with shared tables.
"""

from __future__ import annotations

from psycopg.sql import SQL

from chukan.platform.database.attack_words import DENIED, Reach, carried, denied, finds_nothing, residual

_LOGIN = "each tenant has its own log-in, member of one powerless group"
_CATALOGUE = "the catalogue is closed to tenants"
_USAGE = "USAGE on a schema is its tenant's alone"
_NOT_SUPERUSER = "no log-in of the platform has such a right"
_OWNER = "the owner of all objects is not the tenant"

READING = (
    denied("1", "read another tenant's table", SQL("select * from {other}.secret_fact"), defence=_USAGE),
    denied(
        "2", "reset the role, then read", SQL("reset role"), SQL("select * from {other}.secret_fact"), defence=_USAGE
    ),
    denied(
        "3", "reset the role, then become the other", SQL("reset role"), SQL("set role {other_role}"), defence=_LOGIN
    ),
    denied("4", "become the other", SQL("set role {other_role}"), defence=_LOGIN),
    denied(
        "5",
        "become the other by set_config",
        SQL("select set_config('role', {other_role_text}, false)"),
        defence=_LOGIN,
    ),
    denied(
        "6",
        "set_config and ts_stat in one statement",
        SQL(
            "select set_config('role', {other_role_text}, true), * from ts_stat('select content::tsvector from secret_fact')"
        ),
        defence="set_config and ts_stat are revoked",
    ),
    denied(
        "7",
        "set_config and query_to_xml in one statement",
        SQL("select set_config('role', {other_role_text}, true), query_to_xml('select 1', true, true, '')"),
        defence="set_config and query_to_xml are revoked",
    ),
    denied(
        "8", "end the transaction inside an injection", SQL("commit; select * from {other}.secret_fact"), defence=_LOGIN
    ),
    denied(
        "9", "change the session's authorisation", SQL("set session authorization {other_role}"), defence=_NOT_SUPERUSER
    ),
    denied("10", "become a superuser", SQL("set role {superuser}"), defence=_NOT_SUPERUSER),
    denied("11", "become the owner", SQL("set role {owner}"), defence=_LOGIN),
    denied("12", "make the other's role one's own", SQL("grant {other_role} to {own_role}"), defence=_LOGIN),
    denied("12a", "become the group of all tenants", SQL("set role {tenant_common}"), defence=_LOGIN),
    denied(
        "12b", "put another into the group of all tenants", SQL("grant {tenant_common} to {other_role}"), defence=_LOGIN
    ),
    finds_nothing(
        "13",
        "point the search path at the other",
        SQL("set local search_path to {other}"),
        SQL("select to_jsonb(secret_fact) from secret_fact"),
        defence=_USAGE,
        reach=Reach.SECRET,
    ),
)

CATALOGUE = (
    denied(
        "14", "list the schemas", SQL("select nspname from pg_namespace where nspname ~ '^org_'"), defence=_CATALOGUE
    ),
    denied("15", "list another's tables", SQL("select relname from pg_class"), defence=_CATALOGUE),
    finds_nothing(
        "16",
        "information_schema of others",
        SQL("select table_name from information_schema.tables where table_schema = {other_schema_text}"),
        defence="PostgreSQL filters it by privilege",
    ),
    denied("17", "read another's column names", SQL("select attname from pg_attribute"), defence=_CATALOGUE),
    denied("18", "read comments", SQL("select description from pg_description"), defence=_CATALOGUE),
    denied("19", "read function bodies", SQL("select prosrc from pg_proc"), defence=_CATALOGUE),
    denied("19a", "rebuild a function's source", SQL("select pg_get_functiondef(1)"), defence="pg_get_… are revoked"),
    denied("20", "list the roles", SQL("select rolname from pg_roles"), defence=_CATALOGUE),
    denied("21", "list memberships", SQL("select member::regrole from pg_auth_members"), defence=_CATALOGUE),
    denied("22", "read password verifiers", SQL("select rolpassword from pg_authid"), defence="PostgreSQL's default"),
    denied("23", "read the exact row count of others", SQL("select reltuples from pg_class"), defence=_CATALOGUE),
    denied(
        "24", "read others' table statistics", SQL("select * from pg_stat_user_tables"), defence="the view is revoked"
    ),
    denied(
        "25", "read another's table size", SQL("select pg_relation_size(1259::oid)"), defence="the sizes are revoked"
    ),
    denied("26", "read others' most common values", SQL("select most_common_vals from pg_stats"), defence=_CATALOGUE),
    denied("27", "read raw statistics", SQL("select * from pg_statistic"), defence="PostgreSQL's default"),
    residual(
        "28",
        "tell by the error's text whether a schema exists",
        SQL("select {other_schema_text}::regnamespace::text"),
        reach=Reach.ROWS,
        defence="opaque names of 80 random bits; one message for all three errors at the edge",
    ),
    denied(
        "29",
        "ask to_regnamespace whether a schema exists",
        SQL("select to_regnamespace({other_schema_text})"),
        defence="to_reg… are revoked",
    ),
    denied(
        "30", "explain a query on another's table", SQL("explain select * from {other}.secret_fact"), defence=_USAGE
    ),
    denied("31", "read defaults and constraints", SQL("select conname from pg_constraint"), defence=_CATALOGUE),
    denied("31a", "read default expressions", SQL("select adbin from pg_attrdef"), defence=_CATALOGUE),
    denied(
        "32",
        "read others' running statements",
        SQL("select query from pg_stat_activity"),
        defence="the view is revoked",
    ),
    denied(
        "33",
        "reset the role, then read statements",
        SQL("reset role"),
        SQL("select query from pg_stat_activity"),
        defence="the view is revoked",
    ),
    denied(
        "34",
        "read names of others' sessions",
        SQL("select application_name from pg_stat_get_activity(null)"),
        defence="the function is revoked",
    ),
    denied(
        "35",
        "read statement statistics",
        SQL("select * from pg_stat_statements"),
        states="42P01",
        defence="the extension is not installed",
    ),
    denied(
        "36", "install the statistics extension", SQL("create extension pg_stat_statements"), defence=_NOT_SUPERUSER
    ),
    denied("37", "see advisory keys", SQL("select * from pg_locks"), defence="the view is revoked"),
    denied("38", "take an advisory lock", SQL("select pg_advisory_lock(1)"), defence="revoked; leaders use a row"),
    denied("38a", "try for an advisory lock", SQL("select pg_try_advisory_xact_lock(1, 2)"), defence="revoked"),
    denied("40", "terminate other backends", SQL("select pg_terminate_backend(pg_backend_pid())"), defence="revoked"),
)

SIGNALLING = (
    residual(
        "41", "listen on any channel", SQL("listen chukan_jobs"), defence="NOTIFY carries no data, only a wake-up"
    ),
    residual(
        "42",
        "wake listeners by the NOTIFY statement",
        SQL("notify chukan_jobs"),
        defence="workers read their table after a wake-up, and poll",
    ),
    denied(
        "43",
        "notify with a payload made by an expression",
        SQL("select pg_notify('chukan_jobs', content) from secret_fact"),
        defence="pg_notify is revoked",
    ),
    denied("44", "read a large object", SQL("select lo_get(1::oid)"), defence="revoked; there are no large objects"),
    denied("45", "list large objects", SQL("select oid from pg_largeobject_metadata"), defence="the view is revoked"),
    denied("46", "make a large object", SQL("select lo_create(0)"), defence="revoked"),
    denied("81", "fill the write-ahead log", SQL("select pg_logical_emit_message(false, 'x', 'y')"), defence="revoked"),
)

BREAKING_OUT = (
    denied("47", "run a program", SQL("copy secret_fact to program 'true'"), defence=_NOT_SUPERUSER),
    denied("48", "write a file of the server", SQL("copy secret_fact to '/tmp/chukan-attack'"), defence=_NOT_SUPERUSER),
    denied("49", "read a file of the server", SQL("select pg_read_file('PG_VERSION')"), defence=_NOT_SUPERUSER),
    denied("50", "import a file as a large object", SQL("select lo_import('/etc/hostname')"), defence=_NOT_SUPERUSER),
    denied(
        "51",
        "install dblink",
        SQL("create extension dblink"),
        defence="no CREATE on the database",
        states="42501 0A000 58P01",
    ),
    denied(
        "52",
        "install a trusted extension",
        SQL("create extension pg_trgm"),
        defence="no CREATE on the database",
        states="42501 0A000 58P01",
    ),
    denied(
        "53",
        "make a function in public",
        SQL("create function public.f() returns int language sql return 1"),
        defence="nobody may create in public",
    ),
    denied("54", "make a table in one's own schema", SQL("create table {own}.t (a int)"), defence=_OWNER),
    denied(
        "55",
        "make an operator",
        SQL("create operator {own}.=== (function = pg_catalog.int4eq, leftarg = int, rightarg = int)"),
        defence=_OWNER,
    ),
    denied("56", "make a schema", SQL("create schema attacker"), defence="no CREATE on the database"),
    denied("57", "run a DO block", SQL("do 'begin end'"), defence="plpgsql is revoked"),
    denied("58", "make a temporary table", SQL("create temporary table t (a int)"), defence="TEMP is revoked"),
    denied(
        "59",
        "shadow a table of a definer function",
        SQL("create temporary table tenant (id int)"),
        defence="TEMP is revoked, and every definer fixes its search path",
    ),
    denied(
        "62",
        "make a leaky function for a view",
        SQL("create function pg_temp.f(t text) returns bool language sql return true"),
        defence="TEMP is revoked",
    ),
)

SHARED = (
    finds_nothing(
        "63",
        "make a cast fail on hidden rows",
        SQL("select content::int from {scratch}.shared_fact"),
        defence="row security keys on current_user",
        reach=Reach.SECRET,
    ),
    finds_nothing(
        "64",
        "filter hidden rows by a leaky cast",
        SQL("select 1 from {scratch}.shared_fact where content::int = 0"),
        defence="row security keys on current_user",
        reach=Reach.SECRET,
    ),
    finds_nothing(
        "65",
        "make a cast fail through a view",
        SQL("select content::int from {scratch}.own_fact"),
        defence="security_barrier and security_invoker",
        reach=Reach.SECRET,
    ),
    finds_nothing(
        "66",
        "read past the view's filter",
        SQL("select content from {scratch}.own_fact where content::text > ''"),
        defence="security_barrier and security_invoker",
        reach=Reach.SECRET,
    ),
    finds_nothing(
        "67",
        "forge the setting that row security keys on",
        SQL("set local app.tenant to {other_role_text}"),
        SQL("select content from {scratch}.shared_fact"),
        defence="policies key on current_user, never on a setting",
        reach=Reach.SECRET,
    ),
    finds_nothing(
        "68",
        "learn of a key by the error of a duplicate",
        SQL("insert into {scratch}.shared_fact (key, content) values (1, 'mine')"),
        SQL("select false"),
        defence="unique keys include the tenant",
    ),
    denied(
        "69",
        "read a shared sequence",
        SQL("select last_value from {scratch}.shared_sequence"),
        defence="no sequence is granted; keys are UUIDv7",
    ),
    denied("70", "read others' sequences", SQL("select last_value from pg_sequences"), defence=_CATALOGUE),
    denied(
        "70a", "read the shared schema's tables", SQL("select * from platform.tenant"), defence="no USAGE on platform"
    ),
    # PostgreSQL answers a grant without effect with a warning, so the effect is what is looked at.
    finds_nothing(
        "71",
        "grant one's table to everybody",
        SQL("grant select on secret_fact to public"),
        SQL("select has_table_privilege('public', 'secret_fact', 'select')"),
        defence=_OWNER,
    ),
    denied("72", "alter one's table", SQL("alter table secret_fact disable trigger all"), defence=_OWNER),
    denied("73", "truncate one's table", SQL("truncate secret_fact"), defence="no TRUNCATE"),
)

WEARING_DOWN = (
    residual(
        "74",
        "change one's own password",
        SQL("alter role current_user password 'x'"),
        SQL("select 1"),
        defence="harms oneself; rotate-credentials sets it anew",
    ),
    residual(
        "75",
        "store settings on one's own role",
        SQL("alter role current_user set work_mem = '64kB'"),
        defence="the session's options override the role's; database check lists such roles",
    ),
    residual(
        "76",
        "lift the statement timeout",
        SQL("set statement_timeout = 0"),
        defence="connection limit for each role; the pool resets it",
    ),
    denied("77", "lift the temporary file limit", SQL("set temp_file_limit = -1"), defence=_NOT_SUPERUSER),
    denied(
        "78",
        "switch row security off",
        SQL("set row_security = off"),
        SQL("select content from {scratch}.shared_fact"),
        defence="a filtered query fails instead",
    ),
    denied("79", "switch triggers off", SQL("set session_replication_role = replica"), defence=_NOT_SUPERUSER),
    denied("80", "sleep in an expression", SQL("select pg_sleep(60)"), defence="revoked"),
    denied(
        "82",
        "make a replication slot",
        SQL("select pg_create_physical_replication_slot('attacker')"),
        defence=_NOT_SUPERUSER,
    ),
    denied("83", "load a library", SQL("load 'dblink'"), defence=_NOT_SUPERUSER, states="42501 58P01"),
    denied(
        "84",
        "leave a prepared transaction",
        SQL("prepare transaction 'attacker'"),
        states="55000",
        defence="max_prepared_transactions is 0",
    ),
    denied(
        "85",
        "read the databases' volume",
        SQL("select xact_commit from pg_stat_database"),
        defence="the view is revoked",
    ),
    denied("87", "read the log's position", SQL("select pg_current_wal_lsn()"), defence="revoked"),
)

#: Design rules that one careless migration would break; the attempt looks for the careless object.
#: They run under the auditor's log-in, since a tenant no longer sees the catalogue.
DESIGN_RULES = (
    finds_nothing(
        "60",
        "a definer function without a fixed search path",
        SQL(
            "select p.oid::regprocedure from pg_proc p where p.prosecdef and not exists "
            "(select from unnest(p.proconfig) c where c ~ '^search_path=.*pg_temp$')"
        ),
        defence="every definer fixes its search path, pg_temp last",
    ),
    finds_nothing(
        "61",
        "a definer function that builds statements from text",
        SQL("select oid::regprocedure from pg_proc where prosecdef and prosrc ~* '\\mexecute\\M'"),
        defence="no definer executes text",
    ),
    finds_nothing(
        "67a",
        "a policy that keys on a setting",
        SQL(
            "select polname from pg_policy where "
            "concat(pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) ~ 'current_setting'"
        ),
        defence="policies key on current_user, never on a setting",
    ),
    finds_nothing(
        "70b",
        "a shared table that tenants reach",
        SQL(
            "select relname from pg_class where relnamespace = 'platform'::regnamespace and relkind in ('r','p','v','m') "
            "and has_table_privilege({tenant_common_text}, oid, 'select, insert, update, delete, truncate')"
        ),
        defence="tenants reach the shared schema by definer functions alone",
    ),
)

CARRY_OVER = (
    carried(
        "90",
        "a cursor left open",
        SQL("declare c cursor with hold for select content from secret_fact"),
        SQL("fetch 1 from c"),
        states="34000",
    ),
    carried(
        "91",
        "the text of a prepared statement",
        SQL("prepare p as select content from secret_fact"),
        SQL("select statement from pg_prepared_statements"),
        states=DENIED,
    ),
    carried(
        "92",
        "a prepared statement's plan",
        SQL("prepare p as select content from secret_fact"),
        SQL("execute p"),
        states="26000",
    ),
    carried(
        "93",
        "an unqualified prepared statement",
        SQL("prepare q as select content from secret_fact where content > ''"),
        SQL("execute q"),
        states="26000",
    ),
    carried(
        "94",
        "a setting",
        SQL("set app.tenant = 'left behind'"),
        SQL("select nullif(current_setting('app.tenant', true), '')"),
    ),
    carried(
        "95",
        "a setting that row security could key on",
        SQL("set app.tenant = 'left behind'"),
        SQL("select 1 where current_setting('app.tenant', true) = 'left behind'"),
    ),
    carried("96", "a temporary table's rows", SQL("select 1"), SQL("select * from pg_temp.t"), states="42P01 3F000"),
    carried(
        "97",
        "a temporary table before a real one",
        SQL("select 1"),
        SQL("select * from pg_temp.secret_fact"),
        states="42P01 3F000",
    ),
    carried("98", "a channel listened to", SQL("listen left_behind"), SQL("select * from pg_listening_channels()")),
    carried(
        "99",
        "a lifted timeout",
        SQL("set statement_timeout = 0"),
        SQL("select 1 where current_setting('statement_timeout') = '0'"),
    ),
    carried(
        "100",
        "the last value of a sequence",
        SQL("insert into secret_fact (content) values ('left behind')"),
        SQL("select lastval()"),
        states="55000",
    ),
    carried(
        "101",
        "a search path",
        SQL("set search_path to pg_catalog"),
        SQL("select 1 where current_setting('search_path') = 'pg_catalog'"),
    ),
    carried("102", "a role that was set", SQL("set role none"), SQL("select 1 where session_user <> current_user")),
    carried(
        "102a",
        "a read-only transaction default",
        SQL("set default_transaction_read_only = on"),
        SQL("select 1 where current_setting('default_transaction_read_only') = 'on'"),
    ),
)

#: Attempts of a tenant's session, in the order in which they are shown.
ATTEMPTS = (*READING, *CATALOGUE, *SIGNALLING, *BREAKING_OUT, *SHARED, *WEARING_DOWN)
