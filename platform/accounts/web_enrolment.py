"""Enrolment in the browser: an invitation, a password, and a code that proves that the authenticator is set up."""

from __future__ import annotations

import segno
from markupsafe import Markup
from wtforms import Field, HiddenField, PasswordField, StringField
from wtforms.validators import InputRequired, ValidationError

from chukan.platform.accounts.enrolment import Prepared
from chukan.platform.accounts.web_desk import Answer, attempted, desk
from chukan.platform.accounts.web_login import half_width
from chukan.platform.component import Access
from chukan.platform.messages import mark, text
from chukan.platform.web import BaseForm, PageSet, done, here, page

#: Dark on light, whatever the browser's colours are: a scanner needs it so. Units are pixels for each module.
_QR_SCALE = 5


class InvitationForm(BaseForm):
    """The first step: the invitation and the new password."""

    token = StringField(
        mark("Invitation"),
        [InputRequired()],
        description=mark("The invitation that an administrator handed you. It works once, for a short while."),
        filters=[half_width],
        render_kw={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false", "maxlength": "100"},
    )
    password = PasswordField(
        mark("New password"),
        [InputRequired()],
        description=mark("A sentence that you can remember is good. No kind of character is demanded."),
        render_kw={"autocomplete": "new-password"},
    )
    again = PasswordField(
        mark("New password, once more"),
        [InputRequired()],
        render_kw={"autocomplete": "new-password"},
    )

    def validate_again(self, field: Field) -> None:
        """Refuse a second password that is another one; WTForms calls it by its name."""
        if field.data != self.password.data:
            raise ValidationError(text("The two passwords are not the same."))


class FirstCodeForm(BaseForm):
    """The second step: the first code of the new authenticator."""

    token = HiddenField()
    sealed = HiddenField()
    code = StringField(
        mark("Code"),
        [InputRequired()],
        description=mark("The six digits that the authenticator shows now."),
        filters=[half_width],
        render_kw={"autocomplete": "one-time-code", "inputmode": "numeric", "maxlength": "16"},
    )


def declare(pages: PageSet) -> None:
    """Declare the two steps of enrolment."""
    pages.get("/enrol", needs=Access.PUBLIC)(enrol)
    pages.post("/enrol", needs=Access.PUBLIC)(prepare_enrolment)
    pages.post("/enrol/confirm", needs=Access.PUBLIC)(confirm_enrolment)


def enrol() -> Answer:
    """Ask for the invitation and a password."""
    return _first_step(InvitationForm(), 200)


def prepare_enrolment() -> Answer:
    """Show the secret of the codes, once, and ask for the first code; nothing is changed yet."""
    form = InvitationForm()
    token, password = form.token.data or "", form.password.data or ""
    prepared = attempted(form, lambda: desk().enrolment.prepare(token, password, now=here().now))
    if prepared is None:
        return _first_step(form, 422)
    # What was posted is another form's: this one begins with what it is given here.
    return _second_step(FirstCodeForm(formdata=None, data={"token": token, "sealed": prepared.sealed}), prepared, 200)


def confirm_enrolment() -> Answer:
    """Set up password and authenticator, now that the code shows that they work."""
    form = FirstCodeForm()
    token, sealed, code = form.token.data or "", form.sealed.data or "", form.code.data or ""
    # An invitation that is over cannot be put right here: that is an error page.
    prepared = desk().enrolment.prepared(token, sealed, now=here().now)
    login = attempted(
        form,
        lambda: desk().enrolment.confirm(token, sealed, code, now=here().now, request=here().request),
        field="code",
    )
    if login is None:
        form.code.data = ""
        return _second_step(form, prepared, 422)
    return done("accounts.login", mark("{login} can log in now, with the next code."), told={"login": login})


def _first_step(form: InvitationForm, status: int) -> Answer:
    return page("accounts/enrol.html", status, form=form, limits=desk().limits.passwords)


def _second_step(form: FirstCodeForm, prepared: Prepared, status: int) -> Answer:
    picture, secret = _picture(prepared.uri), _in_fours(prepared.secret)
    return page("accounts/enrol_confirm.html", status, form=form, prepared=prepared, picture=picture, secret=secret)


def _in_fours(secret: str) -> str:
    """Return *secret* as it is typed without losing one's place; authenticators take no notice of the blanks."""
    return " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))


def _picture(uri: str) -> Markup:
    """Return the QR code of *uri* as SVG that needs no style of its own; it is made of numbers alone."""
    drawn = segno.make(uri, micro=False, error="m").svg_inline(
        scale=_QR_SCALE, border=4, light="#fff", svgclass="qr", lineclass=None, title=text("QR code with the secret")
    )
    return Markup(drawn)  # noqa: S704 - segno's own markup, around a title of the catalogue
