"""The pure part of provisions: what may be answered, from which versions and datasets, by itself or by staff.

A request goes like this::

    (received) → provided      answered by itself, from the copies
         │     → refused       the permit does not hold, the layout has changed, nobody has this linkage code
         └───→ deferred        barred, nothing registered, or a fault of ours: staff decide
                  ├→ deferred  … and tell when
                  ├→ provided  … from the copies, or by temporary input
                  └→ refused
    anything → cancelled, expired      the network says so: it alone knows whether the answer was in time

Days are of Asia/Tokyo.

Source: A0-030 to A0-032, A0-094, A0-167, A1-014, A1-016, A1-021, A3-004, A3-012; rules C.3; decision 32.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol, TypeVar

from chukan.platform.messages import mark, text
from chukan.platform.service_hours.deadlines import Answerable, LayoutChange, Validity, provision_term
from chukan.tenants.middleserver.security.masters.rules import Layout

#: What ``platform.due`` calls another look at what a restriction held back.
AGAIN = "provision-again"
_APRIL = 4


class Stage(StrEnum):
    """The four steps of an automatic reply (A3-012); each is logged, and a failure names its step."""

    #: ① the partner and its permit are checked
    RECEIVE = "receive"
    #: ② from the linkage code to the person, and what is kept of it
    FETCH = "fetch"
    #: ③ the answer is built
    BUILD = "build"
    #: ④ signed, encrypted, and queued
    SEND = "send"


class State(StrEnum):
    """Where a provision stands."""

    PROVIDED = "provided"
    DEFERRED = "deferred"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


STATE_WORDS: Mapping[State, str] = MappingProxyType(
    {
        State.PROVIDED: mark("it was provided"),
        State.DEFERRED: mark("it waits for a decision"),
        State.REFUSED: mark("it was refused"),
        State.CANCELLED: mark("it was taken back"),
        State.EXPIRED: mark("it has expired"),
    }
)


class Event(StrEnum):
    """What happens to a provision."""

    ANSWER = "answer"
    DEFER = "defer"
    REFUSE = "refuse"
    CANCEL = "cancel"
    EXPIRE = "expire"
    #: The network did not take our answer.
    REJECT = "reject"


#: Which event leads from where to where. The network's word stands above an answer that crossed it on its way.
TRANSITIONS: Mapping[tuple[State | None, Event], State] = MappingProxyType(
    {
        (None, Event.ANSWER): State.PROVIDED,
        (None, Event.DEFER): State.DEFERRED,
        (None, Event.REFUSE): State.REFUSED,
        (State.DEFERRED, Event.ANSWER): State.PROVIDED,
        (State.DEFERRED, Event.DEFER): State.DEFERRED,
        (State.DEFERRED, Event.REFUSE): State.REFUSED,
        (State.PROVIDED, Event.REJECT): State.DEFERRED,
        (State.REFUSED, Event.REJECT): State.DEFERRED,
        **{(state, Event.CANCEL): State.CANCELLED for state in (State.DEFERRED, State.PROVIDED, State.REFUSED)},
        **{(state, Event.EXPIRE): State.EXPIRED for state in (State.DEFERRED, State.PROVIDED, State.REFUSED)},
    }
)


class Cause(StrEnum):
    """Why a request was not answered by itself; known to the organisation's own staff alone."""

    BARRED_ORGANISATION = "barred_organisation"
    BARRED_INFORMATION = "barred_information"
    BARRED_DATASET = "barred_dataset"
    BARRED_PERSON = "barred_person"
    RESTRICTED = "restricted"
    NO_RECORD = "no_record"
    NOT_PERMITTED = "not_permitted"
    FAULT = "fault"
    ANSWER_REJECTED = "answer_rejected"


CAUSE_WORDS: Mapping[Cause, str] = MappingProxyType(
    {
        Cause.BARRED_ORGANISATION: mark("no automatic replies of the organisation"),
        Cause.BARRED_INFORMATION: mark("no automatic replies for this information"),
        Cause.BARRED_DATASET: mark("no automatic replies for a dataset of it"),
        Cause.BARRED_PERSON: mark("no automatic replies for this person"),
        Cause.RESTRICTED: mark("automatic replies are restricted because of an incident"),
        Cause.NO_RECORD: mark("no copy is registered"),
        Cause.NOT_PERMITTED: mark("the masters here do not allow it, although the network does"),
        Cause.FAULT: mark("a fault while answering"),
        Cause.ANSWER_REJECTED: mark("the network did not take the answer"),
    }
)


class Reason(StrEnum):
    """What the inquirer is told (``Reason`` of IF_TKY_X0202_S01)."""

    STAFF_DECISION = "staff_decision"
    NO_RECORD = "no_record"
    BARRED = "barred"
    LAYOUT_CHANGED = "layout_changed"
    PERMIT = "permit"
    OTHER = "other"


# -- bars --------------------------------------------------------------------------------------------


class BarKind(StrEnum):
    """A bar is set for good by the organisation; a restriction (自主規制) because of an incident, until it is over."""

    BAR = "bar"
    RESTRICTION = "restriction"


@dataclass(frozen=True, slots=True)
class Bar:
    """That nothing is answered by itself within a scope; what is None is not bounded. All None: the organisation.

    ``information`` is a number, ``dataset`` four digits of that information, ``person`` a blind index.
    """

    kind: BarKind
    information: int | None = None
    dataset: str | None = None
    person: bytes | None = None

    @property
    def cause(self) -> Cause:
        """What staff are told of a request that it holds back."""
        if self.kind is BarKind.RESTRICTION:
            return Cause.RESTRICTED
        if self.person is not None:
            return Cause.BARRED_PERSON
        if self.dataset is not None:
            return Cause.BARRED_DATASET
        return Cause.BARRED_ORGANISATION if self.information is None else Cause.BARRED_INFORMATION


