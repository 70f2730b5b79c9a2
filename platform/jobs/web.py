"""The pages of the jobs: what is due when, what ran, and running something out of turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from flask import request, url_for
from flask.typing import ResponseReturnValue
from wtforms import SelectField, StringField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # the stubs are of the version before it
from wtforms.validators import Length, Optional

from chukan.platform.component import Job, Pages
from chukan.platform.jobs import store
from chukan.platform.jobs.cli import Jobs
from chukan.platform.jobs.errors import RunUnknown
from chukan.platform.jobs.rules import RunState, next_due
from chukan.platform.jobs.service import declared, job_named, request_run
from chukan.platform.jobs.words import STATES, told_schedule, told_state
from chukan.platform.messages import mark, text
from chukan.platform.web import PageSet, done, here, page
from chukan.platform.web.cells import Link, Mark, Status
from chukan.platform.web.forms import BaseForm
from chukan.platform.web.listing import Column, FilterForm, Listing, Order
from chukan.platform.web.timeline import Span, Timeline

READ = "jobs:run:read"
RUN = "jobs:job:run"

_DAY = timedelta(days=1)
_MARKS = {
    RunState.QUEUED: Mark.WAITING,
    RunState.RUNNING: Mark.RUNNING,
    RunState.SUCCEEDED: Mark.OK,
    RunState.FAILED: Mark.ERROR,
    RunState.LOST: Mark.ERROR,
}


_CHOICES = [
    SelectChoice("", mark("Every state")),
    *(SelectChoice(state.value, words) for state, words in STATES.items()),
]


@dataclass(frozen=True)
class Line:
    """A job as the list shows it, at one instant of the database's clock."""

    job: Job
    status: store.Status | None
    due: datetime | None


class RunFilters(FilterForm):
    """What the runs are narrowed by."""

    job = StringField(mark("Job"), [Optional(), Length(max=100)])
    state = SelectField(mark("State"), choices=_CHOICES)

    def wanted(self) -> tuple[str | None, RunState | None]:
        """Return job and state that are asked for."""
        return self.job.data or None, RunState(self.state.data) if self.state.data else None


def pages_of(all_jobs: Jobs) -> Pages:
    """Return the pages over the jobs that *all_jobs* gives; it is asked whenever a page is."""
    pages = PageSet("jobs", __name__)

    @pages.get("/jobs", needs=READ, menu=(mark("Jobs"), 70))
    def index() -> ResponseReturnValue:
        """Show every job, and who fires them."""
        return _index(all_jobs())

    @pages.get("/jobs/<name>/run", needs=RUN)
    def ask_run(name: str) -> ResponseReturnValue:
        """Ask before a job is run out of turn."""
        return _question(job_named(declared(all_jobs()), name), BaseForm(), 200)

    @pages.post("/jobs/<name>/run", needs=RUN)
    def run(name: str) -> ResponseReturnValue:
        """Have a worker run a job now, beside its schedule."""
        job, form, made = job_named(declared(all_jobs()), name), BaseForm(), list[UUID]()
        asker = here()
        if form.attempt(lambda: made.append(request_run(asker.engine, job, actor=asker.actor, request=asker.request))):
            return done("jobs.one", mark("A worker will run {job} now."), told={"job": job.name}, run_id=made[0])
        return _question(job, form, 422)

    pages.get("/jobs/runs", needs=READ)(runs)
    pages.get("/jobs/runs/<uuid:run_id>", needs=READ)(one)
    return pages.done()


def runs() -> ResponseReturnValue:
    """Show the runs that the filters describe, and the last day as a picture."""
    form = RunFilters(request.args)

    def fetch(order: Order, limit: int, offset: int) -> tuple[Sequence[store.Run], None]:
        job, state = form.wanted()
        with here().engine.connect() as connection:
            found = store.search(connection, job, state, limit=limit, offset=offset, descending=order.descending)
        return found, None

    listing = Listing(
        "runs",
        mark("Runs"),
        RUN_COLUMNS,
        fetch,
        query=request.args,
        order=Order("run", descending=True),
        filters=form,
        empty=mark("Nothing has run yet."),
    )
    if (file := listing.csv()) is not None:
        return file
    return page("jobs/runs.html", listing.status, listing=listing, form=form, day=_last_day(), crumbs=_crumbs())


def one(run_id: UUID) -> ResponseReturnValue:
    """Show one run with what happened to it."""
    with here().engine.connect() as connection:
        found, events = store.run(connection, run_id), store.events(connection, run_id)
    if found is None:
        raise RunUnknown(run=run_id)
    rows = [(event.at, run_status(event.state), event.attempt, event.worker, event.reason) for event in events]
    crumbs = [*_crumbs(), (text("Runs"), url_for("jobs.runs"))]
    return page("jobs/run.html", run=found, state=run_status(found.state), taken=seconds(found.duration), rows=rows,
                crumbs=crumbs)  # fmt: skip


def run_status(state: RunState) -> Status:
    """Return a run's state as a mark with its word."""
    return Status(_MARKS[state], told_state(state))


def seconds(duration: timedelta | None) -> float | None:
    """Return *duration* in seconds, to the millisecond."""
    return None if duration is None else round(duration.total_seconds(), 3)


