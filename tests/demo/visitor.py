"""Somebody at a browser who knows what the demonstration printed, and nothing else."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from http.cookiejar import CookieJar
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPCookieProcessor, HTTPSHandler, OpenerDirector, ProxyHandler, Request, build_opener

_FIELD = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


@dataclass(frozen=True)
class Told:
    """One way in as it was printed."""

    login: str
    password: str
    code: str


def ways_told(printed: str) -> list[Told]:
    """Return the ways in of the last table in *printed*: name, password, six digits."""
    rows = re.findall(r"^│ (\S+) +│ (\S+) +│ (\d{6}) +│", printed, re.MULTILINE)
    last = {login: Told(login, password, code) for login, password, code in rows}
    return list(last.values())


@dataclass(frozen=True)
class Shown:
    """What came in the end: from which path, how, and the page itself."""

    path: str
    status: int
    page: str


class Visitor:
    """One browser: it keeps cookies, and trusts the authority that it was told of."""

    def __init__(self, printed: str) -> None:
        found = re.search(r"The console is at (https://\S+)\n.*own authority:\n  (\S+)\n", printed)
        assert found is not None, printed
        self.address = found[1]
        https = HTTPSHandler(context=ssl.create_default_context(cafile=found[2]))
        self._browser: OpenerDirector = build_opener(ProxyHandler({}), https, HTTPCookieProcessor(CookieJar()))

    def open(self, path: str, form: dict[str, str] | None = None) -> Shown:
        """Ask for a page, or send a form, and return what comes in the end."""
        data = urlencode(form).encode() if form is not None else None
        # A form is only taken from a page of the site itself.
        request = Request(f"{self.address}{path}", data, {"Referer": f"{self.address}/login"})  # noqa: S310 - https
        try:
            with self._browser.open(request, timeout=30) as answer:
                return Shown(urlsplit(answer.url).path, answer.status, answer.read().decode())
        except HTTPError as refused:
            with refused:
                return Shown(path, refused.code, refused.read().decode())

    def log_in(self, way: Told) -> Shown:
        """Log in through the page, as a person does."""
        token = _FIELD.search(self.open("/login").page)
        assert token is not None
        fields = {"csrf_token": token[1], "next": "", "login": way.login, "password": way.password, "code": way.code}
        return self.open("/login", fields)