def holding(bars: Iterable[Bar], *, information: int, person: bytes, datasets: Collection[str]) -> list[Bar]:
    """Return those of *bars* that hold back an answer about *person* from *datasets*, gravest first.

    Where anything at all is barred, the whole answer is: staff see it as a whole. A bar of a dataset holds where the
    answer would tell of it; that of a person always.

    Source: A0-094, A0-167, A3-004 (who is protected is never answered for automatically).
    """
    found = [
        bar
        for bar in bars
        if bar.information in {None, information}
        and bar.person in {None, person}
        and (bar.dataset is None or bar.dataset in datasets)
    ]
    return sorted(found, key=lambda bar: _GRAVEST.index(bar.cause))


_GRAVEST = (
    Cause.BARRED_PERSON,
    Cause.RESTRICTED,
    Cause.BARRED_ORGANISATION,
    Cause.BARRED_INFORMATION,
    Cause.BARRED_DATASET,
)


# -- time --------------------------------------------------------------------------------------------


def answerable(requested: date, today: date, layouts: Sequence[Layout], validity: Validity) -> Answerable:
    """Return whether a request of the day *requested* may be answered on *today*; *layouts* are the information's.

    Source: A0-030, A0-031, A1-014; rules C.3.
    """
    changes = [
        LayoutChange(information=int(layout.information[2:]), linked_from=layout.linked_from, retroactive=True)
        for layout in layouts
        if layout.is_retroactive
    ]
    return provision_term(requested, today, validity, changes).answerable


def linked_versions(layouts: Sequence[Layout], today: date) -> frozenset[int]:
    """Return the versions of which copies are linked on *today*.

    From a retroactive revision on none before it is; any other one leaves the facts that were written before it.
    Source: A0-030, rules C57.
    """
    linked = [layout for layout in layouts if layout.linked_from <= today]
    first = max((layout.version for layout in linked if layout.is_retroactive), default=0)
    return frozenset(layout.version for layout in linked if layout.version >= first)


def linked_datasets(layouts: Sequence[Layout], requested: date, today: date) -> frozenset[tuple[int, str]]:
    """Return the datasets (version and number) from which a request of the day *requested* is answered on *today*.

    A dataset that was abolished in between still serves it; one that was added in between does not.
    Source: A0-031, A0-032.
    """
    found: dict[tuple[int, str], bool] = {}
    versions = linked_versions(layouts, today)
    for layout in layouts:
        if layout.version not in versions or layout.linked_from > today:
            continue
        there = {dataset.number: dataset for dataset in layout.datasets}
        # A later minor revision says what has become of a dataset; one that names it no more has abolished it.
        for version, number in [place for place in found if place[0] == layout.version and place[1] not in there]:
            found[version, number] &= requested < layout.linked_from
        found |= {(layout.version, number): dataset.is_linked(requested) for number, dataset in there.items()}
    return frozenset(place for place, is_linked in found.items() if is_linked)


def changes_of(layouts: Sequence[Layout]) -> frozenset[date]:
    """Return the days on which it changes from which datasets a new request is answered."""
    begun = {layout.linked_from for layout in layouts}
    return frozenset(begun | {each.added_on for layout in layouts for each in layout.datasets if each.added_on})


@dataclass(frozen=True, slots=True)
class Period:
    """Of what time something is asked; both days belong to it. None is open."""

    first: date | None
    last: date | None


def period(kind: str, first: date | None, last: date | None, year: int | None, today: date) -> Period:
    """Return the time that a condition names: kind 0 is today; a year is a fiscal year, from April on."""
    if kind == "0":
        return Period(today, today)
    if year is not None:
        begins, ends = date(year, _APRIL, 1), date(year + 1, _APRIL - 1, 31)
        return Period(max(begins, first) if first else begins, min(ends, last) if last else ends)
    return Period(first, last)


# -- what is given -----------------------------------------------------------------------------------


class Registered(Protocol):
    """What is looked at of a copy: of which dataset and version it is, and its record key."""

    @property
    def dataset(self) -> str: ...  # noqa: D102 - as the class says
    @property
    def version(self) -> int: ...  # noqa: D102 - as the class says
    @property
    def key(self) -> str: ...  # noqa: D102 - as the class says


_Copy = TypeVar("_Copy", bound=Registered)


def chosen(copies: Iterable[_Copy], datasets: Collection[tuple[int, str]]) -> list[_Copy]:
    """Return the copies that are given: of linked datasets, each record in its newest version, in their order."""
    newest: dict[tuple[str, str], _Copy] = {}
    for copy in copies:
        if (copy.version, copy.dataset) not in datasets:
            continue
        known = newest.get((copy.dataset, copy.key))
        if known is None or known.version < copy.version:
            newest[copy.dataset, copy.key] = copy
    return [newest[place] for place in sorted(newest)]


def counted(records: Iterable[tuple[str, int]]) -> list[tuple[str, int, int]]:
    """Return dataset, version and count of *records*, each given by dataset and version, in their order."""
    counts: dict[tuple[str, int], int] = {}
    for record in records:
        counts[record] = counts.get(record, 0) + 1
    return [(dataset, version, count) for (dataset, version), count in sorted(counts.items())]


def told_state(state: State) -> str:
    """Return the words for *state* in the reader's language."""
    return text(STATE_WORDS[state])


def told_cause(cause: Cause) -> str:
    """Return the words for *cause* in the reader's language."""
    return text(CAUSE_WORDS[cause])
