"""Filling a database for the benchmark of the pages: an audit trail of any length, and organisations at work.

Both go past the services, as the superuser and in bulk, because the services would take hours. What is written has
the shape that they give it, and the trail's hashes are right: it can be sealed and verified.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from uuid import UUID

import psycopg
from psycopg import sql

from chukan.platform.accounts.trail import AccountAction
from chukan.platform.audit.rules import (
    GENESIS,
    Action,
    AuditEntry,
    Detail,
    Outcome,
    StoredEntry,
    canonical_body,
    entry_hash,
    instant_text,
)
from chukan.platform.clock import as_tokyo
from chukan.platform.database.roles import ProcessKind, schema_name
from chukan.platform.identifiers import PLATFORM, new_opaque_name
from chukan.platform.vault.trail import VaultAction
from chukan.tenants.provisioning.service import ProvisioningAction
from chukan.tenants.registry.trail import RegistryAction
from chukan.tenants.releases.rendering import head
from chukan.tenants.releases.service import ReleaseAction
from support.database import Database

#: How long ago the first entry was recorded; the last one is an hour old.
TRAIL = timedelta(days=730)
OPERATORS = [UUID(int=0x7000_8000_0000_0000_0000 + number) for number in range(40)]
#: This one logs in and out and does nothing else, so that two conditions which are both frequent never meet.
VISITOR = OPERATORS[0]

#: A twentieth of the organisations has no deputy, and a tenth an open hand-over, which half of them owe since days.
_PEOPLE = (
    """
    insert into platform.population (organisation, as_of, value, source)
    select id, day, 1000 + strpos(name, '市') * 31337, '住民基本台帳人口'
    from platform.organisation, unnest(array[%(day)s::date - 700, %(day)s::date - 335]) day
    """,
    """
    insert into platform.organisation_event (organisation, at, from_state, to_state, actor, reason)
    select id, state_since, before, after, 'system:bench', after
    from platform.organisation, (values ('applied', 'provisioning'), ('provisioning', 'active')) step(before, after)
    """,
    """
    insert into platform.contact (organisation, department, name, email, telephone, created_at)
    select d.organisation, d.department, '担当 ' || number, 'tantou' || number || '@city.example.jp', '011-000-0000',
           %(now)s
    from platform.organisation_department d,
         generate_series(1, case d.department when 'executive' then 9 else 2 end) number
    """,
    """
    insert into platform.role_assignment (organisation, contact, role, since)
    select organisation, id, role, %(day)s::date - 400
    from (
        select c.organisation, c.id, dense_rank() over (order by c.organisation) as place,
            case c.department when 'executive' then (array[
                'contact_manager', 'contact_staff', 'vpn_admin_primary', 'vpn_admin_deputy', 'system_admin',
                'system_admin', 'business_operator', 'support_site_manager', 'clerical_contact'
            ])[row_number() over (partition by c.organisation, c.department order by c.id)]
            else 'system_admin' end as role
        from platform.contact c
    ) as given
    where not (role = 'vpn_admin_deputy' and place %% 20 = 0)
    """,
    """
    with change as (
        insert into platform.personnel_change
            (organisation, assignment, effective_on, accounts_due_on, state, opened_at)
        select organisation, id, %(day)s::date + (place %% 20)::int - 10, %(day)s::date + (place %% 20)::int - 10,
               'open', %(now)s
        from (
            select organisation, id, dense_rank() over (order by organisation) as place
            from platform.role_assignment where role = 'vpn_admin_primary'
        ) as held
        where place %% 10 = 0
        returning id
    )
    insert into platform.handover_task (change, task, acts, state)
    select id, task, array['contact_manager'], case when task = 'change_form' then 'done' else 'open' end
    from change, unnest(array['change_form', 'helpdesk_contact', 'vpn_handling']) task
    """,
)


@dataclass(frozen=True)
class HostedSide:
    """A tenant that is only a row: the pages read nothing of its schema, and so it has none."""

    id: UUID
    opaque: str


def hosted_sides(database: Database, count: int) -> Sequence[HostedSide]:
    """Return as many tenants that are not in the database yet."""
    with database.superuser() as superuser:
        made = superuser.execute("select uuidv7() from generate_series(1, %s)", (count,)).fetchall()
    return [HostedSide(id_, new_opaque_name()) for (id_,) in made]


def put_organisations_to_work(database: Database, hosted: Sequence[HostedSide], *, now: datetime) -> None:
    """Give every organisation that is registered a tenant of *hosted*, people, populations and a history."""
    names, day = database.names, as_tokyo(now).date()
    with database.superuser() as superuser, superuser.transaction():
        superuser.cursor().executemany(
            "insert into platform.tenant (id, schema, role, cluster, site, state) "
            "values (%s, %s, %s, 'main', 'east', 'active')",
            [(each.id, schema_name(each.opaque), names.tenant(each.opaque)) for each in hosted],
        )
        superuser.execute("insert into platform.tenant_release select id, %s from platform.tenant", (head(),))
        superuser.execute(
            "update platform.organisation o set state = 'active', tenant = t.id, release_group = 1 from "
            "(select id, row_number() over (order by code) as place from platform.organisation) as placed "
            "join (select id, row_number() over (order by id) as place from platform.tenant) t using (place) "
            "where placed.id = o.id"
        )
        values: dict[str, date | datetime] = {"now": now, "day": day}
        for statement in _PEOPLE:
            superuser.execute(statement, values)


def fill_trail(
    database: Database, records: int, codes: Sequence[str], hosted: Sequence[HostedSide], *, now: datetime
) -> None:
    """Write *records* entries into the trail: a quarter of them in the platform's chain, the others in the tenants'.

    Their bodies, hashes and order are those of entries that were appended one by one; they come by COPY, with the
    indexes of the searches made afterwards.
    """
    with database.superuser() as superuser, superuser.transaction():
        indexes = superuser.execute(
            "select indexname, indexdef from pg_indexes "
            "where schemaname = 'platform' and tablename = 'audit_entry' and indexname <> 'audit_entry_pk'"
        ).fetchall()
        for name, _ in indexes:
            superuser.execute(sql.SQL("drop index {}").format(sql.Identifier("platform", name)))
        writer = _Writer(database, codes, hosted, now)
        with superuser.cursor().copy(
            "copy platform.audit_entry (chain, seq, recorded_at, login, body, prev, hash) from stdin (format binary)"
        ) as copy:
            copy.set_types(["uuid", "int8", "timestamptz", "text", "text", "bytea", "bytea"])
            for row in writer.rows(records):
                copy.write_row(row)
        for _, definition in indexes:
            superuser.execute(definition)
        _set_heads(superuser, writer)


class _Writer:
    """Makes the rows of the trail, and knows the end of each chain."""

    def __init__(self, database: Database, codes: Sequence[str], hosted: Sequence[HostedSide], now: datetime) -> None:
        self._random = Random(1788)  # noqa: S311 - a bench's choices, the same in each run
        self._codes, self._hosted, self._now = codes, hosted, now
        self._logins = {each.id: database.names.tenant(each.opaque) for each in hosted}
        self._logins[PLATFORM] = database.names.process(ProcessKind.CONSOLE)
        #: The newest seq and hash of every chain.
        self.tails: dict[UUID, tuple[int, bytes]] = {}

    def rows(self, records: int) -> Iterator[tuple[UUID, int, datetime, str, str, bytes, bytes]]:
        begin, step = self._now - TRAIL, (TRAIL - timedelta(hours=1)) / records
        for number in range(records):
            at = begin + number * step
            chain, entry = self._act(number)
            seq, previous = self.tails.get(chain, (0, GENESIS))
            body, login = canonical_body(entry), self._logins[chain]
            stored = StoredEntry(chain, seq + 1, instant_text(at), login, body, previous, b"")
            self.tails[chain] = seq + 1, entry_hash(stored)
            yield chain, seq + 1, at, login, body, previous, self.tails[chain][1]

    def _act(self, number: int) -> tuple[UUID, AuditEntry]:
        # Four entries or so belong to one request.
        request = f"req-{number // 4:08x}"
        if number % 4 == 0:
            return PLATFORM, self._of_platform(number, request)
        hosted = self._random.choice(self._hosted)
        subject = f"tenant:{hosted.id}"
        if number % 8 == 1:
            told = {"from": "0001", "to": "0002"}
            return hosted.id, AuditEntry("system:chukan", ReleaseAction.APPLY, subject, request, detail=told)
        actor = f"operator:{self._random.choice(OPERATORS[1:])}"
        action = self._random.choice([VaultAction.ROTATE, VaultAction.RETIRE, ProvisioningAction.ROTATE_CREDENTIAL])
        return hosted.id, AuditEntry(actor, action, subject, request, detail={"version": number % 7})

    def _of_platform(self, number: int, request: str) -> AuditEntry:
        kind = number // 4 % 5
        if kind == 0:
            operator = self._random.choice(OPERATORS)
            action: Action = self._random.choice([AccountAction.LOG_IN, AccountAction.LOG_OUT])
            return AuditEntry(f"operator:{operator}", action, f"operator:{operator}", request, detail={"kind": "web"})
        if kind == 1:
            # Every tenth of them logs in at the wrong time, and is refused.
            outcome = Outcome.REFUSED if self._random.random() < 0.1 else Outcome.DONE
            return AuditEntry(f"operator:{VISITOR}", AccountAction.LOG_IN, f"operator:{VISITOR}", request, outcome)
        actor = f"operator:{self._random.choice(OPERATORS[1:])}"
        actions = [RegistryAction.CHANGE, RegistryAction.APPOINT, RegistryAction.FINISH_TASK, RegistryAction.MOVE]
        subject = f"organisation:{self._random.choice(self._codes)}"
        told: dict[str, Detail] = {"reason": "組織改正による", "values": {"group": 1, "hosting": "platform"}}
        return AuditEntry(actor, self._random.choice(actions), subject, request, detail=told)


def _set_heads(superuser: psycopg.Connection, writer: _Writer) -> None:
    superuser.cursor().executemany(
        "insert into platform.audit_chain (chain, seq, head) values (%s, %s, %s)",
        [(chain, seq, head_) for chain, (seq, head_) in writer.tails.items()],
    )
