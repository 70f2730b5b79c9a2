"""The first page: what needs somebody, where the organisations stand, and what is open now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import url_for
from flask.typing import ResponseReturnValue

from chukan.console.probes import Answered, Probe
from chukan.platform.accounts.permissions import Permission
from chukan.platform.accounts.web import waiting_for
from chukan.platform.clock import as_tokyo
from chukan.platform.component import Access, Health, Pages
from chukan.platform.messages import mark, text
from chukan.platform.service_hours.rules import Generation
from chukan.platform.service_hours.web_present import present_panel
from chukan.platform.web import Here, PageSet, here, page
from chukan.platform.web.cells import Mark, Status
from chukan.platform.web.tilemap import Tile, TileMap
from chukan.platform.web.values import number
from chukan.tenants.registry.attention import PrefectureStanding, attention, by_prefecture
from chukan.tenants.registry.values import State, state_label


@dataclass(frozen=True)
class Need:
    """Something that waits for somebody: how urgent, what, and where it is worked off (None: nowhere here)."""

    status: Status
    words: str
    href: str | None = None
    #: The name of the check that says so, for its runbook.
    check: str = ""


@dataclass(frozen=True)
class Figure:
    """How many of something there are, and where they are listed."""

    words: str
    count: int
    href: str


def overview_pages(probe: Probe) -> Pages:
    """Return the overview; *probe* knows what the checks say."""
    pages = PageSet("overview", __name__)

    @pages.get("/", needs=Access.SIGNED_IN, menu=(mark("Overview"), 0))
    def overview() -> ResponseReturnValue:
        visit = here()
        sees = visit.may(Permission.ORGANISATION_READ)
        standings = _standings(visit) if sees else []
        return page(
            "console/overview.html",
            needs=_needs(visit, probe.answers(visit.now)),
            map=_map(standings) if sees else None,
            figures=_figures(standings) if sees else [],
            panel=present_panel(visit, Generation.CURRENT) if visit.may(Permission.SERVICE_HOURS_READ) else None,
            now=visit.now,
        )

    return pages.done()


def _standings(visit: Here) -> Sequence[PrefectureStanding]:
    with visit.engine.connect() as connection:
        return by_prefecture(connection, as_tokyo(visit.now).date())


def _needs(visit: Here, answers: Sequence[Answered]) -> list[Need]:
    """Return what waits, the most urgent first."""
    found = [_of_check(each) for each in answers if each.result.health is not Health.GREEN]
    if waiting := waiting_for(visit):
        words = text("{count} requests wait for you", count=waiting)
        found.append(Need(Status(Mark.WAITING, text("Approvals")), words, url_for("accounts.approvals")))
    if visit.may(Permission.ORGANISATION_READ):
        found += _of_organisations(visit)
    urgency = [Mark.ERROR, Mark.WARNING, Mark.WAITING]
    return sorted(found, key=lambda need: urgency.index(need.status.mark))


def _of_check(answered: Answered) -> Need:
    is_red = answered.result.health is Health.RED
    status = Status(Mark.ERROR, text("Alarm")) if is_red else Status(Mark.WARNING, text("Look at it"))
    return Need(status, answered.result.summary, check=answered.check.name)


def _of_organisations(visit: Here) -> list[Need]:
    with visit.engine.connect() as connection:
        found = attention(connection, as_tokyo(visit.now).date())
    overdue = url_for("registry.tasks", overdue="yes")
    counted = (
        (found.overdue_accounts, mark("{count} leavers' accounts are still open after their day"), overdue),
        (found.overdue_tasks, mark("{count} hand-over tasks are overdue"), overdue),
        (found.role_warnings, mark("{count} roles are not filled as they should be"), url_for("registry.warnings")),
    )
    status = Status(Mark.WARNING, text("Organisations"))
    return [Need(status, text(words, count=number(count)), href) for count, words, href in counted if count]


def _map(standings: Sequence[PrefectureStanding]) -> TileMap:
    return TileMap("prefectures", text("Organisations by prefecture"), [_tile(each) for each in standings])


def _tile(standing: PrefectureStanding) -> Tile:
    told = text(
        "{name}: {active} of {count} organisations are active, {attention} need attention",
        name=standing.name,
        active=standing.states.get(State.ACTIVE, 0),
        count=standing.organisations,
        attention=standing.attention,
    )
    href = url_for("registry.organisations", prefecture=standing.number)
    return Tile(standing.number, href, standing.organisations, _state(standing), told)


def _state(standing: PrefectureStanding) -> Status:
    if standing.attention:
        return Status(Mark.WARNING, text("Needs attention"))
    if standing.states.get(State.ACTIVE):
        return Status(Mark.OK, text("In operation"))
    return Status(Mark.OFF, text("Not yet in operation"))


def _figures(standings: Sequence[PrefectureStanding]) -> list[Figure]:
    """Return how many organisations there are, and how many in each state that occurs, in the order of their life."""
    counts = {state: sum(each.states.get(state, 0) for each in standings) for state in State}
    in_states = [
        Figure(state_label(state), count, url_for("registry.organisations", state=state.value))
        for state, count in counts.items()
        if count
    ]
    return [Figure(text("In all"), sum(counts.values()), url_for("registry.organisations")), *in_states]
