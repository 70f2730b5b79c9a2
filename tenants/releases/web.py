"""The page of the releases: which revision the tenants' schemas are at, and which ones could not be brought along.

The console holds no log-in that could apply a release; the page says which command does.
"""

from __future__ import annotations

from collections.abc import Sequence

from flask import request
from flask.typing import ResponseReturnValue

from chukan.platform.database.engines import driver
from chukan.platform.messages import mark, text
from chukan.platform.web import PageSet, here, page
from chukan.platform.web.cells import Mark, Status
from chukan.platform.web.charts import BarChart, Series
from chukan.platform.web.listing import Column, Listing, Order
from chukan.tenants.releases import store
from chukan.tenants.releases.rendering import revisions
from chukan.tenants.releases.store import Failed, Standing

READ = "tenants:release:read"
#: In this order the groups are shown; None are the schemas without an organisation's group, shown if there are any.
_GROUPS = (1, 2, None)

pages = PageSet("releases", __name__)

COLUMNS = (
    Column[Failed]("organisation", mark("Organisation"), lambda failed: failed.organisation or str(failed.tenant)),
    Column[Failed]("at", mark("Time"), lambda failed: failed.at),
    Column[Failed]("revision", mark("Stands at"), lambda failed: failed.revision),
    Column[Failed]("failed_revision", mark("Did not reach"), lambda failed: failed.failed_revision),
    Column[Failed]("failure", mark("Failure"), lambda failed: failed.failure),
    Column[Failed]("tenant", mark("Tenant"), lambda failed: str(failed.tenant), in_table=False),
)


@pages.get("/releases", needs=READ, menu=(mark("Releases"), 65))
def index() -> ResponseReturnValue:
    """Show where the schemas stand, group by group, and the failures."""

    def fetch(_order: Order, limit: int, offset: int) -> tuple[Sequence[Failed], None]:
        with here().engine.connect() as connection:
            return store.failures(driver(connection), limit=limit, offset=offset), None

    listing = Listing(
        "release-failures",
        mark("Schemas that failed"),
        COLUMNS,
        fetch,
        query=request.args,
        order=Order("at", descending=True),
        empty=mark("No schema failed."),
    )
    if (file := listing.csv()) is not None:
        return file
    with here().engine.connect() as connection:
        standings = store.standings(driver(connection))
    known = revisions()
    return page("releases/index.html", listing=listing, revisions=known, chart=chart(standings, known),
                standings=[_row(standing, known[-1][0]) for standing in standings])  # fmt: skip


def chart(standings: Sequence[Standing], known: Sequence[tuple[str, str]]) -> BarChart:
    """Return how many schemas of each group are at each of the *known* revisions, and at others that somebody has."""
    others = {standing.revision for standing in standings} - {revision for revision, _ in known}
    labels = [revision for revision, _ in known] + sorted(others)
    counts = {(standing.group, standing.revision): standing.schemas for standing in standings}
    groups = [group for group in _GROUPS if group is not None or any(each is None for each, _ in counts)]
    return BarChart(
        id="standings",
        title=text("Schemas by group and revision"),
        summary=text("{count} schemas, {failed} of which failed.", count=sum(each.schemas for each in standings),
                     failed=sum(each.failed for each in standings)),
        labels=labels,
        series=[Series(_group(group), [counts.get((group, label), 0) for label in labels]) for group in groups],
    )  # fmt: skip


def _row(standing: Standing, newest: str) -> Sequence[object]:
    if standing.failed:
        state = Status(Mark.ERROR, text("some failed"))
    elif standing.revision == newest:
        state = Status(Mark.OK, text("newest"))
    else:
        state = Status(Mark.WAITING, text("behind"))
    return (_group(standing.group), standing.revision, state, standing.schemas, standing.failed)


def _group(group: int | None) -> str:
    return text("Group {number}", number=group) if group is not None else text("No group")


PAGES = pages.done()
