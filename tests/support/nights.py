"""What the tests of the night batch share: organisations with uploads, and the batch that registers them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta

from chukan.platform.audit.actor import Actor
from chukan.platform.clock import FixedClock
from chukan.platform.database.roles import ProcessKind
from chukan.tenants.middleserver.operations import store
from chukan.tenants.middleserver.operations.rules import NightTerms, Precedence
from chukan.tenants.middleserver.operations.service import LEASE, NightBatch, Registrar
from chukan.tenants.middleserver.operations.store import Part
from support.copies import Organisation, organisation, right_row
from support.vault import Safe

#: 2019-06-10 23:00 in Tokyo: within the night of that day.
NIGHT_TIME = datetime(2019, 6, 10, 14, 0, tzinfo=UTC)
TERMS = (
    NightTerms(
        time(22),
        time(6),
        timedelta(minutes=10),
        (Precedence.NIGHTS_CARRIED, Precedence.WAITING_SINCE),
        NIGHT_TIME.date(),
    ),
)


@dataclass
class Town:
    """Organisations with uploads, and the batch that registers them."""

    safe: Safe
    clock: FixedClock
    places: list[Organisation] = field(default_factory=list)

    @property
    def actor(self) -> Actor:
        return Actor(self.safe.database.engine(ProcessKind.WORKER), "system:night-batch", "test")

    def place(self) -> Organisation:
        made = organisation(self.safe.database, self.safe)
        made.clock = self.clock
        self.places.append(made)
        return made

    def batch(self, registrar: Registrar, lease: timedelta = LEASE) -> NightBatch:
        return NightBatch(self.actor, self.places[0].sessions, registrar, self.clock, TERMS, lease=lease)

    def send_and_register(self, place: Organisation) -> None:
        """Send a file of two records, and let a night register it."""
        place.send_rows([right_row(1), right_row(2)])
        self.batch(place.night).run()

    def parts(self) -> dict[str, Part]:
        """Return the parts of the newest night by tenant."""
        with self.actor.engine.connect() as connection:
            newest = store.runs(connection, limit=1)[0]
            return {str(part.tenant): part for part in store.parts(connection, newest.night, limit=100)}
