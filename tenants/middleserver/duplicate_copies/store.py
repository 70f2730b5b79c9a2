"""Queries on uploads and copies, in the tenant's own session; nothing here commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Connection, CursorResult, Executable, Row, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or

from chukan.platform.database.engines import driver
from chukan.tenants.middleserver.duplicate_copies.ports import Use
from chukan.tenants.middleserver.duplicate_copies.rules import (
    FINAL,
    PENDING,
    FileForm,
    Standing,
    UploadState,
    copy_ids,
    may_become,
)
from chukan.tenants.middleserver.duplicate_copies.tables import (
    CopyDayRow,
    UploadErrorRow,
    UploadEventRow,
    UploadPieceRow,
    UploadRow,
)

_UPLOADS: Any = UploadRow.__table__
_PIECES: Any = UploadPieceRow.__table__
_EVENTS: Any = UploadEventRow.__table__
_ERRORS: Any = UploadErrorRow.__table__
_DAYS: Any = CopyDayRow.__table__


@dataclass(frozen=True)
class Upload:
    """An upload as it stands; ``information`` and ``dataset`` are numbers (2, 101), instants are in UTC."""

    id: UUID
    number: int | None
    state: UploadState
    form: FileForm
    information: int
    dataset: int
    name: str
    department: str
    digest: bytes
    size: int
    received: int
    expected: int
    exempt: bool
    begun_at: datetime
    received_at: datetime | None
    finished_at: datetime | None
    epoch: int
    records: int
    progress: dict[str, Any] | None
    header: str | None
    faults: int
    registered: int
    deleted: int
    superseded: int
    tidy: bool


@dataclass(frozen=True)
class Event:
    """A step in an upload's life; ``at`` is in UTC."""

    at: datetime
    old: UploadState | None
    new: UploadState
    actor: str
    reason: str | None


def _upload(row: Row[Any]) -> Upload:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    return Upload(**{**values, "state": UploadState(values["state"]), "form": FileForm(values["form"])})


def _changed(connection: Connection, statement: Executable) -> int:
    return cast("CursorResult[Any]", connection.execute(statement)).rowcount


def begin(connection: Connection, values: dict[str, Any]) -> UUID:
    """Store a new upload, and return its id."""
    upload: UUID = connection.execute(insert(_UPLOADS).values(values).returning(_UPLOADS.c.id)).scalar_one()
    return upload


def get(connection: Connection, upload: UUID, *, lock: bool = False) -> Upload | None:
    """Return the upload, locked until the transaction ends if *lock* says so."""
    query = select(_UPLOADS).where(_UPLOADS.c.id == upload)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else _upload(row)


def recent(connection: Connection, *, limit: int) -> Sequence[Upload]:
    """Return the uploads that were begun last, newest first."""
    rows = connection.execute(select(_UPLOADS).order_by(_UPLOADS.c.begun_at.desc()).limit(limit))
    return [_upload(row) for row in rows]


def of_digest(connection: Connection, digest: bytes, *, size: int) -> Sequence[tuple[UUID, Standing]]:
    """Return the uploads of the same bytes, newest first."""
    rows = connection.execute(
        select(_UPLOADS.c.id, _UPLOADS.c.state, _UPLOADS.c.number, _UPLOADS.c.superseded, _UPLOADS.c.deleted)
        .where(_UPLOADS.c.digest == digest, _UPLOADS.c.size == size)
        .order_by(_UPLOADS.c.begun_at.desc())
    )
    return [(row.id, Standing(UploadState(row.state), row.number, row.superseded, row.deleted)) for row in rows]


def newest_number(connection: Connection) -> int | None:
    """Return the number of the registered upload that is the newest."""
    registered = _UPLOADS.c.state == UploadState.REGISTERED.value
    number: int | None = connection.execute(select(func.max(_UPLOADS.c.number)).where(registered)).scalar_one()
    return number


