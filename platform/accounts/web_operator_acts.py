"""What is done to operators: each act asks before it is done, and says what it did.

An invitation is shown on the answer to the act, once: it stands in no cookie, no address and no table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

from flask import make_response, url_for
from wtforms import StringField
from wtforms.validators import InputRequired, Length

from chukan.platform.accounts.operator_overview import AllAbout
from chukan.platform.accounts.permissions import Permission
from chukan.platform.accounts.rules import Role
from chukan.platform.accounts.service import Invited, told_state
from chukan.platform.accounts.store import Operator
from chukan.platform.accounts.web_desk import Answer, attempted, operator_overview, operators
from chukan.platform.accounts.web_login import half_width, printable
from chukan.platform.accounts.words import ROLES, choice, told_roles
from chukan.platform.messages import mark, text
from chukan.platform.web import BaseForm, PageSet, done, here, page
from chukan.platform.web.fields import ChoicesField, TypedField


class InviteForm(BaseForm):
    """A new operator."""

    login = StringField(
        mark("Log-in name"),
        [InputRequired()],
        description=mark("2 to 40 small letters, digits, dots, hyphens or underscores, a letter first."),
        filters=[lambda typed: half_width(typed).lower()],
        render_kw={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false", "maxlength": "40"},
    )
    # Names keep the characters that they were typed in: a variant is part of a name.
    name = StringField(
        mark("Name"),
        [InputRequired(), Length(max=100)],
        filters=[printable],
        render_kw={"autocomplete": "off"},
    )
    number = StringField(
        mark("Staff number"),
        [InputRequired(), Length(max=40)],
        description=mark("It tells one person from another: who has two accounts has one number."),
        filters=[half_width],
        render_kw={"autocomplete": "off"},
    )
    roles = ChoicesField(
        mark("Roles"),
        description=mark("An administrator is made afterwards, with a second person."),
        choices=[choice(role.value, ROLES[role]) for role in Role if role is not Role.ADMINISTRATOR],
    )


class ConfirmForm(BaseForm):
    """Nothing but the question."""


class DisableForm(BaseForm):
    """The log-in name, typed."""

    typed = TypedField(mark("Log-in name"), [InputRequired()], render_kw={"autocomplete": "off"})


def declare(pages: PageSet) -> None:
    """Declare every act, with the question before it under the same permission."""
    # No log-in name begins with a hyphen.
    _pair(pages, "/operators/-/invite", Permission.OPERATOR_CREATE, ask_invite, invite)
    _pair(pages, "/operators/<login>/reset", Permission.OPERATOR_RESET, ask_reset, reset)
    _pair(pages, "/operators/<login>/unlock", Permission.OPERATOR_UNLOCK, ask_unlock, unlock)
    _pair(pages, "/operators/<login>/disable", Permission.OPERATOR_DISABLE, ask_disable, disable)
    _pair(pages, "/operators/<login>/sessions/end", Permission.SESSION_REVOKE, ask_end_sessions, end_sessions)
    one = "/operators/<login>/sessions/<uuid:session>/end"
    _pair(pages, one, Permission.SESSION_REVOKE, ask_end_session, end_session)


def _pair(pages: PageSet, path: str, needs: Permission, ask: Callable[..., Answer], act: Callable[..., Answer]) -> None:
    pages.get(path, needs=needs)(ask)
    pages.post(path, needs=needs)(act)


# -- new ways in ----------------------------------------------------------------------------------


def ask_invite() -> Answer:
    """Ask for the new operator."""
    return page("accounts/invite.html", form=InviteForm())


def invite() -> Answer:
    """Invite an operator, and show the invitation once."""
    form = InviteForm()
    wanted = [Role(role) for role in form.roles.data or ()] if form.validate() else []
    made = attempted(
        form,
        lambda: operators().create(
            form.login.data or "",
            name=form.name.data or "",
            number=form.number.data or "",
            roles=wanted,
            now=here().now,
        ),
    )
    return page("accounts/invite.html", 422, form=form) if made is None else _invitation(made)


def ask_reset(login: str) -> Answer:
    """Ask before a new way in is handed out."""
    return _question_reset(_about(login), ConfirmForm(), 200)


def reset(login: str) -> Answer:
    """Hand out a new way in, and show the invitation once."""
    form = ConfirmForm()
    made = attempted(form, lambda: operators().reset(login, now=here().now))
    return _question_reset(_about(login), form, 422) if made is None else _invitation(made)


def _question_reset(about: AllAbout, form: BaseForm, status: int) -> Answer:
    return _question(
        about.operator,
        form,
        status,
        title=text("Hand out a new way in?"),
        warning=text("The present way in works until the new one is used. If it may be in wrong hands, disable first."),
        button=text("Make an invitation"),
        action=url_for("accounts.reset", login=about.operator.login),
    )


def _invitation(made: Invited) -> Answer:
    answer = make_response(page("accounts/invited.html", made=made))
    # Not even to step back to: what is shown once is not kept.
    answer.headers["Cache-Control"] = "no-store"
    return answer


# -- delays, sessions, the end --------------------------------------------------------------------


def ask_unlock(login: str) -> Answer:
    """Ask before failed log-ins are forgotten."""
    return _question_unlock(_about(login), ConfirmForm(), 200)


def unlock(login: str) -> Answer:
    """Forget the failed log-ins of the operator."""
    form, about = ConfirmForm(), _about(login)
    count = attempted(form, lambda: operators().unlock(login))
    if count is None:
        return _question_unlock(about, form, 422)
    told: dict[str, object] = {"count": count, "login": login}
    return done("accounts.operator", mark("{count} failed log-ins of {login} are forgotten."), told=told, login=login)


def _question_unlock(about: AllAbout, form: BaseForm, status: int) -> Answer:
    return _question(
        about.operator,
        form,
        status,
        title=text("Lift the delay after failed log-ins?"),
        warning=text("First make sure that it was they who mistyped, and nobody who guesses."),
        button=text("Lift the delay"),
        action=url_for("accounts.unlock", login=about.operator.login),
    )


def ask_disable(login: str) -> Answer:
    """Ask before an operator is disabled; the log-in name has to be typed."""
    return _question_disable(_about(login), _disable_form(login), 200)


def disable(login: str) -> Answer:
    """Disable an operator."""
    form, about = _disable_form(login), _about(login)
    if not form.attempt(lambda: operators().disable(login, now=here().now)):
        return _question_disable(about, form, 422)
    return done("accounts.operator", mark("{login} is disabled."), told={"login": login}, login=login)


def _disable_form(login: str) -> DisableForm:
    form = DisableForm()
    form.typed.expected = login
    return form


def _question_disable(about: AllAbout, form: BaseForm, status: int) -> Answer:
    return _question(
        about.operator,
        form,
        status,
        title=text("Disable the operator?"),
        warning=text("All sessions and invitations end at once. To come back they need a new invitation."),
        button=text("Disable"),
        action=url_for("accounts.disable", login=about.operator.login),
        danger=True,
    )


def ask_end_sessions(login: str) -> Answer:
    """Ask before all sessions of an operator are ended."""
    return _question_sessions(_about(login), ConfirmForm(), 200)


def end_sessions(login: str) -> Answer:
    """End all sessions of an operator."""
    form, about = ConfirmForm(), _about(login)
    count = attempted(form, lambda: operators().revoke_sessions(login, now=here().now))
    if count is None:
        return _question_sessions(about, form, 422)
    told: dict[str, object] = {"count": count, "login": login}
    return done("accounts.operator", mark("{count} sessions of {login} were ended."), told=told, login=login)


def _question_sessions(about: AllAbout, form: BaseForm, status: int) -> Answer:
    return _question(
        about.operator,
        form,
        status,
        title=text("End all sessions of the operator?"),
        warning=text("What they have not saved is lost to them; they can log in again."),
        button=text("End the sessions"),
        action=url_for("accounts.end_sessions", login=about.operator.login),
        danger=True,
    )


def ask_end_session(login: str, session: UUID) -> Answer:
    """Ask before one session of an operator is ended."""
    return _question_session(_about(login), session, ConfirmForm(), 200)


def end_session(login: str, session: UUID) -> Answer:
    """End one session of an operator."""
    form, about = ConfirmForm(), _about(login)
    if attempted(form, lambda: operators().revoke_sessions(login, session, now=here().now)) is None:
        return _question_session(about, session, form, 422)
    return done("accounts.operator", mark("The session has ended."), login=login)


def _question_session(about: AllAbout, session: UUID, form: BaseForm, status: int) -> Answer:
    found = next((one for one in about.sessions if one.id == session), None)
    further = [(text("Opened from"), found.address), (text("Opened at"), found.started_at)] if found else []
    return _question(
        about.operator,
        form,
        status,
        title=text("End this session of the operator?"),
        warning=text("What they have not saved is lost to them; they can log in again."),
        button=text("End the session"),
        danger=True,
        further=further,
        action=url_for("accounts.end_session", login=about.operator.login, session=session),
    )


# -- shared ---------------------------------------------------------------------------------------


def _about(login: str) -> AllAbout:
    return operator_overview().one(login, now=here().now)


def _question(
    operator: Operator,
    form: BaseForm,
    status: int,
    *,
    title: str,
    warning: str,
    button: str,
    action: str,
    danger: bool = False,
    further: Sequence[tuple[str, object]] = (),
) -> Answer:
    """Return the page that asks before something is done to *operator* by what stands at *action*."""
    address = url_for("accounts.operator", login=operator.login)
    facts: list[tuple[str, object]] = [
        (text("Log-in name"), operator.login),
        (text("Name"), operator.name),
        (text("State"), told_state(operator.state)),
        (text("Roles"), told_roles(operator.roles)),
        *further,
    ]
    return page(
        "web/confirm.html",
        status,
        title=title,
        facts=facts,
        warning=warning,
        form=form,
        button=button,
        danger=danger,
        action=action,
        cancel=address,
        crumbs=[(text("Operators"), url_for("accounts.operators")), (operator.login, address)],
    )
