"""The pages of the exchange: the traffic, who is behind, messages that do not go on, and the switch; never content."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from time import process_time
from uuid import UUID, uuid4

import pytest
from psycopg.sql import SQL, Identifier

from chukan.platform.clock import SystemClock, as_tokyo
from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.database.engines import driver
from chukan.platform.database.roles import ProcessKind
from chukan.platform.settings import DatabaseSettings
from chukan.tenants.middleserver.transmission import exchange_totals, page_store, retries
from chukan.tenants.middleserver.transmission.exchange_hours import Side, counted
from chukan.tenants.middleserver.transmission.page_store import Selection
from chukan.tenants.middleserver.transmission.web import PAGES, READ, RETRY, STOP
from support.database import fresh_database
from support.exchange import AT_ONCE, Organisation, Wire
from support.html import check_page
from support.security import Place
from support.vault import file_safe
from support.web import Visited, application_of

#: As many organisations as there are municipalities and unions.
_ALL = 1_788
_CROWD = (
    """
    insert into platform.tenant (schema, role, cluster, site, state)
    select name, name, 'main', 'east', 'active' from generate_series(1, %(all)s) n,
        lateral (select 'org_speed' || translate(lpad(n::text, 11, '0'), '0123456789', 'abcdefghij')) each (name)
    """,
    """
    insert into platform.organisation (kind, prefecture, name, kana, search_key, tenant, state, state_since)
    select 'wide_area_union', '01', '速い市' || id, '', '', id, 'active', now() from platform.tenant
    where schema like 'org_speed%%'
    """,
    """
    insert into platform.exchange_standing (tenant, unsent, oldest_unsent_at, dead, refused, held)
    select id, 3, now(), 1, 0, 0 from platform.tenant where schema like 'org_speed%%'
    """,
    """
    insert into platform.exchange_day (day, tenant, side, event, count)
    select %(today)s::date - d, t.id, case when e = 'provided' then 'provider' else 'inquirer' end, e, 7
    from platform.tenant t, generate_series(0, 30) d, unnest(array['release', 'provided']) e
    where t.schema like 'org_speed%%'
    """,
    """
    insert into platform.exchange_total (hour, side, event, count)
    select date_trunc('hour', now()) - make_interval(hours => h), 'inquirer', e, 9
    from generate_series(0, 743) h, unnest(array['release', 'answer', 'refuse', 'expire']) e on conflict do nothing
    """,
    """
    insert into platform.exchange_trouble (message, tenant, state, type, conversation, since)
    select uuidv7(), t.id, 'dead', 'IF_SKI_X0101_R01', uuidv7(), now() from platform.tenant t, generate_series(1, 5)
    where t.schema like 'org_speed%%'
    """,
)


@pytest.fixture(scope="module")
def place(
    cluster: tuple[EmbeddedCluster, DatabaseSettings], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    with fresh_database(*cluster) as database:
        yield Place(file_safe(database, tmp_path_factory.mktemp("safe")))


@pytest.fixture
def wire(place: Place) -> Wire:
    with place.database.superuser() as superuser:
        for table in ("due", "exchange_standing", "exchange_stop", "exchange_trouble", "message_retry", "organisation"):
            superuser.execute(SQL("delete from platform.{}").format(Identifier(table)))
    return Wire(place)


@pytest.fixture
def visited(place: Place) -> Visited:
    return application_of([PAGES], place.database.engine(ProcessKind.CONSOLE))


def whole(visited: Visited, path: str) -> str:
    """Return the page at *path* with its proofs of origin, as a page must be."""
    visited.app.config["WTF_CSRF_ENABLED"] = True
    page = visited.get(path)
    visited.app.config["WTF_CSRF_ENABLED"] = False
    assert page.status_code == 200, path
    check_page(page.text)
    return page.text


def worked(backend: int) -> float:
    """Return for how many seconds a server process has worked: others' load does not count."""
    spent = Path(f"/proc/{backend}/stat").read_text("ascii").rsplit(")", 1)[1].split()[11:13]
    return sum(map(int, spent)) / os.sysconf("SC_CLK_TCK")


