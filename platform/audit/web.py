"""The pages of the audit trail: search by who, what, whom and when; one entry with its place in its chain."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from flask import request, url_for
from flask.typing import ResponseReturnValue
from wtforms import StringField
from wtforms.validators import Length, Optional, Regexp, ValidationError

from chukan.platform.audit.errors import EntryUnknown
from chukan.platform.audit.rules import Outcome
from chukan.platform.audit.search import Asked, Found, entry, search
from chukan.platform.component import Pages
from chukan.platform.identifiers import PLATFORM
from chukan.platform.messages import mark, text
from chukan.platform.web import Here, PageSet, here, page
from chukan.platform.web.cells import Link, Mark, Status
from chukan.platform.web.fields import InstantField
from chukan.platform.web.listing import Column, FilterForm, Listing, Order

READ = "audit:entry:read"

_MARKS = {Outcome.DONE: Mark.OK, Outcome.REFUSED: Mark.WARNING, Outcome.FAILED: Mark.ERROR}
_OUTCOMES = {Outcome.DONE: mark("done"), Outcome.REFUSED: mark("refused"), Outcome.FAILED: mark("failed")}
_NAME = Regexp(r"[!-~]{1,300}$", message=mark("Letters, digits and signs without blanks, as the trail writes them."))


@dataclass(frozen=True)
class People:
    """Who the trail's actors are, which only those above know."""

    #: The log-in names of those actors that are operators.
    names: Callable[[Here, Collection[str]], Mapping[str, str]]
    #: The actor whose log-in name it is, or None.
    actor: Callable[[Here, str], str | None]


AS_RECORDED = People(names=lambda _here, _actors: {}, actor=lambda _here, _login: None)


class SearchForm(FilterForm):
    """What the trail is searched by; *people* tells whose log-in name it is."""

    people = AS_RECORDED
    actor = StringField(
        mark("Who"), [Optional(), _NAME], description=mark("A log-in name, or as recorded: operator:… or system:root")
    )
    action = StringField(
        mark("What"), [Optional(), _NAME], description=mark("A whole action, or its beginning with a colon: vault:")
    )
    subject = StringField(mark("Whom or what it was done to"), [Optional(), _NAME])
    request_id = StringField(mark("Request"), [Optional(), _NAME])
    chain = StringField(mark("Chain"), [Optional(), Length(max=36)], description=mark("A tenant's id, or: platform"))
    since = InstantField(mark("From (included)"))
    until = InstantField(mark("Until (not included)"))

    def validate_actor(self, field: StringField) -> None:
        """Take an actor as it is recorded, or the log-in name of an operator."""
        if field.data and self._actor() is None:
            raise ValidationError(text("No operator has this log-in name."))

    def validate_chain(self, field: StringField) -> None:
        """Take a tenant's id, or the word for the platform's own chain."""
        if field.data and field.data != "platform":
            try:
                UUID(field.data)
            except ValueError as error:
                raise ValidationError(text("Give a tenant's id, or: platform")) from error

    def asked(self) -> Asked:
        """Return what is searched for."""
        chain = self.chain.data and (PLATFORM if self.chain.data == "platform" else UUID(self.chain.data))
        return Asked(
            actor=self._actor(),
            action=self.action.data or None,
            subject=self.subject.data or None,
            request=self.request_id.data or None,
            chain=chain or None,
            since=self.since.data,
            until=self.until.data,
        )

    def _actor(self) -> str | None:
        given = self.actor.data or None
        return given if given is None or ":" in given else self.people.actor(here(), given)


def _link(found: Found) -> Link:
    return Link(found.recorded_at, url_for("audit.one", chain=found.chain, seq=found.seq))


def _columns(names: Mapping[str, str]) -> tuple[Column[Found], ...]:
    """Return the columns; *names* are the log-in names of actors, as far as they are known by the time of showing."""
    return (
        Column[Found]("at", mark("Time"), _link, sortable=True),
        Column[Found]("who", mark("Who"), lambda found: names.get(found.actor, found.actor)),
        Column[Found]("action", mark("What"), lambda found: found.action),
        Column[Found]("subject", mark("Whom or what it was done to"), lambda found: found.subject),
        Column[Found]("outcome", mark("Outcome"), lambda found: outcome_status(found.outcome)),
        Column[Found]("recorded_at", mark("Recorded at"), lambda found: found.recorded_at, in_table=False),
        Column[Found]("actor", mark("Who, as recorded"), lambda found: found.actor, in_table=False),
        Column[Found]("chain", mark("Chain"), lambda found: str(found.chain), in_table=False),
        Column[Found]("seq", mark("No."), lambda found: found.seq, in_table=False, numeric=True),
        Column[Found]("request", mark("Request"), lambda found: found.request, in_table=False),
    )


def pages(people: People = AS_RECORDED) -> Pages:
    """Return the pages of the trail, in which *people* are told by their log-in names."""
    made = PageSet("audit", __name__)

    @made.get("/audit", needs=READ, menu=(mark("Audit trail"), 80))
    def entries() -> ResponseReturnValue:
        """Show the entries that the filters describe."""
        form, names = SearchForm(formdata=request.args), dict[str, str]()
        form.people = people

        def fetch(order: Order, limit: int, offset: int) -> tuple[Sequence[Found], None]:
            with here().engine.connect() as connection:
                rows = search(connection, form.asked(), limit=limit, offset=offset, descending=order.descending)
            names.update(people.names(here(), {row.actor for row in rows}))
            return rows, None

        found = Listing(
            "audit",
            mark("Audit entries"),
            _columns(names),
            fetch,
            query=request.args,
            order=Order("at", descending=True),
            filters=form,
            empty=mark("Nothing has been recorded yet."),
        )
        return found.csv() or page("audit/entries.html", found.status, listing=found, form=form)

    @made.get("/audit/<uuid:chain>/<int:seq>", needs=READ)
    def one(chain: UUID, seq: int) -> ResponseReturnValue:
        """Show one entry and where it stands in its chain."""
        with here().engine.connect() as connection:
            found = entry(connection, chain, seq)
        if found is None:
            raise EntryUnknown(chain=chain, seq=seq)
        return page(
            "audit/entry.html",
            found=found,
            crumbs=[(text("Audit trail"), url_for("audit.entries"))],
            name=people.names(here(), {found.actor}).get(found.actor),
            outcome=outcome_status(found.outcome),
            whose=whose(chain),
        )

    return made.done()


def outcome_status(outcome: Outcome) -> Status:
    """Return how an act ended, as a mark with its word."""
    return Status(_MARKS[outcome], text(_OUTCOMES[outcome]))


def whose(chain: UUID) -> str:
    """Return in words whose chain it is."""
    return text("the platform's own") if chain == PLATFORM else text("tenant {id}", id=chain)
