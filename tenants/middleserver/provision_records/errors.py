"""Why records cannot be compared, or a case cannot be closed."""

from __future__ import annotations

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark


class RecordListRefused(ChukanError):
    """What the network gave is no list of its records for this organisation and these days."""

    code = "provision_records.list_refused"
    failure = Failure.TAMPERED
    message = mark("The network's list of records cannot be used.")
    hint = mark("Nothing was compared. If it goes on, treat it as a security event and tell the network's operators.")


class CaseReasonTooLong(ChukanError):
    """Why a case is closed is said in one or two sentences."""

    code = "provision_records.reason_too_long"
    failure = Failure.BAD_INPUT
    message = mark("Why the case is closed may be told in {limit} characters.")
    hint = mark("Say it shorter; it must not name the person.")


class CaseNotOpen(ChukanError):
    """There is no open case of that id."""

    code = "provision_records.case_not_open"
    failure = Failure.NOT_FOUND
    message = mark("There is no open case {case} of records that differ.")
    hint = mark("chukan provision-records cases shows those that are open.")
