"""Queries of the outbox; nothing here commits. Every instant is the database's (decision 23)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, func, insert, select, text, true, update
from sqlalchemy.dialects.postgresql import insert as upsert

from chukan.platform.mail.rules import TRANSITIONS, Answer, MailEvent, MailState, Move, states_before
from chukan.platform.mail.tables import MailEventRow, MailRow, UndeliverableRow

_LIVE = (MailState.QUEUED, MailState.SENDING)

# A few rows at a time, each locked by nobody else: relays share the outbox without waiting for one another.
_CLAIM = text(
    """
    with due as (
        select m.id from platform.mail_outbox m
        where m.state in ('queued', 'sending') and m.due_at <= clock_timestamp()
        order by m.due_at, m.id limit :limit for update skip locked
    ), claimed as (
        update platform.mail_outbox m
        set state = 'sending', claims = m.claims + 1, changed_at = clock_timestamp(),
            due_at = clock_timestamp() + make_interval(secs => :lease)
        from due where m.id = due.id
        returning m.id, m.recipient, m.content, m.attempts, m.claims, old.state as before
    ), noted as (
        insert into platform.mail_event (mail, event, state)
        select c.id, case c.before when 'queued' then 'claimed' else 'reclaimed' end, 'sending' from claimed c
    )
    select id, recipient, content, attempts, claims from claimed order by id
    """
)
# A mail that another relay has claimed since is not touched: its lease had ended.
_RECORD = text(
    """
    with done as (
        select * from unnest(
            cast(:ids as uuid[]), cast(:claims as int[]), cast(:events as text[]), cast(:states as text[]),
            cast(:attempts as int[]), cast(:waits as float8[]),
            cast(:codes as int[]), cast(:statuses as text[]), cast(:words as text[])
        ) as d (id, claims, event, state, attempts, wait, code, status, words)
    ), moved as (
        update platform.mail_outbox m
        set state = d.state, attempts = d.attempts, changed_at = clock_timestamp(),
            due_at = clock_timestamp() + make_interval(secs => d.wait)
        from done d
        where m.id = d.id and m.state = 'sending' and m.claims = d.claims
        returning m.id
    ), noted as (
        insert into platform.mail_event (mail, event, state, code, status, words)
        select d.id, d.event, d.state, d.code, d.status, d.words from done d join moved using (id)
    )
    select id from moved
    """
)
_QUEUE = text(
    """
    insert into platform.mail_outbox (message_id, template, recipient, content)
    select * from unnest(
        cast(:message_ids as text[]), cast(:templates as text[]), cast(:recipients as text[]),
        cast(:contents as bytea[])
    )
    """
)


@dataclass(frozen=True, slots=True)
class NewMail:
    """A mail that is to be queued."""

    message_id: str
    template: str
    recipient: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Claimed:
    """A mail that a relay may send until its lease ends; ``claims`` is the fencing number."""

    id: UUID
    recipient: str
    content: bytes
    attempts: int
    claims: int


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a claimed mail, and what the server said (None: it was not asked)."""

    mail: Claimed
    move: Move
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a mail stands, with the last thing that was said of it."""

    id: UUID
    message_id: str
    template: str
    recipient: str
    state: MailState
    attempts: int
    queued_at: datetime
    due_at: datetime
    event: MailEvent
    code: int | None
    status: str | None
    words: str | None


@dataclass(frozen=True, slots=True)
class Happened:
    """One thing that happened to a mail: when (UTC), the state after it, and what a server said."""

    at: datetime
    event: MailEvent
    state: MailState
    code: int | None
    words: str | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many mails wait, are dead or bounced; since when the oldest waits, tried or not; and when that was asked."""

    counts: Mapping[MailState, int]
    oldest_untried: datetime | None
    oldest_tried: datetime | None
    measured_at: datetime


