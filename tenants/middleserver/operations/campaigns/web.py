"""The pages of campaigns: all of them by information number, and one as a map and as a list of organisations."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
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
from chukan.tenants.middleserver.operations.campaigns.escalation import escalation
from chukan.tenants.middleserver.operations.campaigns.picture import OF_ALL, OF_ONE, Shade
from chukan.tenants.middleserver.operations.campaigns.rules import Campaign, Readiness, Standing
from chukan.tenants.middleserver.operations.campaigns.service import OrganisationProgress, progress_of
from chukan.tenants.middleserver.operations.campaigns.words import told_readiness, told_scope
from chukan.tenants.middleserver.operations.data import escalation_steps

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
    behind = SelectField(
        mark("Behind the plan"),
        choices=[SelectChoice("", mark("Behind or not")), SelectChoice("yes", mark("Behind alone"))],
    )

    def __init__(self, query: MultiDict[str, str], numbers: Sequence[int]) -> None:
        super().__init__()
        offered = [SelectChoice(str(each), f"#{each}") for each in numbers]
        self.number.choices = [SelectChoice("", mark("All numbers together")), *offered]
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
    today = as_tokyo(here().now).date()
    with here().engine.connect() as connection:
        found = store.campaigns(connection)
        newest = found[:_NEWEST]
        counted = store.number_counts(connection, newest, today)
        whole = store.active_organisations(connection)
    shares = {(each.revision, each.information): Share(each.done, each.taken_over or whole) for each in counted}
    numbers = sorted({each.information for each in counted})
    return page(
        "operations/campaigns.html",
        campaigns=found,
        numbers=numbers,
        matrix=[(each, [shares.get((each.revision, information)) for information in numbers]) for each in newest],
        today=today,
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
    told = escalation(progress, found.due_on, today, escalation_steps(today))
    behind = {one.organisation for each in told for one in each.organisations}
    numbers = picture.numbers_of(found, progress)
    filters = ProgressFilters(request.args, numbers)
    information = filters.information if filters.validate() else None
    drawn = picture.asked(progress, information)
    shades = picture.shades_of(drawn, information)
    listing = _listing(numbers, filters, list(zip(drawn, shades, strict=True)), behind)
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
        prefectures=picture.by_prefecture(drawn, shades),
        numbers=_numbers(found, numbers, progress),
        escalation=[(each.code, each.name, Share(len(each.organisations), each.whole)) for each in told],
    )  # fmt: skip


def _listing(
    numbers: Sequence[int], filters: ProgressFilters, rows: Sequence[Row], behind: Container[str]
) -> Listing[Row]:
    def fetch(_order: Order, limit: int, offset: int) -> tuple[Sequence[Row], int]:
        kept = [
            (each, shade)
            for each, shade in rows
            if filters.prefecture.data in {"", each.prefecture}
            and filters.state.data in {"", shade.value}
            and (not filters.behind.data or each.organisation in behind)
        ]
        kept.sort(key=lambda row: _READINESS_SHADES[row[0].readiness])
        return kept[offset : offset + limit], len(kept)

    return Listing(
        "campaign-progress",
        mark("Progress by organisation and number"),
        _columns(numbers),
        fetch,
        query=request.args,
        order=Order("organisation"),
        filters=filters,
        empty=mark("No organisation is active."),
    )


def _columns(numbers: Sequence[int]) -> Sequence[Column[Row]]:
    def cell(information: int) -> Column[Row]:
        name = f"number_{information}"
        return Column(name, f"#{information}", lambda row: _cell(picture.standing_of(row[0], information)))

    return (
        Column[Row]("organisation", mark("Organisation"), lambda row: f"{row[0].name} {row[0].organisation}"),
        Column[Row]("readiness", mark("Readiness"), lambda row: _readiness(row[0].readiness)),
        *map(cell, numbers),
    )


def _readiness(readiness: Readiness) -> Status:
    how = picture.status_of(picture.SHADES[readiness]).mark
    return Status(how, told_readiness(readiness))


def _cell(standing: Standing | None) -> Status:
    if standing is None:
        return Status(Mark.OFF, text("not asked"))
    shade = picture.shade_of_number(standing)
    if shade is Shade.READY:
        return Status(Mark.OK, text("{count} registered", count=number(standing.records)))
    if shade is Shade.WAITING:
        return Status(Mark.RUNNING, text("{count} files wait", count=number(standing.waiting)))
    if shade is Shade.REFUSED:
        return picture.status_of(shade)
    return Status(Mark.WAITING if standing.mandatory else Mark.OFF, text("nothing yet"))


def _numbers(
    found: Campaign, numbers: Sequence[int], progress: Sequence[OrganisationProgress]
) -> Sequence[Mapping[str, object]]:
    """Return a line for each number: what it asks for, and how many organisations stand how."""
    counted = picture.by_number(progress)
    lines = []
    for information in numbers:
        shades = counted.get(information, {})
        lines.append(
            {
                "information": information,
                "asked": _asked(found, information),
                "share": Share(shades.get(Shade.READY, 0), sum(shades.values())),
                "others": [shades.get(shade, 0) for shade in OF_ONE[1:]],
            }
        )
    return lines


def _asked(found: Campaign, information: int) -> Sequence[str]:
    number = found.number(information)
    if number is None:
        return [text("taken over by delegation")]
    return [
        text("mandatory") if number.mandatory else text("optional"),
        told_scope(number.scope),
        *([text("in booked nights")] if number.large else []),
    ]
