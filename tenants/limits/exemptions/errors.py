"""What can be wrong with a request for an exemption."""

from __future__ import annotations

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark


class ExemptionRefused(ChukanError):
    """An exemption cannot be asked for as it is stated."""

    code = "limits.exemption_refused"
    failure = Failure.BAD_INPUT
    message = mark("The exemption cannot be asked for: its days are {first} to {last}, at most {most} are allowed.")
    hint = mark("State a first day from today on, a last day that is not before it, and a reason.")


class OrganisationGone(ChukanError):
    """The organisation is dissolved on the day asked about."""

    code = "limits.organisation_gone"
    failure = Failure.CONFLICT
    message = mark("The organisation {organisation} does not exist any more on {day}; nothing is taken for it.")
    hint = mark("Send it as the organisation that succeeded it.")
