"""Inquiries over the simulated network as a program: an institution outside answers by itself, and all is recorded."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from chukan.platform.identifiers import TenantId
from chukan.tenants.middleserver.formats.codes import AffairCode, InformationCode, InstitutionCode, ProcedureCode
from chukan.tenants.middleserver.inquiries import store
from chukan.tenants.middleserver.inquiries.registration import Registered
from chukan.tenants.middleserver.inquiries.rules import Asked, InquiryState, Kind
from chukan.tenants.middleserver.inquiries.service import Inquiries
from chukan.tenants.middleserver.inquiries.trail import InquiryCaller
from chukan.tenants.middleserver.linkage_codes.acquisition import Acquisition, Caller
from chukan.tenants.middleserver.provision_records import store as record_store
from chukan.tenants.middleserver.security.masters.rules import Catalogue
from chukan.tenants.middleserver.security.masters.standard import Standard
from chukan.tenants.middleserver.transmission.desk import authority_of
from chukan.tenants.middleserver.transmission.ports import Features
from chukan.tenants.middleserver.transmission.switch import Stops
from chukan_simulators.national_network.client import RunningNetwork, running_network
from middleserver.linkage_codes.conftest import number
from national_network.organisation import eventually
from support.database import Database
from support.exchange_live import Live
from support.inquiries import FixedHours
from support.security import Place
from support.vault import file_safe

PENSION = InstitutionCode("9000000000000001")
PACKAGES = 12
WISH = Asked(
    number(1),
    InformationCode("TM00000000000052"),
    AffairCode("JM90000000000005"),
    ProcedureCode("JT90000000000005"),
    PENSION,
)
QUICK = ("--business-day-seconds", "0.01", "--redelivery-seconds", "0.05", "--redelivery-longest-seconds", "0.2")
PROGRAM = Path(__file__).with_name("pace_and_die.py")


class ShippedMasters:
    """The masters that the network published last."""

    def __init__(self) -> None:
        self._catalogue = Standard().catalogue(PACKAGES)

    def catalogue(self, _tenant: TenantId) -> Catalogue:
        return self._catalogue


@dataclass
class Town:
    """A town whose residents have codes, and that asks the pension service."""

    live: Live
    tenant: TenantId
    inquiries: Inquiries
    features: Features

    @property
    def caller(self) -> InquiryCaller:
        return InquiryCaller(self.tenant, "system:test", "test")

    def ask(self, *people: int, kind: Kind = Kind.WINDOW) -> Registered:
        wishes = [replace(WISH, address=number(person)) for person in people]
        return self.inquiries.register(self.caller, wishes, kind=kind, now=self.live.now)

    def state(self, serial: str) -> InquiryState:
        with self.live.place.sessions.begin(self.tenant) as connection:
            found = store.of_serial(connection, serial)
        assert found is not None
        return found.state


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNetwork]:
    folder = tmp_path_factory.mktemp("network")
    with running_network(folder, *QUICK, "--publish", str(PACKAGES)) as running:
        yield running


@pytest.fixture
def town(database: Database, tmp_path: Path, network: RunningNetwork) -> Town:
    safe = file_safe(database, tmp_path)
    # The masters name the town of this institution code.
    live = Live(Place(safe), network, safe.key_file, made=-1)
    place = live.place
    tenant, institution = live.organisation()
    inquiries = Inquiries(
        place.sessions,
        place.vault,
        ShippedMasters(),
        FixedHours(closes=live.now + timedelta(hours=9)),
        lambda: authority_of(live.settings.network),
        going=Stops(place.actor.engine),
    )
    acquisition = Acquisition(place.sessions, place.vault)
    made = Town(live, tenant, inquiries, acquisition.features() | inquiries.features())
    network.partner(PENSION, provides_from="2019-06-01", inquires_from="2019-04-15")
    people = [number(each) for each in range(1, 31)]
    with live.listening(made.features):
        told = acquisition.request(Caller(tenant, "system:test", "test"), institution, people, now=live.now)
        network.register(
            [
                {"ResidentRecordCode": f"9{int(person):010}", "ProcessingSerial": serial,
                 "InstitutionCode": institution}
                for person, serial in told.serials.items()
            ]
        )  # fmt: skip
        live.relay(made.features)
        eventually(lambda: network.status()["serials_due"] == 0, within=60)
        eventually(lambda: network.status()["deliveries_waiting"] == 0, within=60)
    return made


def test_an_outside_institution_answers_and_the_town_reads_it(town: Town) -> None:
    network = town.live.network
    with town.live.listening(town.features):
        told = town.ask(3)
        town.live.relay(town.features)
        eventually(lambda: town.state(told.serials[0]) is InquiryState.ANSWERED, within=30)
    (result,) = town.inquiries.results(town.caller, told.number).results
    assert result.records
    assert all(each.items for each in result.records)
    (theirs,) = [row for row in network.records(PENSION) if row["serial"] == told.serials[0]]
    with town.live.place.sessions.begin(town.tenant) as connection:
        (fact,) = record_store.of_serial(connection, told.serials[0])
    assert (fact.result.value, theirs["result"]) == ("provided", "provided")


def test_what_the_network_refuses_by_its_own_lights_is_refused_with_its_reason(town: Town) -> None:
    town.live.network.partner(PENSION, provides_from="2099-01-01", inquires_from="2019-04-15")
    with town.live.listening(town.features):
        told = town.ask(4)
        town.live.relay(town.features)
        eventually(lambda: town.state(told.serials[0]) is InquiryState.REFUSED, within=30)
    (result,) = town.inquiries.results(town.caller, told.number).results
    assert result.reason == "partner_not_started"


@pytest.mark.parametrize("where", ["counted", "queued", "noted", "committing"])
def test_a_worker_that_is_killed_while_inquiries_leave_lets_each_leave_once(town: Town, where: str) -> None:
    """SIGKILL at each point of the one transaction: all of the portion leaves, or nothing of it."""
    told = town.ask(*range(1, 26), kind=Kind.BULK)
    settings = town.live.settings.model_dump_json()
    killed = subprocess.run(
        [sys.executable, str(PROGRAM), settings, str(town.tenant), where],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    place = town.live.place
    left = place.ask_of(town.tenant, "select count(*) from {}.outbox where type = 'IF_SKI_X0101_R01'")[0][0]
    sent = town.inquiries.status(town.tenant, told.number).counts.get(InquiryState.SENT, 0)
    (under_way,) = place.ask("select count(*) from platform.list_inquiry where tenant = %s", town.tenant)[0]
    assert left == sent == under_way == (20 if where == "committing" else 0)
    with town.live.listening(town.features):
        for _ in range(4):
            town.inquiries.pace(town.tenant, now=town.live.now, actor="system:test", request="test")
            town.live.relay(town.features)
        eventually(
            lambda: town.inquiries.status(town.tenant, told.number).counts == {InquiryState.ANSWERED: 25}, within=60
        )
    serials = [row["serial"] for row in town.live.network.records(PENSION)]
    assert sorted(serial for serial in serials if serial in told.serials) == sorted(told.serials)
