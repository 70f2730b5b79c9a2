"""Approvals: what waits for a second person, what it says exactly, and the decision.

Source: A0-142 item 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from flask import request, url_for
from wtforms.validators import InputRequired

from chukan.platform.accounts.four_eyes import Approved, told_objection, told_state
from chukan.platform.accounts.permissions import Permission
from chukan.platform.accounts.request_overview import AllAboutRequest, Shelf, shown_state
from chukan.platform.accounts.request_store import Request
from chukan.platform.accounts.rules import Objection, RequestState
from chukan.platform.accounts.web_desk import Answer, desk, me, request_overview
from chukan.platform.accounts.words import REQUEST_MARKS, told_kind, told_payload, told_subject, word_to_type
from chukan.platform.audit.rules import canonical_json
from chukan.platform.messages import mark, text
from chukan.platform.web import BaseForm, PageSet, done, here, page
from chukan.platform.web.cells import Link, Status
from chukan.platform.web.fields import TypedField
from chukan.platform.web.listing import Column, Listing, Order

#: Each shelf with its name and what is said when it is empty.
_SHELVES = {
    Shelf.WAITING: (mark("Waiting for me"), mark("No request waits for you.")),
    Shelf.MINE: (mark("Asked for by me"), mark("You have asked for nothing.")),
    Shelf.OPEN: (mark("All that are open"), mark("No request is open.")),
    Shelf.ENDED: (mark("All that are over"), mark("No request is over.")),
}


class DecisionForm(BaseForm):
    """A word of the request, typed: who decides has read it."""

    typed = TypedField(mark("Confirmation"), [InputRequired()], render_kw={"autocomplete": "off"})


def declare(pages: PageSet) -> None:
    """Declare list, page of one, and the two decisions; who may approve what is the kind's own permission."""
    needs = Permission.REQUEST_READ
    pages.get("/approvals", needs=needs, menu=(mark("Approvals"), 20))(approvals)
    pages.get("/approvals/<any(mine, open, ended):shelf>", needs=needs)(approvals_on)
    pages.get("/approvals/<uuid:wanted>", needs=needs)(approval)
    pages.get("/approvals/<uuid:wanted>/approve", needs=needs)(ask_approve)
    pages.post("/approvals/<uuid:wanted>/approve", needs=needs)(approve)
    pages.get("/approvals/<uuid:wanted>/reject", needs=needs)(ask_reject)
    pages.post("/approvals/<uuid:wanted>/reject", needs=needs)(reject)


def approvals() -> Answer:
    """List the requests that wait for the visitor."""
    return _listed(Shelf.WAITING)


def approvals_on(shelf: str) -> Answer:
    """List the requests of another shelf."""
    return _listed(Shelf(shelf))


def _listed(shelf: Shelf) -> Answer:
    overview = request_overview()
    name, empty = _SHELVES[shelf]

    def fetch(order: Order, limit: int, offset: int) -> tuple[Sequence[Request], int]:
        return overview.page(
            shelf,
            now=here().now,
            order=order.key,
            descending=order.descending,
            limit=limit,
            offset=offset,
        )

    listing = Listing(
        "approvals",
        name,
        _columns(),
        fetch,
        query=request.args,
        order=Order("requested_at", descending=True),
        empty=empty,
    )
    tabs = [(text(_SHELVES[each][0]), _shelf_address(each), each is shelf) for each in Shelf]
    return listing.csv() or page("accounts/approvals.html", listing.status, listing=listing, tabs=tabs)


def _shelf_address(shelf: Shelf) -> str:
    if shelf is Shelf.WAITING:
        return url_for("accounts.approvals")
    return url_for("accounts.approvals_on", shelf=shelf.value)


def _columns() -> Sequence[Column[Request]]:
    kinds = {kind.name: kind for kind in desk().four_eyes.kinds}
    return (
        Column("kind", mark("Act"), lambda row: _link(row, told_kind(kinds.get(row.kind), row.kind)), sortable=True),
        Column("about", mark("About"), lambda row: told_subject(row, kinds.get(row.kind))),
        Column("requested_by", mark("Asked by"), lambda row: row.requested_by),
        Column("requested_at", mark("Asked at"), lambda row: row.requested_at, sortable=True),
        Column("expires_at", mark("Until"), lambda row: row.expires_at, sortable=True),
        Column("state", mark("State"), lambda row: _state(shown_state(row, here().now)), sortable=True),
        Column("decided_by", mark("Decided by"), lambda row: row.decided_by),
        Column("id", mark("Request id"), lambda row: str(row.id), in_table=False),
    )


def approval(wanted: UUID) -> Answer:
    """Show all about one request, and what the visitor can decide."""
    about = request_overview().one(wanted)
    return page(
        "accounts/approval.html",
        about=about,
        title=told_kind(about.kind, about.request.kind),
        facts=_facts(about),
        payload=told_payload(about.request, about.kind),
        document=canonical_json(about.request.payload),
        history=[(_state(one.state), one.at, one.actor) for one in about.history],
        hindrance=_hindrance(about),
        offers=_offers(about),
        next_step=_next_step(about),
    )


def ask_approve(wanted: UUID) -> Answer:
    """Ask for a word of the request before it is approved."""
    about = request_overview().one(wanted)
    return _question(about, _form(about), 200, RequestState.APPROVED)


