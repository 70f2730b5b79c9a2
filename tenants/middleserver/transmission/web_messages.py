"""The pages of messages that do not go on: given up, refused or held; and having one of them sent again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from flask import abort, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import SelectField, StringField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # the stubs are of the version before it
from wtforms.validators import Length, Optional

from chukan.platform.audit.actor import Actor
from chukan.platform.identifiers import TenantId
from chukan.platform.messages import mark, text
from chukan.platform.web import PageSet, done, here, page
from chukan.platform.web.cells import Link, Mark, Status
from chukan.platform.web.forms import BaseForm
from chukan.platform.web.listing import Column, FilterForm, Listing, Order
from chukan.tenants.middleserver.transmission import page_store
from chukan.tenants.middleserver.transmission.page_store import NamedTrouble
from chukan.tenants.middleserver.transmission.retries import Retry, ask_retry, retries_of

READ, RETRY = "transmission:exchange:read", "transmission:message:retry"

_STATES: Mapping[str, tuple[Mark, str]] = {
    "dead": (Mark.ERROR, mark("given up")),
    "refused": (Mark.WARNING, mark("refused by the network")),
    "held": (Mark.WAITING, mark("held until the one before it comes")),
}
_OUTCOMES: Mapping[str | None, tuple[Mark, str]] = {
    None: (Mark.WAITING, mark("waits for a worker")),
    "queued": (Mark.OK, mark("was queued again")),
    "not_needed": (Mark.INFO, mark("needed no retry any more")),
    "failed": (Mark.ERROR, mark("could not be queued")),
}


#: What to do, by the checks that tell of such messages.
_RUNBOOKS = ("exchange-dead-letters", "exchange-oldest-unsent")


class MessageFilters(FilterForm):
    """Which messages are listed."""

    state = SelectField(
        mark("State of the message"),
        choices=[
            SelectChoice("", mark("Given up, refused or held")),
            *(SelectChoice(state, words) for state, (_, words) in _STATES.items()),
        ],
    )
    words = StringField(mark("Code or name of the organisation"), [Optional(), Length(max=100)])


def _message(each: NamedTrouble) -> Link:
    path = url_for("exchange.message", tenant=each.tenant, message=each.message)
    return Link(each.since, path, about=f"{each.name} {each.type}")


def _state(each: NamedTrouble) -> object:
    found = [_status(each.state)]
    return [*found, Status(*_asked())] if each.asked_at is not None else found[0]


def _asked() -> tuple[Mark, str]:
    how, words = _OUTCOMES[None]
    return how, text(words)


def _status(state: str) -> Status:
    how, words = _STATES[state]
    return Status(how, text(words))


COLUMNS = (
    Column[NamedTrouble]("since", mark("Since"), _message, sortable=True),
    Column[NamedTrouble]("organisation", mark("Organisation"), lambda each: f"{each.name} {each.organisation}".strip()),
    Column[NamedTrouble]("state", mark("State"), _state),
    Column[NamedTrouble]("type", mark("Kind of message"), lambda each: each.type),
    Column[NamedTrouble]("sequence", mark("Place"), lambda each: each.sequence, numeric=True),
    Column[NamedTrouble]("awaited", mark("Place that is missing"), lambda each: each.awaited, numeric=True),
    Column[NamedTrouble]("attempts", mark("Tried"), lambda each: each.attempts, numeric=True),
    Column[NamedTrouble]("reason", mark("Reason"), lambda each: each.reason),
    Column[NamedTrouble]("message", mark("Message"), lambda each: str(each.message), in_table=False),
    Column[NamedTrouble]("conversation", mark("Conversation"), lambda each: str(each.conversation), in_table=False),
)


def declare(pages: PageSet) -> None:
    """Declare the pages of messages that do not go on."""
    pages.get("/exchange/messages", needs=READ, menu=(mark("Messages that do not go on"), 45))(messages)
    pages.get("/exchange/messages/<uuid:tenant>/<uuid:message>", needs=READ)(message)
    pages.post("/exchange/messages/<uuid:tenant>/<uuid:message>", needs=RETRY)(retry)


def messages() -> ResponseReturnValue:
    """List the messages that were given up, refused, or are held."""
    filters = MessageFilters(request.args)

    def fetch(order: Order, limit: int, offset: int) -> tuple[Sequence[NamedTrouble], int]:
        state, words = filters.state.data or "", (filters.words.data or "").strip()
        with here().engine.connect() as connection:
            return page_store.named_troubles(
                connection, state, words, descending=order.descending, limit=limit, offset=offset
            )

    listing = Listing(
        "messages",
        mark("Messages that were given up, refused, or are held"),
        COLUMNS,
        fetch,
        query=request.args,
        order=Order("since"),
        filters=filters,
        empty=mark("Every message goes on."),
    )
    return listing.csv() or page("transmission/messages.html", listing.status, listing=listing, runbooks=_RUNBOOKS)


def message(tenant: UUID, message: UUID) -> ResponseReturnValue:
    """Show one message, who wanted it to be sent again, and how that is done."""
    return _shown(TenantId(tenant), message, BaseForm(), 200)


def retry(tenant: UUID, message: UUID) -> ResponseReturnValue:
    """Have a worker send one message again."""
    visit, form, whose = here(), BaseForm(), TenantId(tenant)
    asker = Actor(visit.engine, visit.actor, visit.request)
    if form.attempt(lambda: ask_retry(asker, whose, message)):
        return done("exchange.message", mark("A worker will send it again."), tenant=tenant, message=message)
    return _shown(whose, message, form, 422)


def _shown(tenant: TenantId, name: UUID, form: BaseForm, status: int) -> ResponseReturnValue:
    with here().engine.connect() as connection:
        found = page_store.named_trouble(connection, tenant, name)
        asked = retries_of(connection, tenant, name)
    if found is None and not asked:
        abort(404)
    can_retry = found is not None and found.state == "dead" and found.asked_at is None
    return page(
        "transmission/message.html",
        status,
        message=name,
        found=found,
        state=_status(found.state) if found else None,
        asked=[(each.asked_at, each.asked_by, _came_of(each), each.error, each.done_at) for each in asked],
        form=form,
        action=url_for("exchange.retry", tenant=tenant, message=name) if can_retry and here().may(RETRY) else None,
        crumbs=[(text("Messages that do not go on"), url_for("exchange.messages"))],
    )


def _came_of(each: Retry) -> Status:
    how, words = _OUTCOMES[each.outcome]
    return Status(how, text(words))
