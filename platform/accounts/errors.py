"""Failures of accounts. What a log-in is told does not depend on whether the name is known."""

from __future__ import annotations

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark


class LoginRefused(ChukanError):
    """Name, password and code did not let anybody in; which of them it was is not told."""

    code = "accounts.login_refused"
    failure = Failure.UNAUTHENTICATED
    message = mark("Name, password and code do not fit together.")
    hint = mark("Check all three. Each code works once: wait for the next one before you try again.")


class LoginDelayed(ChukanError):
    """Too many attempts failed; the next one is heard later."""

    code = "accounts.login_delayed"
    failure = Failure.UNAUTHENTICATED
    retryable = True
    message = mark("Too many attempts have failed.")
    hint = mark("Try again after {seconds} seconds; a security operator can lift the delay.")


class SessionOver(ChukanError):
    """The session ended, was ended, or never was."""

    code = "accounts.session_over"
    failure = Failure.UNAUTHENTICATED
    message = mark("You are no longer logged in.")
    hint = mark("Run `chukan login`; `chukan logout` lets you act with the machine's own rights again.")


class TokenFileUnsafe(ChukanError):
    """The file that holds the operator's token could have been read or put there by others."""

    code = "accounts.token_file_unsafe"
    failure = Failure.CONFIGURATION
    message = mark("The file {path} is not yours alone.")
    hint = mark("Run `chukan logout`, then `chukan login`.")


class PermissionLacking(ChukanError):
    """The operator's roles do not hold the permission."""

    code = "accounts.permission_lacking"
    failure = Failure.REFUSED
    message = mark("Your roles do not allow this ({permission}).")
    hint = mark("Ask an administrator; docs/permissions.md lists who may.")


class PersonNeeded(ChukanError):
    """The machine's own rights are not enough: two people have to be told apart."""

    code = "accounts.person_needed"
    failure = Failure.UNAUTHENTICATED
    message = mark("This takes an operator who is logged in.")
    hint = mark("Run `chukan login` first.")


class OperatorUnknown(ChukanError):
    """There is no such operator."""

    code = "accounts.operator_unknown"
    failure = Failure.NOT_FOUND
    message = mark("There is no operator {login}.")
    hint = mark("Run `chukan operators list`.")


class OperatorExists(ChukanError):
    """The log-in name is taken."""

    code = "accounts.operator_exists"
    failure = Failure.CONFLICT
    message = mark("There is an operator {login} already.")
    hint = mark("Choose another log-in name, or run `chukan operators reset {login}`.")


class LoginNameUnsuitable(ChukanError):
    """The log-in name has another form."""

    code = "accounts.login_name_unsuitable"
    failure = Failure.BAD_INPUT
    message = mark("{login} cannot be a log-in name.")
    hint = mark("Use 2 to 40 small letters, digits, dots, hyphens or underscores, a letter first.")


class DetailsUnsuitable(ChukanError):
    """Name or staff number is empty or too long."""

    code = "accounts.details_unsuitable"
    failure = Failure.BAD_INPUT
    message = mark("The name takes 1 to 100 characters, the staff number 1 to 40.")
    hint = mark("Give both, without line breaks.")


class PasswordUnsuitable(ChukanError):
    """The new password is too short, too long, or the log-in name."""

    code = "accounts.password_unsuitable"
    failure = Failure.BAD_INPUT
    message = mark("This password cannot be used.")
    hint = mark("Use {least} to {most} characters, and not the log-in name.")


class CodeUnfit(ChukanError):
    """The first code of a new authenticator is not the one of its secret."""

    code = "accounts.code_unfit"
    failure = Failure.BAD_INPUT
    message = mark("This code does not fit.")
    hint = mark("Type the code that the authenticator shows now; its clock has to be right.")


class InvitationOver(ChukanError):
    """The token of an invitation was used, is too old, was replaced, or never was."""

    code = "accounts.invitation_over"
    failure = Failure.UNAUTHENTICATED
    message = mark("This invitation cannot be used.")
    hint = mark("It works once, for {minutes} minutes. Ask for a new one: `chukan operators reset`.")


class AccountStateUnfit(ChukanError):
    """The account's state does not allow the act."""

    code = "accounts.state_unfit"
    failure = Failure.CONFLICT
    message = mark("The operator {login} is {state}; this cannot be done now.")
    hint = mark("Run `chukan operators list`; a disabled operator comes back by `chukan operators reset`.")


class RolesExclude(ChukanError):
    """Two roles are never held together."""

    code = "accounts.roles_exclude"
    failure = Failure.REFUSED
    message = mark("The roles {first} and {second} are never held together.")
    hint = mark("Take one away first; docs/permissions.md says why.")


class OwnRoles(ChukanError):
    """Somebody was about to change their own roles."""

    code = "accounts.own_roles"
    failure = Failure.REFUSED
    message = mark("Nobody changes their own roles.")
    hint = mark("Ask another administrator.")


class TooFewAdministrators(ChukanError):
    """The act would leave too few administrators."""

    code = "accounts.too_few_administrators"
    failure = Failure.CONFLICT
    message = mark("This would leave too few administrators.")
    hint = mark("Appoint another one first: there are always {least}, once there were.")


class AdministratorNeedsAppointment(ChukanError):
    """A new operator cannot be an administrator at once, unless the machine's rights make it."""

    code = "accounts.administrator_needs_appointment"
    failure = Failure.REFUSED
    message = mark("A new operator is not an administrator at once.")
    hint = mark(
        "Create the operator without this role, then run `chukan operators roles {login} --grant administrator`."
    )


class RequestUnknown(ChukanError):
    """There is no such request."""

    code = "accounts.request_unknown"
    failure = Failure.NOT_FOUND
    message = mark("There is no request {request}.")
    hint = mark("Run `chukan approve list`.")


class RequestKindUnknown(ChukanError):
    """Nobody offers to carry out this kind of request."""

    code = "accounts.request_kind_unknown"
    failure = Failure.CONFIGURATION
    message = mark("No part of the program carries out requests of the kind {kind}.")
    hint = mark("It was asked for by another version; decide it with that one, or let it expire.")


class RequestMalformed(ChukanError):
    """What was asked for has no canonical text, or is too long."""

    code = "accounts.request_malformed"
    failure = Failure.BAD_INPUT
    message = mark("The request cannot be stored.")
    hint = mark("Ask for less at once.")


class RequestOver(ChukanError):
    """The request was decided, carried out or has expired."""

    code = "accounts.request_over"
    failure = Failure.CONFLICT
    message = mark("The request {request} is {state}; this cannot be done any more.")
    hint = mark("Run `chukan approve list`; ask again if it is still wanted.")


class NotSecondPerson(ChukanError):
    """Who decides is not another, independent person."""

    code = "accounts.not_second_person"
    failure = Failure.REFUSED
    message = mark("You cannot approve this request: {reason}.")
    hint = mark("Ask another operator to approve it.")


class RolesInvalid(ChukanError):
    """The roles or limits that the program ships are not as they must be."""

    code = "accounts.configuration_invalid"
    failure = Failure.CONFIGURATION
    message = mark("{file} is wrong: {reasons}.")
    hint = mark("Restore the file that came with the program.")