@dataclass(frozen=True, slots=True)
class Undeliverable:
    """Since when, and with what status, mail to a recipient comes back."""

    recipient: str
    status: str
    since: datetime


def queue(connection: Connection, mails: Sequence[NewMail]) -> None:
    """Put *mails* into the outbox, in one statement."""
    values = {
        "message_ids": [mail.message_id for mail in mails],
        "templates": [mail.template for mail in mails],
        "recipients": [mail.recipient for mail in mails],
        "contents": [mail.content for mail in mails],
    }
    if mails:
        connection.execute(_QUEUE, values)


def any_due(connection: Connection) -> bool:
    """Return whether a mail is due, or its lease has ended."""
    due = select(MailRow.id).where(MailRow.state.in_(_LIVE), MailRow.due_at <= func.clock_timestamp()).limit(1)
    return connection.execute(due).first() is not None


def claim(connection: Connection, *, limit: int, lease: timedelta) -> list[Claimed]:
    """Take up to *limit* mails that are due, those of relays that are gone among them."""
    rows = connection.execute(_CLAIM, {"limit": limit, "lease": lease.total_seconds()})
    return [Claimed(row.id, row.recipient, bytes(row.content), row.attempts, row.claims) for row in rows]


def record(connection: Connection, done: Sequence[Done]) -> set[UUID]:
    """Move the mails of *done* and note why; return those that were still ours."""
    values = {
        "ids": [each.mail.id for each in done],
        "claims": [each.mail.claims for each in done],
        "events": [each.move.event.value for each in done],
        "states": [each.move.state.value for each in done],
        "attempts": [each.move.attempts for each in done],
        "waits": [each.move.wait.total_seconds() for each in done],
        "codes": [each.answer.code if each.answer else None for each in done],
        "statuses": [each.answer.status if each.answer else None for each in done],
        "words": [each.answer.words if each.answer else None for each in done],
    }
    return {row.id for row in connection.execute(_RECORD, values)} if done else set()


def mark_undeliverable(connection: Connection, recipient: str, mail: UUID, status: str) -> None:
    """Note that mail to *recipient* comes back; a mark that stands keeps its beginning."""
    marked = upsert(UndeliverableRow).values(recipient=recipient, mail=mail, status=status)
    connection.execute(
        marked.on_conflict_do_update(
            index_elements=[UndeliverableRow.recipient],
            set_={"mail": mail, "status": status, "since": func.now(), "lifted_at": None},
            where=UndeliverableRow.lifted_at.is_not(None),
        )
    )


def lift_mark(connection: Connection, recipient: str) -> bool:
    """Take the mark from *recipient*; return whether there was one."""
    standing = (UndeliverableRow.recipient == recipient) & UndeliverableRow.lifted_at.is_(None)
    lifted = connection.execute(update(UndeliverableRow).where(standing).values(lifted_at=func.now()))
    return lifted.rowcount == 1


def undeliverable(connection: Connection, recipients: Collection[str] | None = None) -> list[Undeliverable]:
    """Return the marks that stand, on *recipients* or on all, oldest first."""
    chosen: ColumnElement[bool] = true() if recipients is None else UndeliverableRow.recipient.in_(recipients)
    query = (
        select(UndeliverableRow.recipient, UndeliverableRow.status, UndeliverableRow.since)
        .where(chosen, UndeliverableRow.lifted_at.is_(None))
        .order_by(UndeliverableRow.since, UndeliverableRow.recipient)
    )
    return [Undeliverable(row.recipient, row.status, row.since) for row in connection.execute(query)]


def change_state(connection: Connection, mail: UUID, event: MailEvent, answer: Answer | None = None) -> bool:
    """Let *event* happen to *mail* from wherever it may; return whether it could. RETRIED begins anew."""
    for before in states_before(event):
        after = TRANSITIONS[before, event]
        change = update(MailRow).where(MailRow.id == mail, MailRow.state == before)
        change = change.values(state=after, changed_at=func.clock_timestamp())
        if event is MailEvent.RETRIED:
            change = change.values(attempts=0, due_at=func.clock_timestamp(), queued_at=func.now())
        if connection.execute(change).rowcount == 1:
            note(connection, mail, event, after, answer)
            return True
    return False


