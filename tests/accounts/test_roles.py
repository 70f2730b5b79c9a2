"""Roles and permissions, by enumeration: what the files say, what the page says, what the database grants."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

import psycopg
import pytest
from psycopg import sql

from chukan.platform.accounts.actor import Actor, machine
from chukan.platform.accounts.errors import PermissionLacking, PersonNeeded, RolesInvalid
from chukan.platform.accounts.limits import limits_of, shipped_limits
from chukan.platform.accounts.page import page
from chukan.platform.accounts.permissions import MEANINGS, Permission
from chukan.platform.accounts.roles import role_book_of, shipped_roles
from chukan.platform.accounts.rules import DelayKind, Role, SessionKind
from chukan.platform.accounts.tables import AccountRow
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.tables import SharedBase
from chukan.platform.identifiers import PLATFORM
from repository.tree import ROOT
from support.accounts import Office
from support.database import Database

ROLES = (files("chukan") / "config" / "roles.toml").read_text("utf-8")
LIMITS = (files("chukan") / "config" / "accounts.toml").read_text("utf-8")
#: What an operator may do to what organisations keep: these words stand in no permission.
CONTENT = {"duplicate_copy", "provision_record", "linkage_code", "inquiry", "provision", "content", "person"}


# -- the files ------------------------------------------------------------------------------------


def test_every_permission_has_a_meaning_a_role_and_a_name_of_its_own() -> None:
    assert set(MEANINGS) == set(Permission)
    assert len(set(MEANINGS.values())) == len(Permission)
    book = shipped_roles()
    assert frozenset[Permission]().union(*book.permissions.values()) == set(Permission)


@pytest.mark.parametrize("role", list(Role))
def test_no_role_reaches_what_organisations_keep(role: Role) -> None:
    resources = {permission.value.split(":")[1] for permission in shipped_roles().permissions[role]}
    assert not resources & CONTENT


def test_an_auditor_changes_nothing() -> None:
    actions = {permission.value.rsplit(":", 1)[1] for permission in shipped_roles().permissions[Role.AUDITOR]}
    assert actions == {"read", "verify", "export"}


def test_an_administrator_works_on_accounts_alone() -> None:
    scopes = {
        permission.value.split(":")[0]
        for permission in shipped_roles().permissions[Role.ADMINISTRATOR]
        if not permission.value.endswith(":read")
    }
    assert scopes == {"accounts"}


@pytest.mark.parametrize("permission", list(Permission))
@pytest.mark.parametrize("role", list(Role))
def test_a_role_lets_pass_what_it_holds_and_nothing_else(role: Role, permission: Permission) -> None:
    actor = Actor("operator:x", shipped_roles().permissions_of([role.value]))
    if permission in shipped_roles().permissions[role]:
        actor.require(permission)
    else:
        with pytest.raises(PermissionLacking):
            actor.require(permission)


def test_nobody_s_roles_allow_nothing_and_the_machine_is_no_person() -> None:
    assert shipped_roles().permissions_of([]) == frozenset()
    assert shipped_roles().permissions_of(["root", ""]) == frozenset()
    assert machine().permissions == frozenset(Permission)
    with pytest.raises(PersonNeeded):
        machine().require_person()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[helpdesk]", "[help_desk]", ["[helpdesk] is missing", "[help_desk] is no role"]),
        ('"jobs:job:run",', "", ["nobody may jobs:job:run"]),
        ('"jobs:job:run"', '"jobs:job:stop"', ["jobs:job:stop is unknown", "nobody may jobs:job:run"]),
        ('"jobs:job:run",', '"jobs:job:run",' * 2, ["jobs:job:run stands there twice"]),
        ('"security", "administrator"]', '"auditor"]', ["[auditor] auditor is unknown"]),
        ("excludes =", "forbids =", ["[auditor] forbids is unknown"]),
        ("permissions = [", "permissions = 7 # [", ["7 is unknown"]),
        ("[monitoring]", "monitoring = 1\n[x]", ["monitoring is no section", "[x] is no role"]),
        ("[monitoring]", "[monitoring", ["line"]),
    ],
)
def test_all_that_is_wrong_with_the_roles_is_told_at_once(old: str, new: str, told: list[str]) -> None:
    assert old in ROLES
    broken = ROLES.replace(old, new, 1)
    if "7 #" in new:
        broken = "[monitoring]\npermissions = [7]\n"
    with pytest.raises(RolesInvalid) as invalid:
        role_book_of(broken)
    assert [part for part in told if part not in str(invalid.value.values["reasons"])] == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("minimum_length = 12", "minimum_length = 7"),
        ("minimum_length = 12", ""),
        ("minimum_length = 12", 'minimum_length = "12"'),
        ("valid_minutes = 30", "valid_minutes = 61"),
        ("longest_seconds = 900", "longest_seconds = 1"),
        ("forget_minutes = 1440", "forget_minutes = 15"),
        ("[four_eyes]", "[four_eyes]\nsurprise = 1"),
        ("[passwords]", "[passwords"),
    ],
)
def test_limits_out_of_bounds_are_refused(old: str, new: str) -> None:
    assert old in LIMITS
    with pytest.raises(RolesInvalid):
        limits_of(LIMITS.replace(old, new, 1))


def test_every_kind_of_session_and_delay_has_its_limits() -> None:
    assert all(shipped_limits().session(kind).absolute for kind in SessionKind)
    assert all(shipped_limits().delay(kind).forget_after <= shipped_limits().longest_memory for kind in DelayKind)


def test_the_page_of_permissions_is_up_to_date() -> None:
    written = (ROOT / "docs/permissions.md").read_text("utf-8")
    assert written == page(), "run: python -m chukan.platform.accounts.page > docs/permissions.md"
    assert [permission for permission in Permission if f"`{permission.value}`" not in written] == []


# -- the database ---------------------------------------------------------------------------------

OURS = {
    "person",
    "account_scope",
    "account",
    "account_role",
    "account_event",
    "account_totp",
    "account_token",
    "account_session",
    "login_delay",
    "four_eyes_request",
    "four_eyes_event",
}
#: Rights on whole tables; on columns alone stand below.
TABLE_RIGHTS: Mapping[str, set[str]] = {
    "person": {"SELECT", "INSERT"},
    "account_scope": {"SELECT", "UPDATE"},
    "account": {"SELECT", "INSERT"},
    "account_role": {"SELECT", "INSERT", "DELETE"},
    "account_event": {"SELECT", "INSERT"},
    "account_totp": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "account_token": {"SELECT", "INSERT"},
    "account_session": {"SELECT", "INSERT"},
    "login_delay": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "four_eyes_request": {"SELECT", "INSERT"},
    "four_eyes_event": {"SELECT", "INSERT"},
}
COLUMN_RIGHTS: Mapping[str, set[str]] = {
    "account": {"name", "state", "password_hash", "issued_by", "changed_at"},
    "account_token": {"ended_at"},
    "account_session": {"last_seen_at", "ended_at", "ended_by"},
    "four_eyes_request": {"state", "decided_by", "decider", "decided_at", "ended_at"},
}
FUNCTIONS: Mapping[str, set[ProcessKind]] = {
    "platform_content_keys": {ProcessKind.CONSOLE},
    "session_holder": {
        ProcessKind.CONSOLE,
        ProcessKind.WORKER,
        ProcessKind.SCHEDULER,
        ProcessKind.PROVISIONER,
        ProcessKind.AUDITOR,
    },
    "active_administrators": {ProcessKind.CONSOLE, ProcessKind.POLLER},
    "finish_four_eyes_request": {
        ProcessKind.CONSOLE,
        ProcessKind.WORKER,
        ProcessKind.SCHEDULER,
        ProcessKind.PROVISIONER,
    },
    "expire_four_eyes_requests": {ProcessKind.WORKER},
    "tidy_accounts": {ProcessKind.WORKER},
}


@pytest.mark.parametrize("kind", list(ProcessKind))
def test_each_process_holds_these_rights_and_no_other(database: Database, kind: ProcessKind) -> None:
    role = database.names.process(kind)
    with database.superuser() as superuser:
        tables = superuser.execute(
            "select table_name, array_agg(privilege_type::text) from information_schema.role_table_grants"
            " where grantee = %s and table_name = any(%s) group by 1",
            (role, sorted(OURS)),
        ).fetchall()
        columns = superuser.execute(
            "select table_name, array_agg(column_name::text) from information_schema.column_privileges"
            " where grantee = %s and table_name = any(%s) and privilege_type = 'UPDATE' group by 1",
            (role, sorted(COLUMN_RIGHTS)),
        ).fetchall()
        functions = superuser.execute(
            "select p.proname::text from pg_proc p where p.proname = any(%s)"
            " and has_function_privilege(%s, p.oid, 'execute')",
            (sorted(FUNCTIONS), role),
        ).fetchall()
    expected: dict[str, set[str]] = {}
    if kind is ProcessKind.CONSOLE:
        expected = dict(TABLE_RIGHTS)
    elif kind in {ProcessKind.WORKER, ProcessKind.SCHEDULER, ProcessKind.PROVISIONER}:
        expected = {"four_eyes_request": {"SELECT"}}
    assert {name: set(rights) for name, rights in tables} == expected
    assert {name: set(names) for name, names in columns} == (COLUMN_RIGHTS if kind is ProcessKind.CONSOLE else {})
    assert {name for (name,) in functions} == {name for name, kinds in FUNCTIONS.items() if kind in kinds}


def test_all_tables_of_accounts_are_looked_at(database: Database) -> None:
    declared = {
        mapper.local_table.name  # type: ignore[attr-defined]
        for mapper in SharedBase.registry.mappers
        if mapper.class_.__module__ == AccountRow.__module__
    }
    assert declared == OURS == set(TABLE_RIGHTS)
    with database.superuser() as superuser:
        for table in SharedBase.metadata.sorted_tables:
            if table.name in OURS:
                rows = superuser.execute(
                    "select column_name::text, is_nullable = 'YES' from information_schema.columns"
                    " where table_schema = 'platform' and table_name = %s",
                    (table.name,),
                ).fetchall()
                assert dict(rows) == {column.name: bool(column.nullable) for column in table.columns}


def test_the_console_sees_the_platform_s_key_and_no_tenant_s(office: Office) -> None:
    tenant = office.safe.tenant().tenant
    with office.safe.database.superuser() as superuser:
        everybody = superuser.execute(
            "select owner, wrapped from platform.data_key where purpose = 'content'"
        ).fetchall()
    assert {owner for owner, _ in everybody} == {PLATFORM, tenant}
    with office.safe.database.login(ProcessKind.CONSOLE) as console:
        seen = console.execute("select wrapped from platform_api.platform_content_keys()").fetchall()
        assert seen == [(wrapped,) for owner, wrapped in everybody if owner == PLATFORM]
        for statement in (
            "select * from platform.data_key",
            "select * from platform.tenant_credential",
            "select wrapped from platform.data_key for update",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                console.execute(statement)


@pytest.mark.parametrize("kind", [kind for kind in ProcessKind if kind is not ProcessKind.CONSOLE])
def test_no_other_process_reads_a_password_or_the_secret_of_codes(database: Database, kind: ProcessKind) -> None:
    for table in ("account", "account_totp", "account_token", "account_session"):
        statement = sql.SQL("select * from {}").format(sql.Identifier("platform", table))
        with database.login(kind) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


def test_an_organisation_s_people_have_room_beside_the_operators(office: Office) -> None:
    """The tables hold both kinds; that an organisation's person is not taken for an operator is shown here."""
    operator = office.member("taro", Role.HELPDESK)
    with office.safe.database.superuser() as superuser:
        organisation = "019800aa-0000-7000-8000-0000000000aa"
        person = superuser.execute(
            "insert into platform.person (organisation, number) values (%s, 'no-taro') returning id", (organisation,)
        ).fetchone()
        assert person is not None
        superuser.execute(
            "insert into platform.account (person, kind, organisation, login, name, password_hash, state)"
            " select %s, 'organisation', %s, login, name, password_hash, 'active' from platform.account",
            (person[0], organisation),
        )
        with pytest.raises(psycopg.errors.CheckViolation):
            superuser.execute(
                "insert into platform.account (person, kind, login, name) values (%s, 'organisation', 'x1', 'X')",
                person,
            )
    assert [one.id for one in office.operators().list()] == [operator.account]
    assert office.let_in(operator).account == operator.account
