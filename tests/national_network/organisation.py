"""An organisation and its platform as the network meets them, written with other tools than the network is."""

from __future__ import annotations

import base64
import hashlib
import http.client
import itertools
import json
import secrets
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwe, jws
from joserfc.jwk import ECKey
from lxml import etree
from typing_extensions import override

from chukan.platform.clock import SystemClock, monotonic
from chukan_simulators.national_network.client import RunningNetwork

NETWORK = "9999000000000001"
_NUMBERS = itertools.count(1)


class _Signed(jws.JWSRegistry):
    max_payload_length = 8 * 1024 * 1024


class _Encrypted(jwe.JWERegistry):
    max_ciphertext_length = 8 * 1024 * 1024


_SIGNED = _Signed(algorithms=["ES256"], strict_check_header=False)
_ENCRYPTED = _Encrypted(algorithms=["ECDH-ES+A256KW", "A256GCM"], strict_check_header=False)


@dataclass(frozen=True)
class Answer:
    """An answer of the network."""

    status: int
    body: bytes
    headers: Mapping[str, str]


def seconds() -> int:
    return int(SystemClock().now().timestamp())


def new_institution() -> str:
    """Return an institution code that nobody in this run has."""
    return f"990000{secrets.randbelow(10**6):06}{next(_NUMBERS):04}"


