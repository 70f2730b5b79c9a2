"""Why a certificate cannot be made, changed or used."""

from __future__ import annotations

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark


class CertificateUnknown(ChukanError):
    """The organisation has no certificate of that id."""

    code = "certificates.unknown"
    failure = Failure.NOT_FOUND
    message = mark("The organisation has no certificate {kid}.")
    hint = mark("chukan certificates list shows those that it has.")


class CertificateStateWrong(ChukanError):
    """What is asked for is not possible in the certificate's state."""

    code = "certificates.state_wrong"
    failure = Failure.CONFLICT
    message = mark("The certificate {kid} is {state}, and cannot become {wanted}.")
    hint = mark("chukan certificates list shows where each one stands.")


class CertificatePending(ChukanError):
    """There is a new certificate of that use already, which waits to be activated."""

    code = "certificates.pending"
    failure = Failure.CONFLICT
    message = mark("A new certificate of this use is there already, and waits to be activated.")
    hint = mark("Activate it, or revoke it: chukan certificates activate, chukan certificates revoke.")


class CertificateRefused(ChukanError):
    """What the issuer answered is no certificate for what was asked."""

    code = "certificates.refused"
    failure = Failure.TAMPERED
    message = mark("The issued certificate was not accepted: {reason}.")
    hint = mark("Nothing was put in force. Report it to the network's operators, and request it again.")


class CertificateInUse(ChukanError):
    """Something under way still needs the key: taking it away would break it (A0-071, rules C83)."""

    code = "certificates.in_use"
    failure = Failure.CONFLICT
    message = mark("The certificate {kid} is still needed by {count} conversations that are not finished.")
    hint = mark("Wait until they are finished; the new certificate is used meanwhile.")


class OverlapNotOver(ChukanError):
    """The old certificate is kept as long as a message may still be repeated under it."""

    code = "certificates.overlap_not_over"
    failure = Failure.CONFLICT
    message = mark("The certificate {kid} is kept until {until}: messages may be repeated under it until then.")
    hint = mark("Retire it after that day. A key that is no longer safe is revoked instead, which breaks what is open.")


class NoActiveCertificate(ChukanError):
    """The organisation has no certificate in force for a use, so it can send nothing."""

    code = "certificates.none_active"
    failure = Failure.UNAVAILABLE
    message = mark("The organisation has no certificate in force for {use}.")
    hint = mark("Request one and activate it: chukan certificates request, chukan certificates activate.")
