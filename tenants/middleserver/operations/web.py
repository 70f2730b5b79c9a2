"""The pages of the night batch, of the day's uploads, and of campaigns: counts by organisation, never any content.

They read what the worker shows in the shared schema; the console has no way into an organisation's own.
"""

from __future__ import annotations

from collections.abc import Sequence

from flask import abort, request
from flask.typing import ResponseReturnValue

from chukan.platform.clock import as_tokyo
from chukan.platform.messages import mark, text
from chukan.platform.web import PageSet, here, page
from chukan.platform.web.cells import Mark, Status
from chukan.platform.web.charts import BarChart, Series
from chukan.platform.web.listing import Column, Listing, Order
from chukan.tenants.middleserver.operations import page_store, store
from chukan.tenants.middleserver.operations.campaigns import store as campaign_store
from chukan.tenants.middleserver.operations.campaigns.rules import Campaign, Readiness, Standing, is_done
from chukan.tenants.middleserver.operations.campaigns.service import OrganisationProgress, progress_of
from chukan.tenants.middleserver.operations.campaigns.words import told_readiness
from chukan.tenants.middleserver.operations.page_store import DayUse
from chukan.tenants.middleserver.operations.store import Part
from chukan.tenants.middleserver.operations.words import told_part, told_run

READ = "operations:batch:read"
CAMPAIGNS_READ = "campaigns:campaign:read"
_NIGHTS = 14
#: As many organisations have a bar; the list has all.
_BARS = 12

pages = PageSet("operations", __name__)

_PART_MARKS = {
    "waiting": Mark.WAITING,
    "running": Mark.RUNNING,
    "finished": Mark.OK,
    "carried_over": Mark.WARNING,
    "failed": Mark.ERROR,
}
_READINESS_MARKS = {
    Readiness.READY: Mark.OK,
    Readiness.UNDER_WAY: Mark.RUNNING,
    Readiness.NOT_BEGUN: Mark.WAITING,
    Readiness.OVERDUE: Mark.ERROR,
}


def _part_state(part: Part) -> Status:
    """Return the state, marked as an error where a file was refused, without its details being opened (A0-099)."""
    state_mark = Mark.ERROR if part.is_marked else _PART_MARKS[part.state]
    word = told_part(part.state)
    return Status(state_mark, text("{state}, with errors", state=word) if part.refused else word)


def _under_way(part: Part) -> str | None:
    if not part.current_expected:
        return None
    return text("{records} of {expected} records", records=part.current_records, expected=part.current_expected)


PART_COLUMNS = (
    Column[Part]("organisation", mark("Organisation"), lambda part: part.organisation),
    Column[Part]("state", mark("State"), _part_state),
    Column[Part]("progress", mark("File under way"), _under_way),
    Column[Part]("registered", mark("Files registered"), lambda part: part.registered),
    Column[Part]("refused", mark("Files refused"), lambda part: part.refused),
    Column[Part]("remaining", mark("Files left"), lambda part: part.remaining),
    Column[Part]("records", mark("Records registered"), lambda part: part.records),
    Column[Part]("nights_carried", mark("Nights carried over"), lambda part: part.nights_carried),
    Column[Part]("failure", mark("Error code"), lambda part: part.failure),
)


@pages.get("/night-batch", needs=READ, menu=(mark("Night batch"), 40))
def night_batch() -> ResponseReturnValue:
    """Show the newest night as it goes on, and the nights before it."""
    with here().engine.connect() as connection:
        runs = store.runs(connection, limit=_NIGHTS)
        oldest, organisations = store.oldest_waiting(connection)

    def fetch(_order: Order, limit: int, offset: int) -> tuple[Sequence[Part], None]:
        if not runs:
            return [], None
        with here().engine.connect() as connection:
            return store.parts(connection, runs[0].night, limit=limit, offset=offset), None

    listing = Listing(
        "night-parts",
        mark("The newest night by organisation"),
        PART_COLUMNS,
        fetch,
        query=request.args,
        order=Order("organisation"),
        empty=mark("No organisation had a turn."),
    )
    if (file := listing.csv()) is not None:
        return file
    nights = [
        (run.night, Status(Mark.RUNNING if run.state == "running" else Mark.OK, told_run(run.state)),
         run.started_at, run.ended_at, run.closes_at)
        for run in runs
    ]  # fmt: skip
    return page(
        "operations/night_batch.html",
        listing=listing,
        nights=nights,
        oldest=oldest,
        organisations=organisations,
        now=here().now,
    )


