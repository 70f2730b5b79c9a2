"""The names under which people know the services."""

from __future__ import annotations

from chukan.platform.messages import mark, text
from chukan.platform.service_hours.services import Service


def service_name(service: Service) -> str:
    """Return the name of *service* in the reader's language."""
    return text(_SERVICES[service])


_SERVICES = {
    Service.SYSTEM: mark("System"),
    Service.DATA_STOP: mark("Stop of sending and receiving"),
    Service.SUPPORT_SITE: mark("Support site"),
    Service.HELPDESK_PHONE: mark("Helpdesk (telephone)"),
    Service.HELPDESK_MAIL: mark("Helpdesk (mail, fax)"),
    Service.MONITORING: mark("Monitoring"),
    Service.SELF_INFORMATION: mark("Display of one's own data"),
}
