"""The pages of an inquiry's course: asking for one by its number, and its instants at the three parties as a picture.

Instants, kinds of messages and states: no person, no content. Source: A0-156.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from flask import abort, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import StringField
from wtforms.validators import InputRequired, Length

from chukan.platform.audit.actor import Actor
from chukan.platform.clock import as_tokyo
from chukan.platform.messages import mark, text
from chukan.platform.web import PageSet, done, here, page
from chukan.platform.web.cells import Link, Mark, Status
from chukan.platform.web.forms import BaseForm
from chukan.platform.web.timeline import Span, Timeline
from chukan.tenants.middleserver.operations.traces import store
from chukan.tenants.middleserver.operations.traces.service import ask
from chukan.tenants.middleserver.operations.traces.store import Point, Trace
from chukan.tenants.middleserver.security.organisations import tenant_of

READ = "provision_records:record:read"
_LATELY = 20
#: A course of less than this is drawn as long as this: instants of one second would lie on each other.
_SHORTEST = timedelta(seconds=1)

pages = PageSet("traces", __name__)

_PARTIES: Mapping[str, str] = {
    "inquirer": mark("Inquirer"),
    "network": mark("National network"),
    "provider": mark("Provider"),
}
_OUTCOMES: Mapping[str | None, tuple[Mark, str]] = {
    None: (Mark.RUNNING, mark("is being looked up")),
    "found": (Mark.OK, mark("found")),
    "several": (Mark.INFO, mark("several inquiries")),
    "nothing": (Mark.OFF, mark("nothing is recorded")),
    "failed": (Mark.ERROR, mark("could not be looked up")),
}
_NETWORK: Mapping[str, tuple[Mark, str]] = {
    "told": (Mark.OK, mark("the network has recorded it")),
    "silent": (Mark.WARNING, mark("the network has recorded nothing of it")),
    "away": (Mark.OFF, mark("the network could not be asked")),
}
#: What is said of a change of state: by event of an inquiry, and of a provision.
_EVENTS: Mapping[str, str] = {
    "register": mark("the inquiry was registered"),
    "release": mark("the inquiry left its queue"),
    "defer": mark("will be answered later"),
    "answer": mark("the answer is there"),
    "refuse": mark("not provided"),
    "expire": mark("it has expired"),
    "ask_cancel": mark("its cancellation was asked for"),
    "cancel": mark("it was taken back"),
    "keep": mark("its cancellation was not taken"),
    "reject": mark("the network did not take the answer"),
}
#: What a kind of message is called in our protocol.
_MESSAGES: Mapping[str, str] = {
    "IF_SKI_X0101_R01": mark("inquiry"),
    "IF_SKI_X0102_S01": mark("result of the inquiry"),
    "IF_SKI_X0103_R01": mark("cancellation of the inquiry"),
    "IF_TKY_X0201_R01": mark("request to provide"),
    "IF_TKY_X0202_S01": mark("answer of the provider"),
    "IF_TKY_X0204_R01": mark("cancellation of the request"),
}
_RESULTS: Mapping[str, str] = {
    "requested": mark("waits for its answer"),
    "deferred": mark("will be answered later"),
    "provided": mark("it was provided"),
    "refused": mark("it was refused"),
    "cancelled": mark("it was taken back"),
    "expired": mark("it has expired"),
}


class TraceForm(BaseForm):
    """Of what organisation and under which number an inquiry is looked up."""

    organisation = StringField(
        mark("Code of the organisation"),
        [InputRequired(), Length(max=40)],
        description=mark("The inquirer's or the provider's."),
    )
    number = StringField(
        mark("Processing serial or reception number"),
        [InputRequired(), Length(max=40)],
        description=mark("A reception number is known to the inquirer alone."),
    )


@dataclass(frozen=True)
class Recorded:
    """What one party has recorded: when it was asked, when it ended, and how."""

    requested: datetime
    answered: datetime | None
    result: str


@pages.get("/inquiry-course", needs=READ, menu=(mark("Course of an inquiry"), 46))
def index() -> ResponseReturnValue:
    """Ask which inquiry, and list those that were looked up lately."""
    form = TraceForm()
    form.organisation.data = request.args.get("organisation", "")
    form.number.data = request.args.get("number", "")
    return _index(form, 200)


@pages.post("/inquiry-course", needs=READ)
def look_up() -> ResponseReturnValue:
    """Have a worker look an inquiry up."""
    visit, form, made = here(), TraceForm(), list[UUID]()

    def act() -> None:
        with visit.engine.connect() as connection:
            tenant = tenant_of(connection, (form.organisation.data or "").strip(), visit.now)
        made.append(ask(Actor(visit.engine, visit.actor, visit.request), tenant, form.number.data or ""))

    if form.attempt(act):
        return done("traces.course", mark("A worker looks it up."), trace=made[0])
    return _index(form, 422)


@pages.get("/inquiry-course/<uuid:trace>", needs=READ)
def course(trace: UUID) -> ResponseReturnValue:
    """Show the instants of one inquiry at the three parties."""
    with here().engine.connect() as connection:
        found = store.trace_of(connection, trace)
    if found is None:
        abort(404)
    told, points = found
    recorded = {party: one for party in _PARTIES if (one := _recorded(points, party)) is not None}
    return page(
        "traces/course.html",
        trace=told,
        state=_state(told),
        facts=_facts(told),
        line=_line(told, points) if points else None,
        rows=_rows(points),
        records=[_record_row(party, recorded.get(party)) for party in _PARTIES] if recorded else [],
        verdict=_verdict(told, recorded),
        now=here().now,
        crumbs=[(text("Course of an inquiry"), url_for("traces.index"))],
    )


def _index(form: TraceForm, status: int) -> ResponseReturnValue:
    with here().engine.connect() as connection:
        lately = store.traces(connection, _LATELY)
    rows = [
        (
            Link(each.asked_at, url_for("traces.course", trace=each.id), about=each.number),
            f"{each.name} {each.organisation}".strip(),
            each.number,
            _state(each),
        )
        for each in lately
    ]
    return page("traces/index.html", status, form=form, rows=rows)


def _state(trace: Trace) -> Status:
    how, words = _OUTCOMES[trace.outcome]
    return Status(how, text(words))


def _facts(trace: Trace) -> Sequence[tuple[str, object]]:
    facts: list[tuple[str, object]] = [
        (text("Organisation"), f"{trace.name} {trace.organisation}".strip()),
        (text("Number that was asked for"), trace.number),
        (text("State"), _state(trace)),
    ]
    if trace.outcome == "found":
        facts += [
            (text("Processing serial"), trace.serial),
            (text("Inquirer"), _party_name(trace.inquirer_name, trace.inquirer)),
            (text("Provider"), _party_name(trace.provider_name, trace.provider)),
        ]
    if trace.network is not None:
        how, words = _NETWORK[trace.network]
        facts.append((text("National network"), Status(how, text(words))))
    return [*facts, (text("Error code"), trace.error)] if trace.error else facts


def _party_name(name: str | None, institution: str | None) -> str:
    return f"{name or text('outside of this platform')} {institution or ''}".strip()


def _line(trace: Trace, points: Sequence[Point]) -> Timeline:
    """Return the picture: what each party last knew lasts until the next thing that happened to it."""
    shown = [each for each in points if each.kind != "record"] or points
    first, last = shown[0].at, shown[-1].at
    margin = max(_SHORTEST, last - first) / 20
    spans = []
    for party in _PARTIES:
        own = [each for each in shown if each.party == party]
        for place, each in enumerate(own):
            end = own[place + 1].at if place + 1 < len(own) else each.at
            spans.append(Span(text(_PARTIES[party]), _told(each), each.at, end, _kind(each)))
    return Timeline(
        id="course",
        title=text("Course of the inquiry {serial}", serial=trace.serial or trace.number),
        summary=text("{count} instants within {seconds} seconds.", count=len(shown),
                     seconds=f"{(last - first).total_seconds():,.3f}"),
        since=first - margin,
        until=max(last, first + _SHORTEST) + margin,
        now=here().now,
        spans=spans,
        lanes=[text(words) for words in _PARTIES.values()],
    )  # fmt: skip


def _kind(point: Point) -> Status:
    if point.kind == "out":
        return Status(Mark.WAITING, text("message leaves"))
    if point.kind == "in":
        return Status(Mark.RUNNING, text("message comes"))
    return Status(Mark.OK if point.kind == "state" else Mark.OFF, text("state changes"))


def _told(point: Point) -> str:
    """Return what happened, in the reader's language."""
    if point.kind == "state":
        return text(_EVENTS[point.event]) if point.event in _EVENTS else point.event
    if point.kind == "record":
        return text("recorded: asked") if point.event == "requested" else text("recorded: ended")
    kind = text(_MESSAGES[point.event]) if point.event in _MESSAGES else point.event
    if point.kind == "in":
        return text("received: {kind}", kind=kind)
    return text("sent: {kind}", kind=kind) if point.said == "done" else text("queued: {kind}", kind=kind)


