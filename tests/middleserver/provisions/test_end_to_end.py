"""Over the simulated network: an outside institution asks, we answer by ourselves, and all parties' records agree."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from chukan.platform.clock import FixedClock
from chukan.tenants.middleserver.duplicate_copies.copies import Copies
from chukan.tenants.middleserver.linkage_codes.acquisition import Acquisition
from chukan.tenants.middleserver.linkage_codes.acquisition import Caller as CodeCaller
from chukan.tenants.middleserver.linkage_codes.ports import NotRecordedYet
from chukan.tenants.middleserver.linkage_codes.service import LinkageCodes
from chukan.tenants.middleserver.provision_records import store as record_store
from chukan.tenants.middleserver.provision_records.rules import DifferenceKind, Result
from chukan.tenants.middleserver.provision_records.service import Records
from chukan.tenants.middleserver.provision_records.work import reconcile_all
from chukan.tenants.middleserver.provisions.decisions import Provide
from chukan.tenants.middleserver.provisions.desk import NetworkKeys
from chukan.tenants.middleserver.provisions.ports import Neighbours
from chukan.tenants.middleserver.provisions.service import Provisions
from chukan.tenants.middleserver.provisions.trail import Caller
from chukan.tenants.middleserver.transmission.ports import Features
from chukan_simulators.national_network.client import RunningNetwork, running_network
from national_network.organisation import eventually
from support import copies as copy_support
from support.copies import INFORMATION, right_row
from support.database import Database
from support.exchange_live import Live
from support.provisions import PermittingMasters, number, scope
from support.security import Place
from support.vault import file_safe

CONFIG = Path(__file__).parents[3] / "config"
PENSION = "9000000000000001"
QUICK = ("--business-day-seconds", "0.01", "--redelivery-seconds", "0.05", "--redelivery-longest-seconds", "0.2")


@pytest.fixture
def network(tmp_path: Path) -> Iterator[RunningNetwork]:
    """A network whose masters name one city."""
    folder = tmp_path / "config"
    folder.mkdir()
    for name in ("protocols", "masters"):
        (folder / name).symlink_to(CONFIG / name)
    rows = (CONFIG / "organisations.csv").read_text("utf-8").splitlines(keepends=True)
    (folder / "organisations.csv").write_text(
        "".join(row for row in rows if row.startswith(("code,", "112101,"))), "utf-8"
    )
    with running_network(tmp_path / "network", *QUICK, "--config", str(folder), "--publish", "12") as running:
        yield running
    shutil.rmtree(folder)


def test_an_institution_outside_is_answered_and_three_records_agree(
    network: RunningNetwork, database: Database, tmp_path: Path
) -> None:
    safe = file_safe(database, tmp_path)
    live = Live(Place(safe), network, safe.key_file, made=-1)
    place = live.place
    tenant, institution = live.organisation()
    acquisition = Acquisition(place.sessions, place.vault)
    masters = PermittingMasters()
    neighbours = Neighbours(masters, lambda *_: (), NetworkKeys(lambda: live.settings).public_key)
    linkage = LinkageCodes(place.sessions, place.vault, NotRecordedYet())
    provisions = Provisions(place.sessions, place.vault, Copies(place.sessions, place.vault), linkage, neighbours)
    features: Features = acquisition.features() | provisions.features()
    residents = {person: f"9{person:010}" for person in (1, 2)}
    with live.listening(features):
        asked = CodeCaller(tenant, "system:test", "test")
        told = acquisition.request(asked, institution, [number(person) for person in residents], now=live.now)
        network.register(
            [
                {
                    "ResidentRecordCode": residents[int(person)],
                    "ProcessingSerial": serial,
                    "InstitutionCode": institution,
                }
                for person, serial in told.serials.items()
            ]
        )
        live.relay(features)
        eventually(lambda: network.status()["serials_due"] == 0 and network.status()["deliveries_waiting"] == 0)
        copies = copy_support.Organisation(safe, tenant, place.sessions, place.vault, FixedClock(live.now))
        copies.masters = masters
        copies.send_rows([right_row(1), right_row(2)])
        copies.register()
        caller = Caller(tenant, "operator:test", "test")
        provisions.bar(caller, [scope(person=2)], "protected", now=live.now)

        def ask(person: int) -> str:
            made = network.partner_inquires(PENSION, institution, INFORMATION, residents[person])
            return str(made["serial"])

        def outcome(serial: str) -> str:
            live.relay(features)
            (row,) = [row for row in network.partner_inquiries(PENSION) if row["serial"] == serial]
            return str(row["result"])

        serials = {person: ask(person) for person in residents}
        assert eventually(lambda: outcome(serials[1]) == "provided")
        assert eventually(lambda: outcome(serials[2]) == "deferred")
        (waiting,) = provisions.pending(caller)
        assert (waiting.serial, waiting.address) == (serials[2], number(2))
        provisions.decide(caller, serials[2], Provide(), now=live.now)
        assert eventually(lambda: outcome(serials[2]) == "provided")
        shown = str(network.partner_inquiries(PENSION))
        assert "-1234567890123" in shown, "the outside institution read what was provided"

        later = live.now + timedelta(hours=2)
        assert reconcile_all(live.desk, later) == 0
        with place.actor.engine.connect() as connection:
            assert record_store.cases(connection) == []
        (record,) = Records(place.sessions).find(tenant, serial=serials[1])
        assert (record.result, record.inquirer) == (Result.PROVIDED, PENSION)

        assert network.alter_record(PENSION, serials[1], Result="refused")
        assert network.lose_record(PENSION, serials[2])
        assert reconcile_all(live.desk, later) == 0
        with place.actor.engine.connect() as connection:
            cases = record_store.cases(connection)
        assert {(case.key.serial, case.kind, case.fields) for case in cases} == {
            (serials[1], DifferenceKind.DIFFERS, ("result",)),
            (serials[2], DifferenceKind.MISSING_THERE, ()),
        }
