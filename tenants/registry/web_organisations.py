"""The list of organisations.

| GET | `/organisations` | search, filters, order, pages, CSV |
"""

from __future__ import annotations

from collections.abc import Sequence

from flask import request
from wtforms import SelectField, StringField
from wtforms.validators import Length

from chukan.platform.messages import mark, text
from chukan.platform.web import PageSet, here, page
from chukan.platform.web.cells import Mark, Status
from chukan.platform.web.listing import Column, FilterForm, Listing, Order
from chukan.tenants.registry import lists
from chukan.tenants.registry.attention import Need
from chukan.tenants.registry.lists import Cut, Listed
from chukan.tenants.registry.store import Filter
from chukan.tenants.registry.values import Kind, State, hosting_label, kind_label, state_label
from chukan.tenants.registry.web_common import (
    READ,
    Answer,
    choices,
    may_change,
    organisation_link,
    prefecture_choices,
    state_mark,
    today,
)

_NEEDS = {
    Need.ANYTHING: mark("anything"),
    Need.ROLES: mark("roles that nobody holds as they should"),
    Need.ENTRY: mark("gaps in the entry"),
    Need.TASKS: mark("hand-overs after their day"),
}


class OrganisationFilters(FilterForm):
    """What narrows the list of organisations."""

    words = StringField(mark("Name, reading or code"), [Length(max=100)])
    kind = SelectField(mark("Kind"), default="", choices=lambda: choices(Kind, kind_label, mark("Of any kind")))
    prefecture = SelectField(
        mark("Prefecture"), default="", choices=lambda: prefecture_choices(mark("In any prefecture"))
    )
    state = SelectField(mark("Stage"), default="", choices=lambda: choices(State, state_label, mark("In any stage")))
    need = SelectField(
        mark("Needs attention"),
        default="",
        choices=lambda: choices(Need, lambda need: text(_NEEDS[need]), mark("Whether or not")),
    )

    def wanted(self) -> Filter:
        """Return the same as the store takes it."""
        return Filter(
            words=self.words.data or "",
            kinds=[Kind(self.kind.data)] if self.kind.data else [],
            states=[State(self.state.data)] if self.state.data else [],
            prefecture=self.prefecture.data or None,
        )


def _warnings(row: Listed) -> Status | None:
    return Status(Mark.WARNING, text("{count} on roles", count=len(row.gaps))) if row.gaps else None


COLUMNS: Sequence[Column[Listed]] = (
    Column("code", mark("Code of the organisation"), lambda row: row.organisation.code, sortable=True),
    Column(
        "name", mark("Name"), lambda row: organisation_link(row.organisation.name, row.organisation.reference)
    ),
    Column("kana", mark("Reading"), lambda row: row.organisation.kana, sortable=True),
    Column("kind", mark("Kind"), lambda row: kind_label(row.organisation.kind), sortable=True),
    Column("prefecture", mark("Prefecture"), lambda row: row.organisation.prefecture_name, sortable=True),
    Column("state", mark("Stage"), lambda row: state_mark(row.organisation.state), sortable=True),
    Column("warnings", mark("Warnings"), _warnings),
    Column(
        "population", mark("Population"), lambda row: row.organisation.population, sortable=True, numeric=True
    ),
    Column("population_as_of", mark("As of"), lambda row: row.organisation.population_as_of, in_table=False),
    Column("population_source", mark("Source"), lambda row: row.organisation.population_source, in_table=False),
    Column("group", mark("Group"), lambda row: row.organisation.group, in_table=False),
    Column("hosting", mark("Hosting"), lambda row: hosting_label(row.organisation.hosting), in_table=False),
    Column("tenant", mark("Tenant of the platform"), lambda row: row.organisation.tenant, in_table=False),
    Column("id", mark("Id"), lambda row: row.organisation.id, in_table=False),
)  # fmt: skip


def declare(pages: PageSet) -> None:
    """Declare the list."""
    pages.get("/organisations", needs=READ, menu=(mark("Organisations"), 30))(organisations)


def organisations() -> Answer:
    """List the organisations."""
    form = OrganisationFilters(request.args)

    def fetch(order: Order, limit: int, offset: int) -> tuple[Sequence[Listed], int]:
        need = Need(form.need.data) if form.need.data else None
        cut = Cut(order.key, descending=order.descending, limit=limit, offset=offset)
        with here().engine.connect() as connection:
            return lists.organisations(connection, form.wanted(), need, today(), cut)

    listing = Listing(
        "organisations",
        mark("Organisations"),
        COLUMNS,
        fetch,
        query=request.args,
        order=Order("code"),
        filters=form,
        empty=mark("No organisation is registered yet."),
    )
    return listing.csv() or page(
        "registry/organisations.html", listing.status, listing=listing, form=form, may_change=may_change()
    )
