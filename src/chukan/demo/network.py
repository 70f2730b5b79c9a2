"""Who the demonstration's middle server talks to: the simulated national network, and systems of municipalities.

The network is a program with a folder of its own in the demonstration's (its certificates, codes and messages, which
outlive a run). The municipalities' systems and register terminals are played by the demonstration itself; the
certificates of the systems come from an authority that it makes once and keeps beside them.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import ssl
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chukan.demo.errors import AnswerUnexpected
from chukan.demo.processes import Program, Running
from chukan.platform.clock import SystemClock

#: The statuses of what was done as it was asked for.
SUCCESS = range(http.client.OK, http.client.MULTIPLE_CHOICES)
_SECONDS = 30.0
#: A code comes within seven of these; a message that was not taken is delivered again that soon.
_BUSINESS_DAY_SECONDS = "0.05"
_AGAIN_SECONDS, _AGAIN_LONGEST_SECONDS = "0.2", "1"
_VALID = timedelta(days=3652)
_EARLIER = timedelta(days=1)


@dataclass(frozen=True)
class Network:
    """What the simulated network said of itself when it began to listen: ports of this machine, and PEM files."""

    url: str
    port: int
    control: int
    ca: Path
    platform: Path
    terminal: Path

    def deliver_to(self, url: str) -> None:
        """Have its messages delivered to the platform at *url* from now on."""
        asked = http.client.HTTPConnection("127.0.0.1", self.control, timeout=_SECONDS)
        with closing(asked):
            _exchange(asked, "POST", "/platform", json.dumps({"url": url}).encode(), {})

    def begin_traffic(self, inquiries: int, per_second: float, providers: Sequence[str]) -> None:
        """Have a partner of the network ask *providers* (institution codes), mixed as inquiries were counted."""
        told = {"count": inquiries, "per_second": per_second, "providers": providers}
        asked = http.client.HTTPConnection("127.0.0.1", self.control, timeout=_SECONDS)
        with closing(asked):
            _exchange(asked, "POST", "/traffic", json.dumps(told).encode(), {})

    def has_traffic(self) -> bool:
        """Return whether such a partner asks now."""
        asked = http.client.HTTPConnection("127.0.0.1", self.control, timeout=_SECONDS)
        with closing(asked):
            told = json.loads(_exchange(asked, "GET", "/traffic", b"", {}).body)
        return bool(told["left"])

    def register(self, requests: Sequence[Mapping[str, str | None]]) -> None:
        """Give resident record codes and serials to the register network, as a municipality's terminal does."""
        context = ssl.create_default_context(cafile=str(self.ca))
        context.load_cert_chain(self.terminal)
        asked = http.client.HTTPSConnection("localhost", self.port, timeout=_SECONDS, context=context)
        with closing(asked):
            _exchange(asked, "POST", "/register/requests", json.dumps(requests).encode(), {})


def simulated_network(home: Path, packages: int) -> Program:
    """Return the network, kept in the folder *home*; so many *packages* of masters are published."""
    arguments = (
        "-m", "chukan_simulators.national_network", "--directory", str(home), "--publish", str(packages),
        "--business-day-seconds", _BUSINESS_DAY_SECONDS,
        "--redelivery-seconds", _AGAIN_SECONDS, "--redelivery-longest-seconds", _AGAIN_LONGEST_SECONDS,
    )  # fmt: skip
    return Program("network", arguments, _listens, serves_others=True)


def network_of(log: Path) -> Network:
    """Return what the network that runs said of itself: the first line of what it printed."""
    told: dict[str, Any] = json.loads(log.read_text("utf-8").splitlines()[0])
    files = {name: Path(told[name]) for name in ("ca", "platform", "terminal")}
    return Network(told["url"], told["port"], told["control"], **files)


def _listens(running: Running) -> str | None:
    if "\n" not in running.log.read_text("utf-8"):
        return None
    return network_of(running.log).url


@dataclass(frozen=True)
class Answer:
    """What came back: status, headers, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class BusinessSystem:
    """A municipality's own system, as it connects to the gateway: over TLS with its certificate (PEM, with its key)."""

    port: int
    network_ca: Path
    card: Path

    def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        expected: Collection[int] = SUCCESS,
    ) -> Answer:
        """Return the gateway's answer, of a status that is *expected*.

        Raises:
            AnswerUnexpected: it is of another one.
        """
        context = ssl.create_default_context(cafile=str(self.network_ca))
        context.load_cert_chain(self.card)
        asked = http.client.HTTPSConnection("localhost", self.port, timeout=_SECONDS, context=context)
        with closing(asked):
            return _exchange(asked, method, path, body, headers or {}, expected=expected)

    def announce(self, content: bytes, metadata: Mapping[str, str]) -> tuple[str, str, int]:
        """Announce a file; return its address, its state, and how many bytes of it have come."""
        told = ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in metadata.items())
        headers = {"Upload-Length": str(len(content)), "Upload-Metadata": told, "Tus-Resumable": "1.0.0"}
        found = self.ask("POST", "/uploads", headers=headers).headers
        return found["Location"], found["Upload-State"], int(found["Upload-Offset"])

    def send_piece(self, upload: str, piece: bytes, offset: int) -> None:
        """Send the piece of an announced file that begins at *offset*."""
        checksum = base64.b64encode(hashlib.sha256(piece).digest()).decode()
        headers = {
            "Content-Type": "application/offset+octet-stream",
            "Upload-Offset": str(offset),
            "Upload-Checksum": f"sha256 {checksum}",
        }
        self.ask("PATCH", upload, piece, headers)


def _exchange(
    asked: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    expected: Collection[int] = SUCCESS,
) -> Answer:
    asked.request(method, path, body, dict(headers))
    response = asked.getresponse()
    answer = Answer(response.status, dict(response.headers), response.read())
    if answer.status not in expected:
        raise AnswerUnexpected(path=path, status=answer.status, detail=answer.body[:2000].decode("utf-8", "replace"))
    return answer


@dataclass(frozen=True)
class Cards:
    """The folder of the authority that vouches for the municipalities' systems, and of their certificates."""

    folder: Path

    @property
    def authority(self) -> Path:
        """The authority's certificate (PEM)."""
        return self.folder / "authority.pem"

    def prepare(self) -> None:
        """Make the authority if there is none."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        if not self.authority.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            _write(self.folder / "authority.key", _key_pem(key))
            _write(self.authority, _pem(_certificate(_AUTHORITY, key.public_key(), key, ca=True)))

    def of(self, name: str) -> Path:
        """Return the file with the certificate and the key of the system *name*; made if there is none."""
        path = self.folder / f"{name}.pem"
        if not path.exists():
            signing = _signing_key((self.folder / "authority.key").read_bytes())
            key = ec.generate_private_key(ec.SECP256R1())
            _write(path, _pem(_certificate(name, key.public_key(), signing, ca=False)) + _key_pem(key))
        return path


_AUTHORITY = "Demonstration, invented"


def _certificate(
    name: str, public: ec.EllipticCurvePublicKey, signing: ec.EllipticCurvePrivateKey, *, ca: bool
) -> x509.Certificate:
    now = SystemClock().now()
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _AUTHORITY)]))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + _VALID)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=0 if ca else None), critical=True)
        .sign(signing, hashes.SHA256())
    )


def _signing_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("the key of the demonstration's authority is of another kind")
    return key


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes) -> None:
    """Write the file whole or not at all, for this user alone."""
    part = path.with_name(f"{path.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    part.replace(path)
