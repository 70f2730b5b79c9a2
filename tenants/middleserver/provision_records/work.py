"""What provision records do by themselves at night: comparing with the network, and forgetting what is over.

Source: A0-156; rules C89.
"""

from __future__ import annotations

from datetime import datetime

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from chukan.platform.errors import ChukanError
from chukan.platform.identifiers import TenantId
from chukan.platform.logs import get_logger
from chukan.tenants.middleserver.provision_records import store
from chukan.tenants.middleserver.provision_records.service import Institutions, Reconciliation, Records
from chukan.tenants.middleserver.security.certificates.rules import KeyState, KeyUse
from chukan.tenants.middleserver.security.certificates.service import Keys
from chukan.tenants.middleserver.transmission.desk import TransmissionDesk, way
from chukan.tenants.middleserver.transmission.network_keys import institution_of

_log = get_logger(__name__)


def reconcile_all(desk: TransmissionDesk, now: datetime) -> int:
    """Compare the records of all organisations over the way that the settings name; return at how many it failed.

    Raises:
        NetworkNotSet, NetworkFilesUnusable, NetworkAway: as ``transmission.desk.way``, and its doors.
    """
    institution = institutions(Keys(desk.sessions, desk.vault))
    with way(desk.settings.network) as (network, keys):
        return Reconciliation(desk.actor, desk.sessions, network, keys.public_key, institution).run(now=now)


def forget_all(desk: TransmissionDesk, now: datetime) -> int:
    """Delete all organisations' records whose seven years are over; return how many. Source: rules C89."""
    with desk.actor.engine.connect() as connection:
        tenants = store.organisations(connection)
    count = 0
    for tenant in tenants:
        try:
            count += Records(desk.sessions).forget(tenant, now=now)
        except (ChukanError, SQLAlchemyError, psycopg.Error) as error:
            _log.error("provision_records.retention_failed", organisation=tenant, exc_info=error)
    return count


def institutions(keys: Keys) -> Institutions:
    """Return who tells an organisation's institution code: what its certificate for signing says."""

    def institution(tenant: TenantId, now: datetime) -> str | None:  # noqa: ARG001 - also who replaces one keeps the code
        known = [key for key in keys.list(tenant) if key.use is KeyUse.SIGN and key.certificate is not None]
        active = [key for key in known if key.state is KeyState.ACTIVE] or known
        return institution_of(active[-1].certificate or b"") if active else None

    return institution
