"""Taking packages in, applying them organisation by organisation, and reading what is in force.

Source: A0-004, A0-006, A0-009, A0-159 (the master that the network distributes).
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NoReturn
from uuid import uuid4

import structlog
from sqlalchemy import Engine

from chukan.platform.audit.actor import Actor
from chukan.platform.audit.rules import Action
from chukan.platform.clock import monotonic
from chukan.platform.errors import ChukanError
from chukan.platform.identifiers import TenantId
from chukan.platform.messages import mark, text
from chukan.tenants.middleserver.formats.messages import parse, value
from chukan.tenants.middleserver.security.errors import JoseRefused
from chukan.tenants.middleserver.security.jose import MAX_PACKAGE, Window, payload_of, verify
from chukan.tenants.middleserver.security.masters import store
from chukan.tenants.middleserver.security.masters.errors import (
    MastersMissing,
    PackageConflicting,
    PackageForged,
    PackageOriginMixed,
    PackageOutOfOrder,
    PackageUnknown,
)
from chukan.tenants.middleserver.security.masters.order import plan, require_next
from chukan.tenants.middleserver.security.masters.package import PACKAGE, read_head, read_package, write_package
from chukan.tenants.middleserver.security.masters.rules import Catalogue, PackageHead
from chukan.tenants.middleserver.security.masters.store import Held
from chukan.tenants.middleserver.security.masters.tables import Origin
from chukan.tenants.middleserver.security.ports import MasterSource, NetworkKeys

LIST = "IF_SCM_X0001_S01"
#: A list is of now; a package may have been signed years before a new installation fetches it.
_LIST_AGE = timedelta(days=1)
_PACKAGE_AGE = timedelta(days=365 * 30)
#: As many catalogues as are in force at once while a package is being applied, and one to spare.
_KEPT = 4
#: Seconds for which whoever judges messages believes where an organisation stands.
BELIEVED = 1.0
_log = structlog.get_logger(__name__)


class MastersAction(Action):
    """The acts on masters, all in the platform's chain."""

    RECEIVE = "masters:package:receive"
    LOAD = "masters:package:load"
    APPLY = "masters:package:apply"


class Masters:
    """What is in force, for any process that may read it; it may be used by many threads."""

    def __init__(self, engine: Engine, keys: NetworkKeys | None = None, *, believed_seconds: float = 0) -> None:
        """Read through *engine*; with *keys* the network's signature is verified again at each reading.

        Where an organisation stands is asked anew after *believed_seconds*: whoever judges many messages a second
        need not ask for each of them.
        """
        self._engine = engine
        self._keys = keys
        self._believed_seconds = believed_seconds
        self._standings: dict[TenantId, tuple[float, int]] = {}
        self._kept: OrderedDict[int, Catalogue] = OrderedDict()
        self._lock = threading.Lock()

    def catalogue(self, tenant: TenantId) -> Catalogue:
        """Return the masters in force for *tenant*.

        Raises:
            MastersMissing: none have been applied for it.
            PackageForged: what is stored is not what was received.
        """
        known = self._standings.get(tenant)
        if known is not None and monotonic() < known[0]:
            return self.package(known[1])
        with self._engine.connect() as connection:
            sequence = store.standing(connection, tenant)
        if sequence is None:
            raise MastersMissing(detail=f"tenant {tenant}")
        if self._believed_seconds:
            self._standings[tenant] = (monotonic() + self._believed_seconds, sequence)
        return self.package(sequence)

    def package(self, sequence: int) -> Catalogue:
        """Return the masters of one package, parsed once and kept.

        Raises:
            PackageUnknown: it has not been received.
            PackageForged: what is stored is not what was received.
        """
        with self._lock:
            if (known := self._kept.get(sequence)) is not None:
                self._kept.move_to_end(sequence)
                return known
        catalogue = self._read(sequence)
        with self._lock:
            self._kept[sequence] = catalogue
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return catalogue

    def held(self) -> Sequence[Held]:
        """Return the packages that have been received, in their order."""
        with self._engine.connect() as connection:
            return store.held(connection)

    def _read(self, sequence: int) -> Catalogue:
        with self._engine.connect() as connection:
            found = store.content(connection, sequence)
        if found is None:
            raise PackageUnknown(sequence=sequence)
        held, content = found
        if _digest(content) != held.digest:
            raise _forged(sequence, mark("the stored text has another digest"))
        document = content
        if held.origin is Origin.NETWORK:
            document = self._opened(content, held)
        catalogue = read_package(document)
        if catalogue.head != held.head:
            raise _forged(sequence, mark("the stored head is not the package's"))
        return catalogue

    def _opened(self, content: bytes, held: Held) -> bytes:
        if self._keys is None:
            return payload_of(content)
        window = Window(held.received_at, max_age=_PACKAGE_AGE)
        return _opened(content, self._keys, window, str(held.head.sequence))


