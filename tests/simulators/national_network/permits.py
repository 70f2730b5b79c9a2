"""Provision permits: what the network signs, and what a faulty or a forged network signs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric import ec

from chukan_simulators.national_network import clock
from chukan_simulators.national_network.authority import NETWORK
from chukan_simulators.national_network.context import Context
from chukan_simulators.national_network.documents import PERMIT, add_all, document, written
from chukan_simulators.national_network.faults import FORGERIES, WRONG_PERMITS, Fault, Point, forged
from chukan_simulators.national_network.jose import RECEIPT_FIELDS, sign, taken_apart
from chukan_simulators.national_network.keys import Keys

#: What the header of a permit, of an answer within, and of a list of records holds.
PERMIT_FIELDS = RECEIPT_FIELDS
_ANY_TIME = FORGERIES | WRONG_PERMITS | {Fault.PERMIT_BY_ORGANISATION}
_REPLAY = frozenset({Fault.REPLAY_PERMIT})
_MONTH = 31 * 86_400
_SOMEBODY = ("9000000000000001", "9000000000000002")
_SOMETHING = ("TM00000000000004", "TM00000000000008")

#: Who signs permits that no organisation may sign: kid and key.
Signer = tuple[str, ec.EllipticCurvePrivateKey]


@dataclass(frozen=True)
class Permission:
    """What a permit says; ``code`` is the provider's of the person, the last two are seconds since 1970."""

    serial: str
    inquirer: str
    provider: str
    code: str
    affair: str
    procedure: str
    information: str
    enc_kid: str
    mode: str
    issued_at: float
    valid_until: float


class Permits:
    """Permits, made one by one."""

    def __init__(self, context: Context, keys: Keys, organisation: Callable[[], Signer]) -> None:
        """Make permits signed by *keys*; *organisation* is asked for the key of one when a fault wants it."""
        self._context = context
        self._keys = keys
        self._organisation = organisation
        self._before: dict[str, tuple[UUID, bytes]] = {}

    def make(self, permission: Permission, other_person: Callable[[], str]) -> tuple[UUID, bytes]:
        """Return the id of a new permit, and the JWS; *other_person* returns the code of somebody else."""
        menu, provider = self._context.menu, permission.provider
        if provider in self._before and menu.served(_REPLAY, Point.PERMITS, provider):
            return uuid4(), self._before[provider][1]
        order = menu.served(_ANY_TIME, Point.PERMITS, provider)
        fault = order.fault if order else None
        told = _wrong(permission, fault, other_person) if fault in WRONG_PERMITS else permission
        number = uuid4()
        payload = self._written(number, told)
        if fault is Fault.PERMIT_BY_ORGANISATION:
            return number, self._by_organisation(payload, provider)
        permit = self._keys.signed(PERMIT, payload, to=provider)
        if fault in FORGERIES:
            return number, forged(taken_apart(permit, PERMIT_FIELDS), fault)
        if fault is None:
            self._before[provider] = (number, permit)
        return number, permit

    def _written(self, number: UUID, told: Permission) -> bytes:
        root = document("ProvisionPermit", PERMIT, number, told.mode)
        fields = (
            ("PermitID", number),
            ("ProcessingSerial", told.serial),
            ("InquirerInstitution", told.inquirer),
            ("ProviderInstitution", told.provider),
            ("LinkageCode", told.code),
            ("Affair", told.affair),
            ("Procedure", told.procedure),
            ("Information", told.information),
            ("IssuedAt", clock.second(told.issued_at)),
            ("ValidUntil", clock.second(told.valid_until)),
            ("EncryptionKid", told.enc_kid),
        )
        add_all(root, fields)
        self._context.schemas.check_own(PERMIT, root)
        return written(root)

    def _by_organisation(self, payload: bytes, provider: str) -> bytes:
        """Return *payload* signed as the network would, with the key of an organisation."""
        kid, key = self._organisation()
        header = {"alg": "ES256", "kid": kid, "typ": PERMIT, "iat": int(clock.seconds())}
        return sign(header | {"from": NETWORK, "to": provider}, payload, key)


def _wrong(told: Permission, fault: Fault | None, other_person: Callable[[], str]) -> Permission:
    if fault is Fault.WRONG_INQUIRER:
        return replace(told, inquirer=_another(_SOMEBODY, told.inquirer))
    if fault is Fault.WRONG_PROVIDER:
        return replace(told, provider=_another(_SOMEBODY, told.provider))
    if fault is Fault.WRONG_ITEM:
        return replace(told, information=_another(_SOMETHING, told.information))
    if fault is Fault.WRONG_PERSON:
        return replace(told, code=other_person())
    today = clock.start_of(clock.day(told.issued_at))
    return replace(told, issued_at=today - _MONTH, valid_until=today)


def _another(choice: tuple[str, str], than: str) -> str:
    return choice[1] if choice[0] == than else choice[0]
