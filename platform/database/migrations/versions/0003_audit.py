"""The audit trail: chains and seals that grow through functions alone (decisions 16 and 18)."""

from __future__ import annotations

from psycopg.sql import SQL

from chukan.platform.database.migrations.support import run

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away."""
    _chains()
    _append()
    _seals()
    _sealing()
    _freshness()


def _chains() -> None:
    run(
        SQL(
            """
            create table platform.audit_chain (
                chain uuid constraint audit_chain_pk primary key,
                seq bigint not null constraint audit_chain_seq_from_zero check (seq >= 0),
                head bytea not null constraint audit_chain_head_sha256 check (octet_length(head) = 32)
            ) with (fillfactor = 50)
            """
        )
    )
    run(
        SQL(
            """
            create table platform.audit_entry (
                chain uuid not null,
                seq bigint not null,
                recorded_at timestamptz not null,
                login text not null,
                body text not null constraint audit_entry_body_json check (body is json object)
                    constraint audit_entry_body_small check (octet_length(body) <= 65536),
                prev bytea not null,
                hash bytea not null,
                constraint audit_entry_pk primary key (chain, seq)
            )
            """
        )
    )
    run(SQL("grant select on platform.audit_chain, platform.audit_entry to {auditor}"))


def _append() -> None:
    """Make the only ways to write: what is hashed is the text that is stored, byte for byte.

    The time is read after the chain's row is locked, so that along a chain it only goes back when the
    server's clock does. audit/rules.py hashes the same bytes.
    """
    run(
        SQL(
            """
            create function platform.append_audit_entry(target uuid, body text) returns bigint
            language plpgsql set search_path = pg_catalog, pg_temp
            as $$
            declare
                tail platform.audit_chain;
                moment timestamptz;
                login text := session_user;
                hash bytea;
            begin
                select * into tail from platform.audit_chain c where c.chain = target for update;
                if not found then
                    insert into platform.audit_chain values (target, 0, decode(repeat('00', 32), 'hex'))
                        on conflict do nothing;
                    select * into tail from platform.audit_chain c where c.chain = target for update;
                end if;
                tail.seq := tail.seq + 1;
                moment := clock_timestamp();
                hash := sha256(
                    '\\x00'::bytea || tail.head
                    || convert_to(
                        concat_ws(
                            E'\\n', 'chukan-audit-1', target::text, tail.seq::text,
                            to_char(moment at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                            octet_length(login)::text, login, body
                        ),
                        'UTF8'
                    )
                );
                insert into platform.audit_entry values (target, tail.seq, moment, login, body, tail.head, hash);
                update platform.audit_chain c set seq = tail.seq, head = hash where c.chain = target;
                return tail.seq;
            end
            $$
            """
        )
    )
    run(
        SQL(
            """
            create function platform_api.append_audit(body text) returns bigint
            language plpgsql security definer set search_path = pg_catalog, pg_temp
            as $$
            declare
                own uuid := (select t.id from platform.tenant t where t.role = session_user);
            begin
                if own is null then
                    raise insufficient_privilege using message = 'this log-in is no tenant''s';
                end if;
                return platform.append_audit_entry(own, body);
            end
            $$
            """
        )
    )
    run(
        SQL(
            """
            create function platform_api.append_platform_audit(body text) returns bigint
            language sql security definer set search_path = pg_catalog, pg_temp
            as $$ select platform.append_audit_entry('00000000-0000-0000-0000-000000000000', body) $$
            """
        )
    )
    run(SQL("grant execute on function platform_api.append_audit(text) to {tenant_common}"))
    run(
        SQL(
            "grant execute on function platform_api.append_platform_audit(text) to "
            "{console}, {support_site}, {gateway}, {worker}, {scheduler}, {poller}, {provisioner}"
        )
    )


def _seals() -> None:
    run(
        SQL(
            """
            create table platform.audit_seal (
                number bigint constraint audit_seal_pk primary key
                    constraint audit_seal_number_from_one check (number >= 1),
                checkpoint text not null,
                anchored_at timestamptz
            )
            """
        )
    )
    run(
        SQL(
            """
            create table platform.audit_seal_leaf (
                seal bigint not null constraint audit_seal_leaf_seal references platform.audit_seal,
                chain uuid not null,
                seq bigint not null,
                head bytea not null,
                constraint audit_seal_leaf_pk primary key (seal, chain)
            )
            """
        )
    )
    run(SQL("create index audit_seal_leaf_newest on platform.audit_seal_leaf (chain, seal)"))
    run(
        SQL(
            """
            create table platform.audit_sealer (
                one boolean default true constraint audit_sealer_pk primary key
                    constraint audit_sealer_one check (one)
            )
            """
        )
    )
    run(SQL("insert into platform.audit_sealer values (true)"))
    run(SQL("grant select on platform.audit_seal, platform.audit_seal_leaf to {auditor}, {scheduler}"))


def _sealing() -> None:
    """Make what the sealer calls. Its right is one row lock: PostgreSQL ends it with its session."""
    run(
        SQL(
            """
            create function platform_api.lock_audit_sealer() returns void
            language sql security definer set search_path = pg_catalog, pg_temp
            as $$ select one from platform.audit_sealer for update nowait $$
            """
        )
    )
    run(
        SQL(
            """
            create function platform_api.audit_moved_chains()
            returns table (chain uuid, seq bigint, head bytea, continuous boolean)
            language sql security definer set search_path = pg_catalog, pg_temp
            as $$
                select c.chain, c.seq, c.head,
                    c.seq >= coalesce(l.seq, 0)
                    and exists (select from platform.audit_entry e
                        where e.chain = c.chain and e.seq = c.seq and e.hash = c.head)
                    and (l.seq is null or exists (select from platform.audit_entry e
                        where e.chain = c.chain and e.seq = l.seq and e.hash = l.head))
                from platform.audit_chain c
                left join lateral (
                    select s.seq, s.head from platform.audit_seal_leaf s
                    where s.chain = c.chain order by s.seal desc limit 1
                ) l on true
                where c.seq > 0 and (c.seq, c.head) is distinct from (l.seq, l.head)
                order by c.chain
            $$
            """
        )
    )
    run(
        SQL(
            """
            create function platform_api.append_audit_seal(
                number bigint, checkpoint text, chains uuid[], seqs bigint[], heads bytea[]
            ) returns void
            language plpgsql security definer set search_path = pg_catalog, pg_temp
            as $$
            begin
                if number <> 1 + coalesce((select max(s.number) from platform.audit_seal s), 0) then
                    raise unique_violation using message = 'the seal does not follow the last one';
                end if;
                insert into platform.audit_seal values (number, checkpoint);
                insert into platform.audit_seal_leaf
                    select append_audit_seal.number, leaf.* from unnest(chains, seqs, heads) leaf;
            end
            $$
            """
        )
    )
    run(
        SQL(
            """
            create function platform_api.anchor_audit_seal(number bigint) returns void
            language sql security definer set search_path = pg_catalog, pg_temp
            as $$
                update platform.audit_seal s set anchored_at = clock_timestamp()
                where s.number = anchor_audit_seal.number and s.anchored_at is null
            $$
            """
        )
    )
    run(
        SQL(
            """
            grant execute on function
                platform_api.lock_audit_sealer(), platform_api.audit_moved_chains(),
                platform_api.append_audit_seal(bigint, text, uuid[], bigint[], bytea[]),
                platform_api.anchor_audit_seal(bigint)
            to {scheduler}
            """
        )
    )


def _freshness() -> None:
    """Tell how old the oldest entry is that no anchored seal covers, by the database's clock."""
    run(
        SQL(
            """
            create function platform_api.audit_unsealed_since(out oldest timestamptz, out measured_at timestamptz)
            language sql security definer set search_path = pg_catalog, pg_temp
            as $$
                select min(e.recorded_at), clock_timestamp()
                from platform.audit_chain c
                cross join lateral (
                    select coalesce(max(s.seq), 0) as sealed from (
                        select l.seq from platform.audit_seal_leaf l
                        where l.chain = c.chain and l.seal <= (
                            select a.number from platform.audit_seal a
                            where a.anchored_at is not null order by a.number desc limit 1
                        )
                        order by l.seal desc limit 1
                    ) s
                ) l
                join platform.audit_entry e on e.chain = c.chain and e.seq = l.sealed + 1
                where c.seq > l.sealed
            $$
            """
        )
    )
    run(
        SQL(
            "grant execute on function platform_api.audit_unsealed_since() to "
            "{console}, {support_site}, {gateway}, {worker}, {scheduler}, {poller}, {auditor}"
        )
    )
