"""Messages that somebody has to look at, told outside of their organisation's schema: given up, refused, or held.

The relay tells it with everything else that it tells of an organisation; no content, no person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row
from sqlalchemy import Connection

from chukan.platform.database.engines import driver
from chukan.platform.identifiers import TenantId
from chukan.tenants.middleserver.transmission.outbox_store import Counts

#: The oldest of an organisation are told; the command lists more.
_MOST = 200
_TROUBLES = """
    select o.id as message, o.state, o.type, o.conv as conversation, o.seq as sequence, null::int as awaited,
        o.attempts, o.reason, o.changed_at as since
    from outbox o where o.state in ('dead', 'refused')
    union all
    select i.id, i.state, i.type, i.conv, i.seq, c.next_in, null, null, i.received_at
    from inbox i left join conversation c on c.id = i.conv where i.state = 'held'
    order by since, message limit %s
"""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A message that does not go on; ``awaited`` is the number that a held one waits for. *since* is UTC."""

    message: UUID
    state: str
    type: str
    conversation: UUID
    sequence: int | None
    awaited: int | None
    attempts: int | None
    reason: str | None
    since: datetime


def troubles(connection: Connection, counts: Counts) -> Sequence[Trouble]:
    """Return the messages of the organisation whose session this is, if *counts* says that there are any."""
    if not (counts.dead or counts.refused or counts.held):
        return []
    with driver(connection).cursor(row_factory=class_row(Trouble)) as cursor:
        return cursor.execute(_TROUBLES, (_MOST,)).fetchall()


def tell_troubles(connection: Connection, tenant: TenantId, found: Sequence[Trouble]) -> None:
    """Write down in the shared schema what was *found* at *tenant*; it replaces what was told before."""
    below = driver(connection)
    below.execute("delete from platform.exchange_trouble where tenant = %s", (tenant,))
    if not found:
        return
    with below.cursor() as cursor:
        cursor.executemany(
            """
            insert into platform.exchange_trouble
                (tenant, message, state, type, conversation, sequence, awaited, attempts, reason, since)
            values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing
            """,
            [
                (tenant, each.message, each.state, each.type, each.conversation, each.sequence, each.awaited,
                 each.attempts, each.reason, each.since)
                for each in found
            ],
        )  # fmt: skip
