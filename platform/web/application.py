"""The one way to make an application of pages: headers, guard, errors, forms and static files are the same in each.

The order of a request: log context, who visits, what the endpoint needs, the view. An endpoint that does not say what
it needs does not start, so no page is open because somebody forgot it (A0-142 item 1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Flask, Request, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError, CSRFProtect  # type: ignore[import-untyped]  # it has no annotations
from jinja2 import StrictUndefined
from sqlalchemy import Engine
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response

from chukan.platform.clock import Clock
from chukan.platform.component import Access, Pages
from chukan.platform.errors import ChukanError
from chukan.platform.identifiers import new_request_id
from chukan.platform.logs import bind_log_context, get_logger
from chukan.platform.messages import text
from chukan.platform.settings import Settings
from chukan.platform.web import assets, errors, metrics, values
from chukan.platform.web.here import Here, Visitor, here
from chukan.platform.web.responses import page

log = get_logger(__name__)

#: A form of ours is small; files have their own way in.
MAX_REQUEST_BYTES = 2 * 1024 * 1024

SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True)
class Site:
    """What makes an application this one: its name, whom it lets in, and what surrounds its pages."""

    name: str
    #: A marked text: what stands in the header and after each page's title.
    title: str
    settings: Settings
    #: Under the log-in of the serving process; the caller disposes of it.
    engine: Engine
    clock: Clock
    #: Signs cookies and forms; the same on every machine that serves the site.
    secret_key: bytes
    #: Who holds the request's session at this instant, if anybody does.
    visitor: Callable[[Request, Here], Visitor | None]
    #: The endpoint of the log-in.
    login: str
    #: What the layout draws around a page: menu, visitor, notices.
    shell: Callable[[Here], object]
    #: Told when a visitor was refused a page, for the trail (A0-142 item 2).
    refused: Callable[[Here, str], None]


def make_application(site: Site, pages: Iterable[Pages]) -> Flask:
    """Return the application of *site* with *pages*.

    Raises:
        ValueError: an endpoint does not say what it needs.
    """
    app = Flask(site.name, root_path=str(assets.ROOT), static_folder=None)
    app.config.update(
        SECRET_KEY=site.secret_key,
        MAX_CONTENT_LENGTH=MAX_REQUEST_BYTES,
        MAX_FORM_MEMORY_SIZE=MAX_REQUEST_BYTES,
        SESSION_COOKIE_NAME="__Host-chukan-page",
        SESSION_COOKIE_SECURE=True,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session that it is tied to
    )
    # One front of ours, which overwrites these headers, is all that can reach the socket (decision 31).
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)  # type: ignore[method-assign]
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.register_blueprint(Blueprint("web", __name__, template_folder="templates"))
    assets.install(app)
    values.install(app)
    needs = _register(app, pages)
    metrics.count_requests(app, site.name)
    _guard(app, site, needs)
    CSRFProtect(app)
    _answer(app)
    app.context_processor(lambda: {"shell": site.shell(here()), "site_title": text(site.title)})
    return app


def _register(app: Flask, pages: Iterable[Pages]) -> dict[str, str | Access]:
    needs: dict[str, str | Access] = {assets.ENDPOINT: Access.PUBLIC}
    for each in pages:
        app.register_blueprint(each.blueprint)
        needs.update(each.needs)
    forgotten = sorted({rule.endpoint for rule in app.url_map.iter_rules()} - needs.keys())
    if forgotten:
        raise ValueError(f"these endpoints do not say what they need: {', '.join(forgotten)}")
    app.extensions["chukan.needs"] = needs
    return needs


def needs_of(app: Flask) -> Mapping[str, str | Access]:
    """Return what each endpoint of *app* needs, for tests and for the menu."""
    found: Mapping[str, str | Access] = app.extensions["chukan.needs"]
    return found


def _guard(app: Flask, site: Site, needs: Mapping[str, str | Access]) -> None:
    @app.before_request
    def arrive() -> ResponseReturnValue | None:
        reference = new_request_id()
        g.stack = ExitStack()
        g.stack.enter_context(bind_log_context(request=reference))
        g.here = _here(site, reference, None)
        # An address that is nobody's is answered as such only to those who are logged in.
        needed = needs.get(request.endpoint or "", Access.SIGNED_IN)
        if request.endpoint == assets.ENDPOINT:
            return None
        g.here = _here(site, reference, site.visitor(request, g.here))
        return _let_in(site, needed)

    @app.teardown_request
    def leave(_error: BaseException | None) -> None:
        stack: ExitStack | None = g.pop("stack", None)
        if stack is not None:
            stack.close()


def _here(site: Site, reference: str, visitor: Visitor | None) -> Here:
    known: Here | None = g.get("here")
    now = known.now if known else site.clock.now()
    return Here(site.settings, site.engine, now, reference, request.remote_addr or "", visitor)


def _let_in(site: Site, needed: str | Access) -> ResponseReturnValue | None:
    """Return None where the visitor may go on, else where they go instead."""
    if needed is Access.PUBLIC:
        return None
    if here().visitor is None:
        if request.method != "GET":
            raise errors.LoginNeeded
        return redirect(url_for(site.login, next=request.full_path.rstrip("?")), 303)
    if isinstance(needed, str) and not here().may(needed):
        site.refused(here(), needed)
        raise errors.AccessRefused(permission=needed)
    return None


def _answer(app: Flask) -> None:
    @app.errorhandler(Exception)
    def failed(error: Exception) -> ResponseReturnValue:
        told = _told(error)
        return page("web/error.html", _status(error, told), error=told)

    @app.after_request
    def finish(response: Response) -> Response:
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        # Pages show what only their visitor may see; static files say otherwise themselves.
        response.headers.setdefault("Cache-Control", "no-store")
        return response


def _told(error: Exception) -> ChukanError:
    """Return *error* as one that can be told, logged under the reference that the person sees."""
    match error:
        case ChukanError():
            log.info("request refused", exc_info=error, reference=error.reference)
            return error
        case CSRFError():
            return errors.FormExpired()
        case HTTPException(code=HTTPStatus.NOT_FOUND):
            return errors.PageNotFound()
        case HTTPException(code=HTTPStatus.METHOD_NOT_ALLOWED):
            return errors.MethodNotAllowed()
        case HTTPException():
            return errors.RequestNotUnderstood(reason=error.name)
    fault = ChukanError()
    log.error("unforeseen failure", exc_info=error, reference=fault.reference)
    return fault


def _status(error: Any, told: ChukanError) -> int:
    """Return the HTTP status: what HTTP itself found wrong keeps its own."""
    if isinstance(error, HTTPException) and not isinstance(error, CSRFError) and error.code:
        return error.code
    return told.http_status
