"""Operators: the list of them, and the page of one. What can be done to them stands in web_operator_acts.py."""

from __future__ import annotations

from collections.abc import Sequence

from flask import request, url_for
from wtforms import SelectField, StringField

from chukan.platform.accounts.operator_overview import AllAbout, Handed, Listed, Sought
from chukan.platform.accounts.permissions import Permission
from chukan.platform.accounts.rules import AccountState, Role
from chukan.platform.accounts.service import told_state
from chukan.platform.accounts.web_desk import Answer, me, operator_overview
from chukan.platform.accounts.web_login import half_width
from chukan.platform.accounts.words import ACCOUNT_MARKS, ROLES, choice, told_event, told_roles, told_session
from chukan.platform.messages import mark, text
from chukan.platform.web import PageSet, here, page
from chukan.platform.web.cells import Link, Mark, Status
from chukan.platform.web.listing import Column, FilterForm, Listing, Order

_STATES = (
    choice(AccountState.INVITED.value, mark("invited")),
    choice(AccountState.ACTIVE.value, mark("enrolled")),
    choice(AccountState.DISABLED.value, mark("disabled")),
)


class SoughtForm(FilterForm):
    """What narrows the list of operators."""

    words = StringField(mark("Log-in name, name or staff number"))
    state = SelectField(mark("State"), choices=[choice("", mark("In any state")), *_STATES])
    role = SelectField(
        mark("Role"),
        choices=[choice("", mark("With any role")), *(choice(role.value, ROLES[role]) for role in Role)],
        default="",
    )

    def sought(self) -> Sought:
        """Return the same as the overview takes it."""
        return Sought(
            words=half_width(self.words.data),
            state=AccountState(self.state.data) if self.state.data else None,
            role=Role(self.role.data) if self.role.data else None,
        )


COLUMNS: Sequence[Column[Listed]] = (
    Column("login", mark("Log-in name"), lambda row: Link(row.login, _address(row.login)), sortable=True),
    Column("name", mark("Name"), lambda row: row.name, sortable=True),
    Column("number", mark("Staff number"), lambda row: row.number, sortable=True),
    Column("state", mark("State"), lambda row: state_mark(row.state), sortable=True),
    Column("roles", mark("Roles"), lambda row: told_roles(row.roles)),
    Column("last_log_in", mark("Last log-in"), lambda row: row.last_log_in),
    Column("created_at", mark("Created"), lambda row: row.created_at, sortable=True),
)


def declare(pages: PageSet) -> None:
    """Declare the list and the page of one."""
    needs = Permission.OPERATOR_READ
    pages.get("/operators", needs=needs, menu=(mark("Operators"), 910))(operators)
    pages.get("/operators/<login>", needs=needs)(operator)


def operators() -> Answer:
    """List the operators."""
    form, overview = SoughtForm(request.args), operator_overview()

    def fetch(order: Order, limit: int, offset: int) -> tuple[Sequence[Listed], int]:
        return overview.page(form.sought(), order=order.key, descending=order.descending, limit=limit, offset=offset)

    listing = Listing(
        "operators", mark("Operators"), COLUMNS, fetch, query=request.args, order=Order("login"), filters=form
    )
    return listing.csv() or page("accounts/operators.html", listing.status, listing=listing, form=form, may=here().may)


def operator(login: str) -> Answer:
    """Show all about one operator, and what the visitor can do to them."""
    about = operator_overview().one(login, now=here().now)
    is_me = me().require_person().person == about.operator.person
    return page(
        "accounts/operator.html",
        about=about,
        state=state_mark(about.operator.state),
        roles=told_roles(about.operator.roles),
        acts=_acts(about, is_me=is_me),
        can_end=here().may(Permission.SESSION_REVOKE),
        events=[(told_event(one.event), one.at, one.actor, told_state(one.state)) for one in about.events],
        invitations=[(one.issued_at, _issuer(one), one.expires_at, _invitation(one)) for one in about.invitations],
        told_session=told_session,
    )


def _acts(about: AllAbout, *, is_me: bool) -> list[Link]:
    """Return what the visitor can do to the operator as it stands now."""
    disabled = about.operator.state is AccountState.DISABLED
    offered = (
        (Permission.ROLE_CHANGE, "accounts.ask_roles", text("Change roles"), not is_me),
        (Permission.OPERATOR_RESET, "accounts.ask_reset", text("Hand out a new way in"), True),
        (Permission.OPERATOR_UNLOCK, "accounts.ask_unlock", text("Lift the delay"), not disabled),
        (Permission.OPERATOR_DISABLE, "accounts.ask_disable", text("Disable"), not disabled),
    )
    login = about.operator.login
    return [
        Link(words, url_for(endpoint, login=login))
        for need, endpoint, words, fits in offered
        if fits and here().may(need)
    ]


def _issuer(handed: Handed) -> str:
    return handed.issued_by or text("with the machine's rights")


def _invitation(handed: Handed) -> Status:
    if handed.is_open(here().now):
        return Status(Mark.WAITING, text("not used yet"))
    if handed.ended_at is not None:
        return Status(Mark.OFF, text("used or replaced"))
    return Status(Mark.OFF, text("expired"))


def state_mark(state: AccountState) -> Status:
    """Return *state* as lists and facts show it."""
    return Status(ACCOUNT_MARKS[state], told_state(state))


def _address(login: str) -> str:
    return url_for("accounts.operator", login=login)
