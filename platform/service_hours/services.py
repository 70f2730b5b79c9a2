"""The services that have hours, by the names under which programs are told of them."""

from __future__ import annotations

from enum import StrEnum


class Service(StrEnum):
    """What has hours of its own. Source: A0-137; A0-122 (``SELF_INFORMATION``)."""

    #: The exchange itself: inquiries, provisions, registrations.
    SYSTEM = "system"
    #: No service but its absence: while it holds, sending and receiving of data are stopped.
    DATA_STOP = "data_stop"
    SUPPORT_SITE = "support_site"
    HELPDESK_PHONE = "helpdesk_phone"
    #: Mail and fax.
    HELPDESK_MAIL = "helpdesk_mail"
    MONITORING = "monitoring"
    #: The display of one's own data on Mynaportal.
    SELF_INFORMATION = "self_information"


#: What a planned outage may stop.
STOPPABLE = tuple(service for service in Service if service is not Service.DATA_STOP)
#: What it stops unless something else is said: the others are not said to stop (rules B.2, 7).
STOPPED_BY_DEFAULT = (Service.SYSTEM, Service.SELF_INFORMATION)
