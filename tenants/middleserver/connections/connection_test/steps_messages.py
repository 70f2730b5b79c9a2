"""Steps: inquiries, one and many, their results and taking them back; decisions on provisions, and bars.

What is answered in test mode is documented: the last digit of the person says what becomes of an inquiry.

Source: A0-166, A0-168, A1-015, A0-094, A0-167.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from chukan.platform.clock import as_tokyo
from chukan.platform.messages import mark, text
from chukan.tenants.middleserver.connections.connection_test.bench import Bench, Step, person
from chukan.tenants.middleserver.connections.connection_test.rules import NotTried
from chukan.tenants.middleserver.connections.connection_test.talk import require_refused, wrong
from chukan.tenants.middleserver.connections.inquiries import LIST, RESULTS, SINGLE, WITHDRAWAL
from chukan.tenants.middleserver.connections.invented import WAITING_SERIAL
from chukan.tenants.middleserver.connections.provisions import BARS, DECISION, WAITING
from chukan.tenants.middleserver.formats.messages import Message
from chukan.tenants.middleserver.inquiries.errors import InquiriesRefused

#: What becomes of a single inquiry by the last digit of its person, as the interface document says.
_OUTCOMES: Mapping[int, str] = {0: "answered", 5: "deferred", 6: "refused", 7: "expired", 8: "processing"}
_LISTED = 9
#: More results than one answer holds.
_LONG = 101
_NOBODYS = "9" * 22


def _require(message: Message, **right: str) -> None:
    """Do nothing if the elements of *message* (``__`` for a step down) have these values; raises Failed."""
    for name, value in right.items():
        element = name.replace("__", "/")
        if message.value(element) != value:
            raise wrong(text("{element} of the answer is not {right}.", element=element, right=value), element=element)


def _single(bench: Bench) -> str:
    for digit, state in _OUTCOMES.items():
        message = bench.talk.answer(bench.talk.write.single(person(digit)))
        _require(message, State=state, ReceptionNumber="TEST-0001")
        if state != "processing":
            _require(message, Result__IntegratedAddressNumber=person(digit), Result__State=state)
        if state == "answered" and message.root.find("Result/Records/Record") is None:
            raise wrong(text("The answer holds no record."), element="Result/Records")
    bench.answered.append(SINGLE)
    return ", ".join(_OUTCOMES.values())


def _by_number(bench: Bench) -> str:
    message = bench.talk.answer(bench.talk.write.by_number(SINGLE, "TEST-0001"))
    _require(message, ReceptionNumber="TEST-0001", State="answered")
    return "TEST-0001"


def _list(bench: Bench) -> str:
    message = bench.talk.answer(bench.talk.write.list([person(place) for place in range(_LISTED)]))
    _require(message, Accepted=str(_LISTED), ReceptionNumber=f"TEST-{_LISTED:04}")
    bench.listed = message.value("ReceptionNumber")
    bench.answered.append(LIST)
    return bench.listed


def _wrong_row(bench: Bench) -> str:
    reply = bench.talk.send(bench.talk.write.list([person(0), person(9), person(1)]))
    problem = require_refused(reply, InquiriesRefused)
    if [element for _, element, _ in problem.faults] != ["row 2"]:
        raise wrong(text("The refusal does not name row {row}, which is wrong.", row=2), reference=problem.reference)
    return text("refused, and row {row} named", row=2)


def _listed(bench: Bench) -> str:
    if not bench.listed:
        raise NotTried(text("No list was registered."))
    return bench.listed


def _results(bench: Bench) -> str:
    _require_results(bench, _listed(bench), _LISTED)
    # More than are told at once: each answer says from which place on others follow.
    _require_results(bench, f"TEST-{_LONG:04}", _LONG)
    bench.answered.append(RESULTS)
    return text("{count} results, and {long} part by part", count=_LISTED, long=_LONG)


def _require_results(bench: Bench, number: str, count: int) -> None:
    """Fetch all results of a request, and do nothing if each of *count* came once, in order; raises Failed."""
    places: list[str] = []
    following = "1"
    while following and len(places) < count:
        message = bench.talk.answer(bench.talk.write.by_number(RESULTS, number, From=following))
        _require(message, ReceptionNumber=number, Count=str(count))
        told = [each.findtext("Place") or "" for each in message.root.iterfind("Result")]
        places += told
        # Without results nothing would ever follow.
        following = message.value("Next") if told else ""
    if following or places != [str(place) for place in range(1, count + 1)]:
        raise wrong(text("The results are not those of the list, in its order."), element="Result/Place")


def _status(bench: Bench) -> str:
    message = bench.talk.answer(bench.talk.write.status([_listed(bench), _NOBODYS]))
    found = [
        (each.findtext("ReceptionNumber"), each.findtext("State") == "unknown", each.findtext("Count"))
        for each in message.root.iterfind("StatusResultFile/Request")
    ]
    if found != [(_listed(bench), False, str(_LISTED)), (_NOBODYS, True, None)]:
        raise wrong(text("FI_SKI_0006 does not tell how the requests stand."), element="StatusResultFile")
    return "FI_SKI_0005, FI_SKI_0006"


def _withdrawal(bench: Bench) -> str:
    message = bench.talk.answer(bench.talk.write.by_number(WITHDRAWAL, _listed(bench)))
    _require(message, Cancelled="0", Asked=str(_LISTED))
    message = bench.talk.answer(bench.talk.write.withdrawal(WAITING_SERIAL))
    _require(message, Cancelled="0", Asked="1")
    bench.answered.append(WITHDRAWAL)
    return text("a list, and one inquiry")


def _waiting(bench: Bench) -> str:
    message = bench.talk.answer(bench.talk.write.waiting())
    _require(message, Provision__ProcessingSerial=WAITING_SERIAL)
    bench.answered.append(WAITING)
    return WAITING_SERIAL


def _decision(bench: Bench) -> str:
    write = bench.talk.write
    soon = (as_tokyo(bench.now).date() + timedelta(days=7)).isoformat()
    decided = (
        (write.decision("Provide"), "provided"),
        (write.temporary(bench.region), "provided"),
        (write.decision("Defer", ("ExpectedOn", soon), ("Explanation", "connection test")), "deferred"),
        (write.decision("Refuse", ("Reason", "staff_decision"), ("InternalReason", "connection test")), "refused"),
    )
    for sent, state in decided:
        _require(bench.talk.answer(sent), ProcessingSerial=WAITING_SERIAL, State=state)
    bench.answered.append(DECISION)
    return "Provide, TemporaryInput, Defer, Refuse"


def _bars(bench: Bench) -> str:
    for kind in ("Bar", "Lift"):
        _require(bench.talk.answer(bench.talk.write.bars(kind, person(0))), Count="2")
    bench.answered.append(BARS)
    return "Bar, Lift"


INQUIRIES: Sequence[Step] = (
    Step("inquiry-single", mark("One inquiry, each outcome (IF_SKI_10712)"), "A0-168", _single),
    Step("inquiry-by-number", mark("One inquiry by its reception number (IF_SKI_10712)"), "A0-168", _by_number),
    Step("inquiry-list", mark("A list of inquiries (IF_SKI_10723)"), "A0-168", _list),
    Step("inquiry-list-row", mark("A list with a wrong row (IF_SKI_10723)"), "A0-166", _wrong_row),
    Step("inquiry-results", mark("Results, part by part (IF_SKI_10734)"), "A0-168", _results),
    Step("inquiry-status", mark("How requests stand (FI_SKI_0005, FI_SKI_0006)"), "A0-168", _status),
    Step("inquiry-withdrawal", mark("Taking back inquiries (IF_SKI_X0015)"), "A1-015", _withdrawal),
)
PROVISIONS: Sequence[Step] = (
    Step("provision-waiting", mark("What waits for staff (IF_TKY_X0011)"), "A0-167", _waiting),
    Step("provision-decision", mark("Each decision of staff (IF_TKY_X0012)"), "A0-167", _decision),
    Step("provision-bars", mark("Barring automatic replies, and lifting (IF_TKY_X0013)"), "A0-094", _bars),
)
