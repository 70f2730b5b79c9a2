"""Inquiries of existing systems: one at a counter, which waits for its result, lists, their results, taking back.

In test mode nothing is registered or sent: ``invented.py`` tells what is answered.

Source: A0-058, A0-060, A0-166, A0-168, A1-015; decisions 29 and 30.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from threading import BoundedSemaphore, Event

from chukan.platform.clock import monotonic
from chukan.platform.identifiers import TenantId
from chukan.tenants.middleserver.connections import invented
from chukan.tenants.middleserver.connections.intake import Request, Work, answer_header
from chukan.tenants.middleserver.connections.rules import Allowed, System, TestPersons
from chukan.tenants.middleserver.formats.codes import (
    AffairCode,
    InformationCode,
    InstitutionCode,
    ProcedureCode,
    address_number,
)
from chukan.tenants.middleserver.formats.messages import (
    Element,
    Message,
    MessageMode,
    add,
    new_message,
    parse,
    render,
    value,
)
from chukan.tenants.middleserver.gate import Closed
from chukan.tenants.middleserver.inquiries.data import WhenClosed, shipped_data
from chukan.tenants.middleserver.inquiries.errors import ReceptionUnknown, TooManyInquiries
from chukan.tenants.middleserver.inquiries.provided import ProvidedRecord
from chukan.tenants.middleserver.inquiries.registration import Registered
from chukan.tenants.middleserver.inquiries.rules import (
    MOST_ROWS,
    Asked,
    Condition,
    ConditionKind,
    InquiryState,
    Kind,
    japan_second,
)
from chukan.tenants.middleserver.inquiries.service import (
    Cancelled,
    Inquiries,
    InquiryResult,
    ReceptionStatus,
    ResultPage,
)
from chukan.tenants.middleserver.inquiries.trail import InquiryCaller
from chukan.tenants.middleserver.transmission.prompt import Prompt
from chukan.tenants.middleserver.transmission.shared_store import Stop
from chukan.tenants.middleserver.transmission.switch import Stops

SINGLE, SINGLE_ANSWER = "IF_SKI_10712_R01", "IF_SKI_10712_S01"
LIST, LIST_ANSWER = "IF_SKI_10723_R01", "IF_SKI_10723_S01"
RESULTS, RESULTS_ANSWER = "IF_SKI_10734_R01", "IF_SKI_10734_S01"
WITHDRAWAL, WITHDRAWAL_ANSWER = "IF_SKI_X0015_R01", "IF_SKI_X0015_S01"
#: What a single inquiry is said to be until it is decided.
PROCESSING = "processing"
_COMPLETE, _UNKNOWN = "complete", "unknown"
#: Seconds between two looks while a system waits; the pauses grow from the first to the longest.
_FIRST_PAUSE, _LONGEST_PAUSE, _GROWTH = 0.05, 0.5, 1.5


class Waiting:
    """Waits for what is decided on a single inquiry; between two looks it holds no connection to the database."""

    def __init__(self, inquiries: Inquiries, *, seconds: float, seats: int) -> None:
        """Wait for up to *seconds*; no more than *seats* requests at a time, the others are not kept waiting.

        The threads that are left take the network's messages: the very answers that are waited for.
        """
        self._inquiries = inquiries
        self._seconds = seconds
        self._seats = BoundedSemaphore(seats) if seats else None
        self._leaving = Event()

    def decided(self, tenant: TenantId, number: str) -> bool:
        """Return whether the request *number* of one inquiry is decided, or becomes so within the wait."""
        if self.is_decided(tenant, number):
            return True
        if self._seats is None or not self._seats.acquire(blocking=False):
            return False
        try:
            return self._watch(tenant, number)
        finally:
            self._seats.release()

    def close(self) -> None:
        """Let nobody wait any longer: the process ends."""
        self._leaving.set()

    def _watch(self, tenant: TenantId, number: str) -> bool:
        end, pause = monotonic() + self._seconds, _FIRST_PAUSE
        while (left := end - monotonic()) > 0 and not self._leaving.wait(min(pause, left)):
            if self.is_decided(tenant, number):
                return True
            pause = min(pause * _GROWTH, _LONGEST_PAUSE)
        return False

    def is_decided(self, tenant: TenantId, number: str) -> bool:
        """Return whether the request *number* of one inquiry is decided now."""
        status = self._inquiries.status(tenant, number)
        return status.is_complete or status.counts.get(InquiryState.DEFERRED, 0) == status.reception.count


class InquiryMessages:
    """What is done with messages about inquiries."""

    def __init__(
        self,
        inquiries: Inquiries,
        waiting: Waiting,
        persons: TestPersons,
        stops: Stops,
        prompt: Prompt | None = None,
    ) -> None:
        """Work with *inquiries*; *persons* are those of the test mode.

        While *stops* tells of one, nobody is kept waiting. What is asked at a counter is sent by *prompt*, and not only
        when the relay's job looks.
        """
        self._inquiries = inquiries
        self._prompt = prompt
        self._waiting = waiting
        self._persons = persons
        self._stops = stops

    def works(self) -> Mapping[str, Work]:
        """Return what is done, by message type."""
        return {
            SINGLE: Work(Allowed.INQUIRIES, self._ask, then=self._result),
            LIST: Work(Allowed.INQUIRIES, self._register),
            RESULTS: Work(Allowed.INQUIRIES, self._results, stored=False),
            WITHDRAWAL: Work(Allowed.INQUIRIES, self._withdraw),
        }

    # -- one, at a counter -----------------------------------------------------------------------------

    def _ask(self, request: Request, message: Message) -> bytes:
        """Register the one inquiry, or look for the one of a number; whether it is decided is another question."""
        if number := message.value("ReceptionNumber"):
            self._require_single(request, message, number)
        else:
            told = self._registered(request, message, Kind.WINDOW)
            number = told.number
            for conversation in told.left_now:
                if self._prompt is not None:
                    self._prompt.send(request.system.tenant, conversation, request=request.id)
        return _single(message, number)

    def _require_single(self, request: Request, message: Message, number: str) -> None:
        if message.header.mode is MessageMode.TEST:
            count = invented.require_number(number)
        else:
            count = self._own(request.system, number).reception.count
        if count != 1:
            # The results of a list come in pages.
            raise ReceptionUnknown(number=number)

    def _result(self, request: Request, message: Message, stored: bytes) -> bytes:
        """Return what has become of the inquiry by now, or in a moment; processing, if that is not known."""
        number = parse(stored, {SINGLE_ANSWER}).value("ReceptionNumber")
        if message.header.mode is MessageMode.TEST:
            asked = _asked(message)
            found = (
                invented.result(asked[0], request.now) if asked else invented.page(number, 1, request.now).results[0]
            )
            return _single(message, number, found)
        tenant = request.system.tenant
        stop = self._stops.in_force(tenant)
        wait = self._waiting.decided if stop is None else self._waiting.is_decided
        if not wait(tenant, number):
            return stored if stop is None else _single(message, number, stop=stop)
        page = self._inquiries.results(_caller(request), number)
        return _single(message, number, page.results[0])

    # -- many ------------------------------------------------------------------------------------------

    def _register(self, request: Request, message: Message) -> bytes:
        told = self._registered(request, message, Kind.BULK)
        root = new_message("InquiryListAnswer", answer_header(message, LIST_ANSWER))
        add(root, "ReceptionNumber", told.number)
        add(root, "Accepted", len(told.serials))
        _add_end(root, told.best or request.now, told.worst or request.now)
        return render(root)

    def _registered(self, request: Request, message: Message, kind: Kind) -> Registered:
        asked = _asked(message)
        if len(asked) > MOST_ROWS:
            raise TooManyInquiries(limit=MOST_ROWS)
        self._persons.require(message.header.mode, [each.address for each in asked])
        if message.header.mode is MessageMode.TEST:
            return invented.registered(asked, request.now)
        return self._inquiries.register(_caller(request), asked, kind=kind, now=request.now, key=request.key)

    def _results(self, request: Request, message: Message) -> bytes:
        root = new_message("InquiryResultsAnswer", answer_header(message, RESULTS_ANSWER))
        file = message.root.find("StatusRequestFile")
        if file is not None:
            told, stop = add(root, "StatusResultFile"), self._stop(request, message)
            for each in file.iterfind("ReceptionNumber"):
                number = each.text or ""
                _add_status(add(told, "Request"), number, self._status(request, message, number), stop)
            return render(root)
        number, first = message.value("ReceptionNumber"), int(message.value("From") or 1)
        if message.header.mode is MessageMode.TEST:
            found = invented.page(number, first, request.now)
        else:
            found = self._inquiries.results(_caller(request), number, first=first)
        _add_page(root, found, self._stop(request, message))
        return render(root)

    def _stop(self, request: Request, message: Message) -> Stop | None:
        """Return why nothing goes on at the organisation; None in test mode, where nothing is sent anyway."""
        return None if message.header.mode is MessageMode.TEST else self._stops.in_force(request.system.tenant)

    def _status(self, request: Request, message: Message, number: str) -> ReceptionStatus | None:
        """Return how a request stands, or None if it is no request of the caller's."""
        try:
            if message.header.mode is MessageMode.TEST:
                return invented.page(number, 1, request.now).status
            return self._own(request.system, number)
        except ReceptionUnknown:
            return None

    def _own(self, system: System, number: str) -> ReceptionStatus:
        """Return how a request of the system's own department stands; raises ReceptionUnknown for all others."""
        status = self._inquiries.status(system.tenant, number)
        if status.reception.department not in {"", system.department}:
            raise ReceptionUnknown(number=number)
        return status

    # -- taking back -----------------------------------------------------------------------------------

    def _withdraw(self, request: Request, message: Message) -> bytes:
        number = message.value("ReceptionNumber") or message.value("ProcessingSerial")
        reason = message.value("Reason")
        if message.header.mode is MessageMode.TEST:
            told = Cancelled(0, invented.require_number(number))
        elif reason:
            told = self._inquiries.cancel(_caller(request), number, now=request.now, reason=reason)
        else:
            told = self._inquiries.cancel(_caller(request), number, now=request.now)
        root = new_message("InquiryWithdrawalAnswer", answer_header(message, WITHDRAWAL_ANSWER))
        add(root, "Cancelled", told.at_once)
        add(root, "Asked", told.asked)
        return render(root)


