"""My account: who I am, what my roles allow, and where I am logged in."""

from __future__ import annotations

from uuid import UUID

from chukan.platform.accounts.operator_overview import AllAbout
from chukan.platform.accounts.permissions import Permission, told_permission
from chukan.platform.accounts.rules import Role
from chukan.platform.accounts.web_desk import Answer, desk, me, operator_overview, operators
from chukan.platform.accounts.words import told_role, told_session
from chukan.platform.component import Access
from chukan.platform.messages import mark
from chukan.platform.web import PageSet, done, here, page


def declare(pages: PageSet) -> None:
    """Declare the page of whoever visits, and what they can do there."""
    pages.get("/me", needs=Access.SIGNED_IN, menu=(mark("My account"), 990))(my_account)
    pages.post("/me/sessions/<uuid:session>/end", needs=Access.SIGNED_IN)(end_my_session)
    pages.post("/me/sessions/end-others", needs=Access.SIGNED_IN)(end_my_other_sessions)


def my_account() -> Answer:
    """Show the visitor who they are, what they may do, and their sessions."""
    signed = me().require_person()
    about = operator_overview().one(signed.login, now=here().now)
    return page(
        "accounts/me.html", about=about, mine=signed.session, allowed=_allowed(about), told_session=told_session
    )


def end_my_session(session: UUID) -> Answer:
    """End one of the visitor's own sessions."""
    operators().revoke_sessions(me().require_person().login, session, now=here().now)
    return done("accounts.my_account", mark("The session has ended."))


def end_my_other_sessions() -> Answer:
    """End all of the visitor's sessions but this one."""
    signed = me().require_person()
    operators().revoke_sessions(signed.login, now=here().now, keep=signed.session)
    return done("accounts.my_account", mark("You are logged in nowhere else any more."))


def _allowed(about: AllAbout) -> list[tuple[str, list[str]]]:
    """Return each role of the operator with what it allows, in the reader's language."""
    return [(told_role(role), meanings(role)) for role in Role if role in about.operator.roles]


def meanings(role: Role) -> list[str]:
    """Return what *role* allows, in the reader's language and the order of the list of permissions."""
    held = desk().roles.permissions[role]
    return [told_permission(permission) for permission in Permission if permission in held]
