"""The page of the organisations' certificates for messages: which overlap, and which end soon.

It reads what the organisations' own log-ins project into the shared schema: states and dates, no key and no content.

Source: A0-070 to A0-072, rules C83.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from flask import request, url_for
from flask.typing import ResponseReturnValue
from wtforms import SelectField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # the stubs are of the version before it

from chukan.platform.clock import as_tokyo
from chukan.platform.messages import mark, text
from chukan.platform.web import PageSet, here, page
from chukan.platform.web.cells import Mark, Status
from chukan.platform.web.listing import Column, FilterForm, Listing, Order
from chukan.tenants.middleserver.security.certificates import page_store
from chukan.tenants.middleserver.security.certificates.page_store import Holding, Selection
from chukan.tenants.middleserver.security.certificates.rules import KeyUse, Rung, days_left, rung
from chukan.tenants.middleserver.security.certificates.words import told_use

READ = "certificates:certificate:read"
#: As many digits of a certificate's name are shown as tell it from the organisation's others.
_DIGITS = 12

_SELECTIONS: Mapping[str, str] = MappingProxyType(
    {
        Selection.ATTENTION: mark("Two at once, or ending within 60 days"),
        Selection.OVERLAP: mark("Two at once"),
        Selection.SOON: mark("Ending within 60 days"),
        Selection.URGENT: mark("Ending within 14 days"),
        Selection.EXPIRED: mark("Already ended"),
        Selection.PENDING: mark("Issued, not yet in force"),
        Selection.ALL: mark("All certificates"),
    }
)
_FIGURES = (Selection.OVERLAP, Selection.SOON, Selection.URGENT, Selection.EXPIRED, Selection.PENDING)
_MARKS = {Rung.FINE: Mark.OK, Rung.SOON: Mark.WARNING, Rung.URGENT: Mark.ERROR, Rung.EXPIRED: Mark.ERROR}

pages = PageSet("certificates", __name__)


class CertificateFilters(FilterForm):
    """Which certificates are listed."""

    show = SelectField(
        mark("Certificates shown"),
        choices=[SelectChoice(selection, words) for selection, words in _SELECTIONS.items()],
    )


@pages.get("/certificates", needs=READ, menu=(mark("Message certificates"), 43))
def overview() -> ResponseReturnValue:
    """List who has two certificates at once, and whose end soon."""
    visit = here()
    filters = CertificateFilters(request.args)

    def fetch(_order: Order, limit: int, offset: int) -> tuple[Sequence[Holding], int]:
        with visit.engine.connect() as connection:
            selection = Selection(filters.show.data or "")
            return page_store.holdings(connection, selection, visit.now, limit=limit, offset=offset)

    listing = Listing(
        "certificates",
        mark("Certificates for messages by organisation and use"),
        columns(visit.now),
        fetch,
        query=request.args,
        order=Order("ends"),
        filters=filters,
        empty=mark("No certificate overlaps, and none ends within 60 days."),
    )
    if (file := listing.csv()) is not None:
        return file
    with visit.engine.connect() as connection:
        counted = page_store.counts(connection, visit.now)
    figures = [(text(_SELECTIONS[each]), counted[each], url_for(".overview", show=each.value)) for each in _FIGURES]
    return page("certificates/overview.html", listing.status, listing=listing, figures=figures)


def columns(now: datetime) -> Sequence[Column[Holding]]:
    """Return the columns of the list as they read at *now*."""
    return (
        Column("organisation", mark("Organisation"), lambda each: f"{each.name or ''} {each.organisation}".strip()),
        Column("use", mark("Use"), lambda each: told_use(KeyUse(each.use))),
        Column("left", mark("Days that are left"), lambda each: _left(each, now)),
        Column("ends", mark("Ends at"), lambda each: each.active_until),
        Column("active", mark("Certificate in force"), lambda each: _short(each.active)),
        Column("overlap", mark("Overlap"), lambda each: _overlap(each, now)),
        Column("retiring", mark("Certificate that is replaced"), lambda each: _short(each.retiring)),
        Column("since", mark("Replaced since"), lambda each: each.retiring_since, in_table=False),
        Column("pending", mark("Not yet in force"), lambda each: each.pendings or None, numeric=True),
    )


def _short(kid: str | None) -> str | None:
    return kid[:_DIGITS] if kid is not None else None


def _left(each: Holding, now: datetime) -> Status:
    if each.active_until is None:
        return Status(Mark.WAITING, text("none in force"))
    days, how = days_left(each.active_until, now), rung(each.active_until, now)
    if how is Rung.EXPIRED:
        return Status(_MARKS[how], text("ended {days} days ago", days=-days))
    return Status(_MARKS[how], text("{days} days", days=days))


def _overlap(each: Holding, now: datetime) -> Status | None:
    """Return how the overlap stands: it lasts at least 14 days, and after that until nothing needs the old one."""
    if each.overlaps_until is None:
        return None
    if now < each.overlaps_until:
        return Status(Mark.RUNNING, text("until {day} at least", day=as_tokyo(each.overlaps_until).date().isoformat()))
    return Status(Mark.INFO, text("the old one may retire"))


PAGES = pages.done()
