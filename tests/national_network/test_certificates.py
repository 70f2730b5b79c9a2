"""Certificates are given to the platform alone, for five years, and count for nothing once revoked."""

from __future__ import annotations

import http.client
import json
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from chukan_simulators.national_network.authority import five_years_after
from chukan_simulators.national_network.client import RunningNetwork
from national_network.organisation import Organisation, Platform, csr, kid_of, new_institution, pem_key


def asked(institution: str, use: str, request: str) -> bytes:
    return json.dumps({"InstitutionCode": institution, "Use": use, "CSR": request}).encode()


def answered(connection: http.client.HTTPSConnection) -> bytes:
    connection.request("GET", "/keys")
    return connection.getresponse().read()


@pytest.mark.parametrize(("use", "signs"), [("sign", True), ("enc", False)])
def test_a_certificate_names_its_organisation_and_its_use(platform: Platform, use: str, *, signs: bool) -> None:
    institution, key = new_institution(), ec.generate_private_key(ec.SECP256R1())
    answer = platform.ask("POST", "/certificates", asked(institution, use, csr(key)))
    assert answer.status == 201
    made, issuer = x509.load_pem_x509_certificates(answer.body)
    made.verify_directly_issued_by(issuer)
    assert answer.headers["Location"] == f"/certificates/{kid_of(made)}"
    assert made.subject.rfc4514_string() == f"OU={use},CN={institution}"
    assert made.public_key() == key.public_key()
    usage = made.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.digital_signature, usage.key_agreement) == (signs, not signs)
    assert made.not_valid_after_utc == five_years_after(made.not_valid_before_utc)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (datetime(2026, 7, 1, 3, 4, 5, tzinfo=UTC), datetime(2031, 7, 1, 3, 4, 5, tzinfo=UTC)),
        (datetime(2028, 2, 28, tzinfo=UTC), datetime(2033, 2, 28, tzinfo=UTC)),
        (datetime(2028, 2, 29, tzinfo=UTC), datetime(2033, 2, 28, tzinfo=UTC)),
        (datetime(2027, 3, 1, tzinfo=UTC), datetime(2032, 3, 1, tzinfo=UTC)),
    ],
)
def test_five_years_end_on_the_same_day(start: datetime, end: datetime) -> None:
    assert five_years_after(start) == end


def test_the_same_request_gets_the_same_certificate(platform: Platform) -> None:
    request = asked(new_institution(), "sign", csr(ec.generate_private_key(ec.SECP256R1())))
    first, second = (platform.ask("POST", "/certificates", request) for _ in range(2))
    assert (first.status, second.status) == (201, 200)
    assert first.body == second.body


def test_an_unfit_request_is_told_what_is_wrong(platform: Platform) -> None:
    right = csr(ec.generate_private_key(ec.SECP256R1()))
    lines = right.splitlines()
    broken = "\n".join([*lines[:-2], lines[-2][::-1], lines[-1]])
    cases = {
        "institution_code": asked("12345", "sign", right),
        "use": asked(new_institution(), "tls", right),
        "csr": asked(new_institution(), "sign", broken),
        "key": asked(new_institution(), "sign", csr(ec.generate_private_key(ec.SECP384R1()))),
    }
    for word, body in cases.items():
        answer = platform.ask("POST", "/certificates", body)
        assert (answer.status, json.loads(answer.body)) == (422, {"Error": word})


def test_a_revoked_certificate_is_shown_as_revoked(platform: Platform, organisation: Organisation) -> None:
    path = f"/certificates/{organisation.signing.kid}"
    assert platform.ask("GET", path).headers["Certificate-State"] == "valid"
    first, second = (platform.ask("POST", f"{path}/revocation", b'{"Reason": "key_lost"}') for _ in range(2))
    assert first.status == 200
    assert first.body == second.body
    assert platform.ask("GET", path).headers["Certificate-State"] == "revoked"
    assert platform.ask("POST", f"/certificates/{'0' * 32}/revocation", b'{"Reason": "key_lost"}').status == 404
    assert platform.ask("POST", f"{path}/revocation", b"{}").status == 422


def test_nobody_enters_without_a_certificate_of_the_ca(network: RunningNetwork) -> None:
    context = ssl.create_default_context(cafile=str(network.ca))
    connection = http.client.HTTPSConnection("localhost", network.port, timeout=10, context=context)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        answered(connection)
    connection.close()


def test_each_path_is_for_one_kind_of_caller(
    network: RunningNetwork, platform: Platform, organisation: Organisation, tmp_path: Path
) -> None:
    terminal = Platform(network, network.terminal)
    for path in ("/keys", "/masters", "/masters/1", f"/certificates/{'0' * 32}"):
        assert terminal.ask("GET", path).status == 403
    assert terminal.ask("POST", "/messages", organisation.request()).status == 403
    assert platform.ask("POST", "/register/requests", b"[]").status == 403
    own = tmp_path / "organisation.pem"
    pem = platform.ask("GET", f"/certificates/{organisation.signing.kid}").body
    own.write_bytes(pem + pem_key(organisation.signing.key))
    assert Platform(network, own).ask("GET", "/keys").status == 403
    assert platform.ask("GET", "/elsewhere").status == 404
    assert platform.ask("DELETE", "/keys").status == 405
