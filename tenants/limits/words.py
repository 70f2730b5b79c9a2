"""How a decision on a limit is told to people."""

from __future__ import annotations

from chukan.platform.messages import mark, text
from chukan.tenants.limits.inquiries import InquiryDecision, InquiryVerdict
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
    InquiryVerdict.CLOSED: mark("The service is closed then."),
    InquiryVerdict.STILL_RUNNING: mark("The request before has not ended yet; the next one waits for it."),
    InquiryVerdict.TOO_MANY_IN_AN_HOUR: mark("Within sixty minutes there would be too many inquiries."),
    InquiryVerdict.NOT_BEFORE_CLOSE: mark("They would not end before the service closes; {most} would."),
    InquiryVerdict.TOO_CLOSE_TOGETHER: mark("Requests that a clock registers follow one another too closely."),
}


def inquiry_reason_of(decision: InquiryDecision) -> str:
    """Return one sentence that says why, with the largest number that could end before the close."""
    return text(_INQUIRY_REASONS[decision.verdict], most=f"{decision.most:,}")
