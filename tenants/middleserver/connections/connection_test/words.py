"""What the connection test says of lines that do not come about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chukan.platform.messages import mark, text
from chukan.tenants.middleserver.connections.connection_test.client import Trouble, Unreachable
from chukan.tenants.middleserver.connections.connection_test.rules import Finding, Side


@dataclass(frozen=True, slots=True)
class _Words:
    what: str
    remedy: str
    side: Side = Side.VENDOR


_TROUBLES: Mapping[Trouble, _Words] = {
    Trouble.NAME: _Words(
        mark("The gateway's host name cannot be resolved."),
        mark("Check --gateway, the DNS server and the hosts file of this machine."),
    ),
    Trouble.REFUSED: _Words(
        mark("Nothing answers at the gateway's address and port."),
        mark("Check host and port of --gateway, and the firewall on the way."),
    ),
    Trouble.TIMEOUT: _Words(
        mark("The gateway did not answer in time."),
        mark("Check the VPN, the route and the firewall; with a slow line give a larger --timeout."),
    ),
    Trouble.UNREACHABLE: _Words(
        mark("The gateway cannot be reached."),
        mark("Check the VPN, the route and the firewall of this machine."),
    ),
    Trouble.NO_TLS: _Words(
        mark("What answers there does not speak TLS."),
        mark("Check the port of --gateway; a proxy that answers in the gateway's place must let TLS through."),
    ),
    Trouble.PROTOCOL: _Words(
        mark("The two sides have no version of TLS in common."),
        mark("Use TLS 1.2 or later; allow it in the settings of this machine's OpenSSL."),
    ),
    Trouble.SERVER_UNTRUSTED: _Words(
        mark("The gateway's certificate is not of the authority in --ca."),
        mark("Give the file with the gateway's authority that the helpdesk handed out; look for a proxy in between."),
    ),
    Trouble.SERVER_NAME: _Words(
        mark("The gateway has no certificate for this host name."),
        mark("Give --gateway with the host name that the helpdesk told, not with an address."),
    ),
    Trouble.SERVER_EXPIRED: _Words(
        mark("The gateway's certificate has expired."),
        mark("Check the clock of this machine; if it is right, tell the helpdesk."),
        Side.PLATFORM,
    ),
    Trouble.CLIENT_MISSING: _Words(
        mark("The gateway received no client certificate."),
        mark("Send the certificate of --certificate; a proxy that ends TLS takes it away."),
    ),
    Trouble.CLIENT_UNTRUSTED: _Words(
        mark("The gateway does not know the authority that issued this client certificate."),
        mark("Use the certificate of the authority that was agreed upon, with its intermediate certificates."),
    ),
    Trouble.CLIENT_EXPIRED: _Words(
        mark("The gateway takes this client certificate for expired, or not valid yet."),
        mark("Have a new certificate issued, and registered by the helpdesk."),
    ),
    Trouble.CLIENT_UNUSABLE: _Words(
        mark("The gateway does not accept this client certificate."),
        mark("Check that it is one for client authentication, with its intermediate certificates."),
    ),
    Trouble.CUT: _Words(
        mark("The line was cut before an answer came."),
        mark("Look for a proxy or firewall that cuts the line; if there is none, tell the helpdesk the time."),
    ),
    Trouble.TOO_LARGE: _Words(
        mark("The answer is larger than any of the gateway's."),
        mark("Look for a proxy that answers in the gateway's place."),
        Side.PLATFORM,
    ),
}


def finding_of(error: Unreachable) -> Finding:
    """Return what is wrong with the line, and what to do."""
    words = _TROUBLES[error.trouble]
    code = f"line.{error.trouble.value}"
    return Finding(text(words.what), text(words.remedy), words.side, element=error.detail, error=code)
