"""The attack cases that leave something in a session for the next one who is lent it."""

from __future__ import annotations

from psycopg.sql import SQL

from chukan.platform.database.attack_words import DENIED, carried
from chukan.platform.messages import mark

CARRY_OVER = (
    carried(
        "90",
        mark("a cursor left open"),
        SQL("declare c cursor with hold for select content from secret_fact"),
        SQL("fetch 1 from c"),
        states="34000",
    ),
    carried(
        "91",
        mark("the text of a prepared statement"),
        SQL("prepare p as select content from secret_fact"),
        SQL("select statement from pg_prepared_statements"),
        states=DENIED,
    ),
    carried(
        "92",
        mark("a prepared statement's plan"),
        SQL("prepare r as select content from secret_fact"),
        SQL("execute r"),
        states="26000",
    ),
    carried(
        "93",
        mark("an unqualified prepared statement"),
        SQL("prepare q as select content from secret_fact where content > ''"),
        SQL("execute q"),
        states="26000",
    ),
    carried(
        "94",
        mark("a setting"),
        SQL("set app.tenant = 'left behind'"),
        SQL("select nullif(current_setting('app.tenant', true), '')"),
    ),
    carried(
        "95",
        mark("a setting that row security could key on"),
        SQL("set app.tenant = 'left behind'"),
        SQL("select 1 where current_setting('app.tenant', true) = 'left behind'"),
    ),
    carried(
        "98", mark("a channel listened to"), SQL("listen left_behind"), SQL("select * from pg_listening_channels()")
    ),
    carried(
        "99",
        mark("a lifted timeout"),
        SQL("set statement_timeout = 0"),
        SQL("select 1 where current_setting('statement_timeout') = '0'"),
    ),
    carried(
        "100",
        mark("the last value of a sequence"),
        SQL("insert into secret_fact (content) values ('left behind')"),
        SQL("select lastval()"),
        states="55000",
    ),
    carried(
        "101",
        mark("a search path"),
        SQL("set search_path to pg_catalog"),
        SQL("select 1 where current_setting('search_path') = 'pg_catalog'"),
    ),
    carried(
        "102",
        mark("a read-only transaction default"),
        SQL("set default_transaction_read_only = on"),
        SQL("select 1 where current_setting('default_transaction_read_only') = 'on'"),
    ),
)