class Platform:
    """What the platform asks of the network, over TLS with a certificate of its choice."""

    def __init__(self, network: RunningNetwork, certificate: Path | None = None) -> None:
        self.network = network
        self._tls = ssl.create_default_context(cafile=str(network.ca))
        self._tls.load_cert_chain(certificate or network.platform)
        self._keys: dict[str, ECKey] = {}

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        connection = http.client.HTTPSConnection("localhost", self.network.port, timeout=20, context=self._tls)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Answer(response.status, response.read(), dict(response.headers))
        finally:
            connection.close()

    def verified(self, message: bytes) -> tuple[Mapping[str, Any], bytes]:
        """Return header and payload of what the network signed; its key is checked against the CA."""
        name = json.loads(_decoded(message.split(b".")[0]))["kid"]
        if name not in self._keys:
            self._keys = {key["kid"]: self._key(key) for key in json.loads(self.ask("GET", "/keys").body)["keys"]}
        found = jws.deserialize_compact(message, self._keys[name], registry=_SIGNED)
        return found.headers(), found.payload

    def _key(self, listed: dict[str, Any]) -> ECKey:
        """Return the key of an entry of the network's list, as its certificate has it."""
        ca = x509.load_pem_x509_certificate(self.network.ca.read_bytes())
        certificate = x509.load_der_x509_certificate(base64.b64decode(listed["x5c"][0]))
        certificate.verify_directly_issued_by(ca)
        assert kid_of(certificate) == listed["kid"]
        assert certificate.subject.rfc4514_string() == f"OU=sign,CN={NETWORK}"
        key = ECKey.import_key(
            certificate.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        assert key.thumbprint() == ECKey.import_key(listed).thumbprint()
        return key


def kid_of(certificate: x509.Certificate) -> str:
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()[:32]


def pem_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def csr(key: ec.EllipticCurvePrivateKey) -> str:
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


@dataclass
class Identity:
    """A private key and its certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def kid(self) -> str:
        return kid_of(self.certificate)


@dataclass
class Receipt:
    """A receipt, whose signature was checked."""

    status: int
    header: Mapping[str, Any]
    fields: Mapping[str, str]
    body: bytes

    def __getitem__(self, name: str) -> str:
        return self.fields[name]


@dataclass
class Organisation:
    """An organisation with its keys, which the platform asked the network to certify."""

    platform: Platform
    code: str = field(default_factory=new_institution)
    signing: Identity = field(init=False)
    encryption: list[Identity] = field(default_factory=list)
    #: What the network delivered, as it came.
    inbox: list[bytes] = field(default_factory=list)
    #: What is answered to a delivery; None hangs up.
    answer: Callable[[bytes], tuple[int, bytes] | None] = field(init=False)

    def __post_init__(self) -> None:
        self.signing = self.certified("sign")
        self.encryption.append(self.certified("enc"))
        self.answer = self.accept

    def certified(self, use: str) -> Identity:
        key = ec.generate_private_key(ec.SECP256R1())
        asked = json.dumps({"InstitutionCode": self.code, "Use": use, "CSR": csr(key)}).encode()
        answer = self.platform.ask("POST", "/certificates", asked)
        assert answer.status == 201, answer
        return Identity(key, x509.load_pem_x509_certificate(answer.body))

    # To the network.

    def header(self, **changed: Any) -> dict[str, Any]:
        """Return the header of a first message; a field that is changed to None is left out."""
        usual = {
            "alg": "ES256",
            "kid": self.signing.kid,
            "typ": "IF_FGU_X0001_R01",
            "iat": seconds(),
            "from": self.code,
            "to": NETWORK,
            "mid": str(uuid4()),
            "conv": str(uuid4()),
            "seq": 1,
        }
        return {name: value for name, value in (usual | changed).items() if value is not None}

    def document(self, header: Mapping[str, Any], *serials: str, mode: str = "0", institution: str = "") -> bytes:
        """Return a request for codes that fits *header*."""
        entries = "".join(
            f"<Entry><ProcessingSerial>{serial}</ProcessingSerial><RequestedAt>2026-07-01T09:00:00+09:00</RequestedAt>"
            "</Entry>\n"
            for serial in serials
        )
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n<CodeAcquisitionRequest><MessageHeader>'
            f"<MSGID>{header.get('mid', '')}</MSGID><MSGTypeID>IF_FGU_X0001_R01</MSGTypeID><MSGMode>{mode}</MSGMode>"
            "<SourceSystemID>P000000001</SourceSystemID><DestinationSystemID>N000000001</DestinationSystemID>"
            f"</MessageHeader>\n<InstitutionCode>{institution or self.code}</InstitutionCode>\n{entries}"
            "</CodeAcquisitionRequest>"
        ).encode()

    def signed(self, header: Mapping[str, Any], payload: bytes, key: ec.EllipticCurvePrivateKey | None = None) -> bytes:
        signer = ECKey.import_key(pem_key(key or self.signing.key))
        return jws.serialize_compact(dict(header), payload, signer, registry=_SIGNED).encode()

    def request(self, *serials: str, mode: str = "0", **changed: Any) -> bytes:
        """Return a signed request for codes for *serials* (one of its own if none is named)."""
        header = self.header(**changed)
        return self.signed(header, self.document(header, *(serials or (new_serial(),)), mode=mode))

    def send(self, body: bytes) -> Receipt:
        """Hand *body* over, and return the receipt, whose signature and digest are right."""
        answer = self.platform.ask("POST", "/messages", body)
        assert answer.headers["Content-Type"] == "application/jose"
        header, payload = self.platform.verified(answer.body)
        assert (header["typ"], header["from"]) == ("IF_SCM_X0009_S01", NETWORK)
        fields = {str(element.tag): element.text or "" for element in etree.fromstring(payload)}
        assert fields["RequestDigest"] == hashlib.sha256(body).hexdigest()
        return Receipt(answer.status, header, fields, answer.body)

    # From the network.

    def accept(self, body: bytes) -> tuple[int, bytes] | None:
        return 200, self.receipt(body)

    def receipt(self, body: bytes, result: str = "accepted", reason: str = "", **changed: Any) -> bytes:
        """Return a receipt for *body*, with what is *changed* in it."""
        mid = "" if reason else f"<MessageID>{self.opened(body)[0]['mid']}</MessageID>"
        digest = changed.pop("digest", hashlib.sha256(body).hexdigest())
        key = changed.pop("key", self.signing.key)
        given = f"<Reason>{reason}</Reason>" if reason else ""
        payload = (
            f"<Receipt>{mid}<RequestDigest>{digest}</RequestDigest><Result>{result}</Result>{given}"
            "<ReceivedAt>2026-07-01T09:00:00+09:00</ReceivedAt></Receipt>"
        ).encode()
        header = {"alg": "ES256", "kid": self.signing.kid, "typ": "IF_SCM_X0009_S01", "iat": seconds()}
        return self.signed(header | {"from": self.code, "to": NETWORK} | changed, payload, key)

    def decrypted(self, body: bytes) -> bytes:
        """Return the JWS inside *body*, opened with whichever of our keys it names."""
        name = json.loads(_decoded(body.split(b".")[0]))["kid"]
        (identity,) = (each for each in self.encryption if each.kid == name)
        return jwe.decrypt_compact(body, ECKey.import_key(pem_key(identity.key)), registry=_ENCRYPTED).plaintext or b""

    def opened(self, body: bytes) -> tuple[Mapping[str, Any], etree._Element]:
        """Return header and document of a delivered message, decrypted and verified."""
        header, payload = self.platform.verified(self.decrypted(body))
        return header, etree.fromstring(payload)

    def entries(self) -> dict[str, dict[str, str]]:
        """Return what the network told of each serial, from all messages that came."""
        return {serial: told for body in list(self.inbox) for serial, told in self.entries_of(body).items()}

    def entries_of(self, body: bytes) -> dict[str, dict[str, str]]:
        """Return what a delivered message tells of each serial."""
        found = {}
        for entry in self.opened(body)[1].iterfind("Entry"):
            fields = {str(element.tag): element.text or "" for element in entry}
            found[fields.pop("ProcessingSerial")] = fields
        return found

    def codes_for(self, network: RunningNetwork, residents: Mapping[str, str | None], **changed: Any) -> None:
        """Ask for a code for each resident, by serial, and let the register terminal tell the register network."""
        assert self.send(self.request(*residents, **changed))["Result"] == "accepted"
        answers = network.register([self.at_the_terminal(serial, code) for serial, code in residents.items()])
        assert {answer["Result"] for answer in answers} == {"taken"}

    def at_the_terminal(self, serial: str, resident: str | None) -> dict[str, str | None]:
        return {"ResidentRecordCode": resident, "ProcessingSerial": serial, "InstitutionCode": self.code}


def new_serial() -> str:
    return f"S-{secrets.token_hex(8)}"


def new_resident() -> str:
    """Return an invented resident record code."""
    return f"9{secrets.randbelow(10**10):010}"


def eventually(condition: Callable[[], Any], within: float = 20.0) -> Any:
    """Return what *condition* returns, as soon as it is true."""
    pause, end = threading.Event(), monotonic() + within
    while not (found := condition()):
        assert monotonic() < end, "it did not happen"
        pause.wait(0.02)
    return found


class PlatformEnd:
    """The platform's own server, which hands what comes to the organisation whose key it is encrypted to."""

    def __init__(self) -> None:
        self.organisations: list[Organisation] = []
        self.callers: set[str] = set()

    def taken(self, body: bytes, caller: str) -> tuple[int, bytes] | None:
        self.callers.add(caller)
        name = json.loads(_decoded(body.split(b".")[0]))["kid"]
        for organisation in self.organisations:
            if name in {identity.kid for identity in organisation.encryption}:
                organisation.inbox.append(body)
                return organisation.answer(body)
        return 404, b""

    @contextmanager
    def listening(self, network: RunningNetwork, port: int = 0) -> Iterator[str]:
        """Listen for the block; yields the URL."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(network.ca))
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(network.platform)
        server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"https://localhost:{server.server_address[1]}"
        server.shutdown()
        server.server_close()
        thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        end = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if len(body) < int(self.headers["Content-Length"]):
                    # The network left in the middle: nothing came.
                    return
                subject: Any = self.connection.getpeercert()
                names = dict(pair for pairs in subject["subject"] for pair in pairs)
                assert (self.path, self.headers["Content-Type"]) == ("/network/messages", "application/jose")
                answer = end.taken(body, names["commonName"])
                if answer is None:
                    return
                self.send_response(answer[0])
                self.send_header("Content-Type", "application/jose")
                self.send_header("Content-Length", str(len(answer[1])))
                self.end_headers()
                self.wfile.write(answer[1])

            @override
            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        return Handler


def _decoded(part: bytes) -> bytes:
    return base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
