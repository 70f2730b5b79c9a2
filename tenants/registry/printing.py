"""How an organisation is shown to people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import click

from chukan.platform.clock import as_tokyo
from chukan.platform.command_line import print_table
from chukan.platform.messages import mark, text
from chukan.tenants.registry.delegations.words import end_label, extent_label
from chukan.tenants.registry.people.words import gap_label, role_label, step_label, task_label
from chukan.tenants.registry.profile import Profile
from chukan.tenants.registry.values import (
    address_label,
    concern_label,
    department_label,
    hosting_label,
    kind_label,
    state_label,
    succession_label,
)


def print_profile(found: Profile) -> None:
    """Print everything on one organisation: what somebody should look at stands first."""
    click.echo(found.organisation.label)
    for warning in (*map(concern_label, found.concerns), *map(gap_label, found.gaps)):
        click.echo(f"  ! {warning}")
    print_table(mark("Entry"), [mark("What"), mark("Value")], _entries(found))
    _print_people(found)
    _print_relations(found)
    _print_history(found)


def _entries(found: Profile) -> Iterator[tuple[str, str]]:
    organisation = found.organisation
    yield text("Id"), str(organisation.id)
    yield text("Reading"), organisation.kana
    yield text("Kind"), kind_label(organisation.kind)
    yield text("Stage"), state_label(organisation.state)
    yield text("Hosting"), hosting_label(organisation.hosting)
    if organisation.address_class and organisation.address_system:
        labels = (address_label(organisation.address_class), address_label(organisation.address_system))
        yield text("Address system"), " / ".join(labels)
    yield text("Generation"), found.generation.value
    yield text("First day on the next system"), str(organisation.migrates_on or "–")
    yield text("Group"), str(int(organisation.group)) if organisation.group else "–"
    yield text("Tenant of the platform"), str(organisation.tenant or "–")
    yield text("Population"), _population(found)
    yield text("Departments"), ", ".join(department_label(each) for each in found.departments)
    yield text("Interfaces"), ", ".join(found.interfaces) or "–"
    if organisation.dissolved_on:
        yield text("Dissolved on"), str(organisation.dissolved_on)
    if organisation.invented:
        yield text("Invented"), text("for demonstrations; it does not exist")


def _population(found: Profile) -> str:
    if found.population_base is None:
        return "–"
    organisation = found.organisation
    source = f" ({organisation.population_as_of}, {organisation.population_source})"
    return f"{found.population_base:,}{'' if organisation.kind.is_union else source}"


def _print_people(found: Profile) -> None:
    people = (
        (str(each.id), department_label(each.department), each.name, each.email, each.telephone)
        for each in found.contacts
    )
    _print_some(
        mark("Contacts"), [mark("Id"), mark("Department"), mark("Name"), mark("Mail"), mark("Telephone")], people
    )
    roles = (
        (
            str(each.id),
            role_label(each.held.role),
            str(each.held.contact),
            str(each.held.span.since),
            str(each.held.span.until or "–"),
        )
        for each in found.assignments
    )
    _print_some(mark("Roles"), [mark("Id"), mark("Role"), mark("Contact"), mark("From"), mark("Until")], roles)
    tasks = (
        (
            str(change.id),
            role_label(change.role),
            str(change.effective_on),
            task_label(task.task),
            " / ".join(role_label(role) for role in task.acts),
            step_label(task.state),
        )
        for change in found.handovers
        for task in change.tasks
    )
    columns = [mark("Hand-over"), mark("Role"), mark("From"), mark("Task"), mark("Who"), mark("Stage")]
    _print_some(mark("Hand-overs"), columns, tasks)


def _print_relations(found: Profile) -> None:
    relations = [
        *((text("member"), each.label, "") for each in found.members),
        *((text("union"), each.label, "") for each in found.unions),
    ]
    for name, links in ((text("predecessor"), found.predecessors), (text("successor"), found.successors)):
        relations += [
            (name, f"{each.name}（{each.code}）", f"{succession_label(each.kind)}, {each.effective_on}")
            for each in links
        ]
    relations += [
        (
            text("delegation"),
            f"{each.pair.delegator.organisation} → {each.pair.delegate.organisation}",
            f"{end_label(each.by)}, {extent_label(each.extent)}, {each.span.since}–{each.span.until or ''}",
        )
        for each in found.declarations
    ]
    _print_some(mark("Relations"), [mark("What"), mark("Organisation"), mark("Detail")], relations)


def _print_history(found: Profile) -> None:
    values = (
        (str(as_of), f"{value:,}", source, f"{as_tokyo(recorded_at):%Y-%m-%d %H:%M}")
        for as_of, value, source, recorded_at in found.populations
    )
    _print_some(mark("Populations"), [mark("As of"), mark("Population"), mark("Source"), mark("Recorded")], values)
    events = (
        (f"{as_tokyo(each.at):%Y-%m-%d %H:%M}", each.from_state or "–", each.to_state, each.actor, each.reason)
        for each in found.events
    )
    _print_some(mark("History"), [mark("At"), mark("From"), mark("To"), mark("By"), mark("Why")], events)


def _print_some(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    kept = list(rows)
    if kept:
        print_table(title, columns, kept)
