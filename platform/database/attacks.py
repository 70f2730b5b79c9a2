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

from chukan.platform.database.attack_words import Reach, denied, finds_nothing, residual
from chukan.platform.messages import mark

_LOGIN = mark("each tenant has its own log-in, member of one powerless group")
_CATALOGUE = mark("the catalogue is closed to tenants")
_USAGE = mark("USAGE on a schema is its tenant's alone")
_NOT_SUPERUSER = mark("no log-in of the platform has such a right")
_OWNER = mark("the owner of all objects is not the tenant")

READING = (
    denied("1", mark("read another tenant's table"), SQL("select * from {other}.secret_fact"), defence=_USAGE),
    denied(
        "2",
        mark("reset the role, then read"),
        SQL("reset role"),
        SQL("select * from {other}.secret_fact"),
        defence=_USAGE,
    ),
    denied(
        "3",
        mark("reset the role, then become the other"),
        SQL("reset role"),
        SQL("set role {other_role}"),
        defence=_LOGIN,
    ),
    denied("4", mark("become the other"), SQL("set role {other_role}"), defence=_LOGIN),
    denied(
        "5",
        mark("become the other by set_config"),
        SQL("select set_config('role', {other_role_text}, false)"),
        defence=_LOGIN,
    ),
    denied(
        "6",
        mark("set_config and ts_stat in one statement"),
        SQL(
            "select set_config('role', {other_role_text}, true), * "
            "from ts_stat('select content::tsvector from secret_fact')"
        ),
        defence=mark("set_config and ts_stat are revoked"),
    ),
    denied(
        "7",
        mark("set_config and query_to_xml in one statement"),
        SQL("select set_config('role', {other_role_text}, true), query_to_xml('select 1', true, true, '')"),
        defence=mark("set_config and query_to_xml are revoked"),
    ),
    denied(
        "8",
        mark("end the transaction inside an injection"),
        SQL("commit; select * from {other}.secret_fact"),
        defence=_LOGIN,
    ),
    denied(
        "9",
        mark("change the session's authorisation"),
        SQL("set session authorization {other_role}"),
        defence=_NOT_SUPERUSER,
    ),
    denied("10", mark("become a superuser"), SQL("set role {superuser}"), defence=_NOT_SUPERUSER),
    denied("11", mark("become the owner"), SQL("set role {owner}"), defence=_LOGIN),
    denied("12", mark("make the other's role one's own"), SQL("grant {other_role} to {own_role}"), defence=_LOGIN),
    denied("12a", mark("become the group of all tenants"), SQL("set role {tenant_common}"), defence=_LOGIN),
    denied(
        "12b",
        mark("put another into the group of all tenants"),
        SQL("grant {tenant_common} to {other_role}"),
        defence=_LOGIN,
    ),
    finds_nothing(
        "13",
        mark("point the search path at the other"),
        SQL("set local search_path to {other}"),
        SQL("select to_jsonb(secret_fact) from secret_fact"),
        defence=_USAGE,
        reach=Reach.SECRET,
    ),
)

