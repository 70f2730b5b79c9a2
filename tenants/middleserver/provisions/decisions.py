"""What staff decide on what was not answered by itself, and how temporary input is judged.

Source: A0-167, A1-016; decision 32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from chukan.platform.messages import text
from chukan.tenants.middleserver.duplicate_copies.records import REGISTRATION, Head, ItemValue, Record
from chukan.tenants.middleserver.duplicate_copies.reports import told
from chukan.tenants.middleserver.duplicate_copies.validator import Terms, Validator
from chukan.tenants.middleserver.formats.codes import AddressNumber
from chukan.tenants.middleserver.provisions.documents import Given
from chukan.tenants.middleserver.provisions.errors import TemporaryInputRefused
from chukan.tenants.middleserver.provisions.rules import Reason
from chukan.tenants.middleserver.security.masters.rules import Layout


@dataclass(frozen=True)
class Provide:
    """Provide what is registered, although it is barred."""


@dataclass(frozen=True)
class ProvideRecords:
    """Provide these records, which are not registered: temporary input (一時入力)."""

    records: Sequence[Given] = field(repr=False)


@dataclass(frozen=True)
class Defer:
    """Tell the inquirer when an answer is expected, or why it takes its time. Source: A1-016."""

    expected_on: date
    explanation: str = ""


@dataclass(frozen=True)
class Refuse:
    """Provide nothing. ``reason`` is what the inquirer is told; ``internal`` stays in the organisation's history."""

    reason: Reason
    explanation: str = ""
    internal: str = ""


Decision = Provide | ProvideRecords | Defer | Refuse


@dataclass(frozen=True)
class InputTerms:
    """What temporary input is judged by: the layouts, what is linked for the request, and the request's day."""

    information: str
    layouts: Sequence[Layout]
    linked: frozenset[tuple[int, str]]
    requested_on: date


def judged(records: Sequence[Given], terms: InputTerms, address: AddressNumber) -> list[Given]:
    """Return *records* as they are provided, if each follows its layout like a registered one.

    Raises:
        TemporaryInputRefused: one does not; nothing is provided.
    """
    if not records:
        raise TemporaryInputRefused(place=1, reason=text("there is no record"))
    seen: set[tuple[str, str]] = set()
    for place, record in enumerate(records, start=1):
        if (record.version, record.dataset) not in terms.linked:
            raise TemporaryInputRefused(place=place, reason=text("its dataset is not linked for this request"))
        if (record.dataset, record.key) in seen:
            raise TemporaryInputRefused(place=place, reason=text("its key stands there twice"))
        seen.add((record.dataset, record.key))
        _require_right(place, record, terms, address)
    return sorted(records, key=lambda record: (record.dataset, record.key))


def _require_right(place: int, record: Given, terms: InputTerms, address: AddressNumber) -> None:
    layouts = tuple(terms.layouts)
    checked_by = Terms(terms.information, record.dataset, layouts, frozenset({record.region}), terms.requested_on)
    head = Head(
        number=str(place),
        segment=REGISTRATION,
        address=address,
        information=terms.information,
        dataset=record.dataset,
        key=record.key,
        version=str(record.version),
        parent=record.parent,
        published_from=record.published_from.isoformat(),
        published_to=record.published_to.isoformat() if record.published_to else "",
        region=record.region,
    )
    versioned = checked_by.versions.get(head.version)
    versions = {item.code: str(item.version) for item in versioned[1].items} if versioned else {}
    day = terms.requested_on.isoformat()
    values = tuple(ItemValue(code, versions.get(code, "1"), day, value, None) for code, value in record.items)
    faults = Validator(checked_by, ordered=False).check(Record(place, place, head, values, ""))
    if faults:
        raise TemporaryInputRefused(place=place, reason=f"{faults[0].item} {told(faults[0])}")
