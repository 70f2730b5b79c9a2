"""The registry: organisations, their succession, population, people, hand-overs and delegations."""

from __future__ import annotations

from psycopg.sql import SQL

from chukan.platform.database.migrations.support import run

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away."""
    _organisation()
    _history()
    _dated()
    _people()
    _handover()
    _delegations()
    _grants()


def _organisation() -> None:
    run(
        SQL(
            """
            create table platform.organisation (
                id uuid constraint organisation_pk primary key default uuidv7(),
                code text constraint organisation_code_key unique
                    constraint organisation_code_form check (code ~ '^[0-9]{{6}}$'),
                kind text not null constraint organisation_kind_known check (kind in (
                    'prefecture', 'designated_city', 'city', 'town', 'village', 'special_ward',
                    'partial_affairs_association', 'wide_area_union'
                )),
                prefecture text not null
                    constraint organisation_prefecture_known check (prefecture between '01' and '47'),
                name text not null constraint organisation_name_given check (name <> ''),
                kana text not null,
                search_key text not null,
                invented boolean not null default false,
                hosting text not null default 'platform' constraint organisation_hosting_known
                    check (hosting in ('platform', 'own', 'joint')),
                address_class text,
                address_system text,
                migrates_on date,
                release_group smallint constraint organisation_release_group_known check (release_group in (1, 2)),
                tenant uuid constraint organisation_tenant_key unique
                    constraint organisation_tenant_fk references platform.tenant (id) on delete set null,
                state text not null default 'applied' constraint organisation_state_known check (state in (
                    'applied', 'provisioning', 'active', 'suspended', 'closing', 'closed'
                )),
                state_since timestamptz not null,
                dissolved_on date,
                constraint organisation_code_or_union check (
                    code is not null or kind in ('partial_affairs_association', 'wide_area_union')
                ),
                constraint organisation_address_whole check ((address_class is null) = (address_system is null)),
                constraint organisation_address_known check (
                    (address_class, address_system) in (
                        ('all_unified', 'number_added'),
                        ('partly_unified', 'largest_extended'), ('partly_unified', 'link_server'),
                        ('not_unified', 'new_system'), ('not_unified', 'link_server')
                    )
                )
            )
            """
        )
    )
    # Unions may have no code; two of one name in one prefecture would be the same one.
    run(
        SQL(
            "create unique index organisation_union_name on platform.organisation (prefecture, name) "
            "where kind in ('partial_affairs_association', 'wide_area_union')"
        )
    )
    run(
        SQL(
            "create index organisation_dissolved on platform.organisation (dissolved_on) "
            "where state in ('applied', 'active', 'suspended')"
        )
    )


def _history() -> None:
    run(
        SQL(
            """
            create table platform.organisation_event (
                id uuid constraint organisation_event_pk primary key default uuidv7(),
                organisation uuid not null
                    constraint organisation_event_organisation_fk references platform.organisation (id),
                at timestamptz not null,
                from_state text,
                to_state text not null,
                actor text not null,
                reason text not null
            )
            """
        )
    )
    run(SQL("create index organisation_event_of on platform.organisation_event (organisation, id)"))
    run(
        SQL(
            """
            create table platform.organisation_succession (
                predecessor uuid not null
                    constraint organisation_succession_predecessor_fk references platform.organisation (id),
                successor uuid not null
                    constraint organisation_succession_successor_fk references platform.organisation (id),
                kind text not null constraint organisation_succession_kind_known
                    check (kind in ('merger', 'division')),
                effective_on date not null,
                constraint organisation_succession_pk primary key (predecessor, successor),
                constraint organisation_succession_two check (predecessor <> successor)
            )
            """
        )
    )
    run(
        SQL("create index organisation_succession_successor on platform.organisation_succession (successor)"),
    )


def _dated() -> None:
    run(
        SQL(
            """
            create table platform.union_member (
                union_id uuid not null constraint union_member_union_fk references platform.organisation (id),
                member uuid not null constraint union_member_member_fk references platform.organisation (id),
                since date not null,
                until date constraint union_member_until_after check (until >= since),
                constraint union_member_pk primary key (union_id, member, since),
                constraint union_member_other check (union_id <> member)
            )
            """
        )
    )
    run(SQL("create index union_member_of on platform.union_member (member)"))
    run(
        SQL(
            """
            create table platform.population (
                organisation uuid not null
                    constraint population_organisation_fk references platform.organisation (id),
                as_of date not null,
                recorded_at timestamptz not null default clock_timestamp(),
                value bigint not null constraint population_not_negative check (value >= 0),
                source text not null constraint population_source_named check (source <> ''),
                constraint population_pk primary key (organisation, as_of, recorded_at)
            )
            """
        )
    )
    run(
        SQL(
            """
            create table platform.organisation_department (
                organisation uuid not null
                    constraint organisation_department_organisation_fk references platform.organisation (id),
                department text not null constraint organisation_department_known
                    check (department in ('executive', 'board_of_education')),
                constraint organisation_department_pk primary key (organisation, department)
            )
            """
        )
    )
    run(
        SQL(
            """
            create table platform.interface_adoption (
                organisation uuid not null
                    constraint interface_adoption_organisation_fk references platform.organisation (id),
                interface text not null constraint interface_adoption_form
                    check (interface ~ '^IF_[A-Z]{{3}}_[0-9X][0-9]{{4}}_[RS]01$'),
                since date not null,
                until date constraint interface_adoption_until_after check (until >= since),
                constraint interface_adoption_pk primary key (organisation, interface, since)
            )
            """
        )
    )


def _people() -> None:
    run(
        SQL(
            """
            create table platform.contact (
                id uuid constraint contact_pk primary key default uuidv7(),
                organisation uuid not null,
                department text not null,
                name text not null constraint contact_name_given check (name <> ''),
                email text not null,
                telephone text not null,
                created_at timestamptz not null,
                constraint contact_department_fk foreign key (organisation, department)
                    references platform.organisation_department (organisation, department)
            )
            """
        )
    )
    run(SQL("create index contact_of on platform.contact (organisation)"))
    run(
        SQL(
            """
            create table platform.role_assignment (
                id uuid constraint role_assignment_pk primary key default uuidv7(),
                organisation uuid not null
                    constraint role_assignment_organisation_fk references platform.organisation (id),
                contact uuid not null constraint role_assignment_contact_fk references platform.contact (id),
                role text not null constraint role_assignment_role_known check (role in (
                    'contact_manager', 'contact_staff', 'vpn_admin_primary', 'vpn_admin_deputy', 'system_admin',
                    'business_operator', 'support_site_manager', 'support_site_staff', 'clerical_contact'
                )),
                since date not null,
                until date constraint role_assignment_until_after check (until >= since)
            )
            """
        )
    )
    run(SQL("create index role_assignment_of on platform.role_assignment (organisation)"))
    # There is one first and one deputy administrator of the VPN devices; the others may be many.
    run(
        SQL(
            "create unique index role_assignment_vpn_one on platform.role_assignment (organisation, role) "
            "where role in ('vpn_admin_primary', 'vpn_admin_deputy') and until is null"
        )
    )
    run(SQL("create unique index role_assignment_once on platform.role_assignment (contact, role) where until is null"))


def _handover() -> None:
    run(
        SQL(
            """
            create table platform.personnel_change (
                id uuid constraint personnel_change_pk primary key default uuidv7(),
                organisation uuid not null
                    constraint personnel_change_organisation_fk references platform.organisation (id),
                assignment uuid not null
                    constraint personnel_change_assignment_fk references platform.role_assignment (id),
                successor uuid constraint personnel_change_successor_fk references platform.role_assignment (id),
                effective_on date not null,
                former_until date,
                accounts_due_on date,
                accounts_closed_at timestamptz,
                state text not null constraint personnel_change_state_known
                    check (state in ('open', 'completed', 'cancelled')),
                opened_at timestamptz not null,
                constraint personnel_change_accounts check (accounts_due_on is not null or accounts_closed_at is null)
            )
            """
        )
    )
    run(
        SQL(
            "create unique index personnel_change_open on platform.personnel_change (assignment) "
            "where state <> 'cancelled'"
        )
    )
    run(SQL("create index personnel_change_of on platform.personnel_change (organisation)"))
    run(
        SQL(
            "create index personnel_change_accounts_due on platform.personnel_change (accounts_due_on) "
            "where state = 'open' and accounts_closed_at is null"
        )
    )
    run(
        SQL(
            """
            create table platform.handover_task (
                change uuid not null constraint handover_task_change_fk references platform.personnel_change (id),
                task text not null,
                acts text[] not null constraint handover_task_acts_some check (cardinality(acts) > 0),
                state text not null constraint handover_task_state_known
                    check (state in ('open', 'done', 'dropped')),
                constraint handover_task_pk primary key (change, task)
            )
            """
        )
    )
    run(
        SQL(
            """
            create table platform.handover_event (
                id uuid constraint handover_event_pk primary key default uuidv7(),
                change uuid not null constraint handover_event_change_fk references platform.personnel_change (id),
                task text,
                at timestamptz not null,
                from_state text,
                to_state text not null,
                actor text not null
            )
            """
        )
    )
    run(SQL("create index handover_event_of on platform.handover_event (change, id)"))


def _delegations() -> None:
    run(
        SQL(
            """
            create table platform.delegation_declaration (
                id uuid constraint delegation_declaration_pk primary key default uuidv7(),
                delegator uuid not null,
                delegator_department text not null,
                delegate uuid not null,
                delegate_department text not null,
                declared_by text not null constraint delegation_declaration_by_known
                    check (declared_by in ('delegator', 'delegate')),
                extent text not null constraint delegation_declaration_extent_known
                    check (extent in ('full', 'partial')),
                affairs text[] not null,
                since date not null,
                until date constraint delegation_declaration_until_after check (until >= since),
                declared_at timestamptz not null,
                constraint delegation_declaration_delegator_fk foreign key (delegator, delegator_department)
                    references platform.organisation_department (organisation, department),
                constraint delegation_declaration_delegate_fk foreign key (delegate, delegate_department)
                    references platform.organisation_department (organisation, department),
                constraint delegation_declaration_other
                    check ((delegator, delegator_department) <> (delegate, delegate_department)),
                constraint delegation_declaration_affairs
                    check ((extent = 'full') = (cardinality(affairs) = 0))
            )
            """
        )
    )
    run(
        SQL(
            "create index delegation_declaration_from on platform.delegation_declaration "
            "(delegator, delegator_department)"
        )
    )


def _grants() -> None:
    """Let the console write; who serves organisations reads; the provisioner moves their state."""
    # Who an organisation is, and what holds for it on a day: for every process that decides by it.
    run(
        SQL(
            """
            grant select on
                platform.organisation, platform.organisation_succession, platform.union_member,
                platform.population, platform.organisation_department, platform.interface_adoption,
                platform.delegation_declaration
            to {console}, {support_site}, {gateway}, {worker}, {scheduler}, {poller}, {provisioner}
            """
        )
    )
    run(
        SQL(
            """
            grant insert on
                platform.organisation, platform.organisation_succession, platform.union_member,
                platform.population, platform.organisation_department, platform.interface_adoption,
                platform.delegation_declaration, platform.contact, platform.role_assignment,
                platform.personnel_change, platform.handover_task
            to {console}
            """
        )
    )
    run(
        SQL(
            "grant update (kind, name, kana, search_key, hosting, address_class, address_system, migrates_on, "
            "release_group, state, state_since, dissolved_on) on platform.organisation to {console}"
        )
    )
    run(SQL("grant update (until) on platform.union_member, platform.interface_adoption to {console}"))
    run(SQL("grant update (until) on platform.role_assignment, platform.delegation_declaration to {console}"))
    run(SQL("grant update (state, accounts_closed_at) on platform.personnel_change to {console}"))
    run(SQL("grant update (state) on platform.handover_task to {console}"))
    # Names, addresses and telephone numbers: the console and the organisations' own site.
    run(SQL("grant select on platform.contact to {console}, {support_site}"))
    run(
        SQL(
            """
            grant select on platform.role_assignment, platform.personnel_change, platform.handover_task
            to {console}, {support_site}, {worker}, {poller}
            """
        )
    )
    # History is added to, never changed.
    run(SQL("grant select, insert on platform.handover_event to {console}"))
    run(SQL("grant select, insert on platform.organisation_event to {console}, {worker}, {provisioner}"))
    run(SQL("grant update (state, state_since) on platform.organisation to {worker}"))
    run(SQL("grant update (state, state_since, tenant) on platform.organisation to {provisioner}"))
