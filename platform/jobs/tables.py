"""The jobs' shared tables; the queue itself lives in procrastinate's own schema."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, func
from sqlalchemy.orm import Mapped, mapped_column

from chukan.platform.database.tables import SharedBase


class KnownJob(SharedBase):
    """A job that a leader has seen: nothing that was due before is made up for."""

    __tablename__ = "job"

    name: Mapped[str] = mapped_column(primary_key=True)
    first_seen_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class JobRun(SharedBase):
    """One run of a job: at most one for each scheduled time, in any number of attempts."""

    __tablename__ = "job_run"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    job: Mapped[str] = mapped_column(ForeignKey(KnownJob.name))
    scheduled_for: Mapped[datetime]
    requested_by: Mapped[str | None]
    state: Mapped[str]
    attempt: Mapped[int]
    max_attempts: Mapped[int]
    queue_entry: Mapped[int | None]
    worker: Mapped[str | None]
    request: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    duration_ms: Mapped[int | None]
    error: Mapped[str | None]
    reference: Mapped[str | None]


class JobRunEvent(SharedBase):
    """One change of a run's state; rows are only added."""

    __tablename__ = "job_run_event"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    run: Mapped[UUID] = mapped_column(ForeignKey(JobRun.id))
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    before: Mapped[str | None]
    state: Mapped[str]
    attempt: Mapped[int]
    worker: Mapped[str | None]
    reason: Mapped[str | None]


class JobLeader(SharedBase):
    """The one row that says which scheduler fires; its epoch grows with every change of the leader."""

    __tablename__ = "job_leader"

    one: Mapped[bool] = mapped_column(primary_key=True)
    epoch: Mapped[int]
    holder: Mapped[str]
    taken_at: Mapped[datetime | None]
    lease_until: Mapped[datetime]
