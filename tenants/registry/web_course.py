"""The course of an organisation as a picture: its stages, and who held, holds and will hold its roles."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

from flask import url_for

from chukan.platform.clock import TOKYO
from chukan.platform.messages import text
from chukan.platform.web import here
from chukan.platform.web.cells import Mark, Status
from chukan.platform.web.dates import short_day
from chukan.platform.web.timeline import Span, Timeline
from chukan.tenants.registry.people.rules import Role
from chukan.tenants.registry.people.store import Assignment
from chukan.tenants.registry.people.words import role_label
from chukan.tenants.registry.profile import Profile
from chukan.tenants.registry.values import State
from chukan.tenants.registry.web_common import state_mark

#: How far the picture looks back and ahead: people change in April, and it is known some weeks before.
BACK, AHEAD = timedelta(days=365), timedelta(days=91)


def course_of(found: Profile) -> Timeline:
    """Return the picture of *found*, a lane for the stages and one for each role: where nobody is, it is empty."""
    since, until = found.day - BACK, found.day + AHEAD
    return Timeline(
        "course",
        text("Stages and roles from {since} to {until}", since=short_day(since), until=short_day(until)),
        text("A lane for the organisation's stage, and one for each role with its holders; gaps are empty."),
        _midnight(since),
        _midnight(until),
        here().now,
        [*_stages(found), *_roles(found)],
        lanes=[text("Stage"), *(role_label(role) for role in Role)],
    )


def _stages(found: Profile) -> Iterator[Span]:
    ends = [event.at for event in found.events[1:]] + [None]
    for event, end in zip(found.events, ends, strict=True):
        state = state_mark(State(event.to_state))
        yield Span(text("Stage"), state.word, event.at, end, state)


def _roles(found: Profile) -> Iterator[Span]:
    names = {person.id: person.name for person in found.contacts}
    handed_over = {change.assignment: change.id for change in found.handovers}
    for each in found.assignments:
        held = each.held
        if held.span.since == held.span.until:
            continue  # they left before it began
        change = handed_over.get(each.id)
        yield Span(
            role_label(held.role),
            names[held.contact],
            _midnight(held.span.since),
            _midnight(held.span.until) if held.span.until else None,
            _standing(each, found.day, is_handed_over=change is not None),
            url_for("registry.hand_over", change=change) if change else None,
        )


def _standing(assignment: Assignment, day: date, *, is_handed_over: bool) -> Status:
    span = assignment.held.span
    if is_handed_over:
        return Status(Mark.RUNNING, text("being handed over"))
    if span.since > day:
        return Status(Mark.WAITING, text("will hold it"))
    if day in span:
        return Status(Mark.OK, text("holds it"))
    return Status(Mark.OFF, text("held it"))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), TOKYO)
