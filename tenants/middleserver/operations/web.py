"""The pages of the night batch and of the day's uploads: counts by organisation, never any content.

They read what the worker shows in the shared schema; the console has no way into an organisation's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from flask import request, url_for
from flask.typing import ResponseReturnValue
from wtforms import SelectField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # the stubs are of the version before it

from chukan.platform.clock import as_tokyo
from chukan.platform.messages import mark, text
from chukan.platform.web import PageSet, here, page
from chukan.platform.web.cells import Mark, Status
from chukan.platform.web.listing import Column, FilterForm, Listing, Order
from chukan.platform.web.values import number
from chukan.tenants.middleserver.operations import page_store, store
from chukan.tenants.middleserver.operations.campaigns import web as campaigns
from chukan.tenants.middleserver.operations.campaigns.web import Share
from chukan.tenants.middleserver.operations.page_store import DayUse, NamedPart, PartKind
from chukan.tenants.middleserver.operations.service import LEASE
from chukan.tenants.middleserver.operations.store import Part, Run
from chukan.tenants.middleserver.operations.words import told_part, told_run

READ = "operations:batch:read"
_NIGHTS = 14
#: As many organisations have bars; the list has all.
_BARS = 20
#: From so many percent of a limit on, the bar says that little is left.
_NEARLY = 80

pages = PageSet("operations", __name__)

_PART_MARKS = {
    "waiting": Mark.WAITING,
    "running": Mark.RUNNING,
    "finished": Mark.OK,
    "carried_over": Mark.WARNING,
    "failed": Mark.ERROR,
}
_KINDS: Mapping[PartKind, str] = {
    PartKind.ALL: mark("Any state of a turn"),
    PartKind.MARKED: mark("With errors"),
    PartKind.RUNNING: mark("has its turn"),
    PartKind.WAITING: mark("waits for its turn"),
    PartKind.FINISHED: mark("all registered"),
    PartKind.CARRIED_OVER: mark("carried over to the next night"),
}
_KIND_MARKS = {
    PartKind.MARKED: Mark.ERROR,
    PartKind.RUNNING: Mark.RUNNING,
    PartKind.WAITING: Mark.WAITING,
    PartKind.FINISHED: Mark.OK,
    PartKind.CARRIED_OVER: Mark.WARNING,
}


class NightFilters(FilterForm):
    """Which organisations of the night are listed."""

    show = SelectField(mark("State of the turn"), choices=[SelectChoice(kind, words) for kind, words in _KINDS.items()])


def _part_state(part: Part) -> Status:
    """Return the state, marked as an error where a file was refused, without its details being opened (A0-099)."""
    state_mark = Mark.ERROR if part.is_marked else _PART_MARKS[part.state]
    word = told_part(part.state)
    return Status(state_mark, text("{state}, with errors", state=word) if part.refused else word)


def _under_way(part: Part) -> str | None:
    if not part.current_expected:
        return None
    return text(
        "{records} of {expected} records", records=number(part.current_records), expected=number(part.current_expected)
    )


def _named(each: NamedPart | DayUse) -> str:
    return f"{each.name or ''} {each.organisation}".strip()


PART_COLUMNS = (
    Column[NamedPart]("organisation", mark("Organisation"), _named),
    Column[NamedPart]("state", mark("State"), _part_state),
    Column[NamedPart]("failure", mark("Error code"), lambda part: part.failure),
    Column[NamedPart]("progress", mark("File under way"), _under_way),
    Column[NamedPart]("registered", mark("Files registered"), lambda part: part.registered, numeric=True),
    Column[NamedPart]("refused", mark("Files refused"), lambda part: part.refused, numeric=True),
    Column[NamedPart]("remaining", mark("Files left"), lambda part: part.remaining, numeric=True),
    Column[NamedPart]("records", mark("Records registered"), lambda part: part.records, numeric=True),
    Column[NamedPart]("nights_carried", mark("Nights carried over"), lambda part: part.nights_carried, numeric=True),
)


@pages.get("/night-batch", needs=READ, menu=(mark("Night batch"), 40))
def night_batch() -> ResponseReturnValue:
    """Show the newest night as it goes on, and the nights before it."""
    visit = here()
    with visit.engine.connect() as connection:
        runs = store.runs(connection, limit=_NIGHTS)
        oldest, organisations = store.oldest_waiting(connection)
        counted = page_store.part_counts(connection, runs[0].night) if runs else {}
    listing = _parts_listing(runs[0] if runs else None)
    if (file := listing.csv()) is not None:
        return file
    newest = runs[0] if runs else None
    done = counted.get(PartKind.FINISHED, 0)
    return page(
        "operations/night_batch.html",
        listing.status,
        listing=listing,
        nights=[(run.night, _run_state(run), run.started_at, run.ended_at, run.closes_at) for run in runs],
        night=newest and newest.night,
        state=newest and _run_state(newest),
        closes_at=newest and newest.closes_at,
        silent=_silent(newest),
        share=Share(done, counted.get(PartKind.ALL, 0)),
        figures=_figures(counted),
        oldest=oldest,
        organisations=organisations,
        now=visit.now,
    )


def _parts_listing(newest: Run | None) -> Listing[NamedPart]:
    filters = NightFilters(request.args)

    def fetch(_order: Order, limit: int, offset: int) -> tuple[Sequence[NamedPart], int]:
        if newest is None:
            return [], 0
        with here().engine.connect() as connection:
            return page_store.parts(
                connection, newest.night, PartKind(filters.show.data or ""), limit=limit, offset=offset
            )

    return Listing(
        "night-parts",
        mark("The newest night by organisation"),
        PART_COLUMNS,
        fetch,
        query=request.args,
        order=Order("organisation"),
        filters=filters,
        empty=mark("No organisation had a turn."),
    )


def _run_state(run: Run) -> Status:
    return Status(Mark.RUNNING if run.state == "running" else Mark.OK, told_run(run.state))


def _silent(run: Run | None) -> int:
    """Return for how many seconds nobody was heard of who works on the night, 0 while that is as it should be."""
    is_silent = run is not None and run.state == "running" and run.silent > LEASE
    return run.silent // timedelta(seconds=1) if run is not None and is_silent else 0


def _figures(counted: Mapping[PartKind, int]) -> Sequence[tuple[Status, int, str]]:
    """Return how many organisations there are of each kind, and where they are listed; the errors always first."""
    return [
        (Status(_KIND_MARKS[kind], text(_KINDS[kind])), counted[kind], url_for(".night_batch", show=kind.value))
        for kind in _KIND_MARKS
        if counted.get(kind)
    ]


def remarks(use: DayUse) -> Sequence[Status]:
    """Return what is to be said of *use*: that it is exempted, has no limit, or has used nearly all of it."""
    said = [Status(Mark.INFO, text("exempted"))] if use.exempt else []
    if use.limit is None:
        return [*said, Status(Mark.WARNING, text("no limit can be computed"))]
    return [*said, Status(Mark.WARNING, text("nearly used up"))] if use.share >= _NEARLY else said


USE_COLUMNS = (
    Column[DayUse]("organisation", mark("Organisation"), _named),
    Column[DayUse]("files", mark("Files"), lambda use: use.files, numeric=True),
    Column[DayUse]("records", mark("Records used"), lambda use: use.records, numeric=True),
    Column[DayUse]("most_records", mark("Limit of records"), lambda use: use.limit and use.limit.records, numeric=True),
    Column[DayUse]("kb", mark("KB used"), lambda use: use.kb, numeric=True),
    Column[DayUse]("most_kb", mark("Limit of KB"), lambda use: use.limit and use.limit.kb, numeric=True),
    Column[DayUse]("remarks", mark("Remarks"), lambda use: remarks(use) or None),
)


@dataclass(frozen=True)
class Bars:
    """An organisation's use of both limits as bars: percent, words and how near the limit is."""

    named: str
    bars: Sequence[tuple[float, str, str]]
    remarks: Sequence[Status]