def is_held(message_type: str, closed: Closed) -> bool:
    """Return whether a message of *message_type* passes although the service is *closed*: a list that is held."""
    held = shipped_data().pacing.when_closed is WhenClosed.HELD
    return held and message_type == LIST and closed.next_opening is not None


def _caller(request: Request) -> InquiryCaller:
    system = request.system
    return InquiryCaller(system.tenant, system.actor, request.id, system.department, request.user)


# -- reading -----------------------------------------------------------------------------------------


def _asked(message: Message) -> Sequence[Asked]:
    return [_inquiry(each) for each in message.root.iterfind("Inquiry")]


def _inquiry(element: Element) -> Asked:
    delegated = value(element, "DelegatedInquirer")
    # The schema has judged the forms; the address number alone is personal, and is read by its own rule.
    return Asked(
        address=address_number(value(element, "IntegratedAddressNumber")),
        information=InformationCode(value(element, "SpecificPersonalInformationCode")),
        affair=AffairCode(value(element, "Affair")),
        procedure=ProcedureCode(value(element, "Procedure")),
        provider=InstitutionCode(value(element, "ProviderInstitution")),
        condition=Condition(
            ConditionKind(value(element, "Condition/Kind")),
            _day(value(element, "Condition/From")),
            _day(value(element, "Condition/To")),
            int(year) if (year := value(element, "Condition/Year")) else None,
        ),
        undisclosed=value(element, "NonDisclosure") == "1",
        delegated=InstitutionCode(delegated) if delegated else None,
    )


