"""How a decision on a limit is told to people."""

from __future__ import annotations

from chukan.platform.messages import mark, text
from chukan.tenants.limits.inquiries import InquiryDecision, InquiryVerdict, Spacing
from chukan.tenants.limits.rules import Decision, Verdict

_REASONS = {
    Verdict.ACCEPTED: mark("It is within the day's limits."),
    Verdict.EXEMPTED: mark("It is over the day's limits; an exemption was approved for the day."),
    Verdict.NOTHING_IN_IT: mark("A file holds at least one record and one byte."),
    Verdict.TOO_MANY_RECORDS: mark("Too many records: {records} records and {kb} KB are left of the day."),
    Verdict.TOO_LARGE: mark("Too large: {records} records and {kb} KB are left of the day."),
    Verdict.TOO_MANY_AND_TOO_LARGE: mark(
        "Too many records, and too large: {records} records and {kb} KB are left of the day."
    ),
}


def reason_of(decision: Decision) -> str:
    """Return one sentence that says why, with both remainders where they matter."""
    return text(_REASONS[decision.verdict], records=f"{decision.left.records:,}", kb=f"{decision.left.kb:,}")


_INQUIRY_REASONS = {
    InquiryVerdict.ACCEPTED: mark("They are within the limits, and end before the service closes."),
    InquiryVerdict.CLOSED: mark("The service is closed then; register them while it is open."),
    InquiryVerdict.STILL_RUNNING: mark("The request before has not ended yet; the next one waits for it."),
    InquiryVerdict.TOO_MANY_IN_AN_HOUR: mark(
        "Within sixty minutes there would be more than {most_per_hour} inquiries; {room} are left."
    ),
    InquiryVerdict.NOT_BEFORE_CLOSE: mark("They would not end before the service closes; {most} would."),
    InquiryVerdict.TOO_CLOSE_TOGETHER: mark(
        "Requests of that size that a clock registers stand at least {least} minutes apart, better {better}."
    ),
}
_NONE_BEFORE_CLOSE = mark("None would end before the service closes; register them when it opens again.")
_BETTER_APART = mark("Requests of that size that a clock registers stand better {better} minutes apart.")
_OVERLOAD = mark("The middle server may be short of resources: from about {line} inquiries in an hour on.")


def inquiry_reason_of(decision: InquiryDecision) -> str:
    """Return one sentence that says why, with the numbers that it rests on, and what would be possible."""
    none_would = decision.verdict is InquiryVerdict.NOT_BEFORE_CLOSE and not decision.most
    return text(_NONE_BEFORE_CLOSE if none_would else _INQUIRY_REASONS[decision.verdict], **_numbers(decision))


def inquiry_notes_of(decision: InquiryDecision) -> list[str]:
    """Return what is to be noted beside the reason, a sentence each. Source: A0-057, A0-058."""
    notes = []
    if decision.spacing is Spacing.CLOSE:
        notes.append(text(_BETTER_APART, **_numbers(decision)))
    if decision.is_overload:
        notes.append(text(_OVERLOAD, **_numbers(decision)))
    return notes


def _numbers(decision: InquiryDecision) -> dict[str, str]:
    return {
        "most": f"{decision.most:,}",
        "most_per_hour": f"{decision.most_per_hour:,}",
        "room": f"{decision.room:,}",
        "line": f"{decision.line:,}",
        "least": f"{decision.least_minutes:,}",
        "better": f"{decision.better_minutes:,}",
    }
