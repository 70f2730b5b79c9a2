"""The quick check: one pattern, compiled from the layout, that most right records match (decision 27).

It never says that a wrong record is right; of some right ones it says nothing (a 29 February, quotation marks,
characters that few texts have), and those go to the thorough check. A test compares both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from chukan.tenants.middleserver.duplicate_copies import patterns
from chukan.tenants.middleserver.duplicate_copies.content import Column
from chukan.tenants.middleserver.duplicate_copies.records import DELETION, NULL_REASONS, REGISTRATION, Right
from chukan.tenants.middleserver.duplicate_copies.validator import Terms
from chukan.tenants.middleserver.security.masters.rules import Dataset, Item, Layout, satisfies

#: Says whether the groups of a match are right.
Test = Callable[[Sequence[str | None]], bool]

_FIELDS = 10
_NULLS = "|".join(NULL_REASONS)
_CELL_NULL = rf"\\N:(?:{_NULLS})"
_BLANK = r"[ \t\r\n]*"
#: An item that occurs more often, and is looked at more closely, is left to the thorough check.
_MAX_CAPTURED = 3


@dataclass
class _Groups:
    """Hands out the groups of a pattern, beyond those of the fields, and keeps what is tested of them."""

    watched: frozenset[str]
    next: int = _FIELDS
    of_item: dict[str, list[int]] = field(default_factory=dict)

    def wrap(self, item: Item, pattern: str) -> str:
        if item.code not in self.watched:
            return pattern
        self.of_item.setdefault(item.code, []).append(self.next)
        self.next += 1
        return f"({pattern})"


class FastPath:
    """The quick check of one dataset in one version; ``columns`` are those of a CSV, None for XML."""

    def __init__(self, terms: Terms, version: str, columns: Sequence[Column] | None) -> None:
        layout, dataset = terms.versions[version]
        groups = _Groups(_watched(dataset))
        registering = terms.ended(layout, dataset) is None
        head = _head(terms, version, REGISTRATION)
        self._deletion = re.compile(_head(terms, version, DELETION) + _no_cells(columns)).fullmatch
        if columns is None:
            self._head = re.compile(f"{head}()").fullmatch
            content: str | None = _fragment(layout, dataset, groups)
        else:
            self._head = re.compile("(?!)").fullmatch
            content = _cells(layout, dataset, columns, groups)
        usable = registering and content is not None
        self._tests = tuple(_tests(dataset, groups))
        if columns is None:
            # The groups of the fields are matched apart; empty ones keep the numbers of the others the same.
            self._content = re.compile("()" * _FIELDS + (content or "") if usable else "(?!)").fullmatch
        else:
            self._content = re.compile(f"{head},({content})" if usable else "(?!)").fullmatch

    def line(self, line: str) -> Right | None:
        """Return the record that a line of a CSV holds, or None if it needs the thorough check."""
        found = self._content(line) or self._deletion(line)
        if found is None:
            return None
        groups = found.groups()
        if groups[7] and groups[7] < groups[6]:
            return None
        if groups[1] == REGISTRATION:
            for test in self._tests:
                if not test(groups):
                    return None
        return Right._make(groups[:_FIELDS])

    def fields(self, head: str, content: str | None) -> Right | None:
        """Return the record of the fields *head* (joined by commas) and a fragment, or None as ``line``."""
        if content is None:
            found = self._deletion(head)
            groups = found.groups() if found else None
        else:
            found, inner = self._head(head), self._content(content)
            if found is None or inner is None:
                return None
            values = inner.groups()
            for test in self._tests:
                if not test(values):
                    return None
            groups = (*found.groups()[: _FIELDS - 1], content)
        if groups is None or (groups[7] and groups[7] < groups[6]):
            return None
        return Right._make(groups[:_FIELDS])


def _head(terms: Terms, version: str, segment: str) -> str:
    day, key = patterns.COMMON_DAY, patterns.KEY
    regions = "|".join(sorted(terms.regions)) or "(?!)"
    return (
        f"({patterns.NUMBER}),({segment}),({patterns.ADDRESS}),{terms.information},{terms.dataset},({key}),({version}),"
        f"((?:{key})?),({day}),((?:{day})?),({regions})"
    )


def _no_cells(columns: Sequence[Column] | None) -> str:
    return "()" if columns is None else f",(?:{patterns.COMMON_DAY})?{',' * len(columns)}()"


def _watched(dataset: Dataset) -> frozenset[str]:
    """Return the items whose values are looked at beyond their pattern."""
    codes = set()
    for item in dataset.items:
        conditions = [when.item for when in (item.required_when, item.absent_when) if when is not None]
        others = [*conditions, *([item.not_before] if item.not_before else [])]
        if item.check is not None or others:
            codes |= {item.code, *others}
    return frozenset(codes)


def _quick(layout: Layout, item: Item) -> str:
    codes = None if item.code_list is None else frozenset(layout.code_lists.get(item.code_list, ()))
    return patterns.quick(item, codes)


def _cells(layout: Layout, dataset: Dataset, columns: Sequence[Column], groups: _Groups) -> str | None:
    """Return the pattern of a row behind its fixed columns, or None if every row needs the thorough check."""
    parts, seen = [patterns.COMMON_DAY], dict.fromkeys((item.code for item in dataset.items), 0)
    for code, version in columns:
        item = dataset.item(code)
        if item is None or version != str(item.version) or seen[code] >= item.occurs_max:
            parts.append("")
            continue
        cell = f"(?:{groups.wrap(item, _quick(layout, item))}|{_CELL_NULL})"
        parts.append(cell if item.required and seen[code] == 0 else f"{cell}?")
        seen[code] += 1
    if any(item.required and seen[item.code] == 0 for item in dataset.items):
        return None
    return ",".join(parts)


def _fragment(layout: Layout, dataset: Dataset, groups: _Groups) -> str:
    return "".join(_element(layout, item, groups) for item in dataset.items) + _BLANK


def _element(layout: Layout, item: Item, groups: _Groups) -> str:
    def one() -> str:
        value = groups.wrap(item, _quick(layout, item))
        return (
            f'{_BLANK}<{code} Version="{item.version}" TimeAndDateOfUpdate="{patterns.COMMON_DAY}"'
            f'(?:>{value}</{code}>| xsi:nil="true" ReasonOfNull="(?:{_NULLS})"/>)'
        )

    code = re.escape(item.code)
    least = 1 if item.required else 0
    if item.code not in groups.watched:
        return f"(?:{one()}){{{least},{item.occurs_max}}}"
    parts = [one() for _ in range(min(item.occurs_max, _MAX_CAPTURED))]
    return "".join(part if place < least else f"(?:{part})?" for place, part in enumerate(parts))


def _tests(dataset: Dataset, groups: _Groups) -> Iterator[Test]:
    for item in dataset.items:
        mine = tuple(groups.of_item.get(item.code, ()))
        if item.check is not None:
            yield _check_digits(item, mine)
        if (when := item.required_when) is not None:
            yield _required(mine, tuple(groups.of_item.get(when.item, ())), when.values)
        if (when := item.absent_when) is not None:
            yield _absent(mine, tuple(groups.of_item.get(when.item, ())), when.values)
        if item.not_before is not None:
            yield _ordered(mine, tuple(groups.of_item.get(item.not_before, ())))


def _check_digits(item: Item, mine: tuple[int, ...]) -> Test:
    rule = item.check
    if rule is None:
        raise ValueError(item.code)

    # The same few numbers (of insurers, say) stand in most records.
    @lru_cache(maxsize=4096)
    def right(value: str | None) -> bool:
        return value is None or satisfies(rule, value)

    if len(mine) == 1:
        place = mine[0]
        return lambda groups: right(groups[place])
    return lambda groups: all(right(groups[place]) for place in mine)


def _required(mine: tuple[int, ...], others: tuple[int, ...], values: frozenset[str]) -> Test:
    if len(mine) == len(others) == 1:
        (place,), (other,) = mine, others
        return lambda groups: groups[place] is not None or groups[other] not in values
    return lambda groups: (
        any(groups[place] is not None for place in mine) or not any(groups[place] in values for place in others)
    )


def _absent(mine: tuple[int, ...], others: tuple[int, ...], values: frozenset[str]) -> Test:
    if len(mine) == len(others) == 1:
        (place,), (other,) = mine, others
        return lambda groups: groups[place] is None or groups[other] not in values
    return lambda groups: (
        not any(groups[place] is not None for place in mine) or not any(groups[place] in values for place in others)
    )


def _ordered(mine: tuple[int, ...], others: tuple[int, ...]) -> Test:
    if len(mine) == len(others) == 1:
        (place,), (other,) = mine, others
        return lambda groups: (groups[place] or "9") >= (groups[other] or "")

    def test(groups: Sequence[str | None]) -> bool:
        first = min((value for place in mine if (value := groups[place])), default="9")
        last = max((value for place in others if (value := groups[place])), default="")
        return first >= last

    return test
