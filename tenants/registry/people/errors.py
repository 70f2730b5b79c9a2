"""What can be wrong with what is asked of an organisation's people."""

from __future__ import annotations

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark


class ContactUnknown(ChukanError):
    """There is no such contact."""

    code = "registry.contact_unknown"
    failure = Failure.NOT_FOUND
    message = mark("There is no contact {contact}.")
    hint = mark("Contacts are listed by `chukan organisations show`.")


class AppointmentRefused(ChukanError):
    """Somebody cannot hold a role, or not on these days."""

    code = "registry.appointment_refused"
    failure = Failure.CONFLICT
    message = mark("The role {role} cannot be given: {reason}.")
    hint = mark("Look at who holds it with `chukan organisations show`; a change of persons is a hand-over.")


class HandoverUnknown(ChukanError):
    """There is no such hand-over, role or task."""

    code = "registry.handover_unknown"
    failure = Failure.NOT_FOUND
    message = mark("There is no {what} {name}.")
    hint = mark("Hand-overs and their tasks are listed by `chukan organisations handover list`.")


class HandoverRefused(ChukanError):
    """A step of a hand-over does not follow its state."""

    code = "registry.handover_refused"
    failure = Failure.CONFLICT
    message = mark("The hand-over cannot go on so: {reason}.")
    hint = mark("Look at it with `chukan organisations handover list --all`.")
