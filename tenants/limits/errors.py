"""What can be wrong with a question about limits."""

from __future__ import annotations

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark


class LimitUnknown(ChukanError):
    """No terms hold on that day."""

    code = "limits.unknown"
    failure = Failure.BAD_INPUT
    message = mark("No upload limit is known for {day}.")
    hint = mark("Ask about a later day; config/limits.toml says from when each limit holds.")


class InquiryLimitUnknown(ChukanError):
    """No terms of inquiries hold on that day."""

    code = "limits.inquiries_unknown"
    failure = Failure.BAD_INPUT
    message = mark("No limit of inquiries is known for {day}.")
    hint = mark("Ask about a later day; config/limits.toml says from when each limit holds.")


class PopulationMissing(ChukanError):
    """A limit rests on a population that is not known, or that is nobody."""

    code = "limits.population_missing"
    failure = Failure.CONFLICT
    message = mark("There is no population to compute the daily limit from.")
    hint = mark("Import the organisation's population, of a union the members' with their list.")


class LimitsMalformed(ChukanError):
    """The shipped limits cannot be used as they are written."""

    code = "limits.malformed"
    failure = Failure.CONFIGURATION
    message = mark("The limits cannot be used: {reason}.")
    hint = mark("Put config/limits.toml right.")