def registered(wire: Wire, name: str = "架空市") -> Organisation:
    """Return an organisation that exchanges messages and is registered."""
    made = wire.organisation()
    wire.place.ask(
        "insert into platform.organisation (code, kind, prefecture, name, kana, search_key, tenant, state, state_since)"
        " values (null, 'wide_area_union', '01', %s, '', '', %s, 'active', now())",
        name,
        made.tenant,
    )
    return made


def reference(wire: Wire, made: Organisation) -> str:
    ((found,),) = wire.place.ask("select id::text from platform.organisation where tenant = %s", made.tenant)
    return str(found)


def buried(wire: Wire, city: Organisation) -> UUID:
    """Return a message that was given up after its last attempt."""
    message = wire.enqueue(city, uuid4())
    wire.network.faults.extend(["drop"] * AT_ONCE.retry.max_attempts)
    wire.relay().run()
    return message


@pytest.mark.parametrize(
    ("path", "permission"),
    [("/exchange", READ), ("/exchange/messages", READ), ("/exchange/stop", STOP), ("/exchange/stop-all", STOP)],
)
def test_nobody_sees_a_page_without_its_permission(visited: Visited, path: str, permission: str) -> None:
    visited.enter("tenants:organisation:read")
    assert visited.get(path).status_code == 403
    assert visited.refused == [permission]


@pytest.mark.usefixtures("wire")
def test_empty_pages_are_whole(visited: Visited) -> None:
    visited.enter(READ, STOP, RETRY)
    for path in ("/exchange", "/exchange/messages", "/exchange/stop", "/exchange/stop-all"):
        whole(visited, path)
    assert visited.get(f"/exchange/messages/{uuid4()}/{uuid4()}").status_code == 404
    assert visited.get("/exchange?show=what").status_code == visited.get("/exchange?day=1999-01-01").status_code == 422
    assert visited.get("/exchange/resume/all").status_code == 409


def test_the_traffic_is_shown_by_hour_and_by_organisation(wire: Wire, visited: Visited) -> None:
    city, other = registered(wire), registered(wire, "別の町")
    now = SystemClock().now()
    hour = now.replace(minute=0, second=0, microsecond=0)
    day = as_tokyo(hour).date().isoformat()
    with wire.place.actor.engine.begin() as connection:
        counts = {(hour, "release"): 1_234, (hour, "answer"): 1_200, (hour, "refuse"): 31}
        counted(connection, city.tenant, Side.INQUIRER, counts, now, standing={"sent": 3, "queued": 77})
        counted(connection, other.tenant, Side.PROVIDER, {(hour, "provided"): 456}, now, standing={"deferred": 5})
        for side in Side:
            exchange_totals.add_up_hours(connection, side.value, {hour}, now)
    visited.enter(READ)
    page = whole(visited, f"/exchange?day={day}")
    assert 'class="chart-svg"' in page
    assert "1,234" in page
    listed = visited.get(f"/exchange?day={day}&format=csv&sort=-sent").text.splitlines()
    assert listed[1].startswith("架空市")
    assert ",1234,1200,31,0,80,0," in listed[1]
    assert ",0,0,0,456,5,0," in listed[2]
    assert "架空市" not in visited.get("/exchange?words=別の&format=csv").text
    assert "架空市" in visited.get(f"/exchange?day={day}&show=failed&format=csv").text
    again = {(hour, "release"): 1_235}
    with wire.place.actor.engine.begin() as connection:
        counted(connection, city.tenant, Side.INQUIRER, again, now, standing={})
        exchange_totals.add_up_hours(connection, Side.INQUIRER.value, set(), now)
    with wire.place.database.engine(ProcessKind.CONSOLE).connect() as connection:
        (told,) = [each for each in page_store.totals(connection, hour, hour + timedelta(hours=1))
                   if each.event == "release"]  # fmt: skip
        assert (told.count, page_store.open_states(connection)) == (1_235, {(Side.PROVIDER, "deferred"): 5})


