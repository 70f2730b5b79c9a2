"""Logging in and out in the browser."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import urlsplit

from flask import make_response, redirect, request, session
from wtforms import HiddenField, PasswordField, StringField
from wtforms.validators import InputRequired

from chukan.platform.accounts import session_cookie
from chukan.platform.accounts.login import Credentials
from chukan.platform.accounts.rules import SessionKind
from chukan.platform.accounts.web_desk import Answer, attempted, desk
from chukan.platform.component import Access
from chukan.platform.messages import mark
from chukan.platform.web import BaseForm, PageSet, done, here, page

#: Where somebody goes who did not say where: the first page.
HOME = "/"
#: Tabs and line ends are left out by browsers, and a backslash is a slash to them.
_MISLEADING = re.compile(r"[\x00-\x1f\x7f\\]")


def half_width(typed: str | None) -> str:
    """Return *typed* as names and codes are compared: nobody is asked to switch the width of their keyboard.

    What cannot be seen (NUL, line ends) is no part of either.
    """
    return printable(unicodedata.normalize("NFKC", typed or ""))


def printable(typed: str | None) -> str:
    """Return *typed* without what cannot be seen, and without blanks around it; every visible character stays."""
    return "".join(character for character in typed or "" if character.isprintable()).strip()


class LoginForm(BaseForm):
    """Name, password and code at once: which of them was wrong is nobody's to know."""

    login = StringField(
        mark("Log-in name"),
        [InputRequired()],
        filters=[lambda typed: half_width(typed).lower()],
        render_kw={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false", "maxlength": "64"},
    )
    password = PasswordField(mark("Password"), [InputRequired()], render_kw={"autocomplete": "current-password"})
    code = StringField(
        mark("Code"),
        [InputRequired()],
        description=mark("The six digits that your authenticator shows now; each code works once."),
        filters=[half_width],
        render_kw={"autocomplete": "one-time-code", "inputmode": "numeric", "maxlength": "16"},
    )
    next = HiddenField()


def own_path(wanted: str | None) -> str:
    r"""Return *wanted* if it is a path of this site and nothing else, else the first page.

    What browsers read differently than it looks (``//host``, ``/\host``, a scheme, line ends) leads nowhere.
    """
    if not wanted or not wanted.startswith("/") or wanted.startswith("//") or _MISLEADING.search(wanted):
        return HOME
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return HOME
    return HOME if parts.scheme or parts.netloc else wanted


def declare(pages: PageSet) -> None:
    """Declare log-in and log-out."""
    pages.get("/login", needs=Access.PUBLIC)(login)
    pages.post("/login", needs=Access.PUBLIC)(log_in)
    # Whoever is logged out already may say so again: that is no reason for an error page.
    pages.post("/logout", needs=Access.PUBLIC)(log_out)


def login() -> Answer:
    """Show the log-in; who is logged in goes where they wanted to."""
    wanted = request.args.get("next")
    if here().visitor is not None:
        return redirect(own_path(wanted), 303)
    return page("accounts/login.html", form=LoginForm(data={"next": wanted or ""}))


def log_in() -> Answer:
    """Log in: always a new session with a new token; one that the browser had before ends."""
    form = LoginForm()
    given = Credentials(form.login.data or "", form.password.data or "", form.code.data or "", here().address)
    opened = attempted(
        form,
        lambda: desk().login.log_in(given, SessionKind.CONSOLE, now=here().now, request=here().request),
    )
    if opened is None:
        # The code is used up or wrong: nobody is tempted to send it again.
        form.code.data = ""
        return page("accounts/login.html", 422, form=form)
    _end_session()
    # What was in the browser before belongs to nobody who is logged in.
    session.clear()
    answer = redirect(own_path(form.next.data), 303)
    session_cookie.keep(answer, opened.token)
    return answer


def log_out() -> Answer:
    """End the session, and have the browser forget it."""
    _end_session()
    session.clear()
    answer = make_response(done("accounts.login", mark("You are logged out.")))
    session_cookie.forget(answer)
    return answer


def _end_session() -> None:
    token = session_cookie.token_of(request)
    if token is not None:
        desk().sessions.log_out(token, now=here().now, request=here().request)
