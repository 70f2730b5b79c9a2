"""Outgoing mail: the outbox, what happened to each mail, and the recipients that cannot be reached."""

from __future__ import annotations

from psycopg.sql import SQL

from chukan.platform.database.migrations.support import run

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away."""
    _outbox()
    _events()
    _first_event()
    _undeliverable()
    _grants()


def _outbox() -> None:
    """Make the outbox. ``due_at`` is when to send a mail, or, while one is being sent, when its lease ends.

    ``claims`` is the fencing number of a lease: what a relay records counts while its claim is the last one.
    """
    run(
        SQL(
            """
            create table platform.mail_outbox (
                id uuid constraint mail_outbox_pk primary key default uuidv7(),
                message_id text not null constraint mail_outbox_message_id_key unique
                    constraint mail_outbox_message_id_form check (message_id ~ '^<[0-9a-f]{{32}}@[^\\s<>@]+>$'),
                template text not null,
                recipient text not null
                    constraint mail_outbox_recipient_one check (recipient ~ '^[!-~]+@[a-z0-9.-]+$'),
                content bytea not null
                    constraint mail_outbox_content_small check (octet_length(content) between 1 and 262144),
                state text not null default 'queued' constraint mail_outbox_state_known
                    check (state in ('queued', 'sending', 'sent', 'bounced', 'dead')),
                attempts integer not null default 0 constraint mail_outbox_attempts_from_zero check (attempts >= 0),
                claims integer not null default 0 constraint mail_outbox_claims_from_zero check (claims >= 0),
                due_at timestamptz not null default now(),
                queued_at timestamptz not null default now(),
                changed_at timestamptz not null default now()
            ) with (fillfactor = 80)
            """
        )
    )
    run(SQL("create index mail_outbox_due on platform.mail_outbox (due_at, id) where state in ('queued', 'sending')"))
    # What the checks and the metrics count; mails that were sent are many, and of no interest to them.
    run(SQL("create index mail_outbox_open on platform.mail_outbox (state, queued_at) where state <> 'sent'"))


def _events() -> None:
    run(
        SQL(
            """
            create table platform.mail_event (
                mail uuid not null constraint mail_event_mail_fk references platform.mail_outbox (id),
                id uuid not null default uuidv7(),
                at timestamptz not null default clock_timestamp(),
                event text not null constraint mail_event_event_known check (event in (
                    'queued', 'claimed', 'reclaimed', 'released', 'sent', 'deferred', 'bounced', 'buried',
                    'retried', 'delayed'
                )),
                state text not null constraint mail_event_state_known
                    check (state in ('queued', 'sending', 'sent', 'bounced', 'dead')),
                code integer,
                status text,
                words text,
                constraint mail_event_pk primary key (mail, id)
            )
            """
        )
    )


def _first_event() -> None:
    """Note each new mail by itself: who may queue mails needs no right on their history."""
    run(
        SQL(
            """
            create function platform.note_queued_mail() returns trigger
            language plpgsql security definer set search_path = pg_catalog, pg_temp
            as $$
            begin
                insert into platform.mail_event (mail, event, state) select m.id, 'queued', m.state from made m;
                return null;
            end
            $$
            """
        )
    )
    run(
        SQL(
            """
            create trigger mail_outbox_note_queued after insert on platform.mail_outbox
            referencing new table as made
            for each statement execute function platform.note_queued_mail()
            """
        )
    )


def _undeliverable() -> None:
    run(
        SQL(
            """
            create table platform.mail_undeliverable (
                recipient text constraint mail_undeliverable_pk primary key,
                mail uuid not null constraint mail_undeliverable_mail_fk references platform.mail_outbox (id),
                status text not null,
                since timestamptz not null default now(),
                lifted_at timestamptz
            )
            """
        )
    )


def _grants() -> None:
    # A mail is queued in the transaction of the act that owes it, by whoever acts; it begins as every mail begins.
    run(
        SQL(
            "grant insert (message_id, template, recipient, content) on platform.mail_outbox to "
            "{console}, {support_site}, {worker}, {scheduler}, {provisioner}"
        )
    )
    run(SQL("grant select on platform.mail_outbox to {worker}"))
    run(
        SQL("grant update (state, attempts, claims, due_at, queued_at, changed_at) on platform.mail_outbox to {worker}")
    )
    run(SQL("grant select, insert on platform.mail_event to {worker}"))
    run(SQL("grant select, insert, update on platform.mail_undeliverable to {worker}"))
    # The console shows where each mail stands, not what is in it.
    run(
        SQL(
            "grant select (id, message_id, template, recipient, state, attempts, due_at, queued_at, changed_at) "
            "on platform.mail_outbox to {console}"
        )
    )
    run(SQL("grant select on platform.mail_event to {console}"))
    # Who keeps an organisation's contacts is told which of them cannot be reached.
    run(SQL("grant select on platform.mail_undeliverable to {console}, {support_site}, {scheduler}, {provisioner}"))
    # The checks and the metrics: numbers, no addresses.
    run(SQL("grant select (state, attempts, queued_at) on platform.mail_outbox to {poller}"))