def ask_reject(wanted: UUID) -> Answer:
    """Ask for a word of the request before it is rejected."""
    about = request_overview().one(wanted)
    return _question(about, _form(about), 200, RequestState.REJECTED)


def approve(wanted: UUID) -> Answer:
    """Approve a request, and carry out at once what needs nothing but the console's log-in."""
    about = request_overview().one(wanted)
    form = _form(about)
    if not form.attempt(lambda: _approve(wanted)):
        return _question(request_overview().one(wanted), form, 422, RequestState.APPROVED)
    runs = about.kind is not None and about.kind.run is not None and about.kind.runs_in_console
    message = mark("The request is approved and was carried out.") if runs else mark("The request is approved.")
    return done("accounts.approval", message, wanted=wanted)


def reject(wanted: UUID) -> Answer:
    """Reject a request, or take back one's own."""
    about = request_overview().one(wanted)
    form = _form(about)
    four_eyes = desk().four_eyes
    if not form.attempt(lambda: four_eyes.reject(me(), wanted, now=here().now, request=here().request)):
        return _question(request_overview().one(wanted), form, 422, RequestState.REJECTED)
    return done("accounts.approval", mark("The request is rejected."), wanted=wanted)


def _approve(wanted: UUID) -> None:
    four_eyes, actor = desk().four_eyes, me()
    approved = four_eyes.approve(actor, wanted, now=here().now, request=here().request)
    kind = four_eyes.kind(approved.kind)
    if kind.run is not None and kind.runs_in_console:
        kind.run(Approved(here().settings, wanted, actor))


def _form(about: AllAboutRequest) -> DecisionForm:
    form = DecisionForm()
    form.typed.expected = word_to_type(about.request, about.kind)
    return form


def _question(about: AllAboutRequest, form: DecisionForm, status: int, decision: RequestState) -> Answer:
    """Return the page that asks before *decision*: it says once more exactly what is decided."""
    approves = decision is RequestState.APPROVED
    address = url_for("accounts.approval", wanted=about.request.id)
    act = told_kind(about.kind, about.request.kind)
    hindrance = _hindrance(about) if approves else None
    return page(
        "web/confirm.html",
        status,
        title=text("Approve: {act}", act=act) if approves else text("Reject: {act}", act=act),
        facts=[*_facts(about), *told_payload(about.request, about.kind)],
        warning=hindrance or (text("What you approve is done in your name, too.") if approves else None),
        form=form,
        button=text("Approve") if approves else text("Reject"),
        danger=not approves,
        action=url_for("accounts.approve" if approves else "accounts.reject", wanted=about.request.id),
        cancel=address,
        crumbs=[(text("Approvals"), url_for("accounts.approvals")), (act, address)],
    )


def _facts(about: AllAboutRequest) -> list[tuple[str, object]]:
    found = about.request
    decided: list[tuple[str, object]] = [
        (text("Decided by"), found.decided_by),
        (text("Decided at"), found.decided_at),
    ]
    return [
        (text("State"), _state(shown_state(found, here().now))),
        (text("Asked by"), found.requested_by),
        (text("Asked at"), found.requested_at),
        (text("Until"), found.expires_at),
        *(decided if found.decided_by else []),
        (text("Request id"), str(found.id)),
    ]


def _hindrance(about: AllAboutRequest) -> str | None:
    """Return why the visitor cannot approve what waits, or None."""
    if shown_state(about.request, here().now) is not RequestState.REQUESTED:
        return None
    if about.kind is None:
        return text("No part of this program carries out requests of this kind; another version asked for it.")
    if about.objection is not None:
        return text("You cannot approve this request: {reason}.", reason=told_objection(about.objection))
    if not me().may(about.kind.approve):
        return text("Your roles do not allow this ({permission}).", permission=about.kind.approve.value)
    return None


def _offers(about: AllAboutRequest) -> list[str]:
    """Return the endpoints of what the visitor can decide, in the order of their buttons."""
    state = shown_state(about.request, here().now)
    if state is RequestState.APPROVED:
        # An act that failed is tried again by who approved it.
        own = about.request.decider == me().require_person().person
        return ["accounts.ask_approve"] if own and about.kind is not None and about.kind.runs_in_console else []
    if state is not RequestState.REQUESTED:
        return []
    mine = about.objection is Objection.SAME_PERSON
    may = about.kind is not None and me().may(about.kind.approve)
    return [
        *(["accounts.ask_approve"] if _hindrance(about) is None else []),
        *(["accounts.ask_reject"] if mine or may else []),
    ]


def _next_step(about: AllAboutRequest) -> str | None:
    """Return how the request is carried out, as long as it has not been."""
    if shown_state(about.request, here().now) not in {RequestState.REQUESTED, RequestState.APPROVED}:
        return None
    if about.kind is None or about.kind.run is None:
        return text("Once it is approved a worker carries it out by itself.")
    if about.kind.runs_in_console:
        return text("It is carried out at once when it is approved.")
    return text(
        "The console may not carry it out. Who approved it runs `chukan approve {request}` after `chukan login`, on a "
        "machine that holds the log-in for it.",
        request=about.request.id,
    )


def _state(state: RequestState) -> Status:
    return Status(REQUEST_MARKS[state], told_state(state))


def _link(row: Request, words: str) -> Link:
    return Link(words, url_for("accounts.approval", wanted=row.id))
