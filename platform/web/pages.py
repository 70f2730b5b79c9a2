"""How a feature declares its pages: no route without a statement of who may open it.

    pages = PageSet("audit", __name__)

    @pages.get("/audit", needs="audit:entry:read")
    def search() -> ResponseReturnValue: ...

    @pages.post("/audit/export", needs="audit:evidence:export")
    def export() -> ResponseReturnValue: ...

A page that shows a form and the act behind it are two views on one path, so that each says what it needs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from flask import Blueprint
from flask.typing import ResponseReturnValue

from chukan.platform.component import Access, MenuEntry, Pages

View = TypeVar("View", bound=Callable[..., ResponseReturnValue])


class PageSet:
    """The pages of one feature while they are being declared; its templates lie in ``templates/`` beside it."""

    def __init__(self, name: str, import_name: str) -> None:
        self._blueprint = Blueprint(name, import_name, template_folder="templates")
        self._needs: dict[str, str | Access] = {}
        self._menu: list[MenuEntry] = []

    def get(self, path: str, *, needs: str | Access, menu: tuple[str, int] | None = None) -> Callable[[View], View]:
        """Declare the view that shows *path*; *menu* gives its title (marked) and place in the menu."""
        return self._declare(path, "GET", needs, menu)

    def post(self, path: str, *, needs: str | Access) -> Callable[[View], View]:
        """Declare the view that acts on what was sent to *path*."""
        return self._declare(path, "POST", needs, None)

    def done(self) -> Pages:
        """Return the pages as the feature's component offers them."""
        return Pages(self._blueprint, dict(self._needs), tuple(self._menu))

    def _declare(
        self, path: str, method: str, needs: str | Access, menu: tuple[str, int] | None
    ) -> Callable[[View], View]:
        def declare(view: View) -> View:
            endpoint = f"{self._blueprint.name}.{view.__name__}"
            self._blueprint.add_url_rule(path, view.__name__, view, methods=[method])
            self._needs[endpoint] = needs
            if menu is not None:
                self._menu.append(MenuEntry(menu[0], endpoint, menu[1]))
            return view

        return declare
