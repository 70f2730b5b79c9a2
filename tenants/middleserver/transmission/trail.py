"""What the exchange writes into the audit trail: messages into the organisation's chain, stops into the platform's."""

from __future__ import annotations

from chukan.platform.audit.rules import Action


class TransmissionAction(Action):
    """The acts on messages and on the exchange as a whole."""

    SEND = "transmission:message:send"
    REFUSED = "transmission:message:refused"
    BURY = "transmission:message:bury"
    RECEIVE = "transmission:message:receive"
    RETRY = "transmission:message:retry"
    #: An operator at the console wants it; a worker does it, in the operator's name.
    ASK_RETRY = "transmission:retry:ask"
    STOP = "transmission:exchange:stop"
    RESUME = "transmission:exchange:resume"
