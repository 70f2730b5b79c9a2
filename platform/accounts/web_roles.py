"""The roles of an operator: chosen, reviewed, and then given and taken, or asked for with a second person."""

from __future__ import annotations

from uuid import UUID

from wtforms import HiddenField

from chukan.platform.accounts.operator_overview import AllAbout
from chukan.platform.accounts.permissions import Permission
from chukan.platform.accounts.rules import Role
from chukan.platform.accounts.store import Operator
from chukan.platform.accounts.web_desk import Answer, operator_overview, operators
from chukan.platform.accounts.words import ROLES, choice, told_roles
from chukan.platform.messages import mark, text
from chukan.platform.web import BaseForm, PageSet, done, here, page
from chukan.platform.web.fields import ChoicesField


class RolesForm(BaseForm):
    """The roles that an operator shall have; ``reviewed`` once what changes was shown."""

    roles = ChoicesField(
        mark("Roles"),
        description=mark("What the operator may do is the sum of what the roles allow."),
        choices=[choice(role.value, ROLES[role]) for role in Role],
    )
    reviewed = HiddenField()


def declare(pages: PageSet) -> None:
    """Declare the choice of roles."""
    pages.get("/operators/<login>/roles", needs=Permission.ROLE_CHANGE)(ask_roles)
    pages.post("/operators/<login>/roles", needs=Permission.ROLE_CHANGE)(change_roles)


def ask_roles(login: str) -> Answer:
    """Ask for the roles that the operator shall have."""
    about = _about(login)
    form = RolesForm(data={"roles": sorted(about.operator.roles)})
    return page("accounts/roles.html", form=form, operator=about.operator)


def change_roles(login: str) -> Answer:
    """Show what would change; once that was seen, give and take the roles, or ask for a second person."""
    form, operator = RolesForm(), _about(login).operator
    if not form.validate():
        return page("accounts/roles.html", 422, form=form, operator=operator)
    wanted = frozenset(Role(role) for role in form.roles.data or ())
    given, taken = wanted - operator.roles, operator.roles - wanted
    if not (given or taken) or form.reviewed.data != "yes":
        return _review_roles(form, operator, given, taken)
    waiting: list[UUID | None] = []
    if not form.attempt(
        lambda: waiting.append(operators().change_roles(login, grant=given, revoke=taken, now=here().now))
    ):
        return page("accounts/roles.html", 422, form=form, operator=operator)
    if (asked := waiting[0]) is not None:
        return done("accounts.approval", mark("It was asked for; a second person has to approve it."), wanted=asked)
    return done("accounts.operator", mark("The roles of {login} are changed."), told={"login": login}, login=login)


def _review_roles(form: RolesForm, operator: Operator, given: frozenset[Role], taken: frozenset[Role]) -> Answer:
    if not (given or taken):
        form.form_errors = [text("These are the roles that the operator has already.")]
        return page("accounts/roles.html", 422, form=form, operator=operator)
    form.reviewed.data = "yes"
    return page(
        "accounts/roles_review.html",
        form=form,
        operator=operator,
        given=told_roles(given),
        taken=told_roles(taken),
        appoints=Role.ADMINISTRATOR in given,
    )


def _about(login: str) -> AllAbout:
    return operator_overview().one(login, now=here().now)
