"""What can be wrong with what is declared of delegations, or asked of them."""

from __future__ import annotations

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark


class DeclarationRefused(ChukanError):
    """A declaration cannot be, or contradicts another one of the same end."""

    code = "registry.declaration_refused"
    failure = Failure.BAD_INPUT
    message = mark("The declaration cannot be registered: {reason}.")
    hint = mark("Look at what is declared with `chukan organisations delegation list`; end it first.")


class DeclarationUnknown(ChukanError):
    """There is no such declaration, or it has ended."""

    code = "registry.declaration_unknown"
    failure = Failure.NOT_FOUND
    message = mark("There is no declaration {declaration} that holds on {day}.")
    hint = mark("Declarations are listed by `chukan organisations delegation list`.")


class DelegationUnclear(ChukanError):
    """An affair is delegated by one end alone, or to two delegates, so nobody may answer for it."""

    code = "registry.delegation_unclear"
    failure = Failure.REFUSED
    message = mark("Who does {affair} for {organisation} on {day} is not clear: {reason}.")
    hint = mark("Both ends file the same; `chukan organisations delegation check` says which one is missing.")
