"""The pages of campaigns: all of them by information number, and one as a map and as a list of organisations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import abort, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict
from wtforms import SelectField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # the stubs are of the version before it

from chukan.platform.clock import as_tokyo
from chukan.platform.messages import mark, text
from chukan.platform.web import PageSet, here, page
from chukan.platform.web.cells import Mark, Status
from chukan.platform.web.listing import Column, FilterForm, Listing, Order
from chukan.platform.web.tilemap import PREFECTURES
from chukan.platform.web.values import number
from chukan.tenants.middleserver.operations.campaigns import picture, store
from chukan.tenants.middleserver.operations.campaigns.picture import OF_ALL, OF_ONE, Shade
from chukan.tenants.middleserver.operations.campaigns.rules import Campaign, Number, Readiness, Standing
from chukan.tenants.middleserver.operations.campaigns.service import OrganisationProgress, progress_of
from chukan.tenants.middleserver.operations.campaigns.words import told_readiness, told_scope

READ = "campaigns:campaign:read"
#: As many campaigns have a line in the table of numbers; the list has all.
_NEWEST = 6
_READINESS_SHADES = {Readiness.OVERDUE: 0, Readiness.NOT_BEGUN: 1, Readiness.UNDER_WAY: 2, Readiness.READY: 3}

Row = tuple[OrganisationProgress, Shade]


@dataclass(frozen=True)
class Share:
    """So many of all: what a bar shows, with its words beside it."""

    count: int
    whole: int

    @property
    def percent(self) -> float:
        """The share in percent."""
        return round(100 * self.count / self.whole, 1) if self.whole else 0.0

    @property
    def words(self) -> str:
        """The share in numbers."""
        return f"{number(self.count)} / {number(self.whole)}"


class ProgressFilters(FilterForm):
    """Of which number the map and the states are, and which organisations are listed."""

    number = SelectField(mark("Information number shown"), choices=[SelectChoice("", mark("All numbers together"))])
    prefecture = SelectField(
        mark("Prefecture"),
        choices=[
            SelectChoice("", mark("Any prefecture")),
            *(SelectChoice(code, place.name) for code, place in PREFECTURES.items()),
        ],
    )
    state = SelectField(mark("State"), choices=[SelectChoice("", mark("Any state"))])

    def __init__(self, query: MultiDict[str, str], campaign: Campaign) -> None:
        super().__init__()
        numbers = [SelectChoice(str(each.information), f"#{each.information}") for each in campaign.numbers]
        self.number.choices = [SelectChoice("", mark("All numbers together")), *numbers]
        kinds = OF_ONE if query.get("number") else OF_ALL
        states = [SelectChoice(kind.value, picture.word_of(kind)) for kind in kinds]
        self.state.choices = [SelectChoice("", mark("Any state")), *states]
        for field in self:
            if field.name in query:
                field.process(query)

    @property
    def information(self) -> int | None:
        """The number that is shown, or None for all of them."""
        return int(self.number.data) if self.number.data else None


def declare(pages: PageSet) -> None:
    """Declare the pages of campaigns."""
    pages.get("/campaigns", needs=READ, menu=(mark("Campaigns"), 42))(campaigns)
    pages.get("/campaigns/<revision>", needs=READ)(campaign)


def campaigns() -> ResponseReturnValue:
    """List the campaigns, and how far the newest are by information number."""
    with here().engine.connect() as connection:
        found = store.campaigns(connection)
        newest = found[:_NEWEST]
        counted = store.number_counts(connection, [each.revision for each in newest])
        whole = store.active_organisations(connection)
    shares = {(each.revision, each.information): Share(each.done, whole) for each in counted}
    numbers = sorted({each.information for each in counted})
    return page(
        "operations/campaigns.html",
        campaigns=found,
        numbers=numbers,
        matrix=[(each, [shares.get((each.revision, information)) for information in numbers]) for each in newest],
        today=as_tokyo(here().now).date(),
    )


def campaign(revision: str) -> ResponseReturnValue:
    """Show how far every organisation is: on a map, by number, and in a list."""
    visit = here()
    today = as_tokyo(visit.now).date()
    with visit.engine.connect() as connection:
        found = next((each for each in store.campaigns(connection) if each.revision == revision), None)
        if found is None:
            abort(404)
        progress = progress_of(connection, found, today)
    filters = ProgressFilters(request.args, found)
    information = filters.information if filters.validate() else None
    shades = picture.shades_of(progress, information)
    listing = _listing(found, filters, list(zip(progress, shades, strict=True)))
    if (file := listing.csv()) is not None:
        return file
    kinds = OF_ALL if information is None else OF_ONE
    return page(
        "operations/campaign.html",
        listing.status,
        listing=listing,
        campaign=found,
        information=information,
        days=(found.due_on - today).days,
        legend=[(kind, picture.letter_of(kind), picture.status_of(kind).word, count)
                for kind, count in picture.counts(shades, kinds)],
        prefectures=picture.by_prefecture(progress, shades),
        numbers=_numbers(found, progress),
    )  # fmt: skip


def _listing(found: Campaign, filters: ProgressFilters, rows: Sequence[Row]) -> Listing[Row]:
    def fetch(_order: Order, limit: int, offset: int) -> tuple[Sequence[Row], int]:
        kept = [
            (each, shade)
            for each, shade in rows
            if filters.prefecture.data in {"", each.prefecture} and filters.state.data in {"", shade.value}
        ]
        kept.sort(key=lambda row: _READINESS_SHADES[row[0].readiness])
        return kept[offset : offset + limit], len(kept)

    return Listing(
        "campaign-progress",
        mark("Progress by organisation and number"),
        _columns(found),
        fetch,
        query=request.args,
        order=Order("organisation"),
        filters=filters,
        empty=mark("No organisation is active."),
    )


def _columns(found: Campaign) -> Sequence[Column[Row]]:
    def cell(place: int, information: int) -> Column[Row]:
        return Column(f"number_{information}", f"#{information}", lambda row: _cell(row[0].standings[place]))

    return (
        Column[Row]("organisation", mark("Organisation"), lambda row: f"{row[0].name} {row[0].organisation}"),
        Column[Row]("readiness", mark("Readiness"), lambda row: _readiness(row[0].readiness)),
        *(cell(place, each.information) for place, each in enumerate(found.numbers)),
    )


def _readiness(readiness: Readiness) -> Status:
    how = picture.status_of(picture.SHADES[readiness]).mark
    return Status(how, told_readiness(readiness))


def _cell(standing: Standing) -> Status:
    shade = picture.shade_of_number(standing)
    if shade is Shade.READY:
        return Status(Mark.OK, text("{count} registered", count=number(standing.records)))
    if shade is Shade.WAITING:
        return Status(Mark.RUNNING, text("{count} files wait", count=number(standing.waiting)))
    if shade is Shade.REFUSED:
        return picture.status_of(shade)
    return Status(Mark.WAITING if standing.mandatory else Mark.OFF, text("nothing yet"))


def _numbers(found: Campaign, progress: Sequence[OrganisationProgress]) -> Sequence[Mapping[str, object]]:
    """Return a line for each number: what it asks for, and how many organisations stand how."""
    counted = picture.by_number(progress)
    return [_number_line(each, counted.get(each.information, {}), len(progress)) for each in found.numbers]


def _number_line(each: Number, counted: Mapping[Shade, int], whole: int) -> Mapping[str, object]:
    return {
        "information": each.information,
        "asked": [
            text("mandatory") if each.mandatory else text("optional"),
            told_scope(each.scope),
            *([text("in booked nights")] if each.large else []),
        ],
        "share": Share(counted.get(Shade.READY, 0), whole),
        "others": [counted.get(shade, 0) for shade in OF_ONE[1:]],
    }
