"""Accounts: people, their ways in, sessions, delays, and requests that a second person decides."""

from __future__ import annotations

from psycopg.sql import SQL

from chukan.platform.database.migrations.support import run

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away."""
    _people()
    _ways_in()
    _sessions()
    _delays()
    _four_eyes()
    _grants()
    _platform_keys()
    _session_holder()
    _finish_four_eyes()
    _housekeeping()


def _people() -> None:
    """Make persons, accounts and roles. No organisation means the platform's own operators."""
    run(
        SQL(
            """
            create table platform.person (
                id uuid constraint person_pk primary key default uuidv7(),
                organisation uuid,
                number text not null constraint person_number_short check (length(number) between 1 and 40),
                created_at timestamptz not null default now(),
                constraint person_number_key unique nulls not distinct (organisation, number)
            )
            """
        )
    )
    # The row whose lock serialises what may leave too few administrators.
    run(
        SQL(
            """
            create table platform.account_scope (
                organisation uuid constraint account_scope_pk primary key
            )
            """
        )
    )
    run(SQL("insert into platform.account_scope values ('00000000-0000-0000-0000-000000000000')"))
    run(
        SQL(
            """
            create table platform.account (
                id uuid constraint account_pk primary key default uuidv7(),
                person uuid not null constraint account_person_fk references platform.person (id),
                kind text not null constraint account_kind_known check (kind in ('operator', 'organisation')),
                organisation uuid,
                login text not null constraint account_login_form check (login ~ '^[a-z][a-z0-9._-]{{1,39}}$'),
                name text not null constraint account_name_short check (length(name) between 1 and 100),
                state text not null default 'invited' constraint account_state_known
                    check (state in ('invited', 'active', 'disabled')),
                password_hash text,
                issued_by uuid constraint account_issuer_fk references platform.person (id),
                created_at timestamptz not null default now(),
                changed_at timestamptz not null default now(),
                constraint account_operators_have_no_organisation check ((kind = 'operator') = (organisation is null)),
                constraint account_active_has_password check (state <> 'active' or password_hash is not null),
                constraint account_login_key unique nulls not distinct (kind, organisation, login)
            )
            """
        )
    )
    run(
        SQL(
            """
            create table platform.account_role (
                account uuid not null constraint account_role_account_fk references platform.account (id),
                role text not null,
                constraint account_role_pk primary key (account, role)
            )
            """
        )
    )
    run(
        SQL(
            """
            create table platform.account_event (
                id uuid constraint account_event_pk primary key default uuidv7(),
                account uuid not null constraint account_event_account_fk references platform.account (id),
                at timestamptz not null,
                event text not null,
                state text not null,
                actor text not null
            )
            """
        )
    )
    run(SQL("create index account_event_of_account on platform.account_event (account, at)"))


def _ways_in() -> None:
    run(
        SQL(
            """
            create table platform.account_totp (
                account uuid not null constraint account_totp_pk primary key
                    constraint account_totp_account_fk references platform.account (id),
                sealed bytea not null,
                last_counter bigint not null default 0,
                enrolled_at timestamptz not null
            )
            """
        )
    )
    run(
        SQL(
            """
            create table platform.account_token (
                id uuid constraint account_token_pk primary key default uuidv7(),
                account uuid not null constraint account_token_account_fk references platform.account (id),
                hash bytea not null constraint account_token_hash_key unique
                    constraint account_token_hash_sha256 check (octet_length(hash) = 32),
                issued_by uuid constraint account_token_issuer_fk references platform.person (id),
                issued_at timestamptz not null,
                expires_at timestamptz not null,
                ended_at timestamptz,
                constraint account_token_lasts check (expires_at > issued_at)
            )
            """
        )
    )
    run(
        SQL(
            """
            create unique index account_token_one_open on platform.account_token (account) where ended_at is null
            """
        )
    )


def _sessions() -> None:
    run(
        SQL(
            """
            create table platform.account_session (
                id uuid constraint account_session_pk primary key default uuidv7(),
                account uuid not null constraint account_session_account_fk references platform.account (id),
                kind text not null constraint account_session_kind_known check (kind in ('console', 'command_line')),
                hash bytea not null constraint account_session_hash_key unique
                    constraint account_session_hash_sha256 check (octet_length(hash) = 32),
                address text not null,
                started_at timestamptz not null,
                last_seen_at timestamptz not null,
                expires_at timestamptz not null,
                ended_at timestamptz,
                ended_by text constraint account_session_end_known check (
                    ended_by in ('logout', 'renewed', 'revoked', 'credentials', 'roles', 'disabled')
                ),
                constraint account_session_end_has_reason check ((ended_at is null) = (ended_by is null)),
                constraint account_session_lasts check (expires_at > started_at)
            )
            """
        )
    )
    run(SQL("create index account_session_open on platform.account_session (account) where ended_at is null"))


