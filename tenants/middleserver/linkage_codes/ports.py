"""What linkage codes ask of those above: who was given what belonged to a code that was wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from chukan.platform.identifiers import TenantId


@dataclass(frozen=True)
class Recipient:
    """That an institution was provided with information under a link, and when (UTC)."""

    institution: str
    information: str
    at: datetime


class Recipients(Protocol):
    """The records of provision: who received what under a link (A1-019)."""

    def received(
        self, tenant: TenantId, link: UUID, since: datetime, until: datetime | None
    ) -> Sequence[Recipient] | None:  # fmt: skip
        """Return who received something under *link* while it held; None if provisions are not recorded here yet."""
        ...


class NotRecordedYet:
    """Stands until provisions are recorded, and says so: nobody is told that nobody received anything."""

    def received(self, *_link: object) -> Sequence[Recipient] | None:
        """Return that it is not known."""
        return None