def pending(connection: Connection) -> Sequence[Upload]:
    """Return what waits to be registered, in the order in which it must be."""
    waiting = _UPLOADS.c.state.in_([state.value for state in PENDING])
    return [_upload(row) for row in connection.execute(select(_UPLOADS).where(waiting).order_by(_UPLOADS.c.number))]


def untidy(connection: Connection) -> Sequence[Upload]:
    """Return the finished uploads that left something to clear away, oldest first."""
    finished = _UPLOADS.c.state.in_([state.value for state in FINAL])
    query = select(_UPLOADS).where(finished, ~_UPLOADS.c.tidy).order_by(_UPLOADS.c.number.nulls_first())
    return [_upload(row) for row in connection.execute(query)]


def has_older_copies(connection: Connection, upload: Upload) -> bool:
    """Return whether a file that was registered before *upload* still has rows that it may have replaced."""
    rows = select(_UPLOADS.c.id).where(
        _UPLOADS.c.state == UploadState.REGISTERED.value,
        _UPLOADS.c.information == upload.information,
        _UPLOADS.c.dataset == upload.dataset,
        _UPLOADS.c.number < upload.number,
        _UPLOADS.c.registered > _UPLOADS.c.superseded,
    )
    return connection.execute(rows.limit(1)).one_or_none() is not None


def move(
    connection: Connection,
    upload: UUID,
    old: UploadState,
    new: UploadState,
    *,
    actor: str,
    epoch: int | None = None,
    reason: str | None = None,
    **values: Any,
) -> bool:
    """Move the upload from *old* to *new* with its event, and return whether it still was in *old* (and *epoch*).

    Raises:
        ValueError: the rules know no such step.
    """
    if not may_become(old, new):
        raise ValueError(f"{old} -> {new}")
    fenced = _UPLOADS.c.epoch == (_UPLOADS.c.epoch if epoch is None else epoch)
    change = update(_UPLOADS).where(_UPLOADS.c.id == upload, _UPLOADS.c.state == old.value, fenced)
    if _changed(connection, change.values(state=new.value, **values)) == 0:
        return False
    note(connection, upload, old, new, actor=actor, reason=reason)
    return True


def note(
    connection: Connection,
    upload: UUID,
    old: UploadState | None,
    new: UploadState,
    *,
    actor: str,
    reason: str | None = None,
) -> None:
    """Append a step to the upload's life."""
    old_value = None if old is None else old.value
    connection.execute(insert(_EVENTS).values(upload=upload, old=old_value, new=new.value, actor=actor, reason=reason))


def events(connection: Connection, upload: UUID) -> Sequence[Event]:
    """Return the steps of the upload's life, oldest first."""
    rows = connection.execute(select(_EVENTS).where(_EVENTS.c.upload == upload).order_by(_EVENTS.c.at))
    return [
        Event(row.at, UploadState(row.old) if row.old else None, UploadState(row.new), row.actor, row.reason)
        for row in rows
    ]


def change(connection: Connection, upload: UUID, *, epoch: int | None = None, **values: Any) -> bool:
    """Set columns of the upload that are not its state; return whether its epoch still was *epoch*."""
    fenced = _UPLOADS.c.epoch == (_UPLOADS.c.epoch if epoch is None else epoch)
    return _changed(connection, update(_UPLOADS).where(_UPLOADS.c.id == upload, fenced).values(**values)) == 1


def claim(connection: Connection, upload: UUID) -> int | None:
    """Fence off whoever registered the upload before, and return the new epoch; None if it is not pending."""
    change = (
        update(_UPLOADS)
        .where(_UPLOADS.c.id == upload, _UPLOADS.c.state.in_([state.value for state in PENDING]))
        .values(epoch=_UPLOADS.c.epoch + 1)
        .returning(_UPLOADS.c.epoch)
    )
    epoch: int | None = connection.execute(change).scalar_one_or_none()
    return epoch


# -- pieces ------------------------------------------------------------------------------------------


