"""Why a provision cannot be decided on, or a bar cannot be set or lifted."""

from __future__ import annotations

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark


class ProvisionUnknown(ChukanError):
    """The organisation was not asked under this serial; or by several institutions, and none was named."""

    code = "provisions.unknown"
    failure = Failure.NOT_FOUND
    message = mark("There is no one request with the processing serial {serial}.")
    hint = mark("The list of requests that wait for staff shows serials and inquirers; name both.")


class ProvisionNotWaiting(ChukanError):
    """The request was answered, taken back, or is no longer valid."""

    code = "provisions.not_waiting"
    failure = Failure.CONFLICT
    message = mark("The request {serial} does not wait for a decision: {state}.")
    hint = mark("The decision has no effect; look at the list again.")


class ProvisionNotAllowed(ChukanError):
    """The request may not be answered with information any more, also not by temporary input."""

    code = "provisions.not_allowed"
    failure = Failure.REFUSED
    message = mark("Nothing may be provided for the request {serial}: {reason}.")
    hint = mark("Refuse it, or wait until the inquirer has taken it back and asked again.")


class ProvisionPersonChanged(ChukanError):
    """A wrong link was put right since the request was looked at: it is about somebody else."""

    code = "provisions.person_changed"
    failure = Failure.CONFLICT
    message = mark("The linkage code of the request {serial} stands for another person by now.")
    hint = mark("Look at the list of requests that wait again: it names the person.")


class NothingToProvide(ChukanError):
    """Nothing is registered for the person that this request asks for."""

    code = "provisions.nothing_to_provide"
    failure = Failure.NOT_FOUND
    message = mark("No copy is registered that could be provided for the request {serial}.")
    hint = mark("Register the copies first, or give the records by temporary input.")


class TemporaryInputRefused(ChukanError):
    """A record of a temporary input does not follow the layout."""

    code = "provisions.temporary_input_refused"
    failure = Failure.BAD_INPUT
    message = mark("Record {place} of the temporary input cannot be provided: {reason}.")
    hint = mark("Correct it by the layout that is linked today. Values are not shown, because they are personal.")


class ExpectedDayWrong(ChukanError):
    """A request is not expected to be answered before today or after its last valid day."""

    code = "provisions.expected_day_wrong"
    failure = Failure.BAD_INPUT
    message = mark("The day must lie between {first} and {last}.")
    hint = mark("Give a day on which the request is still valid.")


class ScopeWrong(ChukanError):
    """A dataset belongs to an information."""

    code = "provisions.scope_wrong"
    failure = Failure.BAD_INPUT
    message = mark("A dataset can only be named with its information.")
    hint = mark("Name the information code as well.")


class BarUnknown(ChukanError):
    """Nothing of that scope is barred."""

    code = "provisions.bar_unknown"
    failure = Failure.NOT_FOUND
    message = mark("Nothing of this scope is barred from automatic replies.")
    hint = mark("Only what the same department has barred can be lifted by it.")


class BarReasonNeeded(ChukanError):
    """A bar, a restriction and a refusal say why, in one or two sentences."""

    code = "provisions.reason_needed"
    failure = Failure.BAD_INPUT
    message = mark("A reason of 1 to {limit} characters is needed.")
    hint = mark("It must not name the person.")
