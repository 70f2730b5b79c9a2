"""What all parts of the network share: its memory, its schemas, the faults ordered, and its settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from chukan_simulators.national_network import clock
from chukan_simulators.national_network.authority import Authority
from chukan_simulators.national_network.documents import Schemas
from chukan_simulators.national_network.faults import Menu
from chukan_simulators.national_network.store import Store

#: The settings and what they are unless somebody says otherwise; they are kept over a restart.
DEFAULTS: Mapping[str, float] = {
    #: How long a business day lasts here.
    "business_day_seconds": 1.0,
    #: A code takes between none and so many business days.
    "code_days": 7.0,
    #: So many messages of a conversation are held that came before their turn; others are refused.
    "hold": 0.0,
    #: The first wait before a message is delivered again, and the longest: the waits double.
    "redelivery_seconds": 1.0,
    "redelivery_longest_seconds": 60.0,
    #: How long the platform may take to answer.
    "answer_seconds": 30.0,
}


class SettingUnknown(Exception):
    """There is no such setting, or it cannot have this value."""


@dataclass
class Context:
    """The network's own things."""

    directory: Path
    store: Store
    authority: Authority
    schemas: Schemas
    menu: Menu = field(default_factory=Menu)

    def setting(self, name: str) -> float:
        """Return the value of the setting *name*."""
        return float(self.store.fact(f"setting:{name}") or DEFAULTS[name])

    def set(self, name: str, value: object) -> None:
        """Set *name* from now on.

        Raises: SettingUnknown if there is none, or *value* is no number from zero on.
        """
        if name not in DEFAULTS or isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
            raise SettingUnknown(name)
        self.store.keep(f"setting:{name}", value)

    @property
    def platform_url(self) -> str:
        """Where the platform takes messages: ``https://host:port``; "" as long as nobody has said it."""
        return self.store.fact("platform_url")

    def time(self) -> float:
        """Return the network's time, by which codes become ready and inquiries expire; it can be pushed forward."""
        return clock.seconds() + float(self.store.fact("pushed", "0"))

    def advance(self, business_days: float, seconds: float = 0.0) -> None:
        """Push the network's time forward; business days are as long as they are here."""
        more = business_days * self.setting("business_day_seconds") + seconds
        self.store.keep("pushed", float(self.store.fact("pushed", "0")) + more)