CATALOGUE = (
    denied(
        "14",
        mark("list the schemas"),
        SQL("select nspname from pg_namespace where nspname ~ '^org_'"),
        defence=_CATALOGUE,
    ),
    denied("15", mark("list another's tables"), SQL("select relname from pg_class"), defence=_CATALOGUE),
    finds_nothing(
        "16",
        mark("information_schema of others"),
        SQL("select table_name from information_schema.tables where table_schema = {other_schema_text}"),
        defence=mark("PostgreSQL filters it by privilege"),
    ),
    denied("17", mark("read another's column names"), SQL("select attname from pg_attribute"), defence=_CATALOGUE),
    denied("18", mark("read comments"), SQL("select description from pg_description"), defence=_CATALOGUE),
    denied("19", mark("read function bodies"), SQL("select prosrc from pg_proc"), defence=_CATALOGUE),
    denied(
        "19a",
        mark("rebuild a function's source"),
        SQL("select pg_get_functiondef(1)"),
        defence=mark("pg_get_… are revoked"),
    ),
    denied("20", mark("list the roles"), SQL("select rolname from pg_roles"), defence=_CATALOGUE),
    denied("21", mark("list memberships"), SQL("select member::regrole from pg_auth_members"), defence=_CATALOGUE),
    denied(
        "22",
        mark("read password verifiers"),
        SQL("select rolpassword from pg_authid"),
        defence=mark("PostgreSQL's default"),
    ),
    denied("23", mark("read the exact row count of others"), SQL("select reltuples from pg_class"), defence=_CATALOGUE),
    denied(
        "24",
        mark("read others' table statistics"),
        SQL("select * from pg_stat_user_tables"),
        defence=mark("the view is revoked"),
    ),
    denied(
        "25",
        mark("read another's table size"),
        SQL("select pg_relation_size(1259::oid)"),
        defence=mark("the sizes are revoked"),
    ),
    denied(
        "26", mark("read others' most common values"), SQL("select most_common_vals from pg_stats"), defence=_CATALOGUE
    ),
    denied("27", mark("read raw statistics"), SQL("select * from pg_statistic"), defence=mark("PostgreSQL's default")),
    residual(
        "28",
        mark("tell by the error's text whether a schema exists"),
        SQL("select {other_schema_text}::regnamespace::text"),
        reach=Reach.ROWS,
        defence=mark("opaque names of 80 random bits; one message for all three errors at the edge"),
    ),
    denied(
        "29",
        mark("ask to_regnamespace whether a schema exists"),
        SQL("select to_regnamespace({other_schema_text})"),
        defence=mark("to_reg… are revoked"),
    ),
    denied(
        "30",
        mark("explain a query on another's table"),
        SQL("explain select * from {other}.secret_fact"),
        defence=_USAGE,
    ),
    denied("31", mark("read defaults and constraints"), SQL("select conname from pg_constraint"), defence=_CATALOGUE),
    denied("31a", mark("read default expressions"), SQL("select adbin from pg_attrdef"), defence=_CATALOGUE),
    denied(
        "32",
        mark("read others' running statements"),
        SQL("select query from pg_stat_activity"),
        defence=mark("the view is revoked"),
    ),
    denied(
        "33",
        mark("reset the role, then read statements"),
        SQL("reset role"),
        SQL("select query from pg_stat_activity"),
        defence=mark("the view is revoked"),
    ),
    denied(
        "34",
        mark("read names of others' sessions"),
        SQL("select application_name from pg_stat_get_activity(null)"),
        defence=mark("the function is revoked"),
    ),
    denied(
        "35",
        mark("read statement statistics"),
        SQL("select * from pg_stat_statements"),
        states="42P01",
        defence=mark("the extension is not installed"),
    ),
    denied(
        "36",
        mark("install the statistics extension"),
        SQL("create extension pg_stat_statements"),
        defence=_NOT_SUPERUSER,
    ),
    denied("37", mark("see advisory keys"), SQL("select * from pg_locks"), defence=mark("the view is revoked")),
    denied(
        "38",
        mark("take an advisory lock"),
        SQL("select pg_advisory_lock(1)"),
        defence=mark("revoked; leaders use a row"),
    ),
    denied(
        "38a", mark("try for an advisory lock"), SQL("select pg_try_advisory_xact_lock(1, 2)"), defence=mark("revoked")
    ),
    denied(
        "38b", mark("leave an advisory lock taken"), SQL("select pg_advisory_lock_shared(1)"), defence=mark("revoked")
    ),
    denied(
        "40",
        mark("terminate other backends"),
        SQL("select pg_terminate_backend(pg_backend_pid())"),
        defence=mark("revoked"),
    ),
)

