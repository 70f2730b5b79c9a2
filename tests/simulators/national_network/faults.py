"""The menu of faults: what a network may do to those who exchange messages with it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from chukan_simulators.national_network.jose import Signed, joined, sign


class Fault(StrEnum):
    """What goes wrong."""

    #: The answer, or the delivery, comes ``seconds`` late.
    DELAY = "delay"
    #: A request is lost before it is looked at; an attempt to deliver does not leave.
    DROP = "drop"
    #: A request has its effect, and the connection is cut before the answer.
    LOSE_ANSWER = "lose_answer"
    #: 503 with Retry-After.
    UNAVAILABLE = "unavailable"
    #: A bit of the signature is another.
    FORGE_SIGNATURE = "forge_signature"
    #: The document was changed after it was signed.
    FORGE_BODY = "forge_body"
    #: Signed by a stranger under the network's key id.
    FORGE_KEY = "forge_key"
    #: Signed by a stranger under a key id that nobody knows.
    FORGE_KID = "forge_kid"
    #: Not signed: the algorithm is "none".
    FORGE_ALGORITHM = "forge_algorithm"
    #: A bit of what was encrypted is another (deliveries).
    FORGE_ENCRYPTION = "forge_encryption"
    #: A receipt for other bytes; a list whose digests are not those of the packages.
    WRONG_DIGEST = "wrong_digest"
    #: A message is delivered once more after its receipt.
    DUPLICATE = "duplicate"
    #: The message after the next one is delivered first.
    OVERTAKE = "overtake"
    #: Of all that waits for an organisation, the conversation that came last is served first.
    REORDER = "reorder"
    #: The connection is cut in the middle of the answer, or of a delivery.
    STOP_MID_REPLY = "stop_mid_reply"
    #: The permit of the request before, to the same provider.
    REPLAY_PERMIT = "replay_permit"
    #: The permit is signed by an organisation, rightly.
    PERMIT_BY_ORGANISATION = "permit_by_organisation"
    #: A permit, rightly signed, for another inquirer, another provider, another person or another information.
    WRONG_INQUIRER = "wrong_inquirer"
    WRONG_PROVIDER = "wrong_provider"
    WRONG_PERSON = "wrong_person"
    WRONG_ITEM = "wrong_item"
    #: A permit, rightly signed, whose time is over.
    EXPIRED_PERMIT = "expired_permit"
    #: Another package than the one that was asked for.
    OUT_OF_ORDER = "out_of_order"
    #: A code is refused, with ``reason``.
    REFUSE_CODE = "refuse_code"


class Point(StrEnum):
    """Where it goes wrong."""

    KEYS = "keys"
    #: The list of packages, and one package.
    MASTERS = "masters"
    PACKAGE = "package"
    #: Messages to the network, and the receipts for them.
    MESSAGES = "messages"
    CERTIFICATES = "certificates"
    REGISTER = "register"
    #: Messages from the network.
    DELIVERIES = "deliveries"
    CODES = "codes"
    #: Permits inside requests to provide.
    PERMITS = "permits"
    #: Lists of records.
    RECORDS = "records"


FORGERIES = frozenset(
    {Fault.FORGE_SIGNATURE, Fault.FORGE_BODY, Fault.FORGE_KEY, Fault.FORGE_KID, Fault.FORGE_ALGORITHM}
)
#: What can be wrong with a permit that the network signed.
WRONG_PERMITS = frozenset(
    {Fault.WRONG_INQUIRER, Fault.WRONG_PROVIDER, Fault.WRONG_PERSON, Fault.WRONG_ITEM, Fault.EXPIRED_PERMIT}
)


@dataclass
class Order:
    """One order from the menu: where (``*``: wherever it can), how many times (None: always).

    At deliveries, codes and permits it can be for one institution alone.
    """

    fault: Fault
    on: str = "*"
    institution: str = "*"
    times: int | None = None
    seconds: float = 0.0
    reason: str = "not_permitted"
    served: int = 0

    def __post_init__(self) -> None:
        if self.on != "*":
            Point(self.on)

    @property
    def left(self) -> bool:
        """Whether it is still in force."""
        return self.times is None or self.served < self.times


class Menu:
    """The orders in force, the first that applies first."""

    def __init__(self) -> None:
        self._orders: list[Order] = []
        self._lock = threading.Lock()

    def order(self, order: Order) -> None:
        """Take *order*."""
        with self._lock:
            self._orders.append(order)

    def clear(self) -> None:
        """Take back all orders."""
        with self._lock:
            self._orders.clear()

    def served(self, faults: frozenset[Fault], at: Point, institution: str = "*") -> Order | None:
        """Return the order of one of *faults* that is due at *at* for *institution*, and count it."""
        if not self._orders:
            return None
        with self._lock:
            for order in self._orders:
                here = order.on in {"*", at} and order.institution in {"*", institution}
                if here and order.fault in faults and order.left:
                    order.served += 1
                    return order
        return None

    def shown(self) -> list[dict[str, Any]]:
        """Return the orders as the control API shows them."""
        with self._lock:
            return [vars(order).copy() for order in self._orders]


def forged(message: Signed, fault: Fault) -> bytes:
    """Return *message* as a forger would send it."""
    return _FORGERS[fault](message)


def _other_bit(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def _by_a_stranger(message: Signed, **changed: str) -> bytes:
    return sign({**message.header, **changed}, message.payload, ec.generate_private_key(ec.SECP256R1()))


_FORGERS: dict[Fault, Callable[[Signed], bytes]] = {
    Fault.FORGE_SIGNATURE: lambda message: joined(message.header, message.payload, _other_bit(message.signature)),
    Fault.FORGE_BODY: lambda message: joined(message.header, message.payload + b"\n", message.signature),
    Fault.FORGE_KEY: _by_a_stranger,
    Fault.FORGE_KID: lambda message: _by_a_stranger(message, kid="0" * 32),
    Fault.FORGE_ALGORITHM: lambda message: joined({**message.header, "alg": "none"}, message.payload, b""),
}
