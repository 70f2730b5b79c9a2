"""The pages of cases: inquiries of which two parties keep different records, and closing one that was looked into.

Field names alone: what the records say stands in no case. Source: A0-156.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode
from uuid import UUID

from flask import abort, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import SelectField, StringField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # the stubs are of the version before it
from wtforms.validators import InputRequired, Length, Optional

from chukan.platform.audit.actor import Actor
from chukan.platform.messages import mark, text
from chukan.platform.web import PageSet, done, here, page
from chukan.platform.web.cells import Link, Mark, Status
from chukan.platform.web.forms import BaseForm
from chukan.platform.web.listing import Column, FilterForm, Listing, Order
from chukan.tenants.middleserver.provision_records import page_store, store
from chukan.tenants.middleserver.provision_records.checks import judge
from chukan.tenants.middleserver.provision_records.page_store import NamedCase, Selection
from chukan.tenants.middleserver.provision_records.rules import DifferenceKind, told_kind
from chukan.tenants.middleserver.provision_records.service import MOST_REASON, close_case
from chukan.tenants.middleserver.transmission.web import judged

READ, CLOSE = "provision_records:case:read", "provision_records:case:close"
TRACE = "provision_records:record:read"

pages = PageSet("provision_records", __name__)

_SELECTIONS: Mapping[Selection, str] = {
    Selection.OPEN: mark("Open cases"),
    Selection.MISSING_HERE: mark("Open: the organisation lacks the record"),
    Selection.MISSING_THERE: mark("Open: the network lacks the record"),
    Selection.DIFFERS: mark("Open: the records differ"),
    Selection.CLOSED: mark("Closed cases"),
    Selection.ALL: mark("All cases"),
}
_FIGURES = (Selection.MISSING_HERE, Selection.MISSING_THERE, Selection.DIFFERS, Selection.CLOSED)
_SIDES: Mapping[str, str] = {"inquirer": mark("as the inquirer"), "provider": mark("as the provider")}
#: The fields that all three parties record, by the names under which cases tell them.
_FIELDS: Mapping[str, str] = {
    "side": mark("its part"),
    "inquirer": mark("Inquirer"),
    "serial": mark("Processing serial"),
    "provider": mark("Provider"),
    "affair": mark("affair"),
    "procedure": mark("procedure"),
    "information": mark("information"),
    "requested_at": mark("Requested"),
    "answered_at": mark("Answered"),
    "result": mark("Result"),
    "non_disclosure": mark("non-disclosure"),
}
#: What the nightly comparison writes as its reason.
_AGREES = "agrees"


class CaseFilters(FilterForm):
    """Which cases are listed."""

    show = SelectField(mark("Cases shown"), choices=[SelectChoice(each, words) for each, words in _SELECTIONS.items()])
    words = StringField(mark("Organisation or processing serial"), [Optional(), Length(max=100)])


class CloseForm(BaseForm):
    """Why a case is closed."""

    reason = StringField(
        mark("Reason"),
        [InputRequired(), Length(max=MOST_REASON)],
        description=mark("The trail keeps it. It must not name the person."),
    )


def _fields(each: NamedCase) -> Sequence[str]:
    return [text(_FIELDS[name]) if name in _FIELDS else name for name in each.fields]


def _standing(each: NamedCase) -> Status:
    return Status(Mark.OFF, text("case closed")) if each.closed_at else Status(Mark.WARNING, text("case open"))


def _link(each: NamedCase) -> Link:
    return Link(each.opened_at, url_for("provision_records.case", case=each.id), about=each.serial)


COLUMNS = (
    Column[NamedCase]("opened", mark("Found at"), _link, sortable=True),
    Column[NamedCase]("organisation", mark("Organisation"), lambda each: f"{each.name} {each.organisation}".strip()),
    Column[NamedCase]("kind", mark("What it is about"), lambda each: told_kind(DifferenceKind(each.kind))),
    Column[NamedCase]("fields", mark("Fields"), lambda each: _fields(each) or None),
    Column[NamedCase]("serial", mark("Processing serial"), lambda each: each.serial),
    Column[NamedCase]("requested", mark("Requested on"), lambda each: each.requested_on),
    Column[NamedCase]("state", mark("State"), _standing),
    Column[NamedCase]("inquirer", mark("Inquirer"), lambda each: each.inquirer, in_table=False),
    Column[NamedCase]("side", mark("Its part"), lambda each: text(_SIDES[each.side]), in_table=False),
    Column[NamedCase]("seen", mark("Last seen at"), lambda each: each.seen_at, in_table=False),
    Column[NamedCase]("closed", mark("Closed at"), lambda each: each.closed_at, in_table=False),
)


@pages.get("/reconciliation", needs=READ, menu=(mark("Records that differ"), 47))
def cases() -> ResponseReturnValue:
    """List the cases, with how the last comparisons went."""
    filters = CaseFilters(request.args)

    def fetch(order: Order, limit: int, offset: int) -> tuple[Sequence[NamedCase], int]:
        selection, words = Selection(filters.show.data or ""), (filters.words.data or "").strip()
        with here().engine.connect() as connection:
            return page_store.named_cases(
                connection, selection, words, descending=order.descending, limit=limit, offset=offset
            )

    listing = Listing(
        "cases",
        mark("Cases of records that differ"),
        COLUMNS,
        fetch,
        query=request.args,
        order=Order("opened"),
        filters=filters,
        empty=mark("No comparison has left a case."),
    )
    if (file := listing.csv()) is not None:
        return file
    with here().engine.connect() as connection:
        counted = page_store.case_counts(connection)
        compared = page_store.last_comparisons(connection)
        verdict = judge(store.standing(connection))
    return page(
        "provision_records/cases.html",
        listing.status,
        listing=listing,
        judged=judged(verdict, "reconciliation-cases-open"),
        compared=compared,
        figures=[(text(_SELECTIONS[each]), counted[each], url_for(".cases", show=each.value)) for each in _FIGURES],
    )


@pages.get("/reconciliation/<uuid:case>", needs=READ)
def case(case: UUID) -> ResponseReturnValue:
    """Show one case: which fields differ, since when, and how it was closed."""
    return _shown(case, CloseForm(), 200)


@pages.post("/reconciliation/<uuid:case>", needs=CLOSE)
def close(case: UUID) -> ResponseReturnValue:
    """Close a case that was looked into."""
    visit, form = here(), CloseForm()
    actor = Actor(visit.engine, visit.actor, visit.request)
    if form.attempt(lambda: close_case(actor, case, reason=(form.reason.data or "").strip(), now=visit.now)):
        return done("provision_records.case", mark("The case is closed."), case=case)
    return _shown(case, form, 422)


def _shown(name: UUID, form: CloseForm, status: int) -> ResponseReturnValue:
    with here().engine.connect() as connection:
        found = page_store.named_case(connection, name)
    if found is None:
        abort(404)
    facts = [
        (text("Organisation"), f"{found.name} {found.organisation}".strip()),
        (text("Its part"), text(_SIDES[found.side])),
        (text("What it is about"), told_kind(DifferenceKind(found.kind))),
        (text("Fields"), _fields(found) or None),
        (text("Inquirer"), found.inquirer),
        (text("Processing serial"), found.serial),
        (text("Requested on"), found.requested_on),
        (text("Found at"), found.opened_at),
        (text("Last seen at"), found.seen_at),
        (text("State"), _standing(found)),
    ]
    if found.closed_at is not None:
        reason = text("the records agree again") if found.reason == _AGREES else found.reason
        facts += [(text("Closed at"), found.closed_at), (text("Closed by"), found.closed_by), (text("Reason"), reason)]
    may_close = found.closed_at is None and here().may(CLOSE)
    return page(
        "provision_records/case.html",
        status,
        case=found,
        facts=facts,
        form=form,
        action=url_for("provision_records.close", case=name) if may_close else None,
        course=_course(found) if here().may(TRACE) else None,
        crumbs=[(text("Records that differ"), url_for("provision_records.cases"))],
    )


def _course(found: NamedCase) -> str:
    """Return where the course of its inquiry can be asked for: pages of a layer above."""
    return f"/inquiry-course?{urlencode({'organisation': found.organisation, 'number': found.serial})}"


PAGES = pages.done()