SIGNALLING = (
    residual(
        "41",
        mark("listen on any channel"),
        SQL("listen chukan_jobs"),
        defence=mark("NOTIFY carries no data, only a wake-up"),
    ),
    residual(
        "42",
        mark("wake listeners by the NOTIFY statement"),
        SQL("notify chukan_jobs"),
        defence=mark("workers read their table after a wake-up, and poll"),
    ),
    denied(
        "43",
        mark("notify with a payload made by an expression"),
        SQL("select pg_notify('chukan_jobs', content) from secret_fact"),
        defence=mark("pg_notify is revoked"),
    ),
    denied(
        "44",
        mark("read a large object"),
        SQL("select lo_get(1::oid)"),
        defence=mark("revoked; there are no large objects"),
    ),
    denied(
        "45",
        mark("list large objects"),
        SQL("select oid from pg_largeobject_metadata"),
        defence=mark("the view is revoked"),
    ),
    denied("46", mark("make a large object"), SQL("select lo_create(0)"), defence=mark("revoked")),
    denied(
        "81",
        mark("fill the write-ahead log"),
        SQL("select pg_logical_emit_message(false, 'x', 'y')"),
        defence=mark("revoked"),
    ),
)

BREAKING_OUT = (
    denied("47", mark("run a program"), SQL("copy secret_fact to program 'true'"), defence=_NOT_SUPERUSER),
    denied(
        "48",
        mark("write a file of the server"),
        SQL("copy secret_fact to '/tmp/chukan-attack'"),
        defence=_NOT_SUPERUSER,
    ),
    denied("49", mark("read a file of the server"), SQL("select pg_read_file('PG_VERSION')"), defence=_NOT_SUPERUSER),
    denied(
        "50", mark("import a file as a large object"), SQL("select lo_import('/etc/hostname')"), defence=_NOT_SUPERUSER
    ),
    denied(
        "51",
        mark("install dblink"),
        SQL("create extension dblink"),
        defence=mark("no CREATE on the database"),
        states="42501 0A000 58P01",
    ),
    denied(
        "52",
        mark("install a trusted extension"),
        SQL("create extension pg_trgm"),
        defence=mark("no CREATE on the database"),
        states="42501 0A000 58P01",
    ),
    denied(
        "53",
        mark("make a function in public"),
        SQL("create function public.f() returns int language sql return 1"),
        defence=mark("nobody may create in public"),
    ),
    denied("54", mark("make a table in one's own schema"), SQL("create table {own}.t (a int)"), defence=_OWNER),
    denied(
        "55",
        mark("make an operator"),
        SQL("create operator {own}.=== (function = pg_catalog.int4eq, leftarg = int, rightarg = int)"),
        defence=_OWNER,
    ),
    denied("56", mark("make a schema"), SQL("create schema attacker"), defence=mark("no CREATE on the database")),
    denied("57", mark("run a DO block"), SQL("do 'begin end'"), defence=mark("plpgsql is revoked")),
    denied(
        "58", mark("make a temporary table"), SQL("create temporary table t (a int)"), defence=mark("TEMP is revoked")
    ),
    denied(
        "59",
        mark("shadow a table of a definer function"),
        SQL("create temporary table tenant (id int)"),
        defence=mark("TEMP is revoked, and every definer fixes its search path"),
    ),
    denied(
        "96",
        mark("leave rows in a temporary table"),
        SQL("create temporary table t as select content from secret_fact"),
        defence=mark("TEMP is revoked"),
    ),
    denied(
        "97",
        mark("leave a temporary table before a real one"),
        SQL("create temporary table secret_fact (content text)"),
        defence=mark("TEMP is revoked"),
    ),
    denied(
        "62",
        mark("make a leaky function for a view"),
        SQL("create function pg_temp.f(t text) returns bool language sql return true"),
        defence=mark("TEMP is revoked"),
    ),
)

