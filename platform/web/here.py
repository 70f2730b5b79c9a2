"""What a view works with: who visits, the engine, and one ``now`` for the whole request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, cast

from flask import g
from sqlalchemy import Engine

from chukan.platform.settings import Settings


class Visitor(Protocol):
    """Who visits: somebody with a name for the trail and with permissions."""

    @property
    def name(self) -> str:
        """What the audit trail records: ``operator:<account>``."""
        ...

    @property
    def label(self) -> str:
        """What the pages show: the log-in name."""
        ...

    def may(self, permission: Any, /) -> bool:
        """Return whether the visitor holds *permission*."""
        ...


@dataclass(frozen=True)
class Here:
    """One request as a view sees it; ``engine`` works under the log-in of the serving process."""

    settings: Settings
    engine: Engine
    #: The instant of the request, aware, in UTC: everything on a page is decided at the same one.
    now: datetime
    #: Ties together what this request wrote to the logs and to the trail.
    request: str
    #: Where the request came from, as the front says.
    address: str
    #: None on public pages that nobody logged in to see.
    visitor: Visitor | None

    @property
    def actor(self) -> str:
        """How the trail names the visitor.

        Raises:
            RuntimeError: the page is public, and nobody is logged in.
        """
        if self.visitor is None:
            raise RuntimeError("a public page recorded an act of somebody")
        return self.visitor.name

    def may(self, permission: str) -> bool:
        """Return whether the visitor holds *permission*, for what a page offers or leaves out."""
        return self.visitor is not None and self.visitor.may(permission)


def here() -> Here:
    """Return the request that is being answered."""
    return cast("Here", g.here)
