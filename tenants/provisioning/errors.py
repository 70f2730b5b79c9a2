"""Failures of provisioning and purging, each with what to do about it."""

from __future__ import annotations

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark


class NotProvisioned(ChukanError):
    """The organisation has no tenant that could be suspended, resumed, closed or purged."""

    code = "provisioning.not_provisioned"
    failure = Failure.CONFLICT
    message = mark("{organisation} has no tenant.")
    hint = mark("Provision it first: `chukan tenants provision CODE`.")


class NotClosing(ChukanError):
    """Only what is being closed can be purged; what was purged is closed."""

    code = "provisioning.not_closing"
    failure = Failure.CONFLICT
    message = mark("The tenant of {organisation} is not being closed.")
    hint = mark("Close it first: `chukan tenants close CODE`. What has been purged is not purged again.")


class ConfirmationWrong(ChukanError):
    """Something else was typed than the name of what would be destroyed."""

    code = "provisioning.confirmation_wrong"
    failure = Failure.BAD_INPUT
    message = mark("What was typed is neither the name nor the code of {organisation}.")
    hint = mark("Nothing was asked for. Look at the organisation first: `chukan organisations show CODE`.")


class SchemaInUse(ChukanError):
    """Somebody (a backup, a session that has not ended) still reads what was to be destroyed."""

    code = "provisioning.schema_in_use"
    failure = Failure.UNAVAILABLE
    retryable = True
    message = mark("The data of {organisation} are still being read, by a backup or an open session.")
    hint = mark("Nothing was destroyed. Try again when that has ended: `chukan approve {request}`.")
