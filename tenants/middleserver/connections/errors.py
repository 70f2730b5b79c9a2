"""What the gateway refuses, and what can be wrong with the register of systems."""

from __future__ import annotations

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark


class CertificateMissing(ChukanError):
    """The front passed on no certificate, or one that cannot be read."""

    code = "connections.certificate_missing"
    failure = Failure.UNAUTHENTICATED
    message = mark("There is no client certificate.")
    hint = mark("Connect with the certificate that was registered for your system.")


class CertificateUnknown(ChukanError):
    """The certificate is vouched for, but registered for nobody."""

    code = "connections.certificate_unknown"
    failure = Failure.UNAUTHENTICATED
    message = mark("This client certificate is registered for no system.")
    hint = mark("Tell the helpdesk the reference id; they register certificates.")


class CertificateExpired(ChukanError):
    """The certificate is not valid at this instant."""

    code = "connections.certificate_expired"
    failure = Failure.UNAUTHENTICATED
    message = mark("This client certificate is not valid now.")
    hint = mark("Have a new certificate registered for your system.")


class CertificateRevoked(ChukanError):
    """The certificate was taken back."""

    code = "connections.certificate_revoked"
    failure = Failure.UNAUTHENTICATED
    message = mark("This client certificate was revoked.")
    hint = mark("Have a new certificate registered for your system; if that is unexpected, tell the helpdesk at once.")


class NotAllowed(ChukanError):
    """The system is registered, but not for this."""

    code = "connections.not_allowed"
    failure = Failure.REFUSED
    message = mark("This system is not allowed to use: {wanted}.")
    hint = mark("Ask the helpdesk to register the certificate for it.")


class SenderMismatch(ChukanError):
    """What a message says of its sender is not what the certificate says."""

    code = "connections.sender_mismatch"
    failure = Failure.REFUSED
    message = mark("{field} is not that of the client certificate.")
    hint = mark("Send with the certificate of this department and system, or correct the header.")


class RateExceeded(ChukanError):
    """The organisation has asked too often."""

    code = "connections.rate_exceeded"
    failure = Failure.UNAVAILABLE
    retryable = True
    message = mark("More than {requests} requests in {seconds} seconds.")
    hint = mark("Wait for {wait} seconds, and send less often.")

    def __init__(self, *, requests: int, seconds: int, wait: int) -> None:
        """Refuse until *wait* seconds are over."""
        super().__init__(requests=requests, seconds=seconds, wait=wait)
        self.wait = wait


class RateUnknown(ChukanError):
    """No rate is in force on a day."""

    code = "connections.rate_unknown"
    failure = Failure.CONFIGURATION
    message = mark("No rate of {kind} is known for {day}.")
    hint = mark("Put config/rates.toml right.")


class ConnectionDataMalformed(ChukanError):
    """Shipped data cannot be used as they are written."""

    code = "connections.data_malformed"
    failure = Failure.CONFIGURATION
    message = mark("{file} cannot be used: {reason}.")
    hint = mark("Put the file in config/ right.")


class KeyReused(ChukanError):
    """An idempotency key comes again with something else."""

    code = "connections.key_reused"
    failure = Failure.CONFLICT
    message = mark("This idempotency key was used for another request.")
    hint = mark("Give every new request a key (or MSGID) of its own.")


class RequestUnderWay(ChukanError):
    """The same request is being worked on now."""

    code = "connections.request_under_way"
    failure = Failure.CONFLICT
    retryable = True
    message = mark("The same request is being worked on.")
    hint = mark("Send it again in a minute; you will be given its answer.")


class HeaderMalformed(ChukanError):
    """A header of the request is missing or has another form."""

    code = "connections.header_malformed"
    failure = Failure.BAD_INPUT
    message = mark("The header {header} is missing or malformed.")
    hint = mark("See the interface document of connections.")


class ContentTypeWrong(ChukanError):
    """The body is said to be something else than what is taken here."""

    code = "connections.content_type_wrong"
    failure = Failure.BAD_INPUT
    message = mark("The body must be {expected}.")
    hint = mark("Say so in the header Content-Type.")


class BodyTooLarge(ChukanError):
    """The body is larger than any that is taken."""

    code = "connections.body_too_large"
    failure = Failure.BAD_INPUT
    message = mark("The body is too large.")
    hint = mark("Send files in pieces of at most 8 MiB, and messages of at most 4 MiB.")


class AddressUnknown(ChukanError):
    """Nothing is at this address, or not in this way."""

    code = "connections.address_unknown"
    failure = Failure.NOT_FOUND
    message = mark("There is nothing at this address, or not by this method.")
    hint = mark("See the interface document for addresses and methods.")


class TestPersonsOnly(ChukanError):
    """A person of one mode was named in the other."""

    code = "connections.test_persons_only"
    failure = Failure.REFUSED
    message = mark("The test mode takes test persons alone, and production takes none of them.")
    hint = mark("See the interface document for the numbers of test persons; nothing was changed.")


class FileMismatch(ChukanError):
    """A message names an upload and another file's name."""

    code = "connections.file_mismatch"
    failure = Failure.REFUSED
    message = mark("{field} is not that of the upload.")
    hint = mark("Name the file as it was announced; nothing was changed.")


class FingerprintMalformed(ChukanError):
    """What was given is no fingerprint."""

    code = "connections.fingerprint_malformed"
    failure = Failure.BAD_INPUT
    message = mark("This is not a SHA-256 fingerprint.")
    hint = mark("Take the 64 digits of: openssl x509 -noout -fingerprint -sha256 -in FILE")


class CertificateUnusable(ChukanError):
    """The file that was to be registered holds no certificate that can be used."""

    code = "connections.certificate_unusable"
    failure = Failure.BAD_INPUT
    message = mark("{file} holds no certificate that can be used.")
    hint = mark("Give the client certificate in PEM; it must not have expired.")


class SystemKnown(ChukanError):
    """The certificate was registered before."""

    code = "connections.system_known"
    failure = Failure.CONFLICT
    message = mark("This certificate was registered before.")
    hint = mark("A revoked certificate is not registered again: have a new one issued.")


class SystemUnknown(ChukanError):
    """No certificate of that fingerprint is registered."""

    code = "connections.system_unknown"
    failure = Failure.NOT_FOUND
    message = mark("No system is registered with the certificate {fingerprint}.")
    hint = mark("See: chukan connections list")


class SystemRevokedAlready(ChukanError):
    """It was revoked before."""

    code = "connections.system_revoked_already"
    failure = Failure.CONFLICT
    message = mark("The certificate was revoked before.")
    hint = mark("There is nothing left to do.")


class TrialFileWrong(ChukanError):
    """A file of the test mode cannot be used."""

    code = "connections.trial_file_wrong"
    failure = Failure.BAD_INPUT
    message = mark("The test file cannot be used, line {line}: {reason}.")
    hint = mark("Test files have at most 8 MiB; nothing was changed.")


class GatewayFilesMissing(ChukanError):
    """The gateway has no certificate, or no authority whose clients it takes."""

    code = "connections.gateway_files_missing"
    failure = Failure.CONFIGURATION
    message = mark("The gateway cannot start without the setting {setting}.")
    hint = mark("Set it to a PEM file; docs/areas/connections.md says which.")
