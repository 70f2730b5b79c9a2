"""Organisations that inquire and provide, written with other tools than the network is."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwe, jws
from joserfc.jwk import ECKey
from lxml import etree

from chukan.platform.clock import SystemClock
from chukan_simulators.national_network.client import RunningNetwork
from national_network.organisation import NETWORK, Organisation, Receipt, eventually, kid_of, new_resident, seconds

JAPAN = timezone(timedelta(hours=9))
TAX = {"Affair": "JM01000000121000", "Procedure": "JT01010000000001", "Information": "TM00000000000002"}
PENSION_OF_TAX = {**TAX, "Information": "TM00000000000052"}
PENSION = "9000000000000001"
INSURER = "9000000000000002"
_SYSTEMS = "<SourceSystemID>P000000001</SourceSystemID><DestinationSystemID>N000000001</DestinationSystemID>"

Told = Mapping[str, str]


def new_inquiry_serial() -> str:
    return "".join(secrets.choice("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(20))


def second(at: datetime | None = None) -> str:
    """Return *at*, by default now, as the documents write it."""
    return (at or SystemClock().now()).astimezone(JAPAN).replace(microsecond=0).isoformat()


def day(back: int, after: int = 0) -> str:
    """Return the day in Japan *back* days before today, or *after* days later than that."""
    return str(SystemClock().now().astimezone(JAPAN).date() + timedelta(days=after - back))


def fields_of(root: etree._Element) -> dict[str, str]:
    return {str(child.tag): child.text or "" for child in root}


@dataclass
class Request:
    """A request to provide, as its provider got it: the conversation, what it says, and what the permit says."""

    conv: str
    fields: Told
    permit: Told
    root: etree._Element


@dataclass
class Inquiry:
    """An inquiry, as its inquirer sent it."""

    town: Town
    serial: str
    conv: str
    body: bytes
    receipt: Receipt

    def results(self) -> list[dict[str, str]]:
        """Return the results that came, oldest first."""
        return [fields for conv, fields in self.town.delivered("IF_SKI_X0102_S01") if conv == self.conv]

    def result(self, count: int = 1) -> dict[str, str]:
        """Return the last of *count* results, as soon as they are there."""
        return dict(eventually(lambda: len(found := self.results()) >= count and found)[-1])

    def cancel(self, **changed: Any) -> Receipt:
        told = {"ProcessingSerial": self.serial, "Reason": "not_needed"} | changed.pop("fields", {})
        header: dict[str, Any] = {"conv": self.conv, "seq": 2} | changed
        return self.town.tell("InquiryCancellation", "IF_SKI_X0103_R01", told, **header)


class Town:
    """An organisation with codes of persons."""

    def __init__(self, organisation: Organisation, network: RunningNetwork) -> None:
        self.organisation = organisation
        self.network = network
        self.codes: dict[str, str] = {}

    @property
    def code(self) -> str:
        return self.organisation.code

    def knows(self, resident: str, mode: str = "0") -> str:
        """Return the organisation's code of *resident*, acquired if it has none."""
        if resident not in self.codes:
            serial = f"S-{secrets.token_hex(8)}"
            self.organisation.codes_for(self.network, {serial: resident}, mode=mode)
            self.codes[resident] = eventually(lambda: self.organisation.entries().get(serial))["LinkageCode"]
        return self.codes[resident]

    # Both ways.

    def tell(self, root: str, typ: str, told: Mapping[str, Any], mode: str = "0", **header: Any) -> Receipt:
        """Send a message of *typ* with the elements *told*."""
        return self.organisation.send(self.message(root, typ, told, mode, **header))

    def message(self, root: str, typ: str, told: Mapping[str, Any], mode: str = "0", **header: Any) -> bytes:
        whole = self.organisation.header(**{"typ": typ, **header})
        return self.organisation.signed(whole, written(root, typ, whole.get("mid", ""), told, mode))

    def delivered(self, typ: str) -> list[tuple[str, dict[str, str]]]:
        """Return conversation and elements of the messages of *typ* that came, each once."""
        opened = [self.organisation.opened(body) for body in dict.fromkeys(self.organisation.inbox)]
        return [(header["conv"], fields_of(root)) for header, root in opened if header["typ"] == typ]

    # As inquirer.

    def inquire(self, provider: str, linkage_code: str, **changed: Any) -> Inquiry:
        """Ask *provider* about the person of *linkage_code*; elements are changed, those that are None left out."""
        header = {name: changed.pop(name) for name in ("conv", "seq", "mode") if name in changed}
        conv = header.setdefault("conv", str(uuid4()))
        told = self.inquiry(provider, linkage_code, **changed)
        mode = header.pop("mode", "0")
        body = self.message("InformationInquiry", "IF_SKI_X0101_R01", told, mode, **header)
        return Inquiry(self, told["ProcessingSerial"], conv, body, self.organisation.send(body))

    def inquiry(self, provider: str, linkage_code: str, **changed: Any) -> dict[str, Any]:
        usual = {
            "ProcessingSerial": new_inquiry_serial(),
            "InquirerInstitution": self.code,
            "LinkageCode": linkage_code,
            **TAX,
            "ProviderInstitution": provider,
            "Condition": {"Kind": "0"},
            "RequestedAt": second(),
            "DelegatedInquirer": None,
            "NonDisclosure": "0",
        }
        return usual | changed

    def unsealed(self, result: Told) -> dict[str, Any]:
        """Return what a result provides, decrypted and verified with the certificate that came with it."""
        jws_inside = self.organisation.decrypted(result["EncryptedAnswer"].encode())
        certificate = x509.load_pem_x509_certificate(result["ProviderCertificate"].encode())
        ca = x509.load_pem_x509_certificate(self.network.ca.read_bytes())
        certificate.verify_directly_issued_by(ca)
        assert certificate.subject.rfc4514_string() == f"OU=sign,CN={result['ProviderInstitution']}"
        key = ECKey.import_key(certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        found = jws.deserialize_compact(jws_inside, key, algorithms=["ES256"], registry=_SIGNED)
        header = found.headers()
        assert (header["kid"], header["typ"]) == (kid_of(certificate), "IF_TKY_X0203_S01")
        assert (header["from"], header["to"]) == (result["ProviderInstitution"], self.code)
        root = etree.fromstring(found.payload)
        items = {
            item.findtext("Code"): item.findtext("Value")
            for record in root.iter("Record")
            for item in record.iter("Item")
        }
        return {**fields_of(root), "items": items}

    # As provider.

    def request(self, serial: str) -> Request:
        """Return the request to provide of *serial*, as soon as it is there; its permit is the network's."""

        def of_serial() -> list[Request]:
            return [each for each in self.requests() if each.fields["ProcessingSerial"] == serial]

        found: Request = eventually(of_serial)[0]
        header, payload = self.organisation.platform.verified(found.fields["Permit"].encode())
        assert (header["typ"], header["from"], header["to"]) == ("IF_SCM_X0301_S01", NETWORK, self.code)
        found.permit = fields_of(etree.fromstring(payload))
        return found

    def requests(self) -> list[Request]:
        opened = [self.organisation.opened(body) for body in dict.fromkeys(self.organisation.inbox)]
        wanted = [(header, root) for header, root in opened if header["typ"] == "IF_TKY_X0201_R01"]
        return [Request(header["conv"], fields_of(root), {}, root) for header, root in wanted]

    def answer(self, request: Request, result: str = "provided", **changed: Any) -> Receipt:
        """Answer *request*; elements are changed, those that are None left out."""
        header = {name: changed.pop(name) for name in ("conv", "seq", "mid") if name in changed}
        told = self.answered(request, result) | changed
        return self.tell("ProvisionAnswer", "IF_TKY_X0202_S01", told, **{"conv": request.conv, **header})

    def answered(self, request: Request, result: str) -> dict[str, Any]:
        provides = result == "provided"
        return {
            "ProcessingSerial": request.fields["ProcessingSerial"],
            "InquirerInstitution": request.fields["InquirerInstitution"],
            "PermitID": request.permit.get("PermitID", str(uuid4())),
            "Result": result,
            "Reason": "no_record" if result == "refused" else None,
            "ExpectedOn": None,
            "Explanation": None,
            "ProvidedAt": None if result == "deferred" else second(),
            "Datasets": {"Entry": {"Dataset": "0101", "Version": "1", "Count": "1"}} if provides else None,
            "EncryptedAnswer": self.sealed(request) if provides else None,
        }

    def sealed(self, request: Request, **changed: str) -> str:
        """Return what is provided to *request*, signed by this organisation and sealed for the inquirer."""
        inquirer, mid = request.fields["InquirerInstitution"], str(uuid4())
        record = {"Dataset": "0101", "Version": "1", "RecordKey": "R1", "PublishedFrom": "2026-04-01"}
        item = {"Code": "X02_0101_010", "Value": f"of {self.code}"}
        told = {
            "ProcessingSerial": request.fields["ProcessingSerial"],
            "InquirerInstitution": inquirer,
            "ProviderInstitution": self.code,
            "Information": request.permit["Information"],
            "PermitID": request.permit["PermitID"],
            "Records": {"Record": {**record, "RegionCode": "000", "Item": item}},
        }
        typ, own = "IF_TKY_X0203_S01", self.organisation
        header = {"alg": "ES256", "kid": own.signing.kid, "typ": typ, "iat": seconds()}
        document = written("ProvidedInformation", typ, mid, told, "0")
        signed = own.signed(header | {"from": self.code, "to": inquirer}, document)
        certificate = x509.load_pem_x509_certificate(request.fields["EncryptionCertificate"].encode())
        key = ECKey.import_key(certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        named = {"kid": request.permit["EncryptionKid"], "cty": "JWS", "typ": typ, "to": inquirer} | changed
        outer = {"alg": "ECDH-ES+A256KW", "enc": "A256GCM", **named}
        return jwe.encrypt_compact(outer, signed, key, registry=_ENCRYPTED)


_SIGNED = jws.JWSRegistry(algorithms=["ES256"], strict_check_header=False)
_ENCRYPTED = jwe.JWERegistry(algorithms=["ECDH-ES+A256KW", "A256GCM"], strict_check_header=False)


def written(root: str, typ: str, mid: str, told: Mapping[str, Any], mode: str) -> bytes:
    head = f"<MSGID>{mid}</MSGID><MSGTypeID>{typ}</MSGTypeID><MSGMode>{mode}</MSGMode>{_SYSTEMS}"
    return f"<{root}><MessageHeader>{head}</MessageHeader>{_elements(told)}</{root}>".encode()


def _elements(told: Mapping[str, Any]) -> str:
    def within(value: Any) -> str:
        return _elements(value) if isinstance(value, Mapping) else str(value)

    return "".join(f"<{name}>{within(value)}</{name}>" for name, value in told.items() if value is not None)


@dataclass
class Exchange:
    """An inquiry under way: a person whom both towns know, and the request that the provider got."""

    inquirer: Town
    provider: Town
    resident: str
    inquiry: Inquiry
    request: Request


def begun(new_town: Callable[[], Town], **changed: Any) -> Exchange:
    """Let one new town ask another one about a person whom both know."""
    inquirer, provider, resident = new_town(), new_town(), new_resident()
    provider.knows(resident)
    inquiry = inquirer.inquire(provider.code, inquirer.knows(resident), **changed)
    assert inquiry.receipt["Result"] == "accepted", inquiry.receipt.fields
    return Exchange(inquirer, provider, resident, inquiry, provider.request(inquiry.serial))
