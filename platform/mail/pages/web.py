"""The pages of outgoing mail: where each mail stands, and what happened to one. What a mail says is shown nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from flask import request, url_for
from flask.typing import ResponseReturnValue
from wtforms import SelectField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # the stubs are of the version before it

from chukan.platform.mail import store
from chukan.platform.mail.errors import MailUnknown
from chukan.platform.mail.rules import MailState
from chukan.platform.mail.store import Standing
from chukan.platform.mail.words import STATES, told_event, told_state
from chukan.platform.messages import mark, text
from chukan.platform.web import PageSet, here, page
from chukan.platform.web.cells import Link, Mark, Status
from chukan.platform.web.listing import Column, FilterForm, Listing, Order

READ = "mail:message:read"
pages = PageSet("mail", __name__)

_MARKS = {
    MailState.QUEUED: Mark.WAITING,
    MailState.SENDING: Mark.RUNNING,
    MailState.SENT: Mark.OK,
    MailState.BOUNCED: Mark.WARNING,
    MailState.DEAD: Mark.ERROR,
}


_CHOICES = [
    SelectChoice("", mark("Every state")),
    *(SelectChoice(state.value, words) for state, words in STATES.items()),
]


class MailFilters(FilterForm):
    """What the mails are narrowed by."""

    state = SelectField(mark("State"), choices=_CHOICES)

    def wanted(self) -> MailState | None:
        """Return the state that is asked for."""
        return MailState(self.state.data) if self.state.data else None


def mail_status(state: MailState) -> Status:
    """Return where a mail stands as a mark with its word."""
    return Status(_MARKS[state], told_state(state))


def said(code: int | None, words: str | None) -> str:
    """Return what a server said: its code, and its words in its own language."""
    return " ".join(filter(None, (str(code or ""), words)))


COLUMNS = (
    Column[Standing]("queued", mark("Queued at"), lambda mail: Link(mail.queued_at, url_for("mail.one", mail=mail.id))),
    Column[Standing]("template", mark("Kind of mail"), lambda mail: mail.template),
    Column[Standing]("recipient", mark("Recipient"), lambda mail: mail.recipient),
    Column[Standing]("state", mark("State"), lambda mail: mail_status(mail.state)),
    Column[Standing]("attempts", mark("Tried"), lambda mail: mail.attempts, numeric=True),
    Column[Standing]("said", mark("What the server said"), lambda mail: said(mail.code, mail.words)),
    Column[Standing]("id", mark("Mail"), lambda mail: str(mail.id), in_table=False),
)


@pages.get("/mail", needs=READ, menu=(mark("Outgoing mail"), 75))
def index() -> ResponseReturnValue:
    """Show the mails in the state that is asked for, newest first."""
    form = MailFilters(request.args)

    def fetch(_order: Order, limit: int, offset: int) -> tuple[Sequence[Standing], None]:
        with here().engine.connect() as connection:
            return store.standing(connection, state=form.wanted(), limit=limit, offset=offset), None

    listing = Listing(
        "mail",
        mark("Outgoing mail"),
        COLUMNS,
        fetch,
        query=request.args,
        order=Order("queued", descending=True),
        filters=form,
        empty=mark("No mail was queued yet."),
    )
    return listing.csv() or page("mail/index.html", listing.status, listing=listing, form=form)


@pages.get("/mail/<uuid:mail>", needs=READ)
def one(mail: UUID) -> ResponseReturnValue:
    """Show where one mail stands and what happened to it."""
    with here().engine.connect() as connection:
        found, happened = store.standing(connection, mail=mail), store.history(connection, mail)
    if not found:
        raise MailUnknown(mail=mail)
    rows = [(each.at, told_event(each.event), mail_status(each.state), said(each.code, each.words))
            for each in happened]  # fmt: skip
    crumbs = [(text("Outgoing mail"), url_for("mail.index"))]
    may_retry = found[0].state in {MailState.DEAD, MailState.BOUNCED}
    return page("mail/one.html", mail=found[0], state=mail_status(found[0].state), rows=rows, crumbs=crumbs,
                may_retry=may_retry)  # fmt: skip


PAGES = pages.done()