def _rows(points: Sequence[Point]) -> Sequence[Sequence[object]]:
    """Return the instants to the millisecond, with how long after the first one they were."""
    if not points:
        return []
    first = points[0].at
    return [
        (_exact(each.at), f"+{(each.at - first).total_seconds():,.3f}", text(_PARTIES[each.party]), _told(each),
         each.event if each.kind in {"in", "out"} else None)
        for each in points
    ]  # fmt: skip


def _exact(at: datetime) -> str:
    return as_tokyo(at).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _recorded(points: Sequence[Point], party: str) -> Recorded | None:
    own = {each.event: each for each in points if each.kind == "record" and each.party == party}
    begun, ended = own.get("requested"), own.get("answered")
    if begun is None:
        return None
    return Recorded(begun.at, ended.at if ended else None, str(begun.said))


def _record_row(party: str, recorded: Recorded | None) -> Sequence[object]:
    if recorded is None:
        return (text(_PARTIES[party]), None, None, None)
    result = text(_RESULTS[recorded.result]) if recorded.result in _RESULTS else recorded.result
    ended = _exact(recorded.answered) if recorded.answered else None
    return (text(_PARTIES[party]), _exact(recorded.requested), ended, result)


def _verdict(trace: Trace, recorded: Mapping[str, Recorded]) -> Status | None:
    """Return whether the records that are known agree; nothing while there is but one."""
    if len(recorded) < 2:
        return None
    if len(set(recorded.values())) > 1:
        return Status(Mark.ERROR, text("The records differ."))
    if len(recorded) == len(_PARTIES):
        return Status(Mark.OK, text("All three records agree."))
    missing = "、".join(text(words) for party, words in _PARTIES.items() if party not in recorded)
    is_ours = {"inquirer": trace.inquirer_tenant, "provider": trace.provider_tenant, "network": trace.network != "away"}
    lacking = any(is_ours[party] for party in _PARTIES if party not in recorded)
    told = text("The records that are known agree; not known: {parties}", parties=missing)
    return Status(Mark.WARNING if lacking else Mark.INFO, told)


PAGES = pages.done()
