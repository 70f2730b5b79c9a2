"""The network's messages pass the gate of the organisation that they are for."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from werkzeug.test import TestResponse

from chukan.platform.settings import NetworkSettings
from chukan.tenants.middleserver.connections.desk import opened
from chukan.tenants.middleserver.connections.web_views import make_gateway
from chukan.tenants.middleserver.security.certificates.rules import KeyUse
from chukan.tenants.middleserver.security.jose import encrypt
from chukan.tenants.middleserver.transmission.ports import Features
from chukan.tenants.middleserver.transmission.rules import NETWORK
from support.gateway import NOW, Authority, Card, Entrance, nothing_excluded
from support.security import Place


@pytest.mark.parametrize(("suspended", "hours"), [(False, 11), (True, 0)])
def test_what_comes_while_the_service_is_closed_stays_with_the_network(
    entrance: Entrance, tmp_path: Path, *, suspended: bool, hours: int
) -> None:
    authority = Authority("Network")
    (tmp_path / "ca.pem").write_bytes(Card(authority.certificate, authority.key).pem)
    ours, theirs = authority.issue("platform"), authority.issue(NETWORK)
    way = NetworkSettings(
        url="https://localhost:1",
        ca_file=tmp_path / "ca.pem",
        client_certificate_file=ours.written(tmp_path, "platform"),
    )
    tenant, place = entrance.organisation(), Place(entrance.safe)
    kids = {use: place.certificates.request(tenant, "0220113112101799", use, now=NOW) for use in KeyUse}
    for kid in kids.values():
        place.certificates.activate(tenant, kid, now=NOW)
    stranger = ec.generate_private_key(ec.SECP256R1()).public_key()
    body = encrypt(b"x", kid=kids[KeyUse.ENCRYPT], key=stranger, headers={"typ": "IF_FGU_X0002_S01", "to": "x"})
    with ExitStack() as stack:
        settings = entrance.settings.model_copy(update={"network": way})
        app = make_gateway(
            opened(settings, lambda _sessions, _vault: Features(), stack, entrance.clock, excluded=nothing_excluded)
        )

        def post() -> TestResponse:
            return app.test_client().post("/network/messages", data=body, headers=theirs.headers())

        judged = post()
        assert (judged.status_code, judged.data[:3]) == (400, b"eyJ"), "it is open: judged, and receipted as refused"
        entrance.at(NOW + timedelta(hours=hours))
        if suspended:
            with entrance.safe.database.superuser() as superuser:
                superuser.execute("update platform.organisation set state = 'suspended' where tenant = %s", (tenant,))
        closed = post()
        assert (closed.status_code, closed.data) == (503, b""), "no receipt: the network brings it again"