def _day(told: str) -> date | None:
    return date.fromisoformat(told) if told else None


# -- writing -----------------------------------------------------------------------------------------


def _single(asked: Message, number: str, result: InquiryResult | None = None, stop: Stop | None = None) -> bytes:
    root = new_message("SingleInquiryAnswer", answer_header(asked, SINGLE_ANSWER))
    add(root, "ReceptionNumber", number)
    add(root, "State", PROCESSING if result is None else result.state.value)
    if stop is not None:
        _add_stop(root, stop)
    if result is not None:
        _add_result(root, result)
    return render(root)


def _add_stop(element: Element, stop: Stop) -> None:
    _add_all(add(element, "ExchangeStopped"), {"Since": japan_second(stop.stopped_at), "Reason": stop.reason})


def _add_page(root: Element, found: ResultPage, stop: Stop | None) -> None:
    add(root, "ReceptionNumber", found.status.reception.number)
    add(root, "State", _state(found.status))
    add(root, "Count", found.status.reception.count)
    if stop is not None and not found.status.is_complete:
        _add_stop(root, stop)
    if found.following is not None:
        add(root, "Next", found.following)
    for each in found.results:
        _add_result(root, each)


def _add_result(root: Element, found: InquiryResult) -> None:
    told = {
        "Place": str(found.place),
        "ProcessingSerial": found.serial,
        "State": found.state.value,
        "IntegratedAddressNumber": found.address,
        "SpecificPersonalInformationCode": found.information,
        "Affair": found.affair,
        "Procedure": found.procedure,
        "ProviderInstitution": found.provider,
        "RequestedAt": _instant(found.requested_at),
        "LastValidDay": found.last_valid_day.isoformat() if found.last_valid_day else None,
        "EndedAt": _instant(found.ended_at),
        "ExpectedOn": found.expected_on.isoformat() if found.expected_on else None,
        "Reason": found.reason,
        "Explanation": found.explanation,
        "PermitID": str(found.permit) if found.permit else None,
    }
    element = add(root, "Result")
    _add_all(element, told)
    if found.state is InquiryState.ANSWERED and found.kept:
        _add_records(add(element, "Records"), found.records)


