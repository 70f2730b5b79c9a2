"""What lists of all organisations have under way: one ceiling holds for all of them together."""

from __future__ import annotations

from psycopg.sql import SQL

from chukan.platform.database.migrations.support import run

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away."""
    _inquiries()
    _pacer()
    _left()
    _ended()


def _inquiries() -> None:
    """Which inquiries of lists left within the last seconds, and when each had its answer: no person, no content."""
    run(
        SQL(
            """
            create table platform.list_inquiry (
                inquiry uuid constraint list_inquiry_pk primary key,
                tenant uuid not null constraint list_inquiry_tenant_fk references platform.tenant on delete cascade,
                left_at timestamptz not null default clock_timestamp(),
                ended_at timestamptz
            )
            """
        )
    )
    run(SQL("create index list_inquiry_of_tenant on platform.list_inquiry (tenant)"))
    run(SQL("grant select on platform.list_inquiry to {worker}, {poller}"))
    # Rows are locked before they are taken away, which asks for the right to change something.
    run(SQL("grant delete, update (ended_at) on platform.list_inquiry to {worker}"))


def _pacer() -> None:
    """Whoever lets lists leave holds this row meanwhile: two must not take the same room."""
    run(
        SQL(
            """
            create table platform.list_pacer (
                one boolean constraint list_pacer_pk primary key default true
                    constraint list_pacer_one check (one)
            )
            """
        )
    )
    run(SQL("insert into platform.list_pacer default values"))
    # To lock it asks for the right to change it.
    run(SQL("grant select, update on platform.list_pacer to {worker}"))


def _left() -> None:
    """Whose inquiries they are, the log-in says (decisions 16 and 17)."""
    run(
        SQL(
            """
            create function platform_api.lists_left(inquiries uuid[]) returns void
            language plpgsql security definer set search_path = pg_catalog, pg_temp
            as $$
            declare
                own uuid := (select t.id from platform.tenant t where t.role = session_user);
            begin
                if own is null then
                    raise insufficient_privilege using message = 'this log-in is no tenant''s';
                end if;
                insert into platform.list_inquiry (inquiry, tenant)
                select each, own from unnest(inquiries) as each on conflict do nothing;
            end
            $$
            """
        )
    )
    run(SQL("grant execute on function platform_api.lists_left(uuid[]) to {tenant_common}"))


def _ended() -> None:
    """The first answer counts; whose inquiry it is not ends nothing."""
    run(
        SQL(
            """
            create function platform_api.list_ended(ended uuid) returns void
            language sql security definer set search_path = pg_catalog, pg_temp
            as $$
                update platform.list_inquiry l set ended_at = clock_timestamp()
                from platform.tenant t
                where l.inquiry = ended and l.ended_at is null and t.id = l.tenant and t.role = session_user
            $$
            """
        )
    )
    run(SQL("grant execute on function platform_api.list_ended(uuid) to {tenant_common}"))