SHARED = (
    finds_nothing(
        "63",
        mark("make a cast fail on hidden rows"),
        SQL("select content::int from {scratch}.shared_fact"),
        defence=mark("row security keys on current_user"),
        reach=Reach.SECRET,
    ),
    finds_nothing(
        "64",
        mark("filter hidden rows by a leaky cast"),
        SQL("select 1 from {scratch}.shared_fact where content::int = 0"),
        defence=mark("row security keys on current_user"),
        reach=Reach.SECRET,
    ),
    finds_nothing(
        "65",
        mark("make a cast fail through a view"),
        SQL("select content::int from {scratch}.own_fact"),
        defence=mark("security_barrier and security_invoker"),
        reach=Reach.SECRET,
    ),
    finds_nothing(
        "66",
        mark("read past the view's filter"),
        SQL("select content from {scratch}.own_fact where content::text > ''"),
        defence=mark("security_barrier and security_invoker"),
        reach=Reach.SECRET,
    ),
    finds_nothing(
        "67",
        mark("forge the setting that row security keys on"),
        SQL("set local app.tenant to {other_role_text}"),
        SQL("select content from {scratch}.shared_fact"),
        defence=mark("policies key on current_user, never on a setting"),
        reach=Reach.SECRET,
    ),
    finds_nothing(
        "68",
        mark("learn of a key by the error of a duplicate"),
        SQL("insert into {scratch}.shared_fact (key, content) values (1, 'mine')"),
        SQL("select false"),
        defence=mark("unique keys include the tenant"),
    ),
    denied(
        "69",
        mark("read a shared sequence"),
        SQL("select last_value from {scratch}.shared_sequence"),
        defence=mark("no sequence is granted; keys are UUIDv7"),
    ),
    denied("70", mark("read others' sequences"), SQL("select last_value from pg_sequences"), defence=_CATALOGUE),
    denied(
        "70a",
        mark("read the shared schema's tables"),
        SQL("select * from platform.tenant"),
        defence=mark("no USAGE on platform"),
    ),
    # PostgreSQL answers a grant without effect with a warning, so the effect is what is looked at.
    finds_nothing(
        "71",
        mark("grant one's table to everybody"),
        SQL("grant select on secret_fact to public"),
        SQL("select has_table_privilege('public', 'secret_fact', 'select')"),
        defence=_OWNER,
    ),
    denied("72", mark("alter one's table"), SQL("alter table secret_fact disable trigger all"), defence=_OWNER),
    denied("73", mark("truncate one's table"), SQL("truncate secret_fact"), defence=mark("no TRUNCATE")),
)

WEARING_DOWN = (
    residual(
        "74",
        mark("change one's own password"),
        SQL("alter role current_user password 'x'"),
        SQL("select 1"),
        defence=mark("harms oneself; rotate-credentials sets it anew"),
    ),
    residual(
        "75",
        mark("store settings on one's own role"),
        SQL("alter role current_user set work_mem = '64kB'"),
        defence=mark("the session's options override the role's; database check lists such roles"),
    ),
    residual(
        "76",
        mark("lift the statement timeout"),
        SQL("set statement_timeout = 0"),
        defence=mark("connection limit for each role; the pool resets it"),
    ),
    denied("77", mark("lift the temporary file limit"), SQL("set temp_file_limit = -1"), defence=_NOT_SUPERUSER),
    denied(
        "78",
        mark("switch row security off"),
        SQL("set row_security = off"),
        SQL("select content from {scratch}.shared_fact"),
        defence=mark("a filtered query fails instead"),
    ),
    denied("79", mark("switch triggers off"), SQL("set session_replication_role = replica"), defence=_NOT_SUPERUSER),
    denied("80", mark("sleep in an expression"), SQL("select pg_sleep(60)"), defence=mark("revoked")),
    denied(
        "82",
        mark("make a replication slot"),
        SQL("select pg_create_physical_replication_slot('attacker')"),
        defence=_NOT_SUPERUSER,
    ),
    denied("83", mark("load a library"), SQL("load 'dblink'"), defence=_NOT_SUPERUSER, states="42501 58P01"),
    denied(
        "84",
        mark("leave a prepared transaction"),
        SQL("prepare transaction 'attacker'"),
        states="55000",
        defence=mark("max_prepared_transactions is 0"),
    ),
    denied(
        "85",
        mark("read the databases' volume"),
        SQL("select xact_commit from pg_stat_database"),
        defence=mark("the view is revoked"),
    ),
    denied("87", mark("read the log's position"), SQL("select pg_current_wal_lsn()"), defence=mark("revoked")),
)

#: Attempts of a tenant's session, in the order in which they are shown.
ATTEMPTS = (*READING, *CATALOGUE, *SIGNALLING, *BREAKING_OUT, *SHARED, *WEARING_DOWN)