@pages.get("/uploads", needs=READ, menu=(mark("Uploads of the day"), 41))
def uploads() -> ResponseReturnValue:
    """Show what was received today, against the limits of the day."""
    day = as_tokyo(here().now).date()
    with here().engine.connect() as connection:
        uses = page_store.uses(connection, day)

    def fetch(_order: Order, limit: int, offset: int) -> tuple[Sequence[DayUse], int]:
        return uses[offset : offset + limit], len(uses)

    listing = Listing(
        "uploads",
        mark("Uploads by organisation"),
        USE_COLUMNS,
        fetch,
        query=request.args,
        order=Order("organisation"),
        empty=mark("Nothing was uploaded today."),
    )
    if (file := listing.csv()) is not None:
        return file
    return page("operations/uploads.html", listing=listing, fullest=fullest(uses), day=day, organisations=len(uses))


def fullest(uses: Sequence[DayUse]) -> Sequence[Bars]:
    """Return the bars of those who have used most of either limit, the fullest first."""
    shown = sorted(uses, key=lambda use: -use.share)[:_BARS]
    return [Bars(_named(use), _bars(use), remarks(use)) for use in shown]


def _bars(use: DayUse) -> Sequence[tuple[float, str, str]]:
    if use.limit is None:
        return [(0, number(use.records), "none"), (0, number(use.kb), "none")]
    told = ((use.records, use.limit.records, use.records_share), (use.kb, use.limit.kb, use.size_share))
    return [(share, f"{number(used)} / {number(most)} ({share} %)", _how(share)) for used, most, share in told]


def _how(share: float) -> str:
    if share > 100:  # only exempted ones reach that
        return "error"
    return "warning" if share >= _NEARLY else "info"


campaigns.declare(pages)
PAGES = pages.done()
