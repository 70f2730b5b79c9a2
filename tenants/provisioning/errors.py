"""Failures of provisioning, each with what to do about it."""

from __future__ import annotations

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark


class NotProvisioned(ChukanError):
    """The organisation has no tenant that could be suspended, resumed or closed."""

    code = "provisioning.not_provisioned"
    failure = Failure.CONFLICT
    message = mark("{organisation} has no tenant.")
    hint = mark("Provision it first: `chukan tenants provision CODE`.")
