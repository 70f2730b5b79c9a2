"""The course of one inquiry: a worker reads it at the three parties for who asked at the console; no content."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from uuid import UUID, uuid4

import pytest

from chukan.platform.clock import SystemClock, as_tokyo
from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.database.roles import ProcessKind
from chukan.platform.identifiers import TenantId
from chukan.platform.settings import DatabaseSettings, Settings
from chukan.tenants.middleserver.formats.messages import MessageHeader, MessageMode, add, new_message, render
from chukan.tenants.middleserver.operations.traces import store
from chukan.tenants.middleserver.operations.traces.service import KEPT, NetworkSide, Tracing
from chukan.tenants.middleserver.operations.traces.web import PAGES, READ
from chukan.tenants.middleserver.operations.traces.work import look_up_all
from chukan.tenants.middleserver.provision_records.rules import Fact
from chukan.tenants.middleserver.provision_records.service import LIST, Records
from chukan.tenants.middleserver.security.jose import sign
from chukan.tenants.middleserver.security.masters.package import NETWORK_SYSTEM, PLATFORM_SYSTEM
from chukan.tenants.middleserver.security.masters.rules import (
    Catalogue,
    OrganisationKind,
    PackageHead,
    PackageKind,
    Publication,
)
from chukan.tenants.middleserver.security.masters.rules import Organisation as Listed
from chukan.tenants.middleserver.security.masters.service import Masters
from chukan.tenants.middleserver.transmission.desk import TransmissionDesk
from chukan.tenants.middleserver.transmission.errors import NetworkAway
from support.copies import right_row
from support.database import fresh_database
from support.exchange import Wire
from support.html import check_page
from support.inquiries import PROVIDER, Asking, asking_of
from support.provisions import Inquirer, Provider
from support.security import NOW, Place
from support.vault import file_safe
from support.web import Visited, application_of


@dataclass
class Recording:
    """The network's records, given out as the protocol says, one a page."""

    place: Place
    facts: list[Fact] = field(default_factory=list)
    away: bool = False

    def records(self, institution: str, first: date, last: date, after: str = "") -> bytes:
        if self.away:
            raise NetworkAway
        begin = int(after or 0)
        header = MessageHeader(uuid4(), LIST, MessageMode.PRODUCTION, NETWORK_SYSTEM, PLATFORM_SYSTEM)
        root = new_message("RecordList", header)
        told = {"Institution": institution, "From": first.isoformat(), "To": last.isoformat()}
        if begin + 1 < len(self.facts):
            told["More"] = str(begin + 1)
        for name, said in told.items():
            add(root, name, said)
        for fact in self.facts[begin : begin + 1]:
            entry = add(root, "Entry")
            values = {
                "ProcessingSerial": fact.serial,
                "Side": fact.side.value,
                "InquirerInstitution": fact.inquirer,
                "ProviderInstitution": fact.provider,
                "Affair": fact.affair,
                "Procedure": fact.procedure,
                "Information": fact.information,
                "RequestedAt": as_tokyo(fact.requested_at).isoformat(timespec="seconds"),
                "AnsweredAt": as_tokyo(fact.answered_at).isoformat(timespec="seconds") if fact.answered_at else None,
                "Result": fact.result.value,
                "NonDisclosure": "0",
            }
            for name, value in values.items():
                if value is not None:
                    add(entry, name, value)
        return sign(render(root), self.place.network.key, type=LIST, now=SystemClock().now())


