"""``chukan demo copies``: duplicate copies from the masters to what was registered, refused, and why.

Each step asks the database what is there and does the rest. Two municipalities of the demonstration take part; their
systems and register terminals are played here, over mutual TLS, and everything else is the platform's own.
"""

from __future__ import annotations

import csv
import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from chukan.demo.contents import Contents, Municipality
from chukan.demo.errors import Stalled
from chukan.demo.features import features
from chukan.demo.installation import ACTOR, Installation
from chukan.demo.network import BusinessSystem, Network
from chukan.demo.place import Place
from chukan.demo.residents import File, Resident, moved_in, residents, right_file, wrong_files
from chukan.demo.rules import brought_forward
from chukan.demo.steps import bar
from chukan.platform.clock import SystemClock, as_tokyo, monotonic
from chukan.platform.database.roles import ProcessKind
from chukan.platform.identifiers import TenantId
from chukan.platform.messages import text
from chukan.platform.service_hours.services import Service
from chukan.tenants.middleserver.connections.intake import CODES, CODES_ANSWER, REGISTRATION
from chukan.tenants.middleserver.connections.rules import Allowed
from chukan.tenants.middleserver.connections.service import Application, Systems
from chukan.tenants.middleserver.duplicate_copies.night import Night, NightReport, Progress
from chukan.tenants.middleserver.duplicate_copies.rules import FileForm, UploadState
from chukan.tenants.middleserver.duplicate_copies.store import Upload
from chukan.tenants.middleserver.duplicate_copies.trail import Caller
from chukan.tenants.middleserver.formats.codes import SystemId, department_code, system_id
from chukan.tenants.middleserver.formats.messages import (
    Element,
    MessageHeader,
    MessageMode,
    add,
    new_message,
    parse,
    render,
    value,
)
from chukan.tenants.middleserver.gate import REASON_WORDS, Gate
from chukan.tenants.middleserver.linkage_codes.desk import codes_of
from chukan.tenants.middleserver.linkage_codes.rules import UNDER_WAY, RequestState
from chukan.tenants.middleserver.operations.data import shipped_nights
from chukan.tenants.middleserver.operations.desk import MastersInForce, uploads
from chukan.tenants.middleserver.operations.rules import window_at
from chukan.tenants.middleserver.operations.service import NightBatch, Registrar
from chukan.tenants.middleserver.security.certificates.rules import KeyState, KeyUse
from chukan.tenants.middleserver.security.certificates.service import Certificates
from chukan.tenants.middleserver.security.desk import SecurityDesk
from chukan.tenants.middleserver.security.desk import desk_for as security_desk
from chukan.tenants.middleserver.security.masters.package import PLATFORM_SYSTEM
from chukan.tenants.middleserver.security.masters.service import Distribution
from chukan.tenants.middleserver.transmission.desk import TransmissionDesk, connect
from chukan.tenants.middleserver.transmission.desk import desk_for as exchange_desk
from chukan.tenants.middleserver.transmission.relay import Relay
from chukan.tenants.registry.populations import import_population
from chukan.tenants.registry.service import Registry
from chukan.tenants.registry.store import Filter, Registered
from chukan.tenants.registry.values import State

#: Small, so that a file of some hundred records has several pieces.
_PIECE = 16 << 10
_CODES_SECONDS = 60.0
#: Longer than the lease of a worker that was killed while it had the night.
_NIGHT_SECONDS = 90.0
_LOOK_SECONDS = 0.1
_USER = "demo"
XML = {"Content-Type": "application/xml"}
_OPEN = frozenset({UploadState.RECEIVED, UploadState.STAGING, UploadState.VALIDATED})


@dataclass(frozen=True)
class Town:
    """A municipality that takes part, with its tenant, its invented residents, and its system at the gateway."""

    registered: Registered
    tenant: TenantId
    code: str
    people: Sequence[Resident]
    system: BusinessSystem


@dataclass(frozen=True)
class Told:
    """What became of a file, as the gateway tells the municipality, and the lines of its error report."""

    town: str
    file: File
    standing: Mapping[str, Any]
    faults: Sequence[Mapping[str, str]] = field(default=(), repr=False)