@pages.get("/uploads", needs=READ, menu=(mark("Uploads of the day"), 41))
def uploads() -> ResponseReturnValue:
    """Show what was received today, against the limits of the day."""
    day = as_tokyo(here().now).date()
    with here().engine.connect() as connection:
        uses = page_store.uses(connection, day)
    return page("operations/uploads.html", chart=use_chart(uses), rows=[_use_row(use) for use in uses], day=day)


def use_chart(uses: Sequence[DayUse]) -> BarChart:
    """Return how much of their limits (in percent) those used who used most."""
    shown = sorted(uses, key=lambda use: -use.share)[:_BARS]
    return BarChart(
        id="uses",
        title=text("Share of the day's limits used"),
        summary=text("{count} organisations have uploaded today.", count=len(uses)),
        labels=[use.organisation for use in shown],
        series=[
            Series(text("Records used"), [use.records_share for use in shown]),
            Series(text("Size used"), [use.size_share for use in shown]),
        ],
        unit="%",
    )


def _use_row(use: DayUse) -> Sequence[object]:
    marked = Status(Mark.INFO, text("exempted")) if use.exempt else None
    if use.limit is None:
        marked = Status(Mark.WARNING, text("no limit can be computed"))
    limit = use.limit
    return (use.organisation, use.files, use.records, limit.records if limit else None, use.kb,
            limit.kb if limit else None, marked)  # fmt: skip


@pages.get("/campaigns", needs=CAMPAIGNS_READ, menu=(mark("Campaigns"), 42))
def campaigns() -> ResponseReturnValue:
    """List the campaigns."""
    with here().engine.connect() as connection:
        found = campaign_store.campaigns(connection)
    return page("operations/campaigns.html", campaigns=found)


@pages.get("/campaigns/<revision>", needs=CAMPAIGNS_READ)
def campaign(revision: str) -> ResponseReturnValue:
    """Show how far every organisation is with every number."""
    with here().engine.connect() as connection:
        found = next((each for each in campaign_store.campaigns(connection) if each.revision == revision), None)
        if found is None:
            abort(404)
        progress = progress_of(connection, found, as_tokyo(here().now).date())
    columns = _progress_columns(found)

    def fetch(_order: Order, limit: int, offset: int) -> tuple[Sequence[OrganisationProgress], int]:
        rows = sorted(progress, key=lambda each: (each.readiness is not Readiness.OVERDUE, each.prefecture))
        return rows[offset : offset + limit], len(rows)

    listing = Listing(
        "campaign-progress",
        mark("Progress by organisation and number"),
        columns,
        fetch,
        query=request.args,
        order=Order("organisation"),
        empty=mark("No organisation is active."),
    )
    if (file := listing.csv()) is not None:
        return file
    return page("operations/campaign.html", listing=listing, campaign=found, counts=_counts(progress))


def _counts(progress: Sequence[OrganisationProgress]) -> Sequence[tuple[Status, int]]:
    return [
        (Status(_READINESS_MARKS[each], told_readiness(each)), sum(one.readiness is each for one in progress))
        for each in Readiness
    ]


def _progress_columns(found: Campaign) -> Sequence[Column[OrganisationProgress]]:
    def cell(information: int) -> Column[OrganisationProgress]:
        def value(each: OrganisationProgress) -> Status:
            standing = next(one for one in each.standings if one.information == information)
            return _number_state(standing)

        return Column(f"number_{information}", f"#{information}", value)

    return (
        Column[OrganisationProgress]("organisation", mark("Organisation"), _named),
        Column[OrganisationProgress](
            "readiness", mark("Readiness"),
            lambda each: Status(_READINESS_MARKS[each.readiness], told_readiness(each.readiness)),
        ),
        *(cell(number.information) for number in found.numbers),
    )  # fmt: skip


def _named(each: OrganisationProgress) -> str:
    return f"{each.name} {each.organisation}"


def _number_state(standing: Standing) -> Status:
    if is_done(standing):
        return Status(Mark.OK, text("{count} registered", count=standing.records))
    if standing.waiting:
        return Status(Mark.RUNNING, text("{count} files wait", count=standing.waiting))
    if standing.refused:
        return Status(Mark.ERROR, text("refused"))
    return Status(Mark.WAITING if standing.mandatory else Mark.OFF, text("nothing yet"))


PAGES = pages.done()
