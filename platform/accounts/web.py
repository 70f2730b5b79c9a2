"""The pages of accounts: log-in and enrolment, my account, operators, and what waits for a second person.

Each topic stands in a module of its own, with a list of its addresses at its head.

Source: A0-142 item 1.
"""

from __future__ import annotations

from collections.abc import Sequence

from chukan.platform.accounts import (
    web_enrolment,
    web_login,
    web_me,
    web_operator_acts,
    web_operators,
    web_requests,
    web_roles,
)
from chukan.platform.accounts.actor import Actor
from chukan.platform.accounts.four_eyes import FourEyesKind
from chukan.platform.accounts.limits import Limits
from chukan.platform.accounts.request_overview import RequestOverview
from chukan.platform.accounts.web_desk import DeskKeeper, desk_for
from chukan.platform.component import Pages
from chukan.platform.web import Here, PageSet


def accounts_pages(kinds: Sequence[FourEyesKind] = (), limits: Limits | None = None) -> Pages:
    """Return the pages, which decide and show requests of *kinds* and of our own; *limits* are the shipped ones."""
    pages = PageSet("accounts", __name__)
    for topic in (web_login, web_enrolment, web_me, web_operators, web_operator_acts, web_roles, web_requests):
        topic.declare(pages)
    declared = pages.done()
    declared.blueprint.record_once(DeskKeeper(kinds, limits).install)
    return declared


def waiting_for(visit: Here) -> int:
    """Return how many requests wait for the visitor to decide; nobody's are none. Asked while a request is answered."""
    if not isinstance(visit.visitor, Actor):
        return 0
    kinds = desk_for(visit).four_eyes.kinds
    return RequestOverview(visit.engine, kinds, actor=visit.visitor).waiting(now=visit.now)
