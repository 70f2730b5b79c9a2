"""Why a message cannot leave, or is not taken."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus

from chukan.platform.clock import as_tokyo
from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark
from chukan.tenants.middleserver.gate import Closed
from chukan.tenants.middleserver.transmission.rules import Reason


class NetworkNotSet(ChukanError):
    """The settings name no network, so nothing can be sent or fetched."""

    code = "transmission.network_not_set"
    failure = Failure.CONFIGURATION
    message = mark("The national network is not set: network.url, network.ca_file, network.client_certificate_file.")
    hint = mark("Set them; until then messages wait.")


class NetworkFilesUnusable(ChukanError):
    """Certificate, key or authority of the way to the network cannot be read."""

    code = "transmission.files_unusable"
    failure = Failure.CONFIGURATION
    message = mark("The certificates for the national network cannot be used: {setting}.")
    hint = mark("The file must hold PEM, be readable by this process, and the key must belong to the certificate.")


class NetworkAway(ChukanError):
    """The network cannot be reached, or says that it will be back later."""

    code = "transmission.network_away"
    failure = Failure.UNAVAILABLE
    retryable = True
    message = mark("The national network cannot be reached.")
    hint = mark("Messages wait and leave by themselves. If it lasts, ask the network's operators.")


class NetworkAnswerWrong(ChukanError):
    """What came back is not what was asked for."""

    code = "transmission.answer_wrong"
    failure = Failure.UNAVAILABLE
    retryable = True
    message = mark("The national network answered with something unexpected ({status}).")
    hint = mark("It is asked again. If it lasts, ask the network's operators.")


class ReceiptInvalid(ChukanError):
    """What came back is no receipt for these bytes; the message is sent again."""

    code = "transmission.receipt_invalid"
    failure = Failure.TAMPERED
    retryable = True
    message = mark("The answer of the national network is no valid receipt: {reason}.")
    hint = mark("The message is sent again, byte for byte. If it lasts, treat it as a security event.")


class ConversationClosed(ChukanError):
    """A conversation that was ended takes no message any more."""

    code = "transmission.conversation_closed"
    failure = Failure.CONFLICT
    message = mark("The conversation was ended.")
    hint = mark("Begin a new one.")


class MessageUnknown(ChukanError):
    """The organisation has no outgoing message of that id, or not in a state in which it can be sent again."""

    code = "transmission.message_unknown"
    failure = Failure.NOT_FOUND
    message = mark("No message {message} can be sent again.")
    hint = mark("chukan transmission status shows those that were given up; what was refused is not sent again.")


class AlreadyStopped(ChukanError):
    """The exchange is stopped there already."""

    code = "transmission.already_stopped"
    failure = Failure.CONFLICT
    message = mark("The exchange is stopped already.")
    hint = mark("chukan transmission status shows since when and why.")


class StopReasonMalformed(ChukanError):
    """The reason of a stop is empty, too long, or no line of text."""

    code = "transmission.stop_reason_malformed"
    failure = Failure.BAD_INPUT
    message = mark("The reason has to be one line of 1 to {most} characters.")
    hint = mark("Organisations are shown it: say what is being done and until when, and name nobody.")


class NotStopped(ChukanError):
    """There is no stop that could be lifted."""

    code = "transmission.not_stopped"
    failure = Failure.CONFLICT
    message = mark("The exchange is not stopped there.")
    hint = mark("A stop of all organisations is lifted without naming one.")


class StoppedByOperators(ChukanError):
    """The operators have stopped the exchange of the organisation, or of all: nothing new is taken for it."""

    code = "transmission.exchange_stopped"
    failure = Failure.UNAVAILABLE
    retryable = True
    message = mark("The operators have stopped the exchange: {reason}")
    hint = mark("It has been stopped since {since}. Nothing was registered; send it again when the exchange goes on.")

    def __init__(self, reason: str, stopped_at: datetime) -> None:
        """Refuse because of *reason*, in the operator's words; it was stopped at *stopped_at* (UTC)."""
        super().__init__(reason=reason, since=f"{as_tokyo(stopped_at):%Y-%m-%d %H:%M}")
        self.reason = reason
        self.stopped_at = stopped_at


class Refused(ChukanError):
    """A message is refused as if it had never come; the receipt says why."""

    code = "transmission.refused"
    failure = Failure.REFUSED
    message = mark("The message is refused: {reason}.")
    hint = mark("The sender's receipt names the reason; docs/interfaces/national-network.md tells what it means.")

    def __init__(self, reason: Reason, told: str = "", *, expected: int | None = None, detail: str = "") -> None:
        """Refuse for *reason*; *told* is for people, never what the message says; *expected* is the number to come."""
        super().__init__(reason=reason.value, detail=detail)
        self.reason = reason
        self.told_detail = told
        self.expected = expected


class ContentRefused(ChukanError):
    """A message is valid and against a rule; handlers raise it, before they have any effect."""

    code = "transmission.content_refused"
    failure = Failure.REFUSED
    message = mark("The content of the message is refused: {reason}.")
    hint = mark("The sender's receipt names the reason; docs/interfaces/national-network.md tells what it means.")


class NotHere(ChukanError):
    """Nobody can say for whom a message is, or it may not be taken now: it is answered by the status alone."""

    code = "transmission.not_here"
    failure = Failure.REFUSED
    message = mark("The message cannot be taken here.")
    hint = mark("The sender repeats it; see the log for the reason.")

    def __init__(self, status: int, detail: str) -> None:
        """Answer with *status* (of HTTP); *detail* is for the log."""
        super().__init__(detail=detail)
        self.status = status


class NotOpen(NotHere):
    """The receiving service is closed to the organisation; the message stays with the network, and comes again."""

    code = "transmission.not_open"
    failure = Failure.UNAVAILABLE
    retryable = True
    message = mark("Messages of the network are not taken while the service is closed.")

    def __init__(self, closed: Closed) -> None:
        """Refuse because of *closed*."""
        super().__init__(HTTPStatus.SERVICE_UNAVAILABLE, closed.reason.value)
        self.next_opening = closed.next_opening


class RetryUnderWay(ChukanError):
    """Somebody wants it already, and a worker has not come to it."""

    code = "transmission.retry_under_way"
    failure = Failure.CONFLICT
    message = mark("The message {message} will be sent again already.")
    hint = mark("A worker does it within a minute; if not, look whether workers run.")
