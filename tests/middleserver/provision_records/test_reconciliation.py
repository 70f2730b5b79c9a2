"""Records are compared with the network's each night; a record that somebody altered opens a case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from chukan.platform.audit.actor import Actor
from chukan.platform.clock import as_tokyo
from chukan.platform.component import Health
from chukan.platform.database.roles import ProcessKind
from chukan.tenants.middleserver.formats.errors import IndividualNumberSuspected
from chukan.tenants.middleserver.formats.messages import MessageHeader, MessageMode, add, new_message, render
from chukan.tenants.middleserver.provision_records import store
from chukan.tenants.middleserver.provision_records.checks import judge
from chukan.tenants.middleserver.provision_records.errors import CaseNotOpen, RecordListRefused
from chukan.tenants.middleserver.provision_records.rules import DifferenceKind, Fact, Result, Side
from chukan.tenants.middleserver.provision_records.service import (
    LIST,
    Reconciled,
    Reconciliation,
    close_case,
    write,
)
from chukan.tenants.middleserver.provision_records.store import Open
from chukan.tenants.middleserver.provision_records.work import institutions
from chukan.tenants.middleserver.security.jose import SigningKey, sign
from chukan.tenants.middleserver.security.masters.package import NETWORK_SYSTEM, PLATFORM_SYSTEM
from chukan.tenants.middleserver.transmission.errors import NetworkAnswerWrong, NetworkAway
from support.copies import right_row
from support.provisions import INQUIRER, Provider, new_serial
from support.security import NOW


@dataclass
class NetworkRecords:
    """The network's records, given out as the protocol says; a test may alter them."""

    provider: Provider
    facts: list[Fact] = field(default_factory=list)
    key: SigningKey | None = None
    away: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    page: int = 2000
    institution: str | None = None
    mode: MessageMode = MessageMode.PRODUCTION
    late: timedelta = timedelta()
    asked: list[tuple[str, date, date, str]] = field(default_factory=list)
    now: datetime | None = None

    def records(self, institution: str, first: date, last: date, after: str = "") -> bytes:
        self.asked.append((institution, first, last, after))
        if institution in self.away:
            raise NetworkAway
        if institution in self.broken:
            raise NetworkAnswerWrong(status=500)
        found = [
            fact
            for fact in sorted(self.facts, key=lambda fact: (fact.requested_at, fact.inquirer, fact.serial))
            if first <= as_tokyo(fact.requested_at).date() <= last
            and institution == (fact.provider if fact.side is Side.PROVIDER else fact.inquirer)
        ]
        begin = int(after or 0)
        header = MessageHeader(uuid4(), LIST, self.mode, NETWORK_SYSTEM, PLATFORM_SYSTEM)
        root = new_message("RecordList", header)
        add(root, "Institution", self.institution or institution)
        add(root, "From", first.isoformat())
        add(root, "To", (last + self.late).isoformat())
        if begin + self.page < len(found):
            add(root, "More", str(begin + self.page))
        for fact in found[begin : begin + self.page]:
            entry = add(root, "Entry")
            told = {
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
                "NonDisclosure": "1" if fact.non_disclosure else "0",
            }
            for name, said in told.items():
                if said is not None:
                    add(entry, name, said)
        key = self.key or self.provider.wire.network.key
        return sign(render(root), key, type=LIST, now=self.now or self.provider.now)


@dataclass
class Night:
    """An organisation whose one provision is recorded by it and by the network."""

    provider: Provider
    network: NetworkRecords
    fact: Fact

    @property
    def actor(self) -> Actor:
        return self.provider.wire.place.actor

    @property
    def reconciliation(self) -> Reconciliation:
        place = self.provider.wire.place
        return Reconciliation(
            place.actor, place.sessions, self.network, place.network.public_key, institutions(place.keys)
        )

    @property
    def tomorrow(self) -> datetime:
        return self.provider.now + timedelta(days=1)

    def run(self, now: datetime | None = None) -> Reconciled:
        self.network.now = now or self.tomorrow
        done = self.reconciliation.reconcile(self.provider.tenant, now=now or self.tomorrow)
        assert done is not None
        return done

    def cases(self) -> list[tuple[DifferenceKind, tuple[str, ...]]]:
        return [(each.kind, each.fields) for each in self.reconciliation.cases()]

    def verdict(self) -> Health:
        with self.provider.wire.place.database.engine(ProcessKind.POLLER).connect() as connection:
            found = store.standing(connection)
        return judge(replace(found, now=self.tomorrow)).health

    def alter(self, statement: str) -> None:
        with self.provider.wire.place.sessions.begin(self.provider.tenant) as connection:
            connection.execute(text(statement))


@pytest.fixture
def night(provider: Provider) -> Night:
    provider.link(1)
    provider.register([right_row(1)])
    serial, _ = provider.ask(1)
    assert provider.answer()["Result"] == "provided"
    fact = provider.record(serial)
    return Night(provider, NetworkRecords(provider, [fact]), fact)


