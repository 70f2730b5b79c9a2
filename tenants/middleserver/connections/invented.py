"""What the test mode answers about inquiries and provisions: invented, the same each time, of nobody (decision 30).

What becomes of an inquiry is chosen by the last digit of the test person's number, so that a vendor can bring about
every outcome.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from types import MappingProxyType
from uuid import UUID

from chukan.platform.clock import as_tokyo
from chukan.tenants.middleserver.connections.data import shipped_test_persons
from chukan.tenants.middleserver.formats.codes import (
    AddressNumber,
    AffairCode,
    InformationCode,
    InstitutionCode,
    ProcedureCode,
)
from chukan.tenants.middleserver.inquiries.errors import (
    InquiriesRefused,
    LinkageCodeMissing,
    ReceptionUnknown,
    RowFault,
)
from chukan.tenants.middleserver.inquiries.provided import ProvidedItem, ProvidedRecord
from chukan.tenants.middleserver.inquiries.registration import Registered
from chukan.tenants.middleserver.inquiries.rules import Asked, InquiryState, Kind, last_valid_day, to_the_second
from chukan.tenants.middleserver.inquiries.service import PAGE, InquiryResult, ReceptionStatus, ResultPage
from chukan.tenants.middleserver.inquiries.store import Reception
from chukan.tenants.middleserver.provisions.rules import Cause
from chukan.tenants.middleserver.provisions.staff import Waiting

#: What becomes of an inquiry by the last digit of its person; all others are answered.
OUTCOMES: Mapping[str, InquiryState] = MappingProxyType(
    {
        "5": InquiryState.DEFERRED,
        "6": InquiryState.REFUSED,
        "7": InquiryState.EXPIRED,
        #: Nothing is known within the wait.
        "8": InquiryState.SENT,
    }
)
#: The last digit of persons who have no linkage code.
WITHOUT_CODE = "9"
#: The one request that waits for staff in test mode, and its inquirer.
WAITING_SERIAL, INQUIRER = "TEST0000000000000001", InstitutionCode("9999999999999999")
_NUMBER = re.compile(r"TEST-([0-9]{4})")
_SERIAL = re.compile(r"TEST[0-9]{16}")
_MOST = 3_000
_PERMIT = UUID(int=0)
_INFORMATION, _AFFAIR, _PROCEDURE = (
    InformationCode("TM00000000000002"),
    AffairCode("JM00000000000001"),
    ProcedureCode("JT00000000000001"),
)


def registered(asked: Sequence[Asked], now: datetime) -> Registered:
    """Return that *asked* were taken; none was.

    Raises:
        LinkageCodeMissing: the one person is one without a code.
        InquiriesRefused: some of several are.
    """
    faults = [
        RowFault(row, LinkageCodeMissing(each.address))
        for row, each in enumerate(asked, start=1)
        if each.address.endswith(WITHOUT_CODE)
    ]
    if faults and len(asked) == 1:
        raise faults[0].error
    if faults:
        raise InquiriesRefused(faults)
    serials = tuple(_serial(place) for place in range(1, len(asked) + 1))
    return Registered(f"TEST-{len(asked):04}", serials, len(asked), now, now)


def require_number(number: str) -> int:
    """Return how many inquiries a number of the test mode names; raises ReceptionUnknown if it is none."""
    found = _NUMBER.fullmatch(number)
    if found is not None and 0 < int(found[1]) <= _MOST:
        return int(found[1])
    if _SERIAL.fullmatch(number) is not None:
        return 1
    raise ReceptionUnknown(number=number)


def result(asked: Asked, now: datetime, *, place: int = 1) -> InquiryResult | None:
    """Return what became of *asked*; None if nothing is known yet."""
    state = OUTCOMES.get(asked.address[-1], InquiryState.ANSWERED)
    return None if state is InquiryState.SENT else _result(asked, state, now, place)


def page(number: str, first: int, now: datetime) -> ResultPage:
    """Return results of the test request *number* from the place *first* on: of test persons, whoever was asked for.

    Raises:
        ReceptionUnknown: it is no request of the test mode.
    """
    if _NUMBER.fullmatch(number) is None:
        raise ReceptionUnknown(number=number)
    count = require_number(number)
    places = range(1, count + 1)
    states = [_state(_person(place)) for place in places]
    counts = {state: states.count(state) for state in set(states)}
    reception = Reception(number, Kind.BULK, count, "", now, now, now)
    shown = places[first - 1 : first - 1 + PAGE]
    results = [_result(_asked(place), _state(_person(place)), now, place) for place in shown]
    following = first + PAGE
    return ResultPage(ReceptionStatus(reception, counts), results, following if following <= count else None)


def first(number: str, now: datetime) -> InquiryResult:
    """Return the first result of the test request *number*; raises ReceptionUnknown."""
    return page(number, 1, now).results[0]


def waiting(now: datetime) -> Waiting:
    """Return the one request that waits for staff in test mode."""
    return Waiting(
        serial=WAITING_SERIAL,
        inquirer=INQUIRER,
        inquirer_name="試験機関",
        address=_person(1),
        information=_INFORMATION,
        affair=_AFFAIR,
        procedure=_PROCEDURE,
        cause=Cause.BARRED_PERSON,
        requested_at=now,
        valid_until=now + timedelta(days=30),
        expected_on=None,
    )


def _person(place: int) -> AddressNumber:
    """Return the test person in a *place*: nine of them in turn, so that each outcome comes."""
    return AddressNumber(str(int(shipped_test_persons().first) + (place - 1) % 9))


def _state(person: AddressNumber) -> InquiryState:
    return OUTCOMES.get(person[-1], InquiryState.ANSWERED)


def _asked(place: int) -> Asked:
    return Asked(_person(place), _INFORMATION, _AFFAIR, _PROCEDURE, INQUIRER)


def _serial(place: int) -> str:
    return f"TEST{place:016}"


def _result(asked: Asked, state: InquiryState, now: datetime, place: int) -> InquiryResult:
    has_ended = state not in {InquiryState.DEFERRED, InquiryState.SENT}
    return InquiryResult(
        place=place,
        serial=_serial(place),
        state=state,
        address=asked.address,
        information=asked.information,
        affair=asked.affair,
        procedure=asked.procedure,
        provider=asked.provider,
        requested_at=now,
        last_valid_day=last_valid_day(now),
        ended_at=to_the_second(now) if has_ended else None,
        expected_on=as_tokyo(now).date() + timedelta(days=7) if state is InquiryState.DEFERRED else None,
        reason="no_record" if state is InquiryState.REFUSED else None,
        explanation=None,
        permit=_PERMIT if state is InquiryState.ANSWERED else None,
        records=[_RECORD] if state is InquiryState.ANSWERED else [],
    )


_RECORD = ProvidedRecord(
    dataset="0101",
    version=1,
    key="TEST-1",
    parent=None,
    published_from=date(2019, 6, 1),
    published_to=None,
    region="000",
    items=[ProvidedItem("TEST", "試験")],
)
