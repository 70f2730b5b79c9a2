"""The attack cases that look for careless objects instead of making them."""

from __future__ import annotations

from psycopg.sql import SQL

from chukan.platform.database.attack_words import finds_nothing
from chukan.platform.messages import mark

#: Design rules that one careless migration would break; the attempt looks for the careless object.
#: They run under the auditor's log-in, since a tenant no longer sees the catalogue.
DESIGN_RULES = (
    finds_nothing(
        "60",
        mark("a definer function without a fixed search path"),
        SQL(
            "select p.oid::regprocedure from pg_proc p where p.prosecdef and not exists "
            "(select from unnest(p.proconfig) c where c ~ '^search_path=.*pg_temp$')"
        ),
        defence=mark("every definer fixes its search path, pg_temp last"),
    ),
    finds_nothing(
        "61",
        mark("a definer function that builds statements from text"),
        SQL("select oid::regprocedure from pg_proc where prosecdef and prosrc ~* '\\mexecute\\M'"),
        defence=mark("no definer executes text"),
    ),
    finds_nothing(
        "67a",
        mark("a policy that keys on a setting"),
        SQL(
            "select polname from pg_policy where "
            "concat(pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) ~ 'current_setting'"
        ),
        defence=mark("policies key on current_user, never on a setting"),
    ),
    finds_nothing(
        "70b",
        mark("a shared table that tenants reach"),
        SQL(
            "select relname from pg_class "
            "where relnamespace = 'platform'::regnamespace and relkind in ('r','p','v','m') "
            "and has_table_privilege({tenant_common_text}, oid, 'select, insert, update, delete, truncate')"
        ),
        defence=mark("tenants reach the shared schema by definer functions alone"),
    ),
)
