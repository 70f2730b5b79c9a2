"""For the tests of the exchange: organisations with certificates, and a national network in memory that judges."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric import ec
from lxml import etree
from sqlalchemy import Connection, text
from typing_extensions import override

from chukan.platform.clock import FixedClock, as_tokyo
from chukan.platform.identifiers import TenantId
from chukan.tenants.middleserver.formats.messages import MessageHeader, MessageMode, add, new_message, render, value
from chukan.tenants.middleserver.security.certificates.rules import KeyUse
from chukan.tenants.middleserver.security.certificates.x509 import public_key_of
from chukan.tenants.middleserver.security.jose import SigningKey, Window, encrypt, sign, verify
from chukan.tenants.middleserver.security.masters.package import NETWORK_SYSTEM, PLATFORM_SYSTEM
from chukan.tenants.middleserver.transmission.errors import ContentRefused, NetworkAnswerWrong, NetworkAway
from chukan.tenants.middleserver.transmission.outbox_store import history, unsettled
from chukan.tenants.middleserver.transmission.ports import Answer, Features, Received, Settled
from chukan.tenants.middleserver.transmission.receipts import RECEIPT
from chukan.tenants.middleserver.transmission.reception import Reception
from chukan.tenants.middleserver.transmission.relay import Relay, RelayPolicy
from chukan.tenants.middleserver.transmission.rules import NETWORK, OutEvent, OutState, RetryPolicy
from chukan.tenants.middleserver.transmission.sending import Claimed, Peers, Sender, Sent
from chukan.tenants.middleserver.transmission.service import Exchange, Outbox
from support.security import NOW, Place

REQUEST, NOTIFICATION = "IF_FGU_X0001_R01", "IF_FGU_X0002_S01"
AT_ONCE = RelayPolicy(10, timedelta(0), RetryPolicy(3, timedelta(0), timedelta(0)), grace=timedelta(seconds=30))


class Died(BaseException):
    """Stands for a process that is gone: nobody tidies up after it."""


@dataclass(frozen=True)
class Organisation:
    tenant: TenantId
    institution: str
    encryption: tuple[str, ec.EllipticCurvePublicKey] = field(repr=False)


@dataclass
class MemoryNetwork:
    """Takes messages as the protocol says: each once and in order. ``faults`` are served one a message."""

    key: SigningKey
    keys: dict[str, tuple[str, ec.EllipticCurvePublicKey]] = field(default_factory=dict)
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))
    faults: deque[str] = field(default_factory=deque)
    #: What was accepted of each conversation, in order; and every body that was ever sent, by message.
    taken: dict[str, list[str]] = field(default_factory=dict)
    bodies: dict[str, set[bytes]] = field(default_factory=dict)
    attempts: int = 0
    #: A reason with which a message is refused, by its serials.
    refuse: dict[str, str] = field(default_factory=dict)
    _receipts: dict[str, tuple[str, bytes]] = field(default_factory=dict)

    def send(self, message: bytes) -> Answer:
        self.attempts += 1
        fault = self.faults.popleft() if self.faults else ""
        if fault == "away":
            raise NetworkAway
        if fault == "drop":
            raise NetworkAnswerWrong(status="cut")
        if fault == "die":
            raise Died
        receipt = self._judged(message, fault)
        if fault == "lose_answer":
            raise NetworkAnswerWrong(status="cut")
        if fault == "die_after":
            raise Died
        if fault == "forge_signature":
            receipt = receipt[:-6] + (b"AAAAAA" if receipt[-6:] != b"AAAAAA" else b"BBBBBB")
        return Answer(200, b"no receipt at all" if fault == "nonsense" else receipt)

    def _judged(self, message: bytes, fault: str) -> bytes:
        digest = hashlib.sha256(message).hexdigest()
        signed = verify(message, lambda kid: self.keys[kid][1], types={REQUEST}, window=Window(self.clock.now()))
        mid, conv, seq = (signed.headers[name] for name in ("mid", "conv", "seq"))
        assert signed.headers["from"] == self.keys[signed.kid][0]
        assert signed.headers["to"] == NETWORK
        self.bodies.setdefault(str(mid), set()).add(message)
        known = self._receipts.get(str(mid))
        if known is not None:
            if known[0] != digest:
                return self.receipt(signed.headers, digest, "refused", "conflict")
            if fault not in {"wrong_digest", "stranger", "elsewhere"}:
                return known[1]
        serials = [value(entry, "ProcessingSerial") for entry in etree.fromstring(signed.payload).iterfind("Entry")]
        if reason := next((self.refuse[serial] for serial in serials if serial in self.refuse), ""):
            return self.receipt(signed.headers, digest, "refused", reason)
        before = self.taken.setdefault(str(conv), [])
        if known is None and seq != len(before) + 1:
            return self.receipt(signed.headers, digest, "refused", "sequence", expected=len(before) + 1)
        if known is None:
            before.append(str(mid))
            self._receipts[str(mid)] = (digest, self.receipt(signed.headers, digest, "accepted"))
        stranger = SigningKey(self.key.kid, ec.generate_private_key(ec.SECP256R1()))
        wrong: dict[str, Callable[[], bytes]] = {
            "wrong_digest": lambda: self.receipt(signed.headers, digest[::-1], "accepted"),
            "stranger": lambda: self.receipt(signed.headers, digest, "accepted", key=stranger),
            "elsewhere": lambda: self.receipt({**signed.headers, "from": "1" * 16}, digest, "accepted"),
        }
        return wrong.get(fault, lambda: self._receipts[str(mid)][1])()

    def receipt(
        self,
        headers: Mapping[str, str | int],
        digest: str,
        result: str,
        reason: str = "",
        *,
        expected: int | None = None,
        key: SigningKey | None = None,
    ) -> bytes:
        root = etree.Element("Receipt")
        told = {"MessageID": headers["mid"], "RequestDigest": digest, "Result": result, "Reason": reason,
                "ExpectedSequence": expected, "ReceivedAt": as_tokyo(self.clock.now()).isoformat()}  # fmt: skip
        for name, said in told.items():
            if said not in {"", None}:
                add(root, name, said)
        parties = {"from": NETWORK, "to": headers["from"]}
        return sign(etree.tostring(root), key or self.key, type=RECEIPT, now=self.clock.now(), headers=parties)

    def forget(self, conv: UUID, keep: int) -> None:
        """Be restored to a state in which only the first *keep* messages of *conv* had come."""
        for mid in self.taken[str(conv)][keep:]:
            del self._receipts[mid]
        del self.taken[str(conv)][keep:]


@dataclass(frozen=True)
class DyingSender(Sender):
    """Tidies up nothing once the process is to be dead."""

    @override
    def record(self, tenant: TenantId, sent: Sequence[Sent]) -> Sequence[OutEvent | None]:
        raise Died

    @override
    def give_back(self, tenant: TenantId, message: Claimed) -> None:
        raise Died


@dataclass
class Wire:
    """A place with organisations that exchange, and what each side does."""

    place: Place
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))
    network: MemoryNetwork = field(init=False)
    #: What the feature was told of messages that left.
    settled: list[Settled] = field(default_factory=list)
    fail_next: bool = False
    _made: int = 0

    def __post_init__(self) -> None:
        self.network = MemoryNetwork(self.place.network.key, clock=self.clock)
        self.outbox = Outbox(self.place.vault)
        self.features = Features({NOTIFICATION: self.effect}, {REQUEST: lambda _c, told: self.settled.append(told)})
        self.exchange = Exchange(self.place.actor, self.place.sessions)

    def organisation(self) -> Organisation:
        self._made += 1
        tenant, institution = self.place.tenant(), f"02201131121017{self._made:02}"
        for use in KeyUse:
            kid = self.place.certificates.request(tenant, institution, use, now=self.clock.now())
            self.place.certificates.activate(tenant, kid, now=self.clock.now())
        keys = {key.use: key for key in self.place.keys.list(tenant)}
        found = {use: (str(key.kid), public_key_of(key.certificate or b"")) for use, key in keys.items()}
        self.network.keys[found[KeyUse.SIGN][0]] = (institution, found[KeyUse.SIGN][1])
        return Organisation(tenant, institution, found[KeyUse.ENCRYPT])

    # -- out -----------------------------------------------------------------------------------------

    def enqueue(self, organisation: Organisation, conv: UUID, serial: str | None = None) -> UUID:
        def write(message: UUID) -> bytes:
            header = MessageHeader(message, REQUEST, MessageMode.PRODUCTION, PLATFORM_SYSTEM, NETWORK_SYSTEM)
            root = new_message("CodeAcquisitionRequest", header)
            add(root, "InstitutionCode", organisation.institution)
            entry = add(root, "Entry")
            add(entry, "ProcessingSerial", serial or str(uuid4()))
            add(entry, "RequestedAt", as_tokyo(self.clock.now()).isoformat())
            return render(root)

        with self.place.sessions.begin(organisation.tenant) as connection:
            return self.outbox.enqueue(
                connection, organisation.tenant, conv, REQUEST, write, now=self.clock.now()
            )  # fmt: skip

    def relay(self, policy: RelayPolicy = AT_ONCE, *, dying: bool = False) -> Relay:
        kind = DyingSender if dying else Sender
        sender = kind(
            actor=self.place.actor,
            sessions=self.place.sessions,
            peers=Peers(self.network, self.place.network.public_key),
            features=self.features,
            retry=policy.retry,
            clock=self.clock,
            draw=lambda: 0.5,
        )
        return Relay(self.place.vault, sender, policy)

    def let_leases_end(self, organisation: Organisation) -> None:
        with self.place.sessions.begin(organisation.tenant) as connection:
            connection.execute(text("update outbox set lease_until = clock_timestamp() where state = 'sending'"))
        self.place.ask("update platform.due set at = clock_timestamp()")

    def states(self, organisation: Organisation) -> list[str]:
        with self.place.sessions.begin(organisation.tenant) as connection:
            return [one.state.value for one in unsettled(connection, list(OutState))]

    def events(self, organisation: Organisation, message: UUID) -> list[str]:
        with self.place.sessions.begin(organisation.tenant) as connection:
            return [event for event, _state, _reason in history(connection, message)]

    # -- in ------------------------------------------------------------------------------------------

    def effect(self, connection: Connection, received: Received) -> None:
        """Write down each serial that a notification names; the second time would break the primary key."""
        for entry in received.message.root.iterfind("Entry"):
            serial = value(entry, "ProcessingSerial")
            if serial.startswith("refuse"):
                raise ContentRefused(reason="it says so")
            connection.execute(
                text("insert into tenant_setting (name, valid_from, value) values (:name, now(), :conv)"),
                {"name": serial, "conv": str(received.conversation)},
            )
        if self.fail_next:
            self.fail_next = False
            raise RuntimeError("a fault of ours")

    def effects(self, organisation: Organisation, conv: UUID) -> list[str]:
        with self.place.sessions.begin(organisation.tenant) as connection:
            query = text("select name from tenant_setting where value = :conv order by recorded_at, name")
            return list(connection.execute(query, {"conv": str(conv)}).scalars())

    @property
    def reception(self) -> Reception:
        place = self.place
        return Reception(place.actor.engine, place.sessions, place.vault, place.network.public_key, self.features)

    def notification(
        self,
        organisation: Organisation,
        conv: UUID,
        seq: int,
        *serials: str,
        now: datetime | None = None,
        key: SigningKey | None = None,
        change: Callable[[bytes], bytes] = lambda document: document,
        under: tuple[str, ec.EllipticCurvePublicKey] | None = None,
        **headers: str | int,
    ) -> bytes:
        """Return a message of the network for *organisation*, signed and encrypted."""
        mid = str(headers.pop("mid", uuid4()))
        header = MessageHeader(UUID(mid), NOTIFICATION, MessageMode.PRODUCTION, NETWORK_SYSTEM, PLATFORM_SYSTEM)
        root = new_message("CodeNotification", header)
        add(root, "InstitutionCode", organisation.institution)
        for serial in serials or (f"S-{mid[:8]}",):
            entry = add(root, "Entry")
            add(entry, "ProcessingSerial", serial)
            add(entry, "Result", "unknown_person")
        told: dict[str, str | int] = {
            "from": NETWORK, "to": organisation.institution, "mid": mid, "conv": str(conv), "seq": seq
        }  # fmt: skip
        kind = str(headers.pop("typ", NOTIFICATION))
        told |= headers
        signed = sign(
            change(render(root)), key or self.network.key, type=kind, now=now or self.clock.now(), headers=told
        )
        kid, public = under or organisation.encryption
        return encrypt(signed, kid=kid, key=public, headers={"typ": kind, "to": str(told["to"])})

    def deliver(self, body: bytes, peer: str = NETWORK) -> tuple[int, dict[str, str], bytes]:
        """Deliver *body*; return status, what the receipt says (its signature was checked), and its bytes."""
        answer = self.reception.receive(body, peer, now=self.clock.now())
        if not answer.content:
            return answer.status, {}, b""
        keys = self.network.keys
        signed = verify(answer.content, lambda kid: keys[kid][1], types={RECEIPT}, window=Window(self.clock.now()))
        assert signed.headers["from"] == keys[signed.kid][0]
        told = {str(element.tag): element.text or "" for element in etree.fromstring(signed.payload)}
        assert told["RequestDigest"] == hashlib.sha256(body).hexdigest()
        told["to"] = str(signed.headers["to"])
        return answer.status, told, answer.content
