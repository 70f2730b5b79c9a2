"""The items that an organisation does not provide (提供除外項目マスタ): a whole list by upload, and to be viewed.

A list is CSV in UTF-8 with the columns of ``COLUMNS`` and takes the place of the one before it; earlier lists stay.

Source: A0-095.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from io import StringIO

from sqlalchemy import Connection, func, insert, select

from chukan.platform.audit.rules import Action, AuditEntry
from chukan.platform.audit.service import Chain, UnitOfWork, audited
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId
from chukan.tenants.middleserver.duplicate_copies.trail import Caller
from chukan.tenants.middleserver.formats.codes import (
    InformationCode,
    information_code,
    information_code_of,
    information_number,
)
from chukan.tenants.middleserver.operations.errors import ExcludedItemsRefused
from chukan.tenants.middleserver.operations.tables import ExcludedItemListRow, ExcludedItemRow

COLUMNS = ("SpecificPersonalInformationCode", "DataSetIdentificationItemCode", "ItemCode", "FirstDay")
_FORMS = (r"TM[0-9]{14}", r"[0-9]{4}", r"[A-Za-z][A-Za-z0-9_.-]{0,39}", r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
#: More items than all layouts together have.
MOST_ITEMS = 50_000


class ExcludedItemsAction(Action):
    """What is recorded of excluded items."""

    LOAD = "operations:excluded_items:load"


@dataclass(frozen=True, order=True)
class ExcludedItem:
    """An item (of a dataset of four digits) that is not provided from ``from_day`` on (Asia/Tokyo)."""

    information: str
    dataset: str
    item: str
    from_day: date


@dataclass(frozen=True)
class ExcludedList:
    """The list in force; number 0 is the empty one of who never sent any."""

    number: int
    received_at: datetime | None
    items: Sequence[ExcludedItem]


def read_items(content: str) -> list[ExcludedItem]:
    """Return the items of a list.

    Raises:
        ExcludedItemsRefused: a line cannot be, or an item stands twice; an empty list (its header alone) is right.
    """
    lines = csv.reader(StringIO(content.removeprefix("\ufeff")), strict=True)
    items: dict[tuple[str, str, str], ExcludedItem] = {}
    try:
        if tuple(next(lines, ())) != COLUMNS:
            raise ExcludedItemsRefused(line=1, field=",".join(COLUMNS))
        for line, cells in enumerate(lines, start=2):
            item = _item(line, cells)
            key = (item.information, item.dataset, item.item)
            if key in items or len(items) >= MOST_ITEMS:
                raise ExcludedItemsRefused(line=line, field=COLUMNS[2])
            items[key] = item
    except csv.Error as error:
        raise ExcludedItemsRefused(line=lines.line_num, field="CSV") from error
    return sorted(items.values())


def _item(line: int, cells: Sequence[str]) -> ExcludedItem:
    if len(cells) != len(COLUMNS):
        raise ExcludedItemsRefused(line=line, field=",".join(COLUMNS))
    for name, form, cell in zip(COLUMNS, _FORMS, cells, strict=True):
        if re.fullmatch(form, cell) is None:
            raise ExcludedItemsRefused(line=line, field=name)
    information, dataset, item, first = cells
    try:
        from_day = date.fromisoformat(first)
    except ValueError as error:
        raise ExcludedItemsRefused(line=line, field=COLUMNS[3]) from error
    if not 0 < int(information[2:]) < 1 << 15:
        raise ExcludedItemsRefused(line=line, field=COLUMNS[0])
    return ExcludedItem(information, dataset, item, from_day)


class ExcludedItems:
    """The lists of all organisations, each in its own session."""

    def __init__(self, sessions: TenantSessions) -> None:
        self._sessions = sessions

    def load(self, caller: Caller, content: str, *, now: datetime) -> ExcludedList:
        """Put *content* in force as the whole list; the same content once more changes nothing.

        Raises:
            ExcludedItemsRefused: as ``read_items``; the list before stays in force.
        """
        items = read_items(content)
        digest = hashlib.sha256(repr(items).encode()).digest()
        head, row = ExcludedItemListRow, ExcludedItemRow
        with self._act(caller) as unit:
            newest = unit.connection.execute(
                select(head.number, head.digest).order_by(head.number.desc()).limit(1)
            ).one_or_none()
            repeated = newest is not None and bytes(newest.digest) == digest
            number = (newest.number if newest else 0) + (not repeated)
            unit.note(list=number, items=len(items), repeated=repeated)
            if not repeated:
                unit.connection.execute(
                    insert(head).values(
                        number=number, digest=digest, items=len(items), actor=caller.actor, received_at=now
                    )
                )
                if items:
                    unit.connection.execute(insert(row), [_values(number, item) for item in items])
        return self.current(caller.tenant)

    def current(self, tenant: TenantId) -> ExcludedList:
        """Return the list in force."""
        head, row = ExcludedItemListRow, ExcludedItemRow
        with self._sessions.connection(tenant) as connection:
            number = connection.execute(select(func.max(head.number))).scalar_one() or 0
            received = connection.execute(select(head.received_at).where(head.number == number)).scalar_one_or_none()
            rows = connection.execute(select(row.__table__).where(row.list == number)).all()
        items = [
            ExcludedItem(information_code_of(each.information), f"{each.dataset:04d}", each.item, each.from_day)
            for each in rows
        ]
        return ExcludedList(number, received, sorted(items))

    @contextmanager
    def _act(self, caller: Caller) -> Iterator[UnitOfWork]:
        entry = AuditEntry(caller.actor, ExcludedItemsAction.LOAD, f"tenant:{caller.tenant}", caller.request)
        with audited(lambda: self._sessions.begin(caller.tenant), entry, chain=Chain.TENANT) as unit:
            yield unit


def excluded_on(
    connection: Connection, _tenant: TenantId, information: InformationCode, day: date
) -> frozenset[tuple[str, str]]:
    """Return dataset and code of each item of *information* that is not provided on *day*, in the tenant's session.

    Source: A0-095; what provisions ask (``provisions.ports.ExcludedItems``).
    """
    head, row = ExcludedItemListRow, ExcludedItemRow
    newest = select(func.max(head.number)).scalar_subquery()
    query = select(row.dataset, row.item).where(
        row.list == newest, row.information == information_number(information), row.from_day <= day
    )
    return frozenset((f"{each.dataset:04d}", each.item) for each in connection.execute(query))


def _values(number: int, item: ExcludedItem) -> dict[str, object]:
    return {
        "list": number,
        "information": information_number(information_code(item.information)),
        "dataset": int(item.dataset),
        "item": item.item,
        "from_day": item.from_day,
    }
