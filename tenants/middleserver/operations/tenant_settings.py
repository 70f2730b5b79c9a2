"""What an organisation sets for itself in the operation of its middle server, from a closed list.

Settings stand in ``tenant_setting`` with the instant from which they hold; a change is a later row.

Source: A0-161.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from sqlalchemy import insert, select

from chukan.platform.audit.rules import Action, AuditEntry
from chukan.platform.audit.service import Chain, audited
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId
from chukan.tenants.middleserver.duplicate_copies.trail import Caller
from chukan.tenants.middleserver.operations.errors import SettingRefused
from chukan.tenants.releases.schema import TenantSetting


class SettingName(StrEnum):
    """What can be set."""

    #: For how many days error reports are kept, if longer than the platform keeps them.
    ERROR_REPORT_DAYS = "operations.error_report_days"


#: The least and the most that each may be.
BOUNDS: Mapping[SettingName, tuple[int, int]] = {SettingName.ERROR_REPORT_DAYS: (1, 400)}


class SettingAction(Action):
    """What is recorded of settings."""

    CHANGE = "operations:setting:change"


class TenantSettings:
    """The settings of all organisations, each in its own session."""

    def __init__(self, sessions: TenantSessions) -> None:
        self._sessions = sessions

    def change(self, caller: Caller, name: SettingName, value: int, *, reason: str, now: datetime) -> None:
        """Set *name* from *now* on.

        Raises:
            SettingRefused: the value is out of its bounds, or there is no reason.
        """
        least, most = BOUNDS[name]
        if not least <= value <= most or not reason.strip():
            raise SettingRefused(name=name.value, least=least, most=most)
        entry = AuditEntry(caller.actor, SettingAction.CHANGE, f"tenant:{caller.tenant}", caller.request)
        with audited(lambda: self._sessions.begin(caller.tenant), entry, chain=Chain.TENANT) as unit:
            unit.connection.execute(
                insert(TenantSetting).values(name=name.value, valid_from=now, value=str(value), reason=reason)
            )
            unit.note(setting=name.value, value=value, reason=reason)

    def value(self, tenant: TenantId, name: SettingName, now: datetime) -> int | None:
        """Return what *name* is at *now*, or None if the organisation never set it."""
        row = TenantSetting
        query = select(row.value).where(row.name == name.value, row.valid_from <= now).order_by(row.valid_from.desc())
        with self._sessions.connection(tenant) as connection:
            found = connection.execute(query.limit(1)).scalar_one_or_none()
        return None if found is None else int(found)