def note(connection: Connection, mail: UUID, event: MailEvent, state: MailState, answer: Answer | None = None) -> None:
    """Add *event* to the history of *mail*; *state* is the one after it."""
    said = {"code": answer.code, "status": answer.status, "words": answer.words} if answer else {}
    connection.execute(insert(MailEventRow).values(mail=mail, event=event.value, state=state.value, **said))


def ids_in(connection: Connection, state: MailState) -> list[UUID]:
    """Return the mails in *state*, oldest first."""
    return list(connection.scalars(select(MailRow.id).where(MailRow.state == state).order_by(MailRow.id)))


def standing(
    connection: Connection,
    *,
    state: MailState | None = None,
    message_id: str | None = None,
    mail: UUID | None = None,
    limit: int = 100,
    offset: int = 0,
) -> list[Standing]:
    """Return where mails stand, newest first, cut by the database; the conditions that are given must all hold."""
    last = (
        select(MailEventRow.event, MailEventRow.code, MailEventRow.status, MailEventRow.words)
        .where(MailEventRow.mail == MailRow.id)
        .order_by(MailEventRow.id.desc())
        .limit(1)
        .lateral()
    )
    query = select(
        MailRow.id, MailRow.message_id, MailRow.template, MailRow.recipient, MailRow.state, MailRow.attempts,
        MailRow.queued_at, MailRow.due_at, last.c.event, last.c.code, last.c.status, last.c.words,
    ).join(last, true())  # fmt: skip
    for column, wanted in ((MailRow.state, state), (MailRow.message_id, message_id), (MailRow.id, mail)):
        if wanted is not None:
            query = query.where(column == wanted)
    rows = connection.execute(query.order_by(MailRow.id.desc()).limit(limit).offset(offset))
    return [
        Standing(
            row.id,
            row.message_id,
            row.template,
            row.recipient,
            MailState(row.state),
            row.attempts,
            row.queued_at,
            row.due_at,
            MailEvent(row.event),
            row.code,
            row.status,
            row.words,
        )
        for row in rows
    ]


def history(connection: Connection, mail: UUID) -> list[Happened]:
    """Return what happened to *mail*, oldest first."""
    query = (
        select(MailEventRow.at, MailEventRow.event, MailEventRow.state, MailEventRow.code, MailEventRow.words)
        .where(MailEventRow.mail == mail)
        .order_by(MailEventRow.id)
    )
    return [
        Happened(row.at, MailEvent(row.event), MailState(row.state), row.code, row.words)
        for row in connection.execute(query)
    ]


def backlog(connection: Connection) -> Backlog:
    """Return what the checks and the metrics ask; mails that were sent are not counted."""
    tried = (MailRow.attempts > 0).label("tried")
    query = (
        select(MailRow.state, tried, func.count().label("mails"), func.min(MailRow.queued_at).label("oldest"))
        .where(MailRow.state != MailState.SENT)
        .group_by(MailRow.state, tried)
    )
    groups = connection.execute(query).all()
    counts: Counter[MailState] = Counter({state: 0 for state in MailState if state is not MailState.SENT})
    for group in groups:
        counts[MailState(group.state)] += group.mails
    waiting = [group for group in groups if group.state in _LIVE]
    return Backlog(
        counts,
        oldest_untried=_oldest(group.oldest for group in waiting if not group.tried),
        oldest_tried=_oldest(group.oldest for group in waiting if group.tried),
        measured_at=connection.execute(select(func.clock_timestamp())).scalar_one(),
    )


def _oldest(instants: Iterable[datetime]) -> datetime | None:
    return min(instants, default=None)
