"""The pages that stop the exchange, of one organisation or of all, and let it go on."""

from __future__ import annotations

from flask import request, url_for
from flask.typing import ResponseReturnValue
from wtforms import StringField
from wtforms.validators import InputRequired, Length

from chukan.platform.audit.actor import Actor
from chukan.platform.clock import as_tokyo
from chukan.platform.identifiers import TenantId
from chukan.platform.messages import mark, text
from chukan.platform.web import PageSet, done, here, page
from chukan.platform.web.fields import TypedField
from chukan.platform.web.forms import BaseForm
from chukan.tenants.middleserver.security.errors import NotHosted
from chukan.tenants.middleserver.security.organisations import tenant_of
from chukan.tenants.middleserver.transmission import shared_store
from chukan.tenants.middleserver.transmission.errors import NotStopped
from chukan.tenants.middleserver.transmission.switch import MOST_REASON, Switch
from chukan.tenants.registry.store import Registered, get

STOP = "transmission:exchange:stop"
#: What stands for all organisations in an address.
_ALL = "all"


class StopForm(BaseForm):
    """Whose exchange is stopped, and why."""

    organisation = StringField(mark("Code of the organisation"), [InputRequired(), Length(max=40)])
    reason = StringField(
        mark("Reason"),
        [InputRequired(), Length(max=MOST_REASON)],
        description=mark("It stands in the audit trail, and systems that ask are given it. Name no person."),
    )


class StopAllForm(BaseForm):
    """Why everybody's exchange is stopped; typed, because it reaches all."""

    reason = StringField(
        mark("Reason"),
        [InputRequired(), Length(max=MOST_REASON)],
        description=mark("It stands in the audit trail, and systems that ask are given it. Name no person."),
    )
    typed = TypedField(mark("To confirm, type the words"), [InputRequired()])


def declare(pages: PageSet) -> None:
    """Declare the pages of the switch."""
    pages.get("/exchange/stop", needs=STOP)(ask_stop)
    pages.post("/exchange/stop", needs=STOP)(stop)
    pages.get("/exchange/stop-all", needs=STOP)(ask_stop_all)
    pages.post("/exchange/stop-all", needs=STOP)(stop_all)
    pages.get("/exchange/resume/<reference>", needs=STOP)(ask_resume)
    pages.post("/exchange/resume/<reference>", needs=STOP)(resume)


def ask_stop() -> ResponseReturnValue:
    """Ask whose exchange is to be stopped, and why."""
    form = StopForm()
    form.organisation.data = request.args.get("organisation", "")
    return _stop_page(form, 200)


def stop() -> ResponseReturnValue:
    """Stop the exchange of one organisation."""
    form = StopForm()

    def act() -> None:
        _switch().stop(_tenant(_said(form.organisation)), reason=_said(form.reason))

    if form.attempt(act):
        return done("exchange.overview", mark("The exchange is stopped."))
    return _stop_page(form, 422)


def ask_stop_all() -> ResponseReturnValue:
    """Ask before the exchange of all organisations is stopped."""
    return _stop_all_page(StopAllForm(), 200)


def stop_all() -> ResponseReturnValue:
    """Stop the exchange of all organisations."""
    form = StopAllForm()
    form.typed.expected = text("all organisations")
    if form.attempt(lambda: _switch().stop(None, reason=_said(form.reason))):
        return done("exchange.overview", mark("The exchange is stopped."))
    return _stop_all_page(form, 422)


def ask_resume(reference: str) -> ResponseReturnValue:
    """Ask before the exchange goes on."""
    return _resume_page(reference, BaseForm(), 200)


def resume(reference: str) -> ResponseReturnValue:
    """Let the exchange go on, of one organisation or of all."""
    form = BaseForm()
    tenant = None if reference == _ALL else _tenant(reference)
    if form.attempt(lambda: _switch().resume(tenant)):
        return done("exchange.overview", mark("The exchange goes on."))
    return _resume_page(reference, form, 422)


def _stop_page(form: StopForm, status: int) -> ResponseReturnValue:
    return page("transmission/stop.html", status, form=form, crumbs=_crumbs())


def _stop_all_page(form: StopAllForm, status: int) -> ResponseReturnValue:
    form.typed.expected = text("all organisations")
    return page(
        "web/confirm.html",
        status,
        title=text("Stop the exchange of all organisations"),
        warning=text("No inquiry leaves and none is answered until it goes on. Nothing is lost: messages wait."),
        form=form,
        action=url_for("exchange.stop_all"),
        button=text("Stop the exchange of all"),
        cancel=url_for("exchange.overview"),
        danger=True,
        crumbs=_crumbs(),
    )


def _resume_page(reference: str, form: BaseForm, status: int) -> ResponseReturnValue:
    tenant, whose = None, text("all")
    if reference != _ALL:
        found = _organisation(reference)
        tenant, whose = found.tenant, f"{found.name} {found.reference}"
    with here().engine.connect() as connection:
        stop = next((each for each in shared_store.stops(connection) if each.tenant == tenant), None)
    if stop is None and status == 200:
        raise NotStopped
    facts: list[tuple[str, object]] = [(text("Organisation"), whose)]
    if stop is not None:
        facts += [(text("Reason"), stop.reason), (text("Since"), stop.stopped_at)]
    return page(
        "web/confirm.html",
        status,
        title=text("Let the exchange go on"),
        facts=facts,
        form=form,
        action=url_for("exchange.resume", reference=reference),
        button=text("Let it go on"),
        cancel=url_for("exchange.overview"),
        crumbs=_crumbs(),
    )


def _organisation(reference: str) -> Registered:
    with here().engine.connect() as connection:
        found = get(connection, reference, as_tokyo(here().now).date())
    if found.tenant is None:
        raise NotHosted(organisation=found.reference)
    return found


def _tenant(reference: str) -> TenantId:
    with here().engine.connect() as connection:
        return tenant_of(connection, reference, here().now)


def _switch() -> Switch:
    visit = here()
    return Switch(Actor(visit.engine, visit.actor, visit.request))


def _said(field: StringField) -> str:
    return (field.data or "").strip()


def _crumbs() -> list[tuple[str, str]]:
    return [(text("Exchange with the network"), url_for("exchange.overview"))]