@dataclass
class Parties:
    """An inquirer, a provider and the network, and a console at which somebody asks."""

    place: Place
    asking: Asking
    provider: Provider
    network: Recording
    visited: Visited
    code: str

    def hosted(self, _asked: TenantId, institution: str) -> TenantId | None:
        known = {str(PROVIDER): self.provider.tenant, self.asking.organisation.institution: self.asking.tenant}
        return known.get(institution)

    def look_up(self, number: str) -> str:
        """Ask at the console, let a worker look it up, and return the page's path."""
        answer = self.visited.post("/inquiry-course", organisation=self.code, number=number)
        assert answer.status_code == 303, answer.text
        path = str(answer.headers["Location"])
        assert "確認しています" in self.page(path)
        network = NetworkSide(self.network, self.place.network.public_key)
        tracing = Tracing(self.place.actor, self.place.sessions, self.hosted, network)
        assert tracing.run(SystemClock().now()) == 1
        return path

    def page(self, path: str) -> str:
        self.visited.app.config["WTF_CSRF_ENABLED"] = True
        page = self.visited.get(path)
        self.visited.app.config["WTF_CSRF_ENABLED"] = False
        assert page.status_code == 200
        check_page(page.text)
        return page.text

    def trace(self, path: str) -> tuple[store.Trace, set[tuple[str, str, str]]]:
        with self.place.database.engine(ProcessKind.CONSOLE).connect() as connection:
            found = store.trace_of(connection, UUID(path.rsplit("/", 1)[1]))
        assert found is not None
        return found[0], {(each.party, each.kind, each.event) for each in found[1]}