def _delays() -> None:
    """Make the counters of failed log-ins. Their subjects are hashes: a typed name may be a password."""
    run(
        SQL(
            """
            create table platform.login_delay (
                kind text not null constraint login_delay_kind_known check (kind in ('account', 'device', 'address')),
                subject bytea not null constraint login_delay_subject_sha256 check (octet_length(subject) = 32),
                failures integer not null constraint login_delay_failures_counted check (failures >= 0),
                last_at timestamptz not null,
                constraint login_delay_pk primary key (kind, subject)
            )
            """
        )
    )


def _four_eyes() -> None:
    """Make the requests. That one person is not both sides is the table's own rule."""
    run(
        SQL(
            """
            create table platform.four_eyes_request (
                id uuid constraint four_eyes_request_pk primary key default uuidv7(),
                kind text not null,
                payload text not null constraint four_eyes_request_payload_json check (payload is json object)
                    constraint four_eyes_request_payload_small check (octet_length(payload) <= 16384),
                state text not null default 'requested' constraint four_eyes_request_state_known
                    check (state in ('requested', 'approved', 'rejected', 'expired', 'done')),
                requested_by uuid not null constraint four_eyes_request_requester_fk references platform.account (id),
                requester uuid not null constraint four_eyes_request_person_fk references platform.person (id),
                requested_at timestamptz not null,
                expires_at timestamptz not null,
                decided_by uuid constraint four_eyes_request_decider_fk references platform.account (id),
                decider uuid constraint four_eyes_request_second_fk references platform.person (id),
                decided_at timestamptz,
                ended_at timestamptz,
                constraint four_eyes_request_lasts check (expires_at > requested_at),
                constraint four_eyes_request_decided_whole check (
                    (decided_by is null) = (decider is null) and (decider is null) = (decided_at is null)
                ),
                constraint four_eyes_request_two_people check (
                    state not in ('approved', 'done') or (decider is not null and decider <> requester)
                )
            )
            """
        )
    )
    run(
        SQL(
            """
            create index four_eyes_request_open on platform.four_eyes_request (expires_at)
                where state in ('requested', 'approved')
            """
        )
    )
    run(
        SQL(
            """
            create table platform.four_eyes_event (
                id uuid constraint four_eyes_event_pk primary key default uuidv7(),
                request uuid not null constraint four_eyes_event_request_fk references platform.four_eyes_request (id),
                at timestamptz not null,
                state text not null,
                actor text not null
            )
            """
        )
    )
    run(SQL("create index four_eyes_event_of_request on platform.four_eyes_event (request, at)"))


def _grants() -> None:
    """Let the console do what its pages and the commands do; nobody else touches these tables.

    Events only grow. What identifies an account, a token, a session or a request never changes.
    """
    run(SQL("grant select, insert on platform.person, platform.account_event, platform.four_eyes_event to {console}"))
    # A row lock needs the right to update; there is nothing in this table that could be changed.
    run(SQL("grant select, update on platform.account_scope to {console}"))
    run(SQL("grant select, insert, delete on platform.account_role to {console}"))
    run(SQL("grant select, insert, update, delete on platform.account_totp, platform.login_delay to {console}"))
    run(
        SQL(
            "grant select, insert on platform.account, platform.account_token, platform.account_session,"
            " platform.four_eyes_request to {console}"
        )
    )
    run(SQL("grant update (name, state, password_hash, issued_by, changed_at) on platform.account to {console}"))
    run(SQL("grant update (ended_at) on platform.account_token to {console}"))
    run(SQL("grant update (last_seen_at, ended_at, ended_by) on platform.account_session to {console}"))
    run(
        SQL(
            "grant update (state, decided_by, decider, decided_at, ended_at) on platform.four_eyes_request to {console}"
        )
    )
    run(SQL("grant select on platform.four_eyes_request to {worker}, {scheduler}, {provisioner}"))


def _platform_keys() -> None:
    """Let the console open what is sealed under the platform's own key, and see no tenant's key."""
    run(
        SQL(
            """
            create function platform_api.platform_content_keys()
            returns table (version integer, state text, wrapping_key text, wrapped bytea, binding bytea)
            language sql stable security definer set search_path = pg_catalog, pg_temp
            as $$
                select k.version, k.state, k.wrapping_key, k.wrapped, k.binding
                from platform.data_key k
                where k.owner = '00000000-0000-0000-0000-000000000000' and k.purpose = 'content'
                order by k.version
            $$
            """
        )
    )
    run(SQL("grant execute on function platform_api.platform_content_keys() to {console}"))


