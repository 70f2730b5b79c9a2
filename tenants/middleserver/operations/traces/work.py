"""What the worker does for traces: it opens the way to the network only where something was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Engine, select

from chukan.platform.errors import ChukanError
from chukan.platform.identifiers import TenantId
from chukan.platform.logs import get_logger
from chukan.platform.settings import NetworkSettings
from chukan.tenants.middleserver.operations.traces import store
from chukan.tenants.middleserver.operations.traces.service import KEPT, Hosted, NetworkSide, Tracing
from chukan.tenants.middleserver.security.masters.service import Masters
from chukan.tenants.middleserver.transmission.desk import TransmissionDesk, way
from chukan.tenants.registry.tables import Organisation

_log = get_logger(__name__)


def look_up_all(desk: TransmissionDesk, now: datetime) -> int:
    """Forget what is old, and look up what operators asked for; return how many inquiries.

    The network may be away: the others still tell.
    """
    with desk.actor.engine.begin() as connection:
        store.forget_traces(connection, now - KEPT)
        if not store.waiting_traces(connection, 1):
            return 0
    with _network(desk.settings.network) as network:
        return Tracing(desk.actor, desk.sessions, hosted_by(desk.actor.engine), network).run(now)


def hosted_by(engine: Engine) -> Hosted:
    """Return who knows the tenant of an institution: the masters name its organisation, the registry the tenant."""
    masters = Masters(engine)

    def hosted(asked: TenantId, institution: str) -> TenantId | None:
        try:
            listed = masters.catalogue(asked).organisations
        except ChukanError as error:
            _log.warning("traces.masters_unusable", organisation=asked, exc_info=error)
            return None
        code = next((each.organisation_code for each in listed if each.institution_code == institution), None)
        if code is None:
            return None
        with engine.connect() as connection:
            tenant = connection.execute(select(Organisation.tenant).where(Organisation.code == code)).scalar()
        return TenantId(tenant) if tenant is not None else None

    return hosted


@contextmanager
def _network(settings: NetworkSettings) -> Iterator[NetworkSide | None]:
    """Lend the way to the network; None where none is set."""
    if not settings.url:
        yield None
        return
    with way(settings) as (source, keys):
        yield NetworkSide(source, keys.public_key)
