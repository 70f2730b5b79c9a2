"""Institutions whose systems run in here: pension service and insurer, and whoever else a test wants."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from chukan_simulators.national_network.authority import Pair
from chukan_simulators.national_network.context import Context
from chukan_simulators.national_network.keys import Keys
from chukan_simulators.national_network.permits import Signer

#: From which day the institutions outside may inquire and may provide; "" is never. Of the pension service, the first
#: day is the published one, and of the second the month (A0-012); the others are invented.
PARTNERS: Mapping[str, tuple[str, str]] = {
    "9000000000000001": ("2019-04-15", "2019-06-17"),
    "9000000000000002": ("", "2018-11-01"),
}
#: What a hosted provider answers by itself: silent ones wait for the control side.
ANSWERS = frozenset({"provided", "deferred", "refused", "silent"})
_FIRST_DAY = "0001-01-01"


class HostUnfit(Exception):
    """An institution cannot be hosted so."""


@dataclass(frozen=True)
class Host:
    """A hosted institution: its keys, its days (None: never), and how it answers."""

    institution: str
    signing: Pair
    encryption: Pair
    inquires_from: str | None
    provides_from: str | None
    answers: str

    def shown(self) -> dict[str, Any]:
        """Return it as the control side shows it."""
        names = ("institution", "inquires_from", "provides_from", "answers")
        return {name: getattr(self, name) for name in names}


class Hosts:
    """Who is hosted, and which institutions are closed."""

    def __init__(self, context: Context, keys: Keys) -> None:
        self._context = context
        self._store = context.store
        self._keys = keys
        self._known: dict[str, Host] = {}
        self._closed = set(self._store.fact("closed").split())
        # While keys are made for somebody, nobody else makes some for the same one.
        self._lock = threading.Lock()
        self._read()
        for institution in PARTNERS:
            if institution not in self._known:
                self.set(institution)

    def _read(self) -> None:
        known = {}
        for row in self._store.found_all("select * from host"):
            pairs = Pair.read(row["signing"].encode()), Pair.read(row["encryption"].encode())
            known[row["institution"]] = Host(
                row["institution"], *pairs, row["inquires_from"], row["provides_from"], row["answers"]
            )
        self._known = known

    def has(self, institution: str) -> bool:
        """Return whether *institution* is hosted."""
        return institution in self._known

    def of(self, institution: str) -> Host:
        """Return the hosted *institution*.

        Raises: HostUnfit if it is not.
        """
        if institution not in self._known:
            raise HostUnfit(f"{institution} is not hosted")
        return self._known[institution]

    def all(self) -> list[Host]:
        """Return whoever is hosted; the partners always are."""
        return [self._known[institution] for institution in sorted(self._known)]

    def set(self, institution: str, **changed: object) -> Host:
        """Host *institution*, or change how: ``inquires_from`` and ``provides_from`` (None: never), ``answers``.

        Raises: HostUnfit if it has certificates elsewhere, or a value means nothing.
        """
        _check(changed)
        with self._lock:
            if institution not in self._known:
                self._make(institution)
            usual = self._known[institution].shown()
            told = {**usual, **changed}
            with self._store.transaction() as connection:
                connection.execute(
                    "update host set inquires_from = ?, provides_from = ?, answers = ? where institution = ?",
                    (told["inquires_from"], told["provides_from"], told["answers"], institution),
                )
            self._read()
        return self._known[institution]

    def _make(self, institution: str) -> None:
        if self._keys.is_connected(institution):
            raise HostUnfit(f"{institution} has a system of its own")
        pairs = [self._certified(institution, use) for use in ("sign", "enc")]
        days = [each or None for each in PARTNERS.get(institution, (_FIRST_DAY, _FIRST_DAY))]
        with self._store.transaction() as connection:
            connection.execute(
                "insert into host (institution, signing, encryption, inquires_from, provides_from) "
                "values (?, ?, ?, ?, ?)",
                (institution, *(pair.pem.decode() for pair in pairs), *days),
            )
        self._read()

    def _certified(self, institution: str, use: str) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
        pem = request.public_bytes(serialization.Encoding.PEM).decode()
        return Pair(self._keys.issue(institution, use, pem)[0], key)

    def may_inquire(self, institution: str, day: str) -> bool:
        """Return whether *institution* may inquire on *day*."""
        host = self._known.get(institution)
        return host is None or (host.inquires_from is not None and host.inquires_from <= day)

    def may_provide(self, institution: str, day: str) -> bool:
        """Return whether *institution* may provide on *day*."""
        host = self._known.get(institution)
        return host is None or (host.provides_from is not None and host.provides_from <= day)

    def close(self, institution: str, *, closed: bool) -> None:
        """Let *institution* be closed to requests, or no longer."""
        (self._closed.add if closed else self._closed.discard)(institution)
        self._store.keep("closed", " ".join(sorted(self._closed)))

    def is_closed(self, institution: str) -> bool:
        """Return whether *institution* takes no requests."""
        return institution in self._closed

    def signer(self) -> Signer:
        """Return kid and key of an organisation that may sign messages, and no permits."""
        host = self.of(next(iter(PARTNERS)))
        return host.signing.kid, host.signing.key


def _check(changed: Mapping[str, object]) -> None:
    if not changed.keys() <= {"inquires_from", "provides_from", "answers"}:
        raise HostUnfit("no such thing can be set")
    if changed.get("answers", "provided") not in ANSWERS:
        raise HostUnfit("answers")
    for name in ("inquires_from", "provides_from"):
        value = changed.get(name)
        if value is not None:
            date.fromisoformat(str(value))
