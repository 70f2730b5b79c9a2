"""Failures of outgoing mail, each with what to do about it; none of them names a recipient."""

from __future__ import annotations

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark


class AddressInvalid(ChukanError):
    """What was given as a mail address is none, or is one that mail servers cannot be given."""

    code = "mail.address_invalid"
    failure = Failure.BAD_INPUT
    message = mark("This is not a mail address that mail can be sent to.")
    hint = mark("Give one address of the form name@example.lg.jp, in ASCII.")


class ValueRefused(ChukanError):
    """A template was given a value that it does not declare, or of another form than it declares."""

    code = "mail.value_refused"
    message = mark("The mail {template} cannot be written with this value of {field}.")
    hint = mark("The program is at fault, so nothing was done: tell the developers the reference id.")


class MailMalformed(ChukanError):
    """A header would have held a line break or the like: somebody tries to add headers of their own."""

    code = "mail.malformed"
    failure = Failure.REFUSED
    message = mark("The mail cannot be written: a line break stands in its header {header}.")
    hint = mark("Nothing was queued; find out where the value comes from.")


class ServerNotSet(ChukanError):
    """No mail server is set, so mails wait."""

    code = "mail.server_not_set"
    failure = Failure.CONFIGURATION
    message = mark("No mail server is set; mails wait in the outbox.")
    hint = mark("Set mail.host, then look again with `chukan mail test ADDRESS`.")


class ServerUnavailable(ChukanError):
    """The mail server does not answer, or takes nothing from us at the moment."""

    code = "mail.server_unavailable"
    failure = Failure.UNAVAILABLE
    retryable = True
    message = mark("The mail server cannot take mail at the moment ({reason}).")
    hint = mark("Nothing is lost: mails wait in the outbox and the next run tries again.")


class ServerUnsuitable(ChukanError):
    """The mail server refuses us for good, or cannot prove who it is."""

    code = "mail.server_unsuitable"
    failure = Failure.CONFIGURATION
    message = mark("The mail server cannot be used: {reason}.")
    hint = mark("Check the settings below mail; mails wait in the outbox until then.")


class MailUnknown(ChukanError):
    """There is no such mail."""

    code = "mail.unknown"
    failure = Failure.NOT_FOUND
    message = mark("There is no mail {mail}.")
    hint = mark("`chukan mail list` shows the mails and their ids.")


class NotRetryable(ChukanError):
    """A mail was to be sent again that is neither a dead letter nor bounced."""

    code = "mail.not_retryable"
    failure = Failure.CONFLICT
    message = mark("The mail {mail} is neither a dead letter nor bounced, so there is nothing to send again.")
    hint = mark("`chukan mail list` shows where each mail stands; nothing was changed.")


class ReportUnreadable(ChukanError):
    """What came back is no delivery report."""

    code = "mail.report_unreadable"
    failure = Failure.BAD_INPUT
    message = mark("This is no delivery report: {reason}.")
    hint = mark("Give the returned mail whole, as the mail server stored it; read others yourself.")


class ReportOfOthers(ChukanError):
    """A delivery report is about a mail that we did not send."""

    code = "mail.report_of_others"
    failure = Failure.NOT_FOUND
    message = mark("The delivery report is about a mail that this platform did not send.")
    hint = mark("Somebody may be using the sender's address; nothing was changed.")


class RecipientNotMarked(ChukanError):
    """A mark was to be lifted from a recipient that carries none."""

    code = "mail.recipient_not_marked"
    failure = Failure.NOT_FOUND
    message = mark("The recipient is not marked as undeliverable.")
    hint = mark("`chukan mail recipients` lists those that are.")
