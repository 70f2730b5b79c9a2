"""Master packages and where each organisation stands."""

from __future__ import annotations

from psycopg.sql import SQL

from chukan.platform.database.migrations.support import run

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away."""
    _packages()
    _standings()
    _certificates()


def _packages() -> None:
    """A package is kept as it was signed: it is verified again whenever it is read."""
    run(
        SQL(
            """
            create table platform.master_package (
                sequence int constraint master_package_pk primary key
                    constraint master_package_sequence_positive check (sequence >= 1),
                version text not null,
                publication text not null
                    constraint master_package_publication_known check (publication in ('common', 'original_use')),
                kind text not null constraint master_package_kind_known check (kind in ('annual', 'periodic')),
                linkage_start date not null,
                published_at timestamptz not null,
                origin text not null constraint master_package_origin_known check (origin in ('network', 'operator')),
                digest bytea not null constraint master_package_digest_sha256 check (octet_length(digest) = 32),
                content bytea not null,
                received_at timestamptz not null default clock_timestamp()
            )
            """
        )
    )
    # What came and was not taken: only that, never its content.
    run(
        SQL(
            """
            create table platform.master_refusal (
                id uuid constraint master_refusal_pk primary key default uuidv7(),
                sequence int,
                digest bytea not null constraint master_refusal_digest_sha256 check (octet_length(digest) = 32),
                error text not null,
                at timestamptz not null default clock_timestamp(),
                constraint master_refusal_digest_key unique (digest, error)
            )
            """
        )
    )
    run(SQL("grant select on platform.master_package to {console}, {gateway}, {worker}, {poller}"))
    run(SQL("grant select on platform.master_refusal to {console}, {worker}, {poller}"))
    run(SQL("grant insert on platform.master_package, platform.master_refusal to {worker}"))


def _standings() -> None:
    run(
        SQL(
            """
            create table platform.master_standing (
                tenant uuid constraint master_standing_pk primary key
                    constraint master_standing_tenant_fk references platform.tenant on delete cascade,
                sequence int not null
                    constraint master_standing_sequence_fk references platform.master_package,
                applied_at timestamptz not null default clock_timestamp()
            )
            """
        )
    )
    run(
        SQL(
            """
            create table platform.master_application (
                tenant uuid not null,
                sequence int not null,
                applied_at timestamptz not null default clock_timestamp(),
                actor text not null,
                constraint master_application_pk primary key (tenant, sequence)
            )
            """
        )
    )
    run(SQL("grant select on platform.master_standing to {console}, {gateway}, {worker}, {poller}"))
    run(SQL("grant select on platform.master_application to {console}, {worker}"))
    run(SQL("grant insert on platform.master_standing, platform.master_application to {worker}"))
    run(SQL("grant update (sequence, applied_at) on platform.master_standing to {worker}"))


def _certificates() -> None:
    """What the console and the checks may know of the organisations' certificates; whose, the log-in says."""
    run(
        SQL(
            """
            create table platform.certificate_projection (
                tenant uuid not null
                    constraint certificate_projection_tenant_fk references platform.tenant on delete cascade,
                kid text not null constraint certificate_projection_kid_form check (kid ~ '^[0-9a-f]{{32}}$'),
                use text not null constraint certificate_projection_use_known check (use in ('sign', 'enc')),
                state text not null constraint certificate_projection_state_known
                    check (state in ('pending', 'active', 'retiring', 'retired', 'revoked')),
                not_before timestamptz not null,
                not_after timestamptz not null,
                changed_at timestamptz not null default clock_timestamp(),
                constraint certificate_projection_pk primary key (tenant, kid)
            )
            """
        )
    )
    run(
        SQL(
            """
            create index certificate_projection_living on platform.certificate_projection (not_after)
                where state in ('pending', 'active', 'retiring')
            """
        )
    )
    run(
        SQL(
            """
            create function platform_api.project_certificate(
                kid text, use text, state text, not_before timestamptz, not_after timestamptz
            ) returns void
            language plpgsql security definer set search_path = pg_catalog, pg_temp
            as $$
            declare
                own uuid := (select t.id from platform.tenant t where t.role = session_user);
            begin
                if own is null then
                    raise insufficient_privilege using message = 'this log-in is no tenant''s';
                end if;
                insert into platform.certificate_projection as p (tenant, kid, use, state, not_before, not_after)
                values (own, kid, use, state, not_before, not_after)
                on conflict on constraint certificate_projection_pk
                    do update set state = excluded.state, changed_at = clock_timestamp();
            end
            $$
            """
        )
    )
    run(
        SQL(
            "grant execute on function platform_api.project_certificate"
            "(text, text, text, timestamptz, timestamptz) to {tenant_common}"
        )
    )
    run(SQL("grant select on platform.certificate_projection to {console}, {worker}, {poller}"))
