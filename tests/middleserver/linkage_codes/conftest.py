"""What the tests of linkage codes share: an organisation that asks for codes, and the network's answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from chukan.tenants.middleserver.formats.codes import AddressNumber, address_number
from chukan.tenants.middleserver.linkage_codes.acquisition import Acquisition, Caller, Requested
from chukan.tenants.middleserver.linkage_codes.ports import NotRecordedYet
from chukan.tenants.middleserver.linkage_codes.rules import RequestState
from chukan.tenants.middleserver.linkage_codes.service import LinkageCodes
from chukan.tenants.middleserver.linkage_codes.store import request_of
from support.database import Database
from support.exchange import Organisation, Wire
from support.security import Place
from support.vault import file_safe

CODES = {name: (name * 32)[:32] for name in "ABCDEFGH"}


def number(place: int) -> AddressNumber:
    return address_number(f"{place:015d}")


@dataclass
class Town:
    """An organisation that asks for codes."""

    wire: Wire
    organisation: Organisation
    acquisition: Acquisition
    codes: LinkageCodes
    #: The next number of the network's direction, by conversation.
    numbers: dict[UUID, int] = field(default_factory=dict)

    @property
    def caller(self) -> Caller:
        return Caller(self.organisation.tenant, "operator:test", "test")

    def request(self, *people: int, again: bool = False, announce: bool = True) -> Requested:
        now = self.wire.clock.now()
        addresses = [number(each) for each in people]
        told = self.acquisition.request(self.caller, self.organisation.institution, addresses, now=now, again=again)
        if announce:
            self.wire.relay().run()
        return told

    def answer(self, serials: dict[str, tuple[str, str]]) -> dict[str, str]:
        """Deliver the network's answer (result and code, or reason) for each serial; return the receipt."""
        with self.wire.place.sessions.begin(self.organisation.tenant) as connection:
            found = request_of(connection, next(iter(serials)))
        conv = found.conv if found else uuid4()

        def told(document: bytes) -> bytes:
            for serial, (result, further) in serials.items():
                name = "Reason" if result == "refused" else "LinkageCode"
                entry = f"<ProcessingSerial>{serial}</ProcessingSerial><Result>".encode()
                old = entry + b"unknown_person</Result>"
                extra = f"<{name}>{further}</{name}>" if further else ""
                document = document.replace(old, entry + f"{result}</Result>{extra}".encode())
            return document

        seq = self.numbers.get(conv, 1)
        body = self.wire.notification(self.organisation, conv, seq, *serials, change=told)
        status, receipt, _ = self.wire.deliver(body)
        self.numbers[conv] = seq + (status == 200)
        return receipt

    def acquire(self, person: int, code: str, result: str = "issued", *, again: bool = False) -> str:
        """Ask for one person's code, and let the network answer; return the serial."""
        (serial,) = self.request(person, again=again).serials.values()
        assert self.answer({serial: (result, code)})["Result"] == "accepted"
        return serial

    def state(self, serial: str) -> RequestState:
        return self.codes.request(self.organisation.tenant, serial).state

    def code(self, person: int) -> str:
        with self.wire.place.sessions.begin(self.organisation.tenant) as connection:
            return self.codes.code_of(connection, self.organisation.tenant, number(person))

    def person(self, code: str) -> int:
        with self.wire.place.sessions.begin(self.organisation.tenant) as connection:
            return int(self.codes.person_of(connection, self.organisation.tenant, code))

    def events(self, serial: str) -> list[str]:
        return [each.event.value for each in self.codes.history(self.caller, serial).events]


def seven_days(day: date) -> date:
    return day + timedelta(days=7)


@pytest.fixture
def wire(database: Database, tmp_path: Path) -> Wire:
    return Wire(Place(file_safe(database, tmp_path)))


@pytest.fixture
def town(wire: Wire) -> Town:
    place = wire.place
    acquisition = Acquisition(place.sessions, place.vault, due_on=seven_days)
    wire.features = acquisition.features()
    codes = LinkageCodes(place.sessions, place.vault, NotRecordedYet())
    return Town(wire, wire.organisation(), acquisition, codes)
