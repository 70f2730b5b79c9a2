"""The pages of the registry: organisations, their people, hand-overs, populations, and the lists that are worked off.

Each topic stands in a module of its own, with a list of its addresses at its head.

Source: A0-044 to A0-051, A0-142 item 1.
"""

from __future__ import annotations

from chukan.platform.web import PageSet
from chukan.tenants.registry import (
    web_contacts,
    web_hand_overs,
    web_organisation,
    web_organisations,
    web_populations,
    web_unions,
    web_work_lists,
)

_pages = PageSet("registry", __name__)
for _topic in (
    *(web_organisations, web_organisation, web_work_lists),
    *(web_contacts, web_hand_overs, web_populations, web_unions),
):
    _topic.declare(_pages)
PAGES = _pages.done()
