"""Why a code cannot be requested, shown or moved."""

from __future__ import annotations

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark


class CodeNotAcquired(ChukanError):
    """The person has no linkage code; the wording is that of the sources (facts D.3)."""

    code = "linkage_codes.not_acquired"
    failure = Failure.NOT_FOUND
    message = mark("The person with the given integrated address number has no linkage code yet.")
    hint = mark("Request one: chukan linkage-codes request. The number is not shown here, because it is personal.")


class SerialUnknown(ChukanError):
    """The organisation has no request of that processing serial."""

    code = "linkage_codes.serial_unknown"
    failure = Failure.NOT_FOUND
    message = mark("There is no request with the processing serial {serial}.")
    hint = mark("chukan linkage-codes request tells the serials that it gave.")


class LinkUnknown(ChukanError):
    """There is no link of that id that holds now."""

    code = "linkage_codes.link_unknown"
    failure = Failure.NOT_FOUND
    message = mark("No person is linked to a code under {link}.")
    hint = mark("chukan linkage-codes history shows the links that hold, and those that have ended.")


class SameLink(ChukanError):
    """Two persons are needed for a swap."""

    code = "linkage_codes.same_link"
    failure = Failure.BAD_INPUT
    message = mark("A swap takes two different links.")
    hint = mark("Name the links of both persons.")


class CaseUnknown(ChukanError):
    """There is no open case of that id of two persons with one code."""

    code = "linkage_codes.case_unknown"
    failure = Failure.NOT_FOUND
    message = mark("There is no open case {case} of two persons with one code.")
    hint = mark("chukan linkage-codes status shows the open cases.")


class NumbersUnreadable(ChukanError):
    """A line of the given file is no integrated address number."""

    code = "linkage_codes.numbers_unreadable"
    failure = Failure.BAD_INPUT
    message = mark("Line {line} is not an integrated address number of 15 digits.")
    hint = mark("One number a line, in half-width digits. The line is not shown, because it may be personal.")


class ReasonTooLong(ChukanError):
    """A reason is one or two sentences, which whoever looks at the history can read at a glance."""

    code = "linkage_codes.reason_too_long"
    failure = Failure.BAD_INPUT
    message = mark("A reason may have {limit} characters.")
    hint = mark("Say it shorter; it must not name the person.")
