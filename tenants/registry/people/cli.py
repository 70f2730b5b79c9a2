"""Commands on an organisation's people: contacts, roles, hand-overs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from uuid import UUID

import click

from chukan.platform.audit.actor import Actor
from chukan.platform.clock import SystemClock
from chukan.platform.command_line import TranslatedCommand, TranslatedGroup, json_option, print_json, print_table
from chukan.platform.messages import mark, text
from chukan.platform.settings import Settings
from chukan.platform.settings.load import pass_settings
from chukan.tenants.registry.desk import at_desk, changes, reads
from chukan.tenants.registry.options import DAY, today, word
from chukan.tenants.registry.people.catalogue import matrices
from chukan.tenants.registry.people.opening import Opened
from chukan.tenants.registry.people.rules import ChangeState, Role, Task
from chukan.tenants.registry.people.service import People
from chukan.tenants.registry.people.store import Change
from chukan.tenants.registry.people.words import gap_label, role_label, step_label, task_label
from chukan.tenants.registry.shapes import assignment_shape, change_shape, gap_shape, person_shape
from chukan.tenants.registry.store import get
from chukan.tenants.registry.values import Department


@click.group(cls=TranslatedGroup)
def contact() -> None:
    """The organisations' people."""


@contact.command(cls=TranslatedCommand)
@click.argument("organisation", help="Its code, or the id of a union that has none.")
@click.option(
    "--department",
    type=word(Department),
    default=Department.EXECUTIVE.value,
    show_default=True,
    help="The department that the person works in.",
)
@click.option("--name", required=True, help="The person's name.")
@click.option("--email", required=True, help="The person's mail address at work.")
@click.option("--telephone", required=True, help="The person's telephone number at work.")
@json_option
@changes
@pass_settings
def add(
    settings: Settings, *, organisation: str, department: str, name: str, email: str, telephone: str, as_json: bool
) -> None:
    """Add a person to a department of an organisation."""
    with at_desk(settings) as actor:
        made = _people(actor).add_contact(
            organisation,
            Department(department),
            name=name,
            email=email,
            telephone=telephone,
            now=SystemClock().now(),
        )
    if as_json:
        print_json(person_shape(made))
    else:
        click.echo(text("The contact is added; its id is {id}.", id=made.id))


@click.command(cls=TranslatedCommand)
@click.argument("contact_id", type=click.UUID, metavar="CONTACT", help="The contact's id.")
@click.argument("role", type=word(Role), help="The role.")
@click.option("--since", type=DAY, default="today", show_default=True, help="The first day of the role.")
@json_option
@changes
@pass_settings
def appoint(settings: Settings, *, contact_id: UUID, role: str, since: date, as_json: bool) -> None:
    """Give a contact one of the roles."""
    with at_desk(settings) as actor:
        made = _people(actor).appoint(contact_id, Role(role), since=since)
    if as_json:
        print_json(assignment_shape(made))
    else:
        click.echo(
            text("{role} from {day} on; the id is {id}.", role=role_label(made.held.role), day=since, id=made.id)
        )


@click.group(cls=TranslatedGroup)
def handover() -> None:
    """Changes of persons, and what they make to be done."""


@handover.command("open", cls=TranslatedCommand)
@click.argument("assignment", type=click.UUID, metavar="ROLE", help="The id of the role that somebody holds.")
@click.option("--on", type=DAY, required=True, help="The first day on which the person holds it no longer.")
@click.option("--successor", type=click.UUID, help="The id of the contact who holds it from then on.")
@click.option("--leaves", is_flag=True, help="The person leaves, so that the accounts are to be closed.")
@json_option
@changes
@pass_settings
def open_(
    settings: Settings, *, assignment: UUID, on: date, successor: UUID | None, leaves: bool, as_json: bool
) -> None:
    """Let somebody give up a role, and open the tasks that this makes to be done."""
    with at_desk(settings) as actor:
        opened = _people(actor).open_change(
            assignment, effective_on=on, successor=successor, leaves=leaves, now=SystemClock().now()
        )
    if as_json:
        print_json({**change_shape(opened.change), "warnings": [gap_shape(gap) for gap in opened.warnings]})
    else:
        _print_opened(opened)


@handover.command("list", cls=TranslatedCommand)
@click.option("--organisation", help="Only those of the organisation with this code or id.")
@click.option("--all", "everything", is_flag=True, help="Completed ones too, and those that were taken back.")
@json_option
@reads
@pass_settings
def list_(settings: Settings, *, organisation: str | None, everything: bool, as_json: bool) -> None:
    """List hand-overs with their tasks."""
    with at_desk(settings) as actor:
        with actor.engine.connect() as connection:
            whose = get(connection, organisation, today()).id if organisation else None
        found = _people(actor).changes(organisation=whose, states=() if everything else [ChangeState.OPEN])
    if as_json:
        print_json([change_shape(change) for change in found])
    else:
        _print_changes(found)


@handover.command(cls=TranslatedCommand)
@click.argument("change", type=click.UUID, metavar="HANDOVER", help="The id of the hand-over.")
@click.argument("task", type=word(Task), help="The task that is done.")
@json_option
@changes
@pass_settings
def done(settings: Settings, *, change: UUID, task: str, as_json: bool) -> None:
    """Note that a task is done."""
    with at_desk(settings) as actor:
        _tell(_people(actor).finish_task(change, Task(task), now=SystemClock().now()), as_json=as_json)


@handover.command("close-accounts", cls=TranslatedCommand)
@click.argument("change", type=click.UUID, metavar="HANDOVER", help="The id of the hand-over.")
@json_option
@changes
@pass_settings
def close_accounts(settings: Settings, *, change: UUID, as_json: bool) -> None:
    """Note that the accounts of somebody who left are closed."""
    with at_desk(settings) as actor:
        _tell(_people(actor).close_accounts(change, now=SystemClock().now()), as_json=as_json)


@handover.command(cls=TranslatedCommand)
@click.argument("change", type=click.UUID, metavar="HANDOVER", help="The id of the hand-over.")
@json_option
@changes
@pass_settings
def cancel(settings: Settings, *, change: UUID, as_json: bool) -> None:
    """Take a hand-over back: the person keeps the role."""
    with at_desk(settings) as actor:
        _tell(_people(actor).cancel_change(change, now=SystemClock().now()), as_json=as_json)


def _people(actor: Actor) -> People:
    return People(actor, matrices())


def _tell(change: Change, *, as_json: bool) -> None:
    if as_json:
        print_json(change_shape(change))
    else:
        _print_changes([change])


def _print_opened(opened: Opened) -> None:
    for gap in opened.warnings:
        click.echo(text("Careful: {gap}", gap=gap_label(gap)))
    _print_changes([opened.change])


def _print_changes(changes: Sequence[Change]) -> None:
    columns = [mark("Hand-over"), mark("Role"), mark("From"), mark("Task"), mark("Who"), mark("Stage")]
    rows = []
    for change in changes:
        head = (str(change.id), role_label(change.role), str(change.effective_on))
        rows += [
            (
                *head,
                f"{task_label(each.task)} ({each.task.value})",
                " / ".join(map(role_label, each.acts)),
                step_label(each.state),
            )
            for each in change.tasks
        ]
        if change.accounts_due_on is not None:
            words = text("close the accounts by {day}", day=change.accounts_due_on)
            rows.append(
                (*head, words, "–", text("closed") if change.accounts_closed_at else step_label(ChangeState.OPEN))
            )
    print_table(mark("Hand-overs"), columns, rows)
    for change in changes:
        click.echo(f"{change.id}: {step_label(change.state)}")
