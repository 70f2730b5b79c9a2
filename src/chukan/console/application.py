"""The console as one application: every component's pages, the shell around them, and who may open what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import Flask, current_app, request, url_for
from sqlalchemy import Engine

from chukan.console.inventory import inventory_pages
from chukan.console.overview import overview_pages
from chukan.console.probes import Probe, probe_pages
from chukan.platform.accounts.session_cookie import visitor
from chukan.platform.audit.rules import Action, AuditEntry, Outcome
from chukan.platform.audit.service import Chain, audited
from chukan.platform.clock import Clock, SystemClock
from chukan.platform.component import Component, MenuEntry, Pages
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.secrets import process_password
from chukan.platform.messages import mark, text
from chukan.platform.settings import Settings
from chukan.platform.web.application import Site, make_application, needs_of
from chukan.platform.web.components_page import component_pages
from chukan.platform.web.here import Here


class ConsoleAction(Action):
    """What the console itself writes into the trail."""

    REFUSE = "console:page:refuse"


#: The headings of the menu by the place at which their section ends; what stands first has none.
_HEADINGS = {
    30: "",
    40: mark("Municipalities and unions"),
    70: mark("Operation of the services"),
    900: mark("Records and processes"),
    1000: mark("Accounts of operators"),
}


@dataclass(frozen=True)
class Shell:
    """What the layout draws around every page.

    ``menu`` is sections, each with its heading (or none) and its entries: title, path, and ``page`` where the visitor
    is there, ``true`` on a page below it.
    """

    menu: Sequence[tuple[str, Sequence[tuple[str, str, str]]]] = ()
    #: The visitor's log-in name, None before the log-in.
    visitor: str | None = None
    account: str | None = None
    log_out: str | None = None
    notices: Sequence[tuple[str, str]] = ()


def console_application(
    settings: Settings, engine: Engine, poller: Engine, components: Iterable[Component], clock: Clock | None = None
) -> Flask:
    """Return the console over *engine* (the console's log-in); the probes ask under *poller*'s.

    Raises:
        SecretMissing: this machine was not given the console's password.
    """
    known = tuple(components)
    pages = [page for component in known for page in component.pages]
    probe = Probe(known, poller, settings.console.probe_seconds)
    checks = [check for component in known for check in component.checks]
    own = [overview_pages(probe), inventory_pages(probe, checks), component_pages(), probe_pages(probe)]
    site = Site(
        name="console",
        title=mark("Chukan console"),
        settings=settings,
        engine=engine,
        clock=clock or SystemClock(),
        secret_key=_secret_key(settings),
        visitor=visitor,
        login="accounts.login",
        shell=_shell,
        refused=_record_refusal,
    )
    all_pages = [*own, *pages]
    app = make_application(site, all_pages)
    app.extensions["chukan.menu"] = _menu_entries(all_pages)
    return app


def _menu_entries(pages: Iterable[Pages]) -> tuple[MenuEntry, ...]:
    return tuple(sorted((entry for each in pages for entry in each.menu), key=lambda entry: entry.order))


def _shell(visit: Here) -> Shell:
    if visit.visitor is None:
        return Shell()
    return Shell(_menu(visit), visit.visitor.label, url_for("accounts.my_account"), url_for("accounts.log_out"))


def _menu(visit: Here) -> Sequence[tuple[str, Sequence[tuple[str, str, str]]]]:
    """Return the pages of the menu that the visitor may open, section by section."""
    needs, entries = needs_of(current_app), current_app.extensions["chukan.menu"]
    open_to_visitor = [
        entry for entry in entries if not isinstance(need := needs[entry.endpoint], str) or visit.may(need)
    ]
    paths = {entry.endpoint: url_for(entry.endpoint) for entry in open_to_visitor}
    above = [path for path in paths.values() if f"{request.path}/".startswith(f"{path.rstrip('/')}/") and path != "/"]
    nearest = max(above, key=len, default=None)
    sections: dict[int, list[tuple[str, str, str]]] = {}
    for entry in open_to_visitor:
        path = paths[entry.endpoint]
        current = "page" if request.path == path else "true" if path == nearest else ""
        section = next(end for end in _HEADINGS if entry.order < end)
        sections.setdefault(section, []).append((text(entry.title), path, current))
    return [(text(_HEADINGS[end]) if _HEADINGS[end] else "", entries) for end, entries in sections.items()]


def _record_refusal(visit: Here, permission: str) -> None:
    """Write down who was refused which page: access beyond one's rights is to be seen (A0-142 item 2)."""
    act = AuditEntry(
        visit.actor, ConsoleAction.REFUSE, permission, visit.request, Outcome.REFUSED, {"path": request.path}
    )
    with audited(visit.engine.begin, act, chain=Chain.PLATFORM):
        pass


def _secret_key(settings: Settings) -> bytes:
    """Return the key that signs cookies and forms: of the console's password, so every machine has the same."""
    password = process_password(settings.database.secrets_directory, ProcessKind.CONSOLE)
    return HKDF(SHA256(), 32, salt=None, info=b"chukan console cookies").derive(password.encode())
