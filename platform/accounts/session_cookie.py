"""The cookie that carries a session of the pages, and who visits by it.

The browser sends it to this host alone (``__Host-``), only over TLS, and no script reads it. It lives as long as the
browser, and no longer than the session on the server.
"""

from __future__ import annotations

from flask import Request, after_this_request
from werkzeug.wrappers import Response

from chukan.platform.accounts.actor import Actor
from chukan.platform.accounts.errors import SessionOver
from chukan.platform.accounts.limits import shipped_limits
from chukan.platform.accounts.roles import shipped_roles
from chukan.platform.accounts.rules import SessionKind
from chukan.platform.accounts.sessions import Sessions
from chukan.platform.web.here import Here

COOKIE = "__Host-chukan-session"


def visitor(request: Request, here: Here) -> Actor | None:
    """Return who holds the session of *request* at this instant; the cookie of one that is over is taken back.

    What a script of ours fetches by itself does not prolong a session: a page that refreshes itself before nobody
    would keep it open for ever.
    """
    token = token_of(request)
    if token is None:
        return None
    fetched = "Chukan-Refresh" in request.headers or request.headers.get("Sec-Fetch-Dest") == "empty"
    sessions = Sessions(here.engine, shipped_limits(), shipped_roles())
    try:
        return sessions.resume(token, now=here.now, kind=SessionKind.CONSOLE, prolongs=not fetched)
    except SessionOver:
        after_this_request(_forget_old)
        return None


def token_of(request: Request) -> str | None:
    """Return the token that *request* brought, whoever may hold it."""
    return request.cookies.get(COOKIE) or None


def keep(response: Response, token: str) -> None:
    """Give the browser *token*, in place of any before."""
    response.set_cookie(COOKIE, token, path="/", secure=True, httponly=True, samesite="Lax")


def forget(response: Response) -> None:
    """Have the browser forget its token."""
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Lax")


def _forget_old(response: Response) -> Response:
    # Where the same request logged somebody in, the new token stays.
    if not any(value.startswith(f"{COOKIE}=") for value in response.headers.getlist("Set-Cookie")):
        forget(response)
    return response