def test_what_agrees_opens_no_case(night: Night) -> None:
    assert night.run() == Reconciled(compared=1, differing=0, opened=0, closed=0)
    assert night.cases() == []
    assert night.verdict() is Health.GREEN


@pytest.mark.parametrize(
    ("alter", "expected"),
    [
        ("update provision_record set information = 'TM00000000000016'", (DifferenceKind.DIFFERS, ("information",))),
        ("update provision_record set result = 'refused'", (DifferenceKind.DIFFERS, ("result",))),
        (
            "update provision_record set answered_at = answered_at + interval '1 second'",
            (DifferenceKind.DIFFERS, ("answered_at",)),
        ),
        ("delete from provision_record", (DifferenceKind.MISSING_HERE, ())),
    ],
)
def test_a_record_that_was_altered_here_is_found_the_next_night_and_closed_when_it_agrees_again(
    night: Night, alter: str, expected: tuple[DifferenceKind, tuple[str, ...]]
) -> None:
    night.alter(alter)
    assert (night.run().opened, night.cases(), night.verdict()) == (1, [expected], Health.AMBER)
    assert night.run(night.tomorrow + timedelta(days=1)).opened == 0, "it is the same case the night after"
    night.alter("delete from provision_record")
    with night.provider.wire.place.sessions.begin(night.provider.tenant) as connection:
        write(connection, night.provider.tenant, night.fact, night.provider.now)
    assert night.run(night.tomorrow + timedelta(days=2)).closed == 1
    assert night.cases() == []


@pytest.mark.parametrize(
    ("alter", "expected"),
    [
        (lambda fact: [replace(fact, provider=fact.provider, affair="JM00000000000009")], ("affair",)),
        (lambda fact: [replace(fact, non_disclosure=True)], ("non_disclosure",)),
        (lambda _: [], None),
    ],
)
def test_a_record_that_was_altered_at_the_network_is_found_as_well(
    night: Night, alter: Callable[[Fact], list[Fact]], expected: tuple[str, ...] | None
) -> None:
    night.network.facts = alter(night.fact)
    night.run()
    kind = DifferenceKind.DIFFERS if expected else DifferenceKind.MISSING_THERE
    assert night.cases() == [(kind, expected or ())]


def test_both_sides_of_an_inquiry_at_oneself_s_are_two_records(night: Night) -> None:
    place, tenant = night.provider.wire.place, night.provider.tenant
    other = replace(night.fact, side=Side.INQUIRER, inquirer=night.fact.provider, reception="20260701000001")
    with place.sessions.begin(tenant) as connection:
        write(connection, tenant, other, night.provider.now)
    night.network.facts.append(other)
    assert night.run() == Reconciled(2, 0, 0, 0)
    (found,) = night.provider.records.find(tenant, reception="20260701000001")
    assert (found.side, found.reception) == (Side.INQUIRER, "20260701000001")
    assert len(night.provider.records.find(tenant, serial=night.fact.serial)) == 2
    with pytest.raises(ValueError, match="found by"):
        night.provider.records.find(tenant)


def test_a_case_is_content_free(night: Night) -> None:
    night.alter("update provision_record set information = 'TM00000000000016'")
    night.run()
    rows = night.provider.wire.place.ask("select * from platform.reconciliation_case")
    assert "TM0" not in str(rows)


def test_an_operator_closes_a_case_and_it_opens_again_if_it_still_differs(night: Night) -> None:
    night.alter("delete from provision_record")
    night.run()
    (case,) = night.reconciliation.cases()
    with pytest.raises(IndividualNumberSuspected):
        close_case(night.actor, case.id, reason="123456789018", now=night.tomorrow)
    close_case(night.actor, case.id, reason="looked into", now=night.tomorrow)
    assert night.cases() == []
    with pytest.raises(CaseNotOpen):
        close_case(night.actor, case.id, reason="again", now=night.tomorrow)
    assert night.run(night.tomorrow + timedelta(days=1)).opened == 1
    assert len(night.reconciliation.cases(open_only=False)) == 2


def test_a_case_is_looked_at_until_both_agree_however_old_it_is(night: Night) -> None:
    night.alter("update provision_record set result = 'refused'")
    night.run()
    much_later = night.tomorrow + timedelta(days=60)
    assert night.run(much_later).differing == 1, "its day is long past"
    night.alter("update provision_record set result = 'provided'")
    assert night.run(much_later + timedelta(days=1)) == Reconciled(compared=1, differing=0, opened=0, closed=1)
    night.network.asked.clear()
    night.run(much_later + timedelta(days=2))
    assert min(first for _, first, *_ in night.network.asked) > as_tokyo(night.fact.requested_at).date()


def test_after_nights_that_were_missed_nothing_is_left_out(night: Night) -> None:
    """An inquiry was last open a month after the last comparison, and the network was away for twenty nights."""
    night.run()
    night.alter("update provision_record set result = 'expired'")
    assert night.run(night.tomorrow + timedelta(days=51)).opened == 1


