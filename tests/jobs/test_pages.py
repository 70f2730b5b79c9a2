"""The pages of the jobs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chukan.platform.component import Job
from chukan.platform.database.roles import ProcessKind
from chukan.platform.jobs import service, store
from chukan.platform.jobs.web import READ, RUN, pages_of
from support.html import check_page
from support.jobs import Works
from support.web import Visited, application_of


def _nothing(_scheduled_for: datetime) -> None:
    """Do nothing: no worker runs in these tests."""


JOBS = [Job("minutely", _nothing, every=timedelta(minutes=1)), Job("broken", _nothing, max_attempts=1)]


@pytest.fixture
def visited(works: Works) -> Visited:
    return application_of([pages_of(lambda: JOBS)], works.database.engine(ProcessKind.CONSOLE))


@pytest.fixture
def ended(works: Works) -> list[store.Run]:
    """A run of each job: the first has succeeded, the second has failed."""
    found = []
    for job, error in zip(JOBS, (None, ValueError("x")), strict=True):
        made = service.request_run(works.scheduler, job, actor="operator:one", request="asked")
        run = service.start_run(works.worker, made, 1, worker="worker-1")
        assert run is not None
        service.end_attempt(works.worker, run, error, duration=timedelta(seconds=2.5))
        found.append(run)
    return found


def _rows(html: str) -> str:
    """Return the rows of the page's last table: the picture's own stands before it."""
    return html.rsplit("<tbody>", 1)[1]


def _bars(html: str) -> int:
    """Return how many bars the picture has; the legend's own stands before it."""
    _, *picture = html.split('<svg class="timeline-svg"')
    return picture[0].split("</svg>")[0].count('<rect class="span ') if picture else 0


@pytest.mark.parametrize("path", ["/jobs", "/jobs/runs", "/jobs/minutely/run"])
def test_nobody_sees_the_jobs_without_the_permission(visited: Visited, path: str) -> None:
    assert visited.get(path).status_code == 303
    visited.enter("audit:entry:read")
    assert visited.get(path).status_code == 403


def test_jobs_are_listed_though_nothing_ran_and_nobody_leads(visited: Visited) -> None:
    visited.enter(READ)
    page = visited.get("/jobs")
    assert page.status_code == 200
    check_page(page.text)
    assert "chukan scheduler" in page.text
    assert _rows(page.text).index("broken") < _rows(page.text).index("minutely")
    turned = _rows(visited.get("/jobs?sort=-job").text)
    assert turned.index("minutely") < turned.index("broken")


def test_the_leader_and_the_last_runs_are_shown(visited: Visited, works: Works, ended: list[store.Run]) -> None:
    works.leader(JOBS, holder="scheduler-a").keep()
    visited.enter(READ)
    page = visited.get("/jobs").text
    check_page(page)
    assert "scheduler-a" in page
    assert all(str(run.id) in page for run in ended)
    assert "2.5" in page


def test_running_is_offered_to_those_who_may(visited: Visited) -> None:
    visited.enter(READ)
    assert "/jobs/minutely/run" not in visited.get("/jobs").text
    visited.enter(READ, RUN)
    assert "/jobs/minutely/run" in visited.get("/jobs").text


def test_a_job_is_run_out_of_turn_after_a_question_and_recorded(visited: Visited, works: Works) -> None:
    visitor = visited.enter(READ, RUN)
    visited.app.config["WTF_CSRF_ENABLED"] = True
    question = visited.get("/jobs/minutely/run")
    assert visited.post("/jobs/minutely/run").status_code >= 400
    visited.app.config["WTF_CSRF_ENABLED"] = False
    assert question.status_code == 200
    check_page(question.text)
    assert works.one("select count(*) from platform.job_run") == 0
    answer = visited.post("/jobs/minutely/run")
    assert answer.status_code == 303
    found = works.ask("select id, job, state, requested_by from platform.job_run")
    assert [row[1:] for row in found] == [("minutely", "queued", visitor.name)]
    assert answer.location.endswith(f"/jobs/runs/{found[0][0]}")
    assert works.one("select body::jsonb ->> 'actor' from platform.audit_entry order by seq desc") == visitor.name


def test_reading_does_not_allow_to_run(visited: Visited, works: Works) -> None:
    visited.enter(READ)
    assert visited.post("/jobs/minutely/run").status_code == 403
    assert visited.refused == [RUN]
    assert works.one("select count(*) from platform.job_run") == 0


def test_a_job_or_run_that_is_not_there_is_told(visited: Visited) -> None:
    visited.enter(READ, RUN)
    for path in ("/jobs/nothing/run", "/jobs/runs/00000000-0000-7000-8000-000000000000"):
        page = visited.get(path)
        assert page.status_code == 404
        check_page(page.text)


def test_no_runs_are_said_to_be_none(visited: Visited) -> None:
    visited.enter(READ)
    page = visited.get("/jobs/runs")
    assert page.status_code == 200
    check_page(page.text)
    assert "<tbody>" not in page.text


def test_runs_are_found_by_job_and_state(visited: Visited, ended: list[store.Run]) -> None:
    visited.enter(READ)
    first, second = (str(run.id) for run in ended)
    everything = visited.get("/jobs/runs").text
    check_page(everything)
    assert _rows(everything).index(second) < _rows(everything).index(first)
    for query in ("job=minutely", "state=succeeded"):
        found = _rows(visited.get(f"/jobs/runs?{query}").text)
        assert first in found
        assert second not in found
    assert visited.get("/jobs/runs?state=elsewhere").status_code == 422
    file = visited.get("/jobs/runs?job=broken&format=csv").text
    assert "operator:one" in file
    assert "ValueError" in file
    assert first not in file


def test_the_last_day_is_a_picture_with_one_bar_for_what_began_together(visited: Visited, works: Works) -> None:
    # Within one half hour, whatever the clock says: both begin at the same instant.
    ids = [service.request_run(works.scheduler, JOBS[0], actor="operator:one", request="asked") for _ in range(2)]
    half_hour = datetime.now(UTC).replace(minute=0, second=0) - timedelta(hours=2)  # noqa: TID251 - the database's day
    works.ask(
        "update platform.job_run set state = 'succeeded', started_at = %s, finished_at = %s", half_hour,
        half_hour + timedelta(minutes=1),
    )  # fmt: skip
    visited.enter(READ)
    page = visited.get("/jobs/runs").text
    check_page(page)
    assert _bars(page) == 1
    works.ask("update platform.job_run set started_at = started_at + interval '31 minutes' where id = %s", ids[0])
    works.ask("update platform.job_run set finished_at = started_at + interval '1 minute'")
    assert _bars(visited.get("/jobs/runs").text) == 2
    works.ask("update platform.job_run set started_at = started_at - interval '1 day', "
              "finished_at = finished_at - interval '1 day'")  # fmt: skip
    assert _bars(visited.get("/jobs/runs").text) == 0


def test_one_run_is_shown_with_its_events_and_its_place_in_the_log(visited: Visited, ended: list[store.Run]) -> None:
    visited.enter(READ)
    page = visited.get(f"/jobs/runs/{ended[1].id}").text
    check_page(page)
    assert str(ended[1].request) in page
    assert "worker-1" in page
    assert "ValueError" in _rows(page)
    assert _rows(page).count("<tr") == 3