def test_a_message_that_was_given_up_is_shown_and_sent_again_by_a_worker_in_the_askers_name(
    wire: Wire, visited: Visited
) -> None:
    city = registered(wire)
    message = buried(wire, city)
    path = f"/exchange/messages/{city.tenant}/{message}"
    visited.enter(READ)
    assert visited.post(path).status_code == 403
    listed, shown = whole(visited, "/exchange/messages?state=dead"), whole(visited, path)
    assert "架空市" in listed
    assert str(message) in shown
    assert "再送する" not in shown
    visitor = visited.enter(READ, RETRY)
    assert "再送する" in whole(visited, path)
    assert visited.post(path).status_code == 303
    assert visited.post(path).status_code == 422, "it was asked for already"
    whole(visited, path)
    assert "ワーカーの処理待ち" in visited.get("/exchange/messages").text

    assert retries.carry_out(wire.place.actor, wire.place.sessions, wire.clock.now()) == 1
    assert wire.states(city) == ["queued"]
    assert wire.place.ask_of(city.tenant, "select event from {}.outbox_event order by id desc limit 1") == [
        ("retried",)
    ]
    after = whole(visited, path)
    assert "送信待ちに戻した" in after
    assert "滞留した電文はありません" in visited.get("/exchange/messages").text
    wire.relay().run()
    assert wire.states(city) == ["done"]
    acts = wire.place.ask("select body::json->>'action', body::json->>'actor' from platform.audit_entry"
                          " where body::json->>'subject' = %s", f"message:{message}")  # fmt: skip
    assert {("transmission:retry:ask", visitor.name), ("transmission:message:retry", visitor.name)} <= set(acts)
    assert retries.carry_out(wire.place.actor, wire.place.sessions, wire.clock.now()) == 0


def test_what_needs_no_retry_or_fails_is_told_and_keeps_nothing_else_waiting(wire: Wire, visited: Visited) -> None:
    first, second = registered(wire), registered(wire, "別の町")
    messages = {city.tenant: buried(wire, city) for city in (first, second)}
    visited.enter(READ, RETRY)
    for tenant, message in messages.items():
        assert visited.post(f"/exchange/messages/{tenant}/{message}").status_code == 303
    wire.exchange.retry(second.tenant, messages[second.tenant], now=wire.clock.now())
    wire.place.ask("update platform.tenant set state = 'suspended' where id = %s", first.tenant)
    assert retries.carry_out(wire.place.actor, wire.place.sessions, wire.clock.now()) == 2
    asked = "select outcome from platform.message_retry where tenant = %s"
    assert wire.place.ask(asked, second.tenant) == [("not_needed",)]
    assert wire.place.ask(asked, first.tenant) in ([("failed",)], [("queued",)])
    assert visited.post(f"/exchange/messages/{first.tenant}/{uuid4()}").status_code in {404, 422}


def test_a_refused_message_is_shown_and_never_sent_again(wire: Wire, visited: Visited) -> None:
    city = registered(wire)
    wire.network.refuse["bad"] = "content"
    message = wire.enqueue(city, uuid4(), "bad")
    wire.relay().run()
    visited.enter(READ, RETRY)
    path = f"/exchange/messages/{city.tenant}/{message}"
    page = whole(visited, path)
    assert "再送されません" in page
    assert "再送する" not in page
    assert visited.post(path).status_code == 422


def test_a_held_message_tells_which_place_is_missing_and_offers_no_retry(wire: Wire, visited: Visited) -> None:
    city, conv = registered(wire), uuid4()
    assert wire.deliver(wire.notification(city, conv, 2))[1]["Result"] == "held"
    wire.relay().run()
    ((message,),) = wire.place.ask("select message from platform.exchange_trouble where state = 'held'")
    visited.enter(READ, RETRY)
    path = f"/exchange/messages/{city.tenant}/{message}"
    page = whole(visited, path)
    assert "再送する" not in page
    csv = visited.get("/exchange/messages?format=csv").text
    assert ",2,1," in csv.splitlines()[1]
    assert visited.post(path).status_code == 422
    wire.deliver(wire.notification(city, conv, 1))
    wire.relay().run()
    assert wire.place.ask("select * from platform.exchange_trouble") == []