@dataclass
class Copies:
    """The steps, on one running installation with its gateway and the simulated network."""

    place: Place
    installation: Installation
    contents: Contents
    network: Network
    security: SecurityDesk
    exchange: TransmissionDesk
    distribution: Distribution
    certifying: Certificates

    def masters(self) -> str:
        """Fetch the masters that the network has published, verify them, and put them in force for every tenant."""
        before = len(self.security.masters.held())
        with self.security.network() as (peers, distribution, _certificates):
            distribution.pull(peers.source, now=self.installation.now())
        held = len(self.security.masters.held())
        tenants = [each.tenant for each in self._registered() if each.tenant is not None and each.state is State.ACTIVE]
        with bar(text("Masters"), len(tenants)) as advance:
            done = self.distribution.apply(tenants, progress=lambda _tenant: advance(1))
        return text(
            "{count} packages, {new} new; in force for {organisations} organisations, {changed} of them newly",
            count=held, new=held - before, organisations=len(tenants), changed=done.organisations,
        )  # fmt: skip

    def certificates(self) -> str:
        """Have the municipalities' keys certified by the network, and put them in force."""
        new = sum(self._certified(town, use) for town in self.towns() for use in KeyUse)
        return text("{count}, {new} new", count=len(self.contents.copies.municipalities) * len(KeyUse), new=new)

    def systems(self) -> str:
        """Register the municipalities' systems with their client certificates, and the invented populations."""
        wanted, now = self.contents.copies, self.installation.now()
        towns = self.towns()
        counted = {each.code: each.population for each in wanted.municipalities}
        lines = [f"{town.code},{counted[town.code]}\n" for town in towns if town.registered.population is None]
        if lines:
            import_population(
                self.installation.actor(ProcessKind.CONSOLE), "".join(["code,population\n", *lines]).encode(),
                "demonstration.toml", as_of=wanted.population_as_of, source=wanted.population_source, partial=False,
                now=now,
            )  # fmt: skip
        systems, new = Systems(self.installation.actor(ProcessKind.WORKER)), 0
        for town in towns:
            if not any(each.revoked_at is None for each in systems.registered(town.tenant)):
                application = Application(
                    town.tenant, department_code(wanted.department), system_id(wanted.system), frozenset(Allowed)
                )  # fmt: skip
                systems.register(town.system.card.read_bytes(), application, file=town.system.card.name, now=now)
                new += 1
        return text("{count}, {new} new", count=len(towns), new=new)

    def gate(self) -> str:
        """Tell whether the exchange would be open now, and that here it is."""
        now = self.installation.now()
        closed = Gate(self.installation.engine(ProcessKind.GATEWAY)).closed(
            self.towns()[0].tenant, Service.SYSTEM, now
        )  # fmt: skip
        if closed is None:
            return text("open")
        opening = "–" if closed.next_opening is None else f"{as_tokyo(closed.next_opening):%Y-%m-%d %H:%M}"
        return text(
            "closed in real operation ({reason}; opens {opening}); the demonstration's gateway is open all the same",
            reason=text(REASON_WORDS[closed.reason]), opening=opening,
        )  # fmt: skip

    def codes(self) -> str:
        """Get the residents' linkage codes: the system asks, the terminal registers, the network answers."""
        desk, new = codes_of(self.exchange), 0
        for town in self.towns():
            if self._settled(town) < len(town.people):
                self._ask_for_codes(town)
                new += len(town.people)
        begun = monotonic()
        with bar(text("Linkage codes"), new) as advance, self.relay() as relay:
            shown = 0
            while (left := sum(self._under_way(town) for town in self.towns())) > 0:
                relay.run()
                advance(new - left - shown)
                shown = new - left
                self._wait(begun, _CODES_SECONDS, "linkage codes")
        counts = [desk.codes.overview(town.tenant).requests for town in self.towns()]
        acquired, unknown = (
            sum(each[state] for each in counts) for state in (RequestState.ACQUIRED, RequestState.UNKNOWN_PERSON)
        )
        return text(
            "{acquired} acquired; {unknown} answered as unknown to the register network; {new} asked for now",
            acquired=acquired, unknown=unknown, new=new,
        )  # fmt: skip

    def uploads(self) -> str:
        """Send the files in pieces, as far as they have not been sent."""
        sent = pieces = 0
        with bar(text("Files of duplicate copies"), len(self._files())) as advance:
            for town, file in self._files():
                found = self._send(town, file)
                sent, pieces = sent + (found > 0), pieces + found
                advance(1)
        return text(
            "{count} files, {new} sent now in {pieces} pieces", count=len(self._files()), new=sent, pieces=pieces
        )

    def night(self) -> str:
        """Run the night batch: the real night if one is open, else one that is brought forward."""
        now, clock = self.installation.now(), SystemClock()
        ordinary = shipped_nights()
        is_open = window_at(ordinary, now) is not None
        waiting = [upload for town in self.towns() for upload in self._known(town).values() if upload.state in _OPEN]
        begun = monotonic()
        with bar(text("Night batch"), sum(upload.expected for upload in waiting)) as advance:
            registrar = _Watched(
                Night(self.exchange.sessions, self.exchange.vault, MastersInForce(self.exchange.actor.engine), clock),
                advance,
            )
            terms = ordinary if is_open else (brought_forward(ordinary[-1], now),)
            batch = NightBatch(self.exchange.actor, self.exchange.sessions, registrar, clock, terms)
            while any(upload.state in _OPEN for town in self.towns() for upload in self._known(town).values()):
                batch.run()
                self._wait(begun, _NIGHT_SECONDS, "night-batch")
        told = text("{files} files worked on", files=len(waiting))
        return told if is_open else text("{told}; no night is open now, so this one was brought forward", told=told)

    def outcome(self) -> list[Told]:
        """Ask the gateway, as the municipalities' systems do, what became of each file, and why it was refused."""
        found = []
        for town, file in self._files():
            upload = self._known(town)[file.name]
            standing: dict[str, Any] = json.loads(town.system.ask("GET", f"/uploads/{upload.id}").body)
            caller = Caller(town.tenant, ACTOR, self.installation.request)
            # The system downloads the same report in Japanese; here it is told in the reader's language.
            report = uploads(self.exchange).error_report(caller, upload.id) if standing["faults"] else ()
            keys = ("record", "number", "line", "item", "name", "reason", "told", "hint")
            faults = [dict(zip(keys, row, strict=True)) for row in csv.reader(report)][1:]
            found.append(Told(town.registered.name, file, standing, faults))
        return found

    def towns(self) -> list[Town]:
        """Return the municipalities that take part, as they are registered now."""
        wanted, moved = self.contents.copies, self.contents.inquiries.moved
        known = {each.code: each for each in self._registered()}
        first, *others = (
            residents(place * wanted.residents + 1, wanted.residents) for place in range(len(wanted.municipalities))
        )
        people = [first, *(moved_in(each, first, moved) for each in others)]
        return [
            self._town(known[each.code], each, own) for each, own in zip(wanted.municipalities, people, strict=True)
        ]

    def _town(self, found: Registered, wanted: Municipality, people: Sequence[Resident]) -> Town:
        if found.tenant is None:
            raise LookupError(f"{wanted.code} has no tenant")
        card = self.place.cards.of(f"system-{wanted.code}")
        port = self.installation.settings.gateway.port
        return Town(found, found.tenant, wanted.code, people, BusinessSystem(port, self.network.ca, card))

    def _registered(self) -> Sequence[Registered]:
        registry = Registry(self.installation.actor(ProcessKind.CONSOLE))
        return registry.find(Filter(), as_tokyo(self.installation.now()).date())

    def _certified(self, town: Town, use: KeyUse) -> bool:
        """See to it that the town has a key of this use in force; return whether that is new."""
        keys = [key for key in self.security.keys.list(town.tenant) if key.use is use]
        if any(key.state is KeyState.ACTIVE for key in keys):
            return False
        waiting = [key.kid for key in keys if key.state is KeyState.PENDING and key.kid is not None]
        kid = (
            waiting[0]
            if waiting
            else self.certifying.request(town.tenant, self.institution(town), use, now=self.installation.now())
        )
        self.certifying.activate(town.tenant, kid, now=self.installation.now())
        return True

    def _settled(self, town: Town) -> int:
        counts = codes_of(self.exchange).codes.overview(town.tenant).requests
        return sum(count for state, count in counts.items() if state not in UNDER_WAY)

    def _under_way(self, town: Town) -> int:
        counts = codes_of(self.exchange).codes.overview(town.tenant).requests
        return sum(counts[state] for state in UNDER_WAY)

    def _ask_for_codes(self, town: Town) -> None:
        """Ask through the gateway, and have the terminal tell the register network whose serials they are."""
        root = self.message("CodeRequest", CODES)
        for person in town.people:
            add(root, "IntegratedAddressNumber", person.address)
        answer = town.system.ask("POST", f"/if/{CODES}", render(root), XML)
        entries = list(parse(answer.body, {CODES_ANSWER}).root.iterfind("Entry"))
        records = {person.address: person.record_code for person in town.people}
        institution = self.institution(town)
        self.network.register(
            [
                {
                    "ResidentRecordCode": records[value(entry, "IntegratedAddressNumber")],
                    "ProcessingSerial": value(entry, "ProcessingSerial"),
                    "InstitutionCode": institution,
                }
                for entry in entries
                if value(entry, "Result") != "acquired"
            ]
        )

    def _files(self) -> list[tuple[Town, File]]:
        """Return all files, each with who sends it; they are the same in every run."""
        day, towns = as_tokyo(self.installation.now()).date(), self.towns()
        made = []
        for town, form in zip(towns, FileForm, strict=False):
            catalogue = self.security.masters.catalogue(town.tenant)
            made.append((town, right_file(catalogue, town.code, town.people, form, day)))
        first = towns[0]
        wrong = wrong_files(self.security.masters.catalogue(first.tenant), first.code, first.people, day)
        return [*made, *((first, file) for file in wrong)]

    def _known(self, town: Town) -> dict[str, Upload]:
        """Return the newest upload of each name, given up ones left aside."""
        recent = uploads(self.exchange).recent(town.tenant)
        return {each.name: each for each in reversed(recent) if each.state is not UploadState.CANCELLED}

    def _send(self, town: Town, file: File) -> int:
        """Send what is missing of a file, and return in how many pieces; the same file again changes nothing."""
        known = self._known(town).get(file.name)
        if known is not None and known.state is UploadState.REFUSED:
            return 0
        metadata = {
            "name": file.name, "form": file.form.value, "information": file.information, "dataset": file.dataset,
            "sha256": hashlib.sha256(file.content).hexdigest(), "records": str(file.records),
        }  # fmt: skip
        address, state, offset = town.system.announce(file.content, metadata)
        if state != UploadState.RECEIVING:
            return 0
        pieces = range(offset, len(file.content), _PIECE)
        for begins in pieces:
            town.system.send_piece(address, file.content[begins : begins + _PIECE], begins)
        root = self.message("SPIRegistrationDeleteRequest", REGISTRATION)
        add(root, "AttachedFileName", file.name)
        add(root, "AttachmentID", address.rpartition("/")[2])
        town.system.ask("POST", f"/if/{REGISTRATION}", render(root), XML)
        return max(len(pieces), 1)

    def institution(self, town: Town) -> str:
        """Return the institution code that the network knows the town by."""
        return self.security.masters.catalogue(town.tenant).organisation(town.code).institution_code

    def message(self, root: str, kind: str) -> Element:
        """Return the head of a message of a municipality's system."""
        wanted = self.contents.copies
        header = MessageHeader(
            uuid4(), kind, MessageMode.PRODUCTION, system_id(wanted.system), SystemId(PLATFORM_SYSTEM)
        )  # fmt: skip
        made = new_message(root, header)
        add(made, "RequestSourceUnitCode", wanted.department)
        add(made, "RequestSourceUserID", _USER)
        return made

    def relay(self) -> AbstractContextManager[Relay]:
        """Lend a relay that sends what waits now, beside that of the worker, which looks every few seconds."""
        exchange = self.exchange
        return exchange.relay(features(exchange.settings, exchange.sessions, exchange.vault))

    def _wait(self, begun: float, patience: float, what: str) -> None:
        if monotonic() - begun > patience:
            raise Stalled(what=what, seconds=round(patience), log=self.place.logs)
        threading.Event().wait(_LOOK_SECONDS)


@dataclass
class _Watched:
    """The night's registrar, whose progress is shown."""

    registrar: Registrar
    advance: Callable[[int], None]
    _seen: dict[Any, int] = field(default_factory=dict)

    def register(self, caller: Caller, *, deadline: datetime, progress: Callable[[Progress], None]) -> NightReport:
        """Register as the other one does, and show how many records have been read."""

        def shown(now: Progress) -> None:
            self.advance(now.records - self._seen.get(now.upload, 0))
            self._seen[now.upload] = now.records
            progress(now)

        return self.registrar.register(caller, deadline=deadline, progress=shown)


@contextmanager
def copies_on(place: Place, installation: Installation, contents: Contents, network: Network) -> Iterator[Copies]:
    """Open what the steps need, on a running installation."""
    actor, settings = installation.actor(ProcessKind.WORKER), installation.settings
    with ExitStack() as stack:
        security = stack.enter_context(security_desk(actor, settings, connect))
        exchange = stack.enter_context(exchange_desk(actor, settings))
        _peers, distribution, certificates = stack.enter_context(security.network())
        yield Copies(place, installation, contents, network, security, exchange, distribution, certificates)
