"""Masters and certificates over mutual TLS with the simulated national network, which shares no code with us."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from chukan.platform.clock import SystemClock
from chukan.tenants.middleserver.security.certificates.rules import KeyState, KeyUse
from chukan.tenants.middleserver.security.certificates.service import Certificates
from chukan.tenants.middleserver.security.errors import JoseRefused
from chukan.tenants.middleserver.security.masters.errors import PackageConflicting, PackageForged, PackageOutOfOrder
from chukan.tenants.middleserver.security.masters.service import Distribution, Masters
from chukan_simulators.national_network.client import RunningNetwork, running_network
from national_network.organisation import Platform
from support.security import INSTITUTION, Place


class Peer:
    """The way to the simulated network, with its own reading of the list of keys."""

    def __init__(self, network: RunningNetwork) -> None:
        self._platform = Platform(network)
        self._ca = x509.load_pem_x509_certificate(network.ca.read_bytes())

    def public_key(self, kid: str) -> EllipticCurvePublicKey | None:
        for listed in json.loads(self._platform.ask("GET", "/keys").body)["keys"]:
            if listed["kid"] == kid:
                certificate = x509.load_der_x509_certificate(base64.b64decode(listed["x5c"][0]))
                certificate.verify_directly_issued_by(self._ca)
                key = certificate.public_key()
                return key if isinstance(key, EllipticCurvePublicKey) else None
        return None

    def master_list(self) -> bytes:
        return self._platform.ask("GET", "/masters").body

    def master_package(self, sequence: int) -> bytes:
        return self._platform.ask("GET", f"/masters/{sequence}").body

    def issue(self, institution_code: str, use: str, request_pem: str) -> str:
        asked = {"InstitutionCode": institution_code, "Use": use, "CSR": request_pem}
        answer = self._platform.ask("POST", "/certificates", json.dumps(asked).encode())
        assert answer.status == 201
        return answer.body.decode()

    def revoke(self, kid: str, reason: str) -> None:
        path = f"/certificates/{kid}/revocation"
        assert self._platform.ask("POST", path, json.dumps({"Reason": reason}).encode()).status == 200


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNetwork]:
    with running_network(tmp_path_factory.mktemp("network"), "--publish", "3") as network:
        yield network


@pytest.fixture
def network(running: RunningNetwork) -> Iterator[RunningNetwork]:
    yield running
    running.recover()


def test_masters_come_over_the_wire_and_are_put_in_force(place: Place, network: RunningNetwork) -> None:
    peer, tenant, now = Peer(network), place.tenant(), SystemClock().now()
    masters = Masters(place.actor.engine, peer)
    distribution = Distribution(place.actor, masters, peer)
    assert [head.sequence for head in distribution.pull(peer, now=now)] == [1, 2, 3]
    distribution.apply([tenant], to=2)
    assert masters.catalogue(tenant) == place.network.standard.catalogue(2)


@pytest.mark.parametrize("fault", ["forge_signature", "forge_body", "forge_key", "forge_kid", "forge_algorithm"])
def test_a_forged_package_is_refused(place: Place, network: RunningNetwork, fault: str) -> None:
    peer, now = Peer(network), SystemClock().now()
    masters = Masters(place.actor.engine, peer)
    network.order(fault, on="package", times=1)
    with pytest.raises((PackageForged, PackageOutOfOrder, PackageConflicting, JoseRefused)):
        Distribution(place.actor, masters, peer).pull(peer, now=now)
    assert masters.held() == []


def test_a_certificate_is_issued_and_revoked_over_the_wire(place: Place, network: RunningNetwork) -> None:
    peer, tenant, now = Peer(network), place.tenant(), SystemClock().now()
    certificates = Certificates(place.sessions, place.vault, peer, place.network, actor="system:test", request="test")
    kid = certificates.request(tenant, INSTITUTION, KeyUse.SIGN, now=now)
    certificates.activate(tenant, kid, now=SystemClock().now())
    assert place.keys.signer(tenant, now=SystemClock().now()).kid == kid
    certificates.revoke(tenant, kid, reason="key_lost", now=now)
    assert [key.state for key in place.keys.list(tenant)] == [KeyState.REVOKED]
