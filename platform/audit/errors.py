"""Failures of the audit trail, each with what to do about it."""

from __future__ import annotations

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark


class EntryMalformed(ChukanError):
    """The program tried to record something that is no audit entry."""

    code = "audit.entry_malformed"
    message = mark("The act cannot be recorded, so it was not done.")


class AuditUnavailable(ChukanError):
    """The trail cannot be written, so nothing that belongs in it may happen."""

    code = "audit.unavailable"
    failure = Failure.UNAVAILABLE
    retryable = True
    message = mark("The audit trail cannot be written, so the act was not carried out.")
    hint = mark("Try again in a moment; operators check the database.")


class ExchangeStopped(ChukanError):
    """Entries have gone without a seal for too long; no exchange is accepted until they have one."""

    code = "audit.exchange_stopped"
    failure = Failure.UNAVAILABLE
    retryable = True
    message = mark("Exchanges are stopped: the audit trail has not been sealed since {since}.")
    hint = mark("Operators follow the runbook audit-seal-stale; exchanges resume by themselves after a seal.")


class SealerBusy(ChukanError):
    """Another process is sealing at this moment."""

    code = "audit.sealer_busy"
    failure = Failure.CONFLICT
    retryable = True
    message = mark("Another process is sealing the audit trail.")
    hint = mark("Nothing is lost; its seal covers these entries, or the next one does.")


class SinkUnwritable(ChukanError):
    """A seal cannot be kept outside the database, so it does not count."""

    code = "audit.sink_unwritable"
    failure = Failure.UNAVAILABLE
    retryable = True
    message = mark("The seal cannot be written to {directory}: {reason}.")
    hint = mark("Make room or give the folder back to its user; the next run writes what is missing.")


class SinkAhead(ChukanError):
    """The sink holds seals that the database has lost."""

    code = "audit.sink_ahead"
    failure = Failure.TAMPERED
    message = mark("The seal folder holds seal {sink}, but the database ends at seal {database}.")
    hint = mark("Seals were removed from the database, or it was restored: follow the runbook audit-sink-mismatch.")


class SinkDisagrees(ChukanError):
    """Sink and database hold different seals of the same number."""

    code = "audit.sink_disagrees"
    failure = Failure.TAMPERED
    message = mark("Seal {number} in the seal folder is not the one in the database.")
    hint = mark("Change nothing, and follow the runbook audit-sink-mismatch.")


class SinkShort(ChukanError):
    """The sink has lost seals that it held."""

    code = "audit.sink_short"
    failure = Failure.TAMPERED
    message = mark("The seal folder ends at seal {sink}, but held seal {database} before.")
    hint = mark("Bring the folder back; if it is lost for good, run `chukan audit refill-sink` (audit-sink-mismatch).")


class SinkUnreadable(ChukanError):
    """A line of the sink is no seal."""

    code = "audit.sink_unreadable"
    failure = Failure.TAMPERED
    message = mark("Line {line} of {file} is no seal.")
    hint = mark("Change nothing, and follow the runbook audit-sink-mismatch.")


class KeysUnusable(ChukanError):
    """The file of public keys is missing or holds something else."""

    code = "audit.keys_unusable"
    failure = Failure.CONFIGURATION
    message = mark("The public keys of the seals cannot be read from {file}.")
    hint = mark("Give the file that you keep of them by --keys; the first seal writes keys.json to the seal folder.")


class KeyChanged(ChukanError):
    """A signing key came with another public half than the one that is pinned under its id."""

    code = "audit.key_changed"
    failure = Failure.TAMPERED
    message = mark("The signing key {key} is not the one that {file} holds under this name.")
    hint = mark("Stop, and find out who changed the key or the file.")


class SealInvalid(ChukanError):
    """A seal's signature, form, place or leaves are wrong."""

    code = "audit.seal_invalid"
    failure = Failure.TAMPERED
    message = mark("Seal {number} is not valid ({reason}).")
    hint = mark("Change nothing, and follow the runbook audit-sink-mismatch.")


class ChainRewritten(ChukanError):
    """Chains no longer contain what an earlier seal says of them; they were left out of the new one."""

    code = "audit.chain_rewritten"
    failure = Failure.TAMPERED
    message = mark("The audit chains {chains} no longer hold what was sealed; they were not sealed again.")
    hint = mark("Run `chukan audit verify` and follow the runbook audit-verify-failed.")


class TrailTampered(ChukanError):
    """The verifier found something; the findings were printed."""

    code = "audit.trail_tampered"
    failure = Failure.TAMPERED
    message = mark("The audit trail is not intact: {count} findings.")
    hint = mark("Change nothing, and follow the runbook audit-verify-failed.")


class ChainUnknown(ChukanError):
    """There is no audit chain of that name."""

    code = "audit.chain_unknown"
    failure = Failure.NOT_FOUND
    message = mark("There is no audit chain {chain}.")
    hint = mark("Give the tenant's id, or `platform`.")


class NothingSealed(ChukanError):
    """The chain has no sealed entry yet, so there is nothing to prove."""

    code = "audit.nothing_sealed"
    failure = Failure.NOT_FOUND
    retryable = True
    message = mark("The audit chain {chain} has no sealed entry yet.")
    hint = mark("Wait for the next seal, or run `chukan audit seal`.")


class TargetExists(ChukanError):
    """The evidence would overwrite something."""

    code = "audit.target_exists"
    failure = Failure.BAD_INPUT
    message = mark("{path} exists already.")
    hint = mark("Name a folder or a .zip file that does not exist.")


class EntryUnknown(ChukanError):
    """The chain has no entry of this number."""

    code = "audit.entry_unknown"
    failure = Failure.NOT_FOUND
    message = mark("The chain {chain} has no entry {seq}.")
    hint = mark("Search the audit trail; a number that is missing in the middle of a chain is an alarm: verify it.")
