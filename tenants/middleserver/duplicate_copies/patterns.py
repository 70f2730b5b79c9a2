"""Patterns that the quick and the thorough check share, and those by which the quick one errs on the safe side."""

from __future__ import annotations

import re
import unicodedata
from datetime import date

from chukan.tenants.middleserver.security.masters.rules import Form, Item, ItemType

NUMBER = r"[1-9][0-9]{0,9}"
ADDRESS = r"[0-9]{15}"
KEY = r"[0-9A-Za-z_.-]{1,40}"
VERSION = r"[1-9][0-9]{0,3}"
#: Days that are in every calendar; 29 February is left to the thorough check.
COMMON_DAY = (
    r"[12][0-9]{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER = re.compile(r"-?[0-9]+")
_DIGITS = re.compile(r"[0-9]+")
_CODE = re.compile(r"[0-9A-Za-z]+")
#: Shorter texts cannot hold an Individual Number.
INDIVIDUAL_NUMBER_LENGTH = 12


def day(value: str) -> date | None:
    """Return the day that *value* (YYYY-MM-DD) is, or None if it is none."""
    if _DAY.fullmatch(value) is None:
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def is_number(value: str, item: Item) -> bool:
    """Return whether *value* is a whole number of no more digits than *item* has, and may have its sign."""
    if _NUMBER.fullmatch(value) is None or (value[0] == "-" and not item.negative):
        return False
    return len(value.lstrip("-")) <= item.length


def has_form(value: str, form: Form) -> bool:
    """Return whether the characters of *value* are those that *form* allows."""
    match form:
        case Form.DIGITS:
            return _DIGITS.fullmatch(value) is not None
        case Form.FULL_WIDTH:
            return all(unicodedata.east_asian_width(one) in "FWA" for one in value) and is_printable(value)
        case Form.DATE:
            return day(value) is not None
        case Form.ANY:
            return is_printable(value)


def is_printable(value: str) -> bool:
    """Return whether *value* is free of control characters, halves of characters, and non-characters."""
    return not any(unicodedata.category(one) in {"Cc", "Cs", "Cn"} for one in value)


def is_code(value: str) -> bool:
    """Return whether *value* may be a code at all."""
    return _CODE.fullmatch(value) is not None


def quick(item: Item, codes: frozenset[str] | None) -> str:
    """Return a pattern of values that are certainly right for *item*, apart from its check digit and conditions.

    It matches no comma, quotation mark, angle bracket, ampersand or backslash, so that it serves in both forms.
    """
    count = f"{{{item.length}}}" if item.fixed else f"{{1,{item.length}}}"
    if item.type is ItemType.NUMBER:
        return f"{'-?' if item.negative else ''}[0-9]{{1,{item.length}}}"
    if item.type is ItemType.CODE:
        known = sorted(code for code in codes or () if len(code) <= item.length and is_code(code))
        return f"(?:{'|'.join(known)})" if known else (f"[0-9A-Za-z]{count}" if codes is None else r"(?!)")
    match item.form:
        case Form.DIGITS:
            return f"[0-9]{count}"
        case Form.DATE:
            return COMMON_DAY if item.length >= 10 else r"(?!)"
        case Form.FULL_WIDTH:
            return f"[\\u3041-\\u3096\\u30a1-\\u30fa\\u4e00-\\u9fff\\uff10-\\uff19\\uff21-\\uff3a\\u3000]{count}"
        case Form.ANY:
            return _free_text(item, count)


#: Characters of free texts that are certainly allowed; what is not among them is for the thorough check.
_PLAIN = r" !#-%'-+\--/:;=?-\[\]-~\u3000-\u3002\u3041-\u3096\u30a1-\u30fe\u4e00-\u9fff\uff01-\uff0f\uff1a-\uff5e"
_DIGIT = r"0-9\uff10-\uff19"


def _free_text(item: Item, count: str) -> str:
    if item.length < INDIVIDUAL_NUMBER_LENGTH:
        return f"[{_PLAIN}{_DIGIT}]{count}"
    # Twelve digits in a row, or digits in groups: whether they are an Individual Number is for the thorough check.
    run = rf"[{_DIGIT}]{{1,{INDIVIDUAL_NUMBER_LENGTH - 1}}}+"
    with_digits = rf"(?=[^,<]{count}(?:[,<]|\Z))[{_PLAIN}]*+(?:{run}(?![{_PLAIN}][{_DIGIT}])[{_PLAIN}]++)*+(?:{run})?+"
    return rf"(?:[{_PLAIN}]{count}+|{with_digits})(?=[,<]|\Z)"