def _session_holder() -> None:
    """Tell who holds a session: whoever asks must already have its token, of which this is the hash."""
    run(
        SQL(
            """
            create function platform_api.session_holder(token bytea)
            returns table (
                session uuid, kind text, started_at timestamptz, last_seen_at timestamptz, expires_at timestamptz,
                account uuid, person uuid, login text, roles text[]
            )
            language sql stable security definer set search_path = pg_catalog, pg_temp
            as $$
                select s.id, s.kind, s.started_at, s.last_seen_at, s.expires_at, a.id, a.person, a.login,
                    array(select r.role from platform.account_role r where r.account = a.id order by r.role)
                from platform.account_session s join platform.account a on a.id = s.account
                where s.hash = session_holder.token and s.ended_at is null and a.state = 'active'
            $$
            """
        )
    )
    run(
        SQL(
            "grant execute on function platform_api.session_holder(bytea) to "
            "{console}, {worker}, {scheduler}, {provisioner}, {auditor}"
        )
    )
    run(
        SQL(
            """
            create function platform_api.active_administrators() returns bigint
            language sql stable security definer set search_path = pg_catalog, pg_temp
            as $$
                select count(distinct a.person) from platform.account a join platform.account_role r on r.account = a.id
                where a.kind = 'operator' and a.state = 'active' and r.role = 'administrator'
            $$
            """
        )
    )
    run(SQL("grant execute on function platform_api.active_administrators() to {console}, {poller}"))


def _finish_four_eyes() -> None:
    """Make the one way to use an approval: once, in the transaction of the act, by the database's clock."""
    run(
        SQL(
            """
            create function platform_api.finish_four_eyes_request(request uuid, kind text) returns text
            language plpgsql security definer set search_path = pg_catalog, pg_temp
            as $$
            declare
                found_payload text;
            begin
                update platform.four_eyes_request r set state = 'done', ended_at = clock_timestamp()
                where r.id = finish_four_eyes_request.request and r.kind = finish_four_eyes_request.kind
                    and r.state = 'approved' and r.expires_at > clock_timestamp()
                returning r.payload into found_payload;
                if found_payload is not null then
                    insert into platform.four_eyes_event (request, at, state, actor)
                    values (finish_four_eyes_request.request, clock_timestamp(), 'done', 'login:' || session_user);
                end if;
                return found_payload;
            end
            $$
            """
        )
    )
    run(
        SQL(
            "grant execute on function platform_api.finish_four_eyes_request(uuid, text) to "
            "{console}, {worker}, {scheduler}, {provisioner}"
        )
    )


def _housekeeping() -> None:
    """Make what the worker calls: it ends what is over and forgets what nobody needs any more."""
    run(
        SQL(
            """
            create function platform_api.expire_four_eyes_requests() returns table (request uuid, kind text)
            language sql security definer set search_path = pg_catalog, pg_temp
            as $$
                with expired as (
                    update platform.four_eyes_request r set state = 'expired', ended_at = clock_timestamp()
                    where r.state in ('requested', 'approved') and r.expires_at <= clock_timestamp()
                    returning r.id, r.kind
                ), told as (
                    insert into platform.four_eyes_event (request, at, state, actor)
                    select e.id, clock_timestamp(), 'expired', 'login:' || session_user from expired e
                )
                select e.id, e.kind from expired e
            $$
            """
        )
    )
    run(
        SQL(
            """
            create function platform_api.tidy_accounts(forget_delays interval, keep_ended interval)
            returns table (delays bigint, sessions bigint, tokens bigint)
            language sql security definer set search_path = pg_catalog, pg_temp
            as $$
                with d as (
                    delete from platform.login_delay l
                    where l.last_at <= clock_timestamp() - greatest(forget_delays, interval '1 hour') returning 1
                ), s as (
                    delete from platform.account_session s
                    where coalesce(s.ended_at, s.expires_at)
                        <= clock_timestamp() - greatest(keep_ended, interval '1 day') returning 1
                ), t as (
                    delete from platform.account_token t
                    where coalesce(t.ended_at, t.expires_at)
                        <= clock_timestamp() - greatest(keep_ended, interval '1 day') returning 1
                )
                select (select count(*) from d), (select count(*) from s), (select count(*) from t)
            $$
            """
        )
    )
    run(
        SQL(
            "grant execute on function platform_api.expire_four_eyes_requests(),"
            " platform_api.tidy_accounts(interval, interval) to {worker}"
        )
    )
