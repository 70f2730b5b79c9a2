"""How people call the roles, the gaps in them, and the tasks of a hand-over."""

from __future__ import annotations

from collections.abc import Mapping

from chukan.platform.messages import mark, text
from chukan.tenants.registry.people.rules import ChangeState, Gap, GapKind, Role, Task, TaskState
from chukan.tenants.registry.values import department_label

#: How people call them (000 §2.9).
_ROLES: Mapping[Role, str] = {
    Role.CONTACT_MANAGER: mark("manager of the contact section"),
    Role.CONTACT_STAFF: mark("staff of the contact section"),
    Role.VPN_ADMIN_PRIMARY: mark("VPN administrator (first)"),
    Role.VPN_ADMIN_DEPUTY: mark("VPN administrator (deputy)"),
    Role.SYSTEM_ADMIN: mark("system administrator"),
    Role.BUSINESS_OPERATOR: mark("business operator"),
    Role.SUPPORT_SITE_MANAGER: mark("support-site manager"),
    Role.SUPPORT_SITE_STAFF: mark("support-site staff"),
    Role.CLERICAL_CONTACT: mark("clerical contact"),
}
_GAPS: Mapping[GapKind, str] = {
    GapKind.MISSING: mark("nobody holds it"),
    GapKind.ONLY_ONE: mark("only one person holds it"),
    GapKind.SAME_PERSON: mark("first and deputy are the same person"),
}
_TASKS: Mapping[Task, str] = {
    Task.CHANGE_FORM: mark("submit the form for the start or change of use"),
    Task.SYSTEM_ADMIN_URL: mark("hand over the log-in URL of the system administrators"),
    Task.HELPDESK_CONTACT: mark("hand over how to reach the helpdesk"),
    Task.VPN_HANDLING: mark(
        "hand over the VPN device: backup files, log-in id and password, how to apply for a suppression of its alarms"
    ),
    Task.SYSTEM_ADMIN_ACCOUNT: mark("create, update and delete the system administrators' accounts"),
    Task.BUSINESS_OPERATOR_ACCOUNT: mark("create, update and delete the business operators' accounts"),
    Task.SUPPORT_SITE_MANAGER_DETAILS: mark("update the support-site manager's details"),
    Task.SUPPORT_SITE_STAFF_DETAILS: mark("update the support-site staff's details"),
    Task.CLERICAL_DETAILS: mark("update the clerical contact and the address for invoices"),
}
_STATES: Mapping[ChangeState | TaskState, str] = {
    ChangeState.OPEN: mark("unfinished"),
    ChangeState.COMPLETED: mark("completed"),
    ChangeState.CANCELLED: mark("taken back"),
    TaskState.OPEN: mark("unfinished"),
    TaskState.DONE: mark("done"),
    TaskState.DROPPED: mark("not needed any more"),
}


def role_label(role: Role) -> str:
    """Return how people call *role*, in the reader's language."""
    return text(_ROLES[role])


def task_label(task: Task) -> str:
    """Return what is to be done, in the reader's language."""
    return text(_TASKS[task])


def step_label(state: ChangeState | TaskState) -> str:
    """Return where a hand-over or a task stands, in the reader's language."""
    return text(_STATES[state])


#: Steps in the history of a hand-over that are neither a state of it nor of a task.
_EVENTS: Mapping[str, str] = {
    **{state.value: word for state, word in _STATES.items()},
    "accounts_closed": mark("the accounts are closed"),
}


def event_label(to: str) -> str:
    """Return what a step of a hand-over's history came to, in the reader's language."""
    return text(_EVENTS[to])


def gap_kind_label(kind: GapKind) -> str:
    """Return what is wrong, in the reader's language."""
    return text(_GAPS[kind])


def gap_label(gap: Gap) -> str:
    """Return which role is held wrongly, where, and how, in the reader's language."""
    told = {"role": role_label(gap.role), "gap": gap_kind_label(gap.kind)}
    if gap.department is None:
        return text("{role}: {gap}", **told)
    return text("{role}, {department}: {gap}", department=department_label(gap.department), **told)
