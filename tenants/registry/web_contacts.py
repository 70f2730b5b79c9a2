"""Acts on contacts: added, corrected, given a role, and leaving.

| GET, POST | `/organisations/<reference>/contacts/new` | a new contact |
| GET, POST | `/organisations/contacts/<contact>/change` | how somebody is called and reached |
| GET, POST | `/organisations/contacts/<contact>/role` | a role for them |
| GET, POST | `/organisations/contacts/<contact>/leave` | they leave: each role is handed over, after a preview |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import cast
from uuid import UUID

from wtforms import SelectField, StringField
from wtforms.validators import DataRequired, InputRequired, Length

from chukan.platform.messages import mark, text
from chukan.platform.web import BaseForm, PageSet, done, here, page
from chukan.platform.web.fields import DayField
from chukan.tenants.registry import store as organisations
from chukan.tenants.registry.csv_files import plain
from chukan.tenants.registry.people import store
from chukan.tenants.registry.people.opening import Plan
from chukan.tenants.registry.people.rules import Role, may_hold
from chukan.tenants.registry.people.service import not_ended
from chukan.tenants.registry.people.store import Assignment, Person
from chukan.tenants.registry.people.words import role_label
from chukan.tenants.registry.store import Registered
from chukan.tenants.registry.values import Department, department_label
from chukan.tenants.registry.web_common import (
    Answer,
    Choices,
    choices,
    is_confirmed,
    organisation_link,
    pair,
    people,
    plan_shape,
    successor_choices,
    today,
)


class ReachedForm(BaseForm):
    """How somebody is called and reached. Names keep the characters that they were typed in."""

    name = StringField(
        mark("Name"),
        [DataRequired(), Length(max=100)],
        filters=[lambda typed: (typed or "").strip()],
        render_kw={"autocomplete": "off"},
    )
    email = StringField(
        mark("Mail"),
        [DataRequired(), Length(max=254)],
        description=mark("The address at work."),
        filters=[lambda typed: plain(typed or "")],
        render_kw={"autocomplete": "off", "inputmode": "email"},
    )
    telephone = StringField(
        mark("Telephone"),
        [DataRequired(), Length(max=30)],
        description=mark("The number at work."),
        filters=[lambda typed: plain(typed or "")],
        render_kw={"autocomplete": "off", "inputmode": "tel"},
    )


class NewContactForm(ReachedForm):
    """A new contact."""

    department = SelectField(mark("Department"), [InputRequired()])


class RoleForm(BaseForm):
    """A role for a contact."""

    role = SelectField(mark("Role"), [InputRequired()])
    since = DayField(mark("The first day of the role"), [InputRequired()])


class LeaveForm(BaseForm):
    """When somebody leaves; who follows them in each role is added by ``_leave_form``."""

    on = DayField(
        mark("Leaves on"),
        [InputRequired()],
        description=mark("The first day on which the person does not work there any more."),
    )


@dataclass(frozen=True)
class _Who:
    """A contact, where they work, and everybody who works there."""

    person: Person
    organisation: Registered
    colleagues: Sequence[Person]

    def shown(self) -> dict[str, object]:
        """Return what the templates show of them."""
        link = organisation_link(self.organisation.title, self.organisation.reference)
        department = department_label(self.person.department)
        return {"person": self.person, "one": self.organisation, "link": link, "department": department}


def declare(pages: PageSet) -> None:
    """Declare every act, with the form before it under the same permission."""
    pair(pages, "/organisations/<reference>/contacts/new", ask_contact, add_contact)
    pair(pages, "/organisations/contacts/<uuid:contact>/change", ask_contact_change, change_contact)
    pair(pages, "/organisations/contacts/<uuid:contact>/role", ask_role, give_role)
    pair(pages, "/organisations/contacts/<uuid:contact>/leave", ask_leave, leave)


# -- new, and corrected ---------------------------------------------------------------------------


def ask_contact(reference: str) -> Answer:
    """Ask for a new contact."""
    one, form = _new_contact(reference)
    return page("registry/contact.html", one=one, form=form)


def add_contact(reference: str) -> Answer:
    """Add a contact."""
    one, form = _new_contact(reference)

    def add() -> None:
        department = Department(form.department.data)
        people().add_contact(reference, department, now=here().now, **_reached(form))

    if not form.attempt(add):
        return page("registry/contact.html", 422, one=one, form=form)
    return done("registry.organisation", mark("The contact is added."), reference=reference)


def _new_contact(reference: str) -> tuple[Registered, NewContactForm]:
    with here().engine.connect() as connection:
        one = organisations.get(connection, reference, today())
        there = store.departments(connection, one.id)
    form = NewContactForm()
    form.department.choices = choices(there, department_label)
    return one, form


def ask_contact_change(contact: UUID) -> Answer:
    """Ask how somebody is called and reached."""
    who = _who(contact)
    return page("registry/contact_change.html", form=ReachedForm(obj=who.person), **who.shown())


def change_contact(contact: UUID) -> Answer:
    """Put right how somebody is called and reached."""
    who, form = _who(contact), ReachedForm()
    if not form.attempt(lambda: people().change_contact(contact, now=here().now, **_reached(form))):
        return page("registry/contact_change.html", 422, form=form, **who.shown())
    return done("registry.organisation", mark("The contact is corrected."), reference=who.organisation.reference)


def _reached(form: ReachedForm) -> Mapping[str, str]:
    return {"name": form.name.data or "", "email": form.email.data or "", "telephone": form.telephone.data or ""}


# -- roles ----------------------------------------------------------------------------------------


def ask_role(contact: UUID) -> Answer:
    """Ask which role somebody is to hold."""
    who = _who(contact)
    return page("registry/role.html", form=_role_form(who.person), **who.shown())


def give_role(contact: UUID) -> Answer:
    """Give somebody a role."""
    who = _who(contact)
    form = _role_form(who.person)
    if not form.attempt(lambda: people().appoint(contact, Role(form.role.data), since=form.since.data)):
        return page("registry/role.html", 422, form=form, **who.shown())
    return done("registry.organisation", mark("The role is given."), reference=who.organisation.reference)


def _role_form(person: Person) -> RoleForm:
    form = RoleForm()
    form.role.choices = choices([role for role in Role if may_hold(role, person.department)], role_label)
    if not form.is_submitted():
        form.since.data = today()
    return form


# -- leaving --------------------------------------------------------------------------------------


def ask_leave(contact: UUID) -> Answer:
    """Ask when somebody leaves, and who follows them in each role."""
    who, roles = _leaver(contact)
    return page("registry/leave.html", form=_leave_form(who, roles), roles=roles, **who.shown())


def leave(contact: UUID) -> Answer:
    """Show which tasks the leaving opens, and after that was confirmed, open them."""
    who, roles = _leaver(contact)
    form = _leave_form(who, roles)
    successors = _successors(form, roles)
    plans: list[Plan] = []

    def plan() -> None:
        plans.extend(people().plan_leave(contact, on=_day(form), successors=successors))

    def act() -> None:
        people().leave(contact, on=_day(form), successors=successors, now=here().now)

    confirmed = is_confirmed()
    if not form.attempt(act if confirmed else plan):
        return page("registry/leave.html", 422, form=form, roles=roles, **who.shown())
    if confirmed:
        told = mark("It is noted that the person leaves; what is to be done stands in the list of tasks.")
        return done("registry.organisation", told, reference=who.organisation.reference)
    names = {str(each.id): each.name for each in who.colleagues}
    shapes = [plan_shape(each, names.get(str(successors.get(each.outgoing.id)))) for each in plans]
    sent = {"on": _day(form).isoformat(), **{_field(each): str(after) for each, after in successors.items()}}
    return page("registry/leave_preview.html", plans=shapes, sent=sent, on=_day(form), **who.shown())


def _leaver(contact: UUID) -> tuple[_Who, Sequence[Assignment]]:
    who = _who(contact)
    with here().engine.connect() as connection:
        return who, not_ended(connection, contact, today())


def _leave_form(who: _Who, roles: Sequence[Assignment]) -> LeaveForm:
    """Return the form with a choice of who follows in each of *roles*."""
    fields = {
        _field(each.id): SelectField(
            text("Who is {role} afterwards", role=role_label(each.held.role)),
            default="",
            choices=_followers(who, each.held.role),
        )
        for each in roles
    }
    return cast("LeaveForm", type("LeaveForm", (LeaveForm,), fields)())


def _followers(who: _Who, role: Role) -> Choices:
    return successor_choices(who.colleagues, role, but=who.person.id)


def _successors(form: LeaveForm, roles: Sequence[Assignment]) -> Mapping[UUID, UUID]:
    chosen = {each.id: form[_field(each.id)].data for each in roles}
    allowed = {each.id: {choice.value for choice in form[_field(each.id)].choices} for each in roles}
    return {id_: UUID(value) for id_, value in chosen.items() if value and value in allowed[id_]}


def _field(assignment: UUID) -> str:
    return f"successor_{assignment.hex}"


def _day(form: LeaveForm) -> date:
    return cast("date", form.on.data)


def _who(contact: UUID) -> _Who:
    with here().engine.connect() as connection:
        person = store.contact(connection, contact)
        organisation = organisations.get(connection, str(person.organisation), today())
        return _Who(person, organisation, store.contacts(connection, person.organisation))
