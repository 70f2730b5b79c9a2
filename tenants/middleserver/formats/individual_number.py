"""Keeping Individual Numbers out: the middle server holds none, so what looks like one is refused.

One in ten random numbers of twelve digits passes the check, so a free text with one is refused and told so, while a
column of keys is refused only when clearly more of it passes than chance lets pass (decision 28). Nothing here
returns, logs or raises the digits themselves.

Source: A2-004; facts D.3 (check digit of the ministerial order 85 of 2014, article 5).
"""

from __future__ import annotations

import re
from enum import StrEnum

from chukan.tenants.middleserver.formats.errors import IndividualNumberSuspected

#: Below this many values a column says nothing: chance alone may let half of them pass.
MIN_COLUMN = 20
#: How many different keys of a column are remembered and judged together.
WINDOW = 10_000
_LENGTH = 12
_ZERO = ord("0")
#: What eleven zeros weigh as characters: the weights Q11 to Q1 are 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2.
_ZEROS = 47 * _ZERO
_HALF_WIDTH: dict[int, int | str] = {
    **{0xFF10 + digit: ord(str(digit)) for digit in range(10)},
    **dict.fromkeys(map(ord, "-－‐−–ー"), "-"),
}
#: Twelve digits in a row or in three groups of four, and no digit or hyphenated digit around them.
_PLAUSIBLE = re.compile(r"(?<![0-9])(?<![0-9]-)(?:[0-9]{12}|[0-9]{4}([- \u3000])[0-9]{4}\1[0-9]{4})(?![0-9])(?!-[0-9])")


class ColumnVerdict(StrEnum):
    """What a column of keys is taken for."""

    CLEAN = "clean"
    #: Some values pass the check, as chance lets them: written into the report of the file.
    NOTED = "noted"
    REFUSED = "refused"


_SEVERITY = tuple(ColumnVerdict)


def passes_check(digits: str) -> bool:
    """Return whether *digits* are twelve (half width) whose last is the check digit of an Individual Number."""
    if len(digits) != _LENGTH or not (digits.isascii() and digits.isdigit()):
        return False
    # Written out: every row of a file passes here, and a loop takes three times as long.
    a, b, c, d, e, f, g, h, i, j, k, last = digits.encode()
    weighed = 6 * a + 5 * b + 4 * c + 3 * d + 2 * e + 7 * f + 6 * g + 5 * h + 4 * i + 3 * j + 2 * k
    remainder = (weighed - _ZEROS) % 11
    return last - _ZERO == (0 if remainder <= 1 else 11 - remainder)


def stands_in(free_text: str) -> bool:
    """Return whether *free_text* holds, in a plausible form, twelve digits that pass the check.

    Plausible are twelve digits in a row or in groups of four, in half or full width, not inside a longer number.
    """
    plain = free_text.translate(_HALF_WIDTH)
    return any(passes_check(re.sub(r"[^0-9]", "", found.group())) for found in _PLAUSIBLE.finditer(plain))


def refuse_in(free_text: str, *, field: str) -> None:
    """Do nothing if *free_text* is free of Individual Numbers.

    *field* is the name of the place in the reader's language; the text itself appears nowhere.

    Raises:
        IndividualNumberSuspected: it seems to hold one.

    Source: A2-004.
    """
    if stands_in(free_text):
        raise IndividualNumberSuspected(field=field)


def is_suspect_key(key: str) -> bool:
    """Return whether *key* could be an Individual Number: bare, or padded with zeros to the left.

    An address number of 15 digits is twelve digits behind three zeros for whoever put the wrong number there.
    """
    return passes_check(key[-_LENGTH:]) and not key[:-_LENGTH].strip("0")


class ColumnGuard:
    """Counts, over the values of one column of keys, how many could be Individual Numbers.

    A key that stands in many rows counts once: otherwise one person's records could condemn a file. Keys are
    remembered a window of ``WINDOW`` at a time, so memory stays flat however long the column is.
    """

    __slots__ = ("_keys", "_suspects", "_worst")

    def __init__(self) -> None:
        self._keys: set[str] = set()
        self._suspects = 0
        self._worst = ColumnVerdict.CLEAN

    def see(self, key: str) -> None:
        """Take *key* into account."""
        if key in self._keys:
            return
        self._keys.add(key)
        self._suspects += is_suspect_key(key)
        if len(self._keys) >= WINDOW:
            self._worst = self.verdict()
            self._keys.clear()
            self._suspects = 0

    def verdict(self) -> ColumnVerdict:
        """Return what the column is taken for by now: the worst of its windows; see ``column_verdict``."""
        return max(self._worst, column_verdict(values=len(self._keys), suspects=self._suspects), key=_SEVERITY.index)


def column_verdict(*, values: int, suspects: int) -> ColumnVerdict:
    """Return what a column of keys is, *suspects* of whose *values* (different ones) pass the check.

    By chance one in ten passes; half of twenty do in fewer than one in a hundred thousand columns.
    """
    if values >= MIN_COLUMN and suspects * 2 >= values:
        return ColumnVerdict.REFUSED
    return ColumnVerdict.NOTED if suspects else ColumnVerdict.CLEAN