def _index(jobs: Sequence[Job]) -> ResponseReturnValue:
    with here().engine.connect() as connection:
        now, lease = store.database_now(connection), store.lease(connection)
        known = {status.name: status for status in store.statuses(connection)}
    lines = [Line(job, known.get(job.name), next_due(job, now)) for job in sorted(jobs, key=lambda job: job.name)]
    columns = [column for column in JOB_COLUMNS if column.key != "run" or here().may(RUN)]
    listing = Listing(
        "jobs",
        mark("Jobs"),
        columns,
        lambda order, limit, offset: (_ordered(lines, order)[offset : offset + limit], len(lines)),
        query=request.args,
        order=Order("job"),
        empty=mark("No component declares a job."),
    )
    return listing.csv() or page("jobs/index.html", listing.status, listing=listing, lease=lease)


def _ordered(lines: Sequence[Line], order: Order) -> Sequence[Line]:
    return sorted(lines, key=lambda line: line.job.name, reverse=order.descending)


def _question(job: Job, form: BaseForm, status: int) -> ResponseReturnValue:
    return page(
        "web/confirm.html",
        status,
        title=text("Run {job} now?", job=job.name),
        facts=[(text("Job"), job.name), (text("Schedule"), told_schedule(job))],
        warning=text("It runs beside its schedule, as soon as a worker is free. The request is recorded."),
        form=form,
        button=text("Run now"),
        action=url_for("jobs.run", name=job.name),
        cancel=url_for("jobs.index"),
        crumbs=_crumbs(),
    )


def _last_day() -> Timeline:
    """Return what ran within the last 24 hours; what began in the same half hour is one bar."""
    until = here().now
    with here().engine.connect() as connection:
        stretches = store.recent(connection, _DAY)
    return Timeline(
        id="last-day",
        title=text("The last 24 hours"),
        summary=text("{count} runs of {jobs} jobs.", count=sum(each.runs for each in stretches),
                     jobs=len({each.job for each in stretches})),
        since=until - _DAY,
        until=until,
        now=until,
        spans=[_span(each) for each in stretches],
    )  # fmt: skip


def _span(stretch: store.Stretch) -> Span:
    if stretch.runs == 1:
        title, href = text("{job}: 1 run", job=stretch.job), url_for("jobs.one", run_id=stretch.first)
    else:
        title = text("{job}: {count} runs", job=stretch.job, count=stretch.runs)
        href = url_for("jobs.runs", job=stretch.job, state=stretch.state.value)
    return Span(stretch.job, title, stretch.started_at, stretch.finished_at, run_status(stretch.state), href)


def _crumbs() -> list[tuple[str, str]]:
    return [(text("Jobs"), url_for("jobs.index"))]


def _ended(line: Line) -> object:
    last = line.status
    if last is None or last.run is None or last.finished_at is None:
        return None
    return Link(last.finished_at, url_for("jobs.one", run_id=last.run), about=line.job.name)


JOB_COLUMNS = (
    Column[Line](
        "job", mark("Job"), lambda line: Link(line.job.name, url_for("jobs.runs", job=line.job.name)), sortable=True
    ),
    Column[Line]("schedule", mark("Schedule"), lambda line: told_schedule(line.job)),
    Column[Line]("due", mark("Next due"), lambda line: line.due),
    Column[Line](
        "last", mark("Last run"), lambda line: line.status and line.status.state and run_status(line.status.state)
    ),
    Column[Line]("ended", mark("Ended"), _ended),
    Column[Line](
        "duration", mark("Duration (s)"), lambda line: line.status and seconds(line.status.duration), numeric=True
    ),
    Column[Line]("waiting", mark("Waiting since"), lambda line: line.status and line.status.waiting_since),
    Column[Line](
        "run",
        mark("Out of turn"),
        lambda line: Link(text("Run now"), url_for("jobs.ask_run", name=line.job.name), about=line.job.name),
    ),
)

RUN_COLUMNS = (
    Column[store.Run](
        "run",
        mark("Scheduled for"),
        lambda run: Link(run.scheduled_for, url_for("jobs.one", run_id=run.id)),
        sortable=True,
    ),
    Column[store.Run]("job", mark("Job"), lambda run: run.job),
    Column[store.Run]("state", mark("State"), lambda run: run_status(run.state)),
    Column[store.Run]("attempts", mark("Attempts"), lambda run: f"{run.attempt}/{run.max_attempts}"),
    Column[store.Run]("duration", mark("Duration (s)"), lambda run: seconds(run.duration), numeric=True),
    Column[store.Run]("error", mark("Error"), lambda run: run.error),
    Column[store.Run]("id", mark("Run"), lambda run: str(run.id), in_table=False),
    Column[store.Run]("started", mark("Begun at"), lambda run: run.started_at, in_table=False),
    Column[store.Run]("ended", mark("Ended"), lambda run: run.finished_at, in_table=False),
    Column[store.Run]("asked", mark("Requested by"), lambda run: run.requested_by, in_table=False),
    Column[store.Run]("worker", mark("Worker"), lambda run: run.worker, in_table=False),
    Column[store.Run]("reference", mark("Reference id"), lambda run: run.reference, in_table=False),
    Column[store.Run]("request", mark("Request"), lambda run: run.request, in_table=False),
)