def test_the_switch_stops_one_organisation_or_all_and_lets_them_go_on(wire: Wire, visited: Visited) -> None:
    city = registered(wire)
    code = reference(wire, city)
    visited.enter(READ, STOP)
    assert visited.post("/exchange/stop", organisation=code, reason="").status_code == 422
    assert visited.post("/exchange/stop", organisation=str(uuid4()), reason="試験").status_code == 422
    assert visited.post("/exchange/stop", organisation=code, reason="証明書の疑い").status_code == 303
    assert visited.post("/exchange/stop", organisation=code, reason="二度目").status_code == 422
    shown = whole(visited, "/exchange")
    assert "証明書の疑い" in shown
    assert "exchange-oldest-unsent" in shown, "a check that is not green names its runbook"
    assert "証明書の疑い" in visited.get("/exchange?show=stopped&format=csv").text
    assert [stop.tenant for stop in wire.exchange.stops()] == [city.tenant]
    whole(visited, f"/exchange/resume/{code}")
    assert visited.post(f"/exchange/resume/{code}").status_code == 303
    assert wire.exchange.stops() == []

    assert visited.post("/exchange/stop-all", reason="全国停止", typed="はい").status_code == 422
    assert wire.exchange.stops() == []
    assert visited.post("/exchange/stop-all", reason="全国停止", typed="全団体の送受信を停止").status_code == 303
    whole(visited, "/exchange")
    whole(visited, "/exchange/resume/all")
    assert visited.post("/exchange/resume/all").status_code == 303
    assert wire.exchange.stops() == []
    visited.enter(READ)
    assert visited.post("/exchange/stop", organisation=code, reason="試験").status_code == 403


def test_a_page_is_fast_with_all_organisations_and_a_month_of_hours(wire: Wire, visited: Visited) -> None:
    place, today = wire.place, as_tokyo(SystemClock().now()).date()
    with place.database.superuser() as superuser:
        # References are right by themselves; to have them checked row by row takes longer than all the rest.
        superuser.execute("set session_replication_role = replica")
        for statement in _CROWD:
            superuser.execute(statement, {"all": _ALL, "today": today})
        superuser.execute("analyze")
    visited.enter(READ)
    with place.database.engine(ProcessKind.CONSOLE).connect() as connection:
        backend = driver(connection).info.backend_pid
        since = datetime(2020, 1, 1, tzinfo=UTC)
        asked: list[Callable[[], object]] = [
            lambda: page_store.totals(connection, since, since + timedelta(days=9_999)),
            lambda: (page_store.open_states(connection), page_store.sums(connection)),
            lambda: page_store.named_troubles(connection, "", "", descending=False, limit=51, offset=0),
        ]
        for key in ("organisation", "sent", "oldest", "dead"):
            order = (key, True)
            rows, total = page_store.standings(connection, today, Selection.ALL, "", order, limit=51, offset=0)
            assert (len(rows), total) == (51, _ALL)
            asked.append(partial(page_store.standings, connection, today, Selection.ALL, "", order, limit=51, offset=0))
        for question in asked:
            begun = worked(backend)
            for _ in range(5):
                question()
            assert (worked(backend) - begun) / 5 < 0.1
    whole(visited, "/exchange")
    begun = process_time()
    visited.get("/exchange")
    assert process_time() - begun < 0.2
    with place.database.superuser() as superuser:
        superuser.execute("set session_replication_role = replica")
        for table in ("tenant", "organisation", "exchange_standing", "exchange_day", "exchange_total"):
            superuser.execute(SQL("delete from platform.{}").format(Identifier(table)))