def test_a_long_list_is_asked_for_page_by_page(night: Night) -> None:
    place, tenant = night.provider.wire.place, night.provider.tenant
    with place.sessions.begin(tenant) as connection:
        for _ in range(4):
            fact = replace(night.fact, serial=new_serial())
            write(connection, tenant, fact, night.provider.now)
            night.network.facts.append(fact)
    night.network.page = 2
    assert night.run() == Reconciled(5, 0, 0, 0)
    assert [after for *_, after in night.network.asked if after] == ["2", "4"]


@pytest.mark.parametrize("fault", ["stranger", "institution", "old", "days", "test"])
def test_a_list_that_the_network_did_not_sign_for_this_is_refused_and_changes_nothing(night: Night, fault: str) -> None:
    night.network.facts = []
    if fault == "stranger":
        night.network.key = SigningKey("s" * 32, night.provider.inquirer.key)
    elif fault == "institution":
        night.network.institution = INQUIRER
    elif fault == "days":
        night.network.late = timedelta(days=1)
    elif fault == "test":
        night.network.mode = MessageMode.TEST
    now = night.tomorrow
    night.network.now = now - timedelta(days=2) if fault == "old" else now
    with pytest.raises(RecordListRefused):
        night.reconciliation.reconcile(night.provider.tenant, now=now)
    assert night.cases() == []


def test_a_failure_at_one_organisation_keeps_no_other_one_waiting(night: Night) -> None:
    night.network.broken = {night.provider.organisation.institution}
    other = night.provider.wire.organisation()
    night.network.now = night.tomorrow
    assert night.reconciliation.run(now=night.tomorrow) == 1
    assert other.institution in {institution for institution, *_ in night.network.asked}
    standing = night.provider.wire.place.ask("select tenant from platform.reconciliation_standing")
    assert standing == [(other.tenant,)]


def test_where_the_network_is_away_the_rest_is_left_to_the_next_night(night: Night) -> None:
    night.network.away = {night.provider.organisation.institution}
    with pytest.raises(NetworkAway):
        night.reconciliation.run(now=night.tomorrow)


def test_who_has_no_certificate_has_no_part_in_it(night: Night) -> None:
    tenant = night.provider.wire.place.tenant()
    assert night.reconciliation.reconcile(tenant, now=night.tomorrow) is None


def test_records_are_forgotten_the_day_after_seven_full_years(night: Night) -> None:
    records, tenant = night.provider.records, night.provider.tenant
    # 2026-07-01 12:00 in Tokyo: the last day of the seven years is 2033-07-01.
    assert records.forget(tenant, now=datetime(2033, 7, 1, 14, 59, tzinfo=NOW.tzinfo)) == 0
    assert records.forget(tenant, now=datetime(2033, 7, 1, 15, 0, tzinfo=NOW.tzinfo)) == 1
    assert records.find(tenant, serial=night.fact.serial) == []


def test_a_record_keeps_what_it_said_first_and_only_how_it_ended_follows(night: Night) -> None:
    tenant = night.provider.tenant
    later = replace(night.fact, provider="1" * 16, result=Result.CANCELLED, answered_at=night.tomorrow)
    with night.provider.wire.place.sessions.begin(tenant) as connection:
        write(connection, tenant, later, night.tomorrow)
    (found,) = night.provider.records.find(tenant, serial=night.fact.serial)
    assert (found.provider, found.result, found.answered_at) == (
        night.fact.provider, Result.CANCELLED, night.tomorrow
    )  # fmt: skip


def test_an_organisation_that_exchanges_and_was_never_compared_is_noticed(night: Night) -> None:
    place, tenant = night.provider.wire.place, night.provider.tenant
    count = "insert into platform.exchange_hour values (%s, 'provider', %s, 'provided', 1) returning 1"
    first = night.tomorrow.replace(minute=0, second=0, microsecond=0)
    place.ask(count, tenant, first - timedelta(hours=49))
    assert night.verdict() is Health.GREEN
    place.ask(count, tenant, first - timedelta(hours=51))
    assert night.verdict() is Health.RED
    night.run()
    assert night.verdict() is Health.GREEN


# -- the check ---------------------------------------------------------------------------------------

STANDING = Open(0, 0, None, NOW - timedelta(hours=50), NOW)


@pytest.mark.parametrize(
    ("found", "health"),
    [
        (STANDING, Health.GREEN),
        (replace(STANDING, oldest_reconciled=None), Health.GREEN),
        (replace(STANDING, oldest_reconciled=NOW - timedelta(hours=50, seconds=1)), Health.RED),
        (replace(STANDING, cases=1, organisations=1, oldest_case=NOW - timedelta(days=7)), Health.AMBER),
        (replace(STANDING, cases=1, organisations=1, oldest_case=NOW - timedelta(days=7, seconds=1)), Health.RED),
    ],
)
def test_the_check_is_red_for_what_nobody_clears_up(found: Open, health: Health) -> None:
    assert judge(found).health is health