@pytest.fixture(scope="module")
def place(
    cluster: tuple[EmbeddedCluster, DatabaseSettings], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    with fresh_database(*cluster) as database:
        yield Place(file_safe(database, tmp_path_factory.mktemp("safe")))


@pytest.fixture
def parties(place: Place) -> Iterator[Parties]:
    asking, provider = asking_of(Wire(place)), Provider(Wire(place, _made=50))
    provider.inquirer = Inquirer(provider.wire, asking.organisation.institution)
    place.ask(
        "insert into platform.organisation (kind, prefecture, name, kana, search_key, tenant, state, state_since)"
        " values ('wide_area_union', '01', '架空市', '', '', %s, 'active', now())",
        asking.tenant,
    )
    ((code,),) = place.ask("select id::text from platform.organisation where tenant = %s", asking.tenant)
    visited = application_of([PAGES], place.database.engine(ProcessKind.CONSOLE))
    visited.enter(READ)
    yield Parties(place, asking, provider, Recording(place), visited, str(code))
    place.ask("update platform.tenant set state = 'suspended'")
    place.ask("delete from platform.inquiry_trace")
    place.ask("delete from platform.due")
    place.ask("delete from platform.organisation")


def test_an_inquiry_is_followed_across_the_three_parties(parties: Parties) -> None:
    asking, provider = parties.asking, parties.provider
    found = asking.window()
    asking.relay()
    provider.link(1)
    provider.register([right_row(1)])
    provider.ask(1, serial=found.serial, requested_at=found.requested_at or asking.now)
    provider.relay()
    asking.answer(found)
    (fact,) = Records(parties.place.sessions).find(asking.tenant, serial=found.serial)
    other = replace(fact, serial="ANOTHERSERIAL0000001")
    parties.network.facts = [other, fact]
    path = parties.look_up(found.serial)
    trace, points = parties.trace(path)
    assert (trace.outcome, trace.network) == ("found", "told")
    assert (trace.inquirer_tenant, trace.provider_tenant) == (asking.tenant, provider.tenant)
    assert points >= {
        ("inquirer", "state", "release"),
        ("inquirer", "out", "IF_SKI_X0101_R01"),
        ("network", "in", "IF_SKI_X0101_R01"),
        ("provider", "in", "IF_TKY_X0201_R01"),
        ("provider", "state", "answer"),
        ("provider", "out", "IF_TKY_X0202_S01"),
        ("network", "in", "IF_TKY_X0202_S01"),
        ("inquirer", "in", "IF_SKI_X0102_S01"),
        ("inquirer", "state", "answer"),
        *(
            (party, "record", event)
            for party in ("inquirer", "network", "provider")
            for event in ("requested", "answered")
        ),
    }
    page = parties.page(path)
    assert 'class="timeline-svg"' in page
    assert "三者の記録は一致しています" in page
    assert page.count("情報照会者") > 1
    by_reception, _ = parties.trace(parties.look_up(found.reception))
    assert by_reception.serial == found.serial
    # What is told holds no address number, no information and no linkage code.
    told = parties.place.ask("select row_to_json(t)::text || row_to_json(p)::text from platform.inquiry_trace t"
                             " join platform.inquiry_trace_point p on p.trace = t.id")  # fmt: skip
    assert fact.information not in str(told)
    parties.network.facts = [replace(fact, answered_at=(fact.answered_at or asking.now) + timedelta(seconds=1))]
    assert "記録が相違しています" in parties.page(parties.look_up(found.serial))


def test_a_list_is_told_by_its_serials_and_what_is_unknown_or_outside_is_told_so(parties: Parties) -> None:
    asking = parties.asking
    bulk = asking.bulk(3)
    asking.pace()
    path = parties.look_up(bulk.number)
    trace, _ = parties.trace(path)
    assert (trace.outcome, set(trace.serials or ())) == ("several", set(bulk.serials))
    assert bulk.serials[0] in parties.page(path)
    parties.network.away = True
    alone = parties.look_up(bulk.serials[0])
    trace, points = parties.trace(alone)
    assert (trace.outcome, trace.network) == ("found", "away")
    assert {party for party, _, _ in points} == {"inquirer"}
    assert "確認できません" in parties.page(alone)
    nothing = parties.look_up("0" * 20)
    assert parties.trace(nothing)[0].outcome == "nothing"
    parties.page(nothing)
    assert "最近の確認" in parties.page("/inquiry-course")


def test_who_may_not_asks_nothing_and_what_is_no_number_is_refused(parties: Parties) -> None:
    visited = parties.visited
    for number in ("", "12", "処理通番", "A" * 21):
        assert visited.post("/inquiry-course", organisation=parties.code, number=number).status_code == 422
    assert visited.post("/inquiry-course", organisation=str(uuid4()), number="A" * 20).status_code == 422
    assert visited.get(f"/inquiry-course/{uuid4()}").status_code == 404
    visited.enter("tenants:organisation:read")
    assert visited.get("/inquiry-course").status_code == 403
    assert visited.post("/inquiry-course", organisation=parties.code, number="A" * 20).status_code == 403
    assert parties.place.ask("select * from platform.inquiry_trace") == []


def test_who_asked_stands_in_the_trail_and_what_was_found_is_forgotten(parties: Parties) -> None:
    visitor = parties.visited.enter(READ)
    parties.look_up("7" * 20)
    acts = parties.place.ask("select body::json->>'actor', body::json->'detail'->>'number' from platform.audit_entry"
                             " where body::json->>'action' = 'traces:inquiry:ask'")  # fmt: skip
    assert (visitor.name, "7" * 20) in acts
    with parties.place.actor.engine.begin() as connection:
        now = SystemClock().now()
        assert store.forget_traces(connection, now - KEPT) == 0
        assert store.forget_traces(connection, now + timedelta(minutes=1)) == 1


def test_the_job_finds_the_partner_by_the_masters_and_forgets_what_is_old(
    parties: Parties, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, asking = parties.place, parties.asking
    found = asking.window()
    asking.relay()
    place.ask(
        "insert into platform.organisation (code, kind, prefecture, name, kana, search_key, tenant, state, state_since)"
        " values ('131016', 'special_ward', '13', '千代田区', '', '', %s, 'active', now())",
        parties.provider.tenant,
    )
    kind = OrganisationKind.MUNICIPALITY
    head = PackageHead(1, "2026.06", Publication.COMMON, PackageKind.ANNUAL, date(2026, 6, 1), NOW)
    listed = Catalogue(head, (Listed(str(PROVIDER), "千代田区", kind, "131016"),))
    desk = TransmissionDesk(place.actor, Settings(), place.sessions, place.vault)

    def looked_up() -> store.Trace:
        answer = parties.visited.post("/inquiry-course", organisation=parties.code, number=found.serial)
        assert look_up_all(desk, SystemClock().now()) == 1
        return parties.trace(str(answer.headers["Location"]))[0]

    without = looked_up()
    assert (without.outcome, without.network, without.provider_tenant) == ("found", "away", None)
    monkeypatch.setattr(Masters, "catalogue", lambda _self, _tenant: listed)
    assert looked_up().provider_tenant == parties.provider.tenant
    assert look_up_all(desk, SystemClock().now() + KEPT) == 0
    assert place.ask("select count(*) from platform.inquiry_trace") == [(0,)]
