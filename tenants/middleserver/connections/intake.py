"""Messages of existing systems: read, compared with the certificate, done once, answered.

Source: A0-155; A0-157, A0-152 (their part for existing systems); decision 30.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID, uuid4

from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.connections.answers import Answers, Reply
from chukan.tenants.middleserver.connections.errors import FileMismatch
from chukan.tenants.middleserver.connections.rules import Allowed, System, TestPersons
from chukan.tenants.middleserver.connections.trial import Trial
from chukan.tenants.middleserver.duplicate_copies.errors import UploadUnknown
from chukan.tenants.middleserver.duplicate_copies.ports import Masters
from chukan.tenants.middleserver.duplicate_copies.rules import UploadState
from chukan.tenants.middleserver.duplicate_copies.service import Uploads
from chukan.tenants.middleserver.duplicate_copies.store import Upload
from chukan.tenants.middleserver.duplicate_copies.trail import Caller
from chukan.tenants.middleserver.formats.codes import AddressNumber, SystemId, address_number
from chukan.tenants.middleserver.formats.messages import (
    Message,
    MessageHeader,
    MessageMode,
    add,
    new_message,
    parse,
    render,
)
from chukan.tenants.middleserver.linkage_codes.acquisition import Acquisition, Requested
from chukan.tenants.middleserver.linkage_codes.acquisition import Caller as CodeCaller
from chukan.tenants.middleserver.security.certificates.service import Keys
from chukan.tenants.middleserver.security.masters.package import PLATFORM_SYSTEM
from chukan.tenants.middleserver.transmission.service import identity
from chukan.tenants.middleserver.transmission.switch import Stops

REGISTRATION, REGISTRATION_ANSWER = "IF_DBM_20113_R01", "IF_DBM_X0011_S01"
CODES, CODES_ANSWER = "IF_FGU_X0011_R01", "IF_FGU_X0011_S01"
XML = "application/xml; charset=utf-8"


@dataclass(frozen=True)
class Request:
    """A request of a system: the id that ties its traces together, and its instant (UTC).

    Of a message *key* is what the very same one is known by when it comes again, and *user* who asks at the
    organisation.
    """

    system: System
    id: str
    now: datetime
    key: str | None = None
    user: str = field(default="", repr=False)

    @property
    def caller(self) -> Caller:
        """Who acts on uploads and copies."""
        return Caller(self.system.tenant, self.system.actor, self.id)


@dataclass(frozen=True)
class Work:
    """What is done with messages of one type, and what a system must be allowed for it."""

    allowed: Allowed
    #: Returns the answer; a second time the same is given from what was stored.
    do: Callable[[Request, Message], bytes]
    #: Makes of the stored answer the one that is given: what has become of it since then is told anew each time.
    then: Callable[[Request, Message, bytes], bytes] | None = None
    #: Off for what only reads: it is told as it stands each time, and its content is not stored once more.
    stored: bool = True


class Intake:
    """What ``POST /if/<MSGTypeID>`` does."""

    def __init__(
        self,
        sessions: TenantSessions,
        vault: Vault,
        uploads: Uploads,
        answers: Answers,
        persons: TestPersons,
        *,
        masters: Masters,
        stops: Stops,
        further: Mapping[str, Work],
    ) -> None:
        """Work in tenants' sessions; *masters* judge the files of the test mode, whose persons are *persons*.

        *stops* tells whether the operators have stopped the exchange. *further* is what others do, by message type.
        """
        self._keys = Keys(sessions, vault)
        self._acquisition = Acquisition(sessions, vault)
        self._stops = stops
        self._uploads = uploads
        self._answers = answers
        self._trial = Trial(sessions, vault, uploads, answers, persons, masters=masters)
        self._persons = persons
        self._work: Mapping[str, Work] = {
            REGISTRATION: Work(Allowed.UPLOADS, self._register),
            CODES: Work(Allowed.LINKAGE_CODES, self._codes),
            **further,
        }

    @property
    def types(self) -> frozenset[str]:
        """The message types that are taken."""
        return frozenset(self._work)

    def handle(self, request: Request, message_type: str, body: bytes, key: str | None) -> Reply:
        """Return the answer to the message in *body*; under the same *key* (or MSGID) it is done once.

        Raises:
            NotAllowed, SenderMismatch: the certificate is not for this, or names another sender.
            KeyReused, RequestUnderWay: as ``Answers.once``.
            ChukanError: as formats and the features refuse it.
        """
        work = self._work[message_type]
        request.system.require_allowed(work.allowed)
        message = parse(body, {message_type})
        request.system.require_sender(
            department=message.value("RequestSourceUnitCode"), system_id=message.header.source
        )
        request = replace(request, user=message.value("RequestSourceUserID"))
        if not work.stored:
            return Reply(200, XML, work.do(request, message))
        key, parts = key or str(message.header.message_id), (message_type.encode(), body)
        request = replace(request, key=self._answers.name_of(request.system, key, parts))
        reply = self._answers.once(
            request.system,
            key,
            parts,
            lambda: Reply(200, XML, work.do(request, message)),
            now=request.now,
        )
        return reply if work.then is None else Reply(200, XML, work.then(request, message, reply.body))

    def trial_report(self, request: Request, upload: Upload) -> Reply | None:
        """Return the error report of a file that was sent in test mode; None if *upload* was none."""
        return self._trial.report(request.system, upload)

    def _register(self, request: Request, message: Message) -> bytes:
        """Have a file registered in the coming night; in test mode check it, and give it up."""
        upload = own_upload(self._uploads, request.system, UUID(message.value("AttachmentID")))
        if message.value("AttachedFileName") != upload.name:
            raise FileMismatch(field="AttachedFileName")
        if message.header.mode is MessageMode.TEST:
            upload = self._trial.run(request.system, request.caller, upload, now=request.now)
        else:
            self._trial.refuse_test_persons(request.caller, upload)
            upload = self._uploads.complete(request.caller, upload.id, now=request.now)
        root = new_message("SPIRegistrationDeleteAnswer", answer_header(message, REGISTRATION_ANSWER))
        add(root, "AttachmentID", str(upload.id))
        # In test mode what the night would say, of a file that is given up either way.
        is_wrong = message.header.mode is MessageMode.TEST and upload.faults > 0
        add(root, "State", UploadState.REFUSED.value if is_wrong else upload.state.value)
        add(root, "Records", upload.expected)
        return render(root)

    def _codes(self, request: Request, message: Message) -> bytes:
        """Ask the network for codes; in test mode invent serials for test persons, and store nothing."""
        found = [address_number(each.text or "") for each in message.root.iterfind("IntegratedAddressNumber")]
        self._persons.require(message.header.mode, found)
        if message.header.mode is MessageMode.TEST:
            told = Requested(serials={address: f"TEST-{address}" for address in found})
        else:
            system = request.system
            self._stops.require_going(system.tenant)
            institution = identity(self._keys, system.tenant, request.now).institution
            again = message.value("Again") == "1"
            caller = CodeCaller(system.tenant, system.actor, request.id)
            told = self._acquisition.request(caller, institution, found, now=request.now, again=again)
        root = new_message("CodeRequestAnswer", answer_header(message, CODES_ANSWER))
        for address in found:
            entry = add(root, "Entry")
            add(entry, "IntegratedAddressNumber", address)
            result, serial = _result(told, address)
            add(entry, "Result", result)
            if serial is not None:
                add(entry, "ProcessingSerial", serial)
        return render(root)


def own_upload(uploads: Uploads, system: System, upload: UUID) -> Upload:
    """Return an upload of the system's own department; raises UploadUnknown for all others."""
    known = uploads.status(system.tenant, upload)
    if known.department != system.department:
        raise UploadUnknown(upload=upload)
    return known


def _result(told: Requested, address: AddressNumber) -> tuple[str, str | None]:
    if address in told.serials:
        return "requested", told.serials[address]
    if address in told.under_way:
        return "under_way", told.under_way[address]
    return "acquired", None


def answer_header(asked: Message, message_type: str) -> MessageHeader:
    """Return the header of an answer: back to who asked, in the same mode, with the id of what was asked."""
    header = asked.header
    return MessageHeader(
        uuid4(), message_type, header.mode, SystemId(PLATFORM_SYSTEM), header.source,
        reception_number=str(header.message_id), result="accepted",
    )  # fmt: skip