@dataclass(frozen=True)
class Applied:
    """What became of applying masters to organisations: which took how many packages, and whose were refused."""

    packages: int
    organisations: int
    already: int


class Distribution:
    """Packages as they are taken in and applied, on behalf of an actor under the worker's log-in."""

    def __init__(self, actor: Actor, masters: Masters, keys: NetworkKeys | None = None) -> None:
        self._actor = actor
        self._masters = masters
        self._keys = keys

    def pull(self, source: MasterSource, *, now: datetime) -> list[PackageHead]:
        """Fetch what the network has published since, in order; return the heads of what was taken in.

        Raises:
            PackageForged: the list or a package is not the network's, or they contradict each other.
            PackageOutOfOrder, PackageMalformed, PackageConflicting, PackageOriginMixed: as ``receive``.
        """
        held = {each.head.sequence: each for each in self._masters.held()}
        if any(each.origin is Origin.OPERATOR for each in held.values()):
            raise PackageOriginMixed
        listed = self._listed(source.master_list(), now)
        taken = []
        for sequence, (head, digest) in listed.items():
            if sequence in held:
                if held[sequence].digest != digest:
                    raise PackageConflicting(sequence=sequence)
                continue
            content = source.master_package(sequence)
            if _digest(content) != digest:
                self._refuse(sequence, content, _forged(sequence, mark("it has another digest than the list says")))
            taken.append(self.receive(content, now=now, announced=head))
        return taken

    def receive(self, content: bytes, *, now: datetime, announced: PackageHead | None = None) -> PackageHead:
        """Take in the signed package *content*; the same one again changes nothing. Return its head.

        Raises:
            PackageForged: the signature is not the network's, or the head is not the one *announced*.
            PackageMalformed, MessageRefused: it contradicts itself, or its schema.
            PackageOutOfOrder, PackageOlder: another one has to come now.
            PackageConflicting: there is another one of its sequence.
            PackageOriginMixed: this installation has masters of its operators' own.

        Source: A0-006.
        """
        sequence = announced.sequence if announced else None
        try:
            if self._keys is None:
                raise _forged(sequence or 0, mark("the network's keys are not at hand"))
            document = _opened(content, self._keys, Window(now, max_age=_PACKAGE_AGE), str(sequence or "?"))
            catalogue = read_package(document)
            if announced is not None and catalogue.head != announced:
                raise _forged(sequence or 0, mark("its head is not the one that the list says"))
            return self._take_in(catalogue, content, Origin.NETWORK)
        except ChukanError as error:
            self._refuse(sequence, content, error)

    def load(self, catalogue: Catalogue) -> PackageHead:
        """Take in masters that an operator loads from the files of a standard, where the network gives none.

        Raises:
            PackageOutOfOrder, PackageOlder, PackageMalformed, PackageConflicting: as ``receive``.
            PackageOriginMixed: this installation has masters that the network signed.
        """
        return self._take_in(catalogue, write_package(catalogue, uuid4()), Origin.OPERATOR)

    def apply(
        self,
        tenants: Sequence[TenantId],
        *,
        to: int | None = None,
        progress: Callable[[TenantId], None] = lambda _tenant: None,
    ) -> Applied:
        """Bring organisations to the package *to* (the newest, if none is named), each package in its order.

        It may be interrupted and run again: an organisation that stands there already is left alone.

        Raises:
            PackageUnknown: *to* has not been received; or nothing has.
            PackageOlder: an organisation is beyond it.
            PackageForged: what is stored is not what was received.

        Source: A0-006, A0-009.
        """
        heads = [each.head for each in self._masters.held()]
        target = to if to is not None else max((head.sequence for head in heads), default=0)
        packages = organisations = already = 0
        for tenant in tenants:
            steps = self._steps(tenant, target, heads)
            for expected, sequence in steps:
                self._step(tenant, expected, sequence)
            packages += len(steps)
            organisations += bool(steps)
            already += not steps
            progress(tenant)
        return Applied(packages, organisations, already)

    def apply_one(self, tenant: TenantId, sequence: int) -> None:
        """Apply exactly the package *sequence* to *tenant*.

        Raises:
            PackageOutOfOrder: another one has to be applied before it.
            PackageOlder: the organisation has it already, or is beyond it.
            PackageUnknown, PackageForged: as ``apply``.
        """
        steps = self._steps(tenant, sequence, [each.head for each in self._masters.held()])
        if len(steps) != 1:
            raise PackageOutOfOrder(sequence=sequence, expected=steps[0][1] if steps else sequence + 1)
        self._step(tenant, *steps[0])

    def _steps(self, tenant: TenantId, target: int, heads: Sequence[PackageHead]) -> list[tuple[int | None, int]]:
        with self._actor.engine.connect() as connection:
            current = store.standing(connection, tenant)
        sequences = plan(current, target, heads)
        return list(zip([current, *sequences], sequences, strict=False))

    def _step(self, tenant: TenantId, expected: int | None, sequence: int) -> None:
        # Read before it is applied: what was tampered with since it came is never put in force.
        head = self._masters.package(sequence).head
        told = f"{head.version} {head.publication}"
        with self._actor.act(MastersAction.APPLY, f"tenant:{tenant}", sequence=sequence, version=told) as unit:
            if not store.advance(unit.connection, tenant, expected=expected, to=sequence, actor=self._actor.name):
                raise PackageOutOfOrder(sequence=sequence, expected=sequence + 1)

    def _take_in(self, catalogue: Catalogue, content: bytes, origin: Origin) -> PackageHead:
        head, digest = catalogue.head, _digest(content)
        action = MastersAction.RECEIVE if origin is Origin.NETWORK else MastersAction.LOAD
        subject = f"master_package:{head.sequence}"
        with self._actor.act(action, subject, version=head.version, sha256=digest.hex()) as unit:
            held = store.held(unit.connection)
            if any(each.origin is not origin for each in held):
                raise PackageOriginMixed
            if _is_among(held, head, digest, origin):
                unit.note(already=True)
                return head
            require_next(held[-1].head if held else None, head)
            if not store.take_in(unit.connection, head, origin, digest, content):
                # Somebody else took it in between: theirs is the same, or it is a conflict.
                _is_among(store.held(unit.connection), head, digest, origin)
                unit.note(already=True)
        return head

    def _listed(self, token: bytes, now: datetime) -> dict[int, tuple[PackageHead, bytes]]:
        """Return head and digest of each package that the network's list names."""
        if self._keys is None:
            raise _forged(0, mark("the network's keys are not at hand"))
        document = _opened(token, self._keys, Window(now, max_age=_LIST_AGE), LIST, kind=LIST)
        root = parse(document, {LIST}).root
        listed = {}
        for place, element in enumerate(root.iterfind("Package"), start=1):
            head = read_head(element)
            if head.sequence != place:
                raise PackageOutOfOrder(sequence=head.sequence, expected=place)
            listed[place] = (head, bytes.fromhex(value(element, "Digest")))
        if missing := [each.head.sequence for each in self._masters.held() if each.head.sequence not in listed]:
            raise _forged(missing[0], mark("the list names it no more"))
        return listed

    def _refuse(self, sequence: int | None, content: bytes, error: ChukanError) -> NoReturn:
        """Note that *content* was refused, and raise *error*."""
        with self._actor.engine.begin() as connection:
            store.note_refusal(connection, sequence, _digest(content), error.code)
        _log.warning("masters.package_refused", sequence=sequence, error=error.code)
        raise error


def _is_among(held: Sequence[Held], head: PackageHead, digest: bytes, origin: Origin) -> bool:
    """Return whether the package is there already.

    Raises:
        PackageConflicting: another one of its sequence is. An operator's own is written anew each time, so its head
            is compared; what the network signed is the same to the last byte.
    """
    same = next((each for each in held if each.head.sequence == head.sequence), None)
    if same is not None and (same.head != head or (origin is Origin.NETWORK and same.digest != digest)):
        raise PackageConflicting(sequence=head.sequence)
    return same is not None


def _opened(token: bytes, keys: NetworkKeys, window: Window, sequence: str, *, kind: str = PACKAGE) -> bytes:
    """Return what the network signed; raises PackageForged."""
    try:
        return verify(token, keys.public_key, types={kind}, window=window, max_bytes=MAX_PACKAGE).payload
    except JoseRefused as error:
        raise PackageForged(sequence=sequence, reason=error.told(), detail=error.detail) from error


def _forged(sequence: int, reason: str) -> PackageForged:
    return PackageForged(sequence=sequence, reason=text(reason))


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