def advance(connection: Connection, upload: UUID, offset: int, length: int) -> bool:
    """Count a piece of *length* bytes at *offset*; False if that is not where the next one belongs."""
    change = (
        update(_UPLOADS)
        .where(
            _UPLOADS.c.id == upload,
            _UPLOADS.c.state == UploadState.RECEIVING.value,
            _UPLOADS.c.received == offset,
            _UPLOADS.c.size >= offset + length,
        )
        .values(received=offset + length)
    )
    return _changed(connection, change) == 1


def put_piece(connection: Connection, piece: str, upload: UUID, digest: bytes, content: bytes) -> None:
    """Store a sealed piece."""
    connection.execute(insert(_PIECES).values(id=piece, upload=upload, digest=digest, content=content))


def piece_digest(connection: Connection, piece: str) -> bytes | None:
    """Return the digest's blind index of a piece, or None if there is no such piece."""
    digest = connection.execute(select(_PIECES.c.digest).where(_PIECES.c.id == piece)).scalar_one_or_none()
    return None if digest is None else bytes(digest)


def piece(connection: Connection, name: str) -> bytes | None:
    """Return a sealed piece, or None if there is none."""
    # As binary: the text form of eight megabytes is sixteen, and takes a tenth of a second to read.
    with driver(connection).cursor(binary=True) as cursor:
        row = cursor.execute("select content from upload_piece where id = %s", (name,)).fetchone()
    return None if row is None else bytes(row[0])


def drop_pieces(connection: Connection, upload: UUID, *, limit: int) -> int:
    """Remove up to *limit* pieces of the upload; return how many."""
    some = select(_PIECES.c.id).where(_PIECES.c.upload == upload).limit(limit)
    return _changed(connection, delete(_PIECES).where(_PIECES.c.id.in_(some)))


# -- the day's use -----------------------------------------------------------------------------------


def lock_day(connection: Connection, day: date) -> tuple[int, Use]:
    """Lock the day's row until the transaction ends; return how many uploads it has, and what they use."""
    connection.execute(insert_or(_DAYS).values(day=day).on_conflict_do_nothing())
    row = connection.execute(select(_DAYS).where(_DAYS.c.day == day).with_for_update()).one()
    return row.uploads, Use(row.records, row.bytes)


def use_day(connection: Connection, day: date, use: Use) -> None:
    """Count an upload into the day."""
    connection.execute(
        update(_DAYS)
        .where(_DAYS.c.day == day)
        .values(uploads=_DAYS.c.uploads + 1, records=_DAYS.c.records + use.records, bytes=_DAYS.c.bytes + use.bytes)
    )


def day_use(connection: Connection, day: date) -> Use:
    """Return what was used of the day."""
    row = connection.execute(select(_DAYS.c.records, _DAYS.c.bytes).where(_DAYS.c.day == day)).one_or_none()
    return Use(0, 0) if row is None else Use(row.records, row.bytes)


# -- errors ------------------------------------------------------------------------------------------


def put_errors(connection: Connection, errors: Sequence[tuple[int, bytes]]) -> None:
    """Store sealed errors by their ids."""
    if errors:
        connection.execute(insert(_ERRORS), [{"id": number, "content": content} for number, content in errors])


def errors(connection: Connection, number: int) -> Sequence[tuple[int, bytes]]:
    """Return the sealed errors of the upload of *number*, in their order."""
    first, after = copy_ids(number)
    query = select(_ERRORS).where(_ERRORS.c.id >= first, _ERRORS.c.id < after).order_by(_ERRORS.c.id)
    return [(row.id, bytes(row.content)) for row in connection.execute(query)]


def count_errors(connection: Connection, number: int) -> int:
    """Return how many errors of the upload of *number* are stored."""
    first, after = copy_ids(number)
    query = select(func.count()).select_from(_ERRORS).where(_ERRORS.c.id >= first, _ERRORS.c.id < after)
    return int(connection.execute(query).scalar_one())
