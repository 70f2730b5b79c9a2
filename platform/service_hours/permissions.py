"""What the pages of this feature ask of their visitors; accounts lists these among all permissions."""

from __future__ import annotations

from typing import Final

READ: Final = "service_hours:calendar:read"
ANNOUNCE: Final = "service_hours:outage:announce"
CANCEL: Final = "service_hours:outage:cancel"