def _add_records(element: Element, records: Iterable[ProvidedRecord]) -> None:
    for record in records:
        told = {
            "DataSetIdentificationItemCode": record.dataset,
            "SPIMajorVersion": str(record.version),
            "DataSetRecordKey": record.key,
            "ParentDataSetRecordKey": record.parent,
            "PublicationDate": record.published_from.isoformat(),
            "PublishedEndDate": record.published_to.isoformat() if record.published_to else None,
            "AdministrativeRegionCode": record.region,
        }
        parent = add(element, "Record")
        _add_all(parent, told)
        for item in record.items:
            _add_all(add(parent, "Item"), {"Code": item.code, "Value": item.value})


def _add_status(element: Element, number: str, found: ReceptionStatus | None, stop: Stop | None) -> None:
    add(element, "ReceptionNumber", number)
    if found is None:
        add(element, "State", _UNKNOWN)
        return
    reception = found.reception
    add(element, "State", _state(found))
    add(element, "RegisteredAt", japan_second(reception.registered_at))
    add(element, "Count", reception.count)
    if stop is not None and not found.is_complete:
        _add_stop(element, stop)
    if reception.best is not None and reception.worst is not None:
        _add_end(element, reception.best, reception.worst)
    for state in InquiryState:
        if count := found.counts.get(state, 0):
            told = add(element, "StateCount")
            add(told, "State", state.value)
            add(told, "Count", count)


def _add_end(element: Element, best: datetime, worst: datetime) -> None:
    end = add(element, "PredictedEnd")
    add(end, "Best", japan_second(best))
    add(end, "Worst", japan_second(worst))


def _add_all(element: Element, told: Mapping[str, str | None]) -> None:
    for name, said in told.items():
        if said is not None:
            add(element, name, said)


def _state(status: ReceptionStatus) -> str:
    return _COMPLETE if status.is_complete else PROCESSING


def _instant(instant: datetime | None) -> str | None:
    return None if instant is None else japan_second(instant)
