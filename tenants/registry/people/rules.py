"""The eight roles, who must hold them, and what a personnel change makes to be done.

Source: A0-044 to A0-051.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from uuid import UUID

from chukan.tenants.registry.rules import Span
from chukan.tenants.registry.values import Department


class Role(StrEnum):
    """The roles on the organisations' side; the third of the eight is two, first and deputy (A0-044)."""

    CONTACT_MANAGER = "contact_manager"
    CONTACT_STAFF = "contact_staff"
    VPN_ADMIN_PRIMARY = "vpn_admin_primary"
    VPN_ADMIN_DEPUTY = "vpn_admin_deputy"
    SYSTEM_ADMIN = "system_admin"
    BUSINESS_OPERATOR = "business_operator"
    SUPPORT_SITE_MANAGER = "support_site_manager"
    SUPPORT_SITE_STAFF = "support_site_staff"
    CLERICAL_CONTACT = "clerical_contact"


class Duty(StrEnum):
    """What a role is there to do; the applications that people log in to derive permissions from it."""

    LIAISON = "liaison"
    APPLICATIONS = "applications"
    VPN_DEVICES = "vpn_devices"
    TERMINALS = "terminals"
    MASTER_MAINTENANCE = "master_maintenance"
    SECURITY = "security"
    OPERATION_RECORDS = "operation_records"
    PROVISION_RECORDS = "provision_records"
    SYSTEM = "system"
    LINKAGE_CODES = "linkage_codes"
    DUPLICATE_COPIES = "duplicate_copies"
    INQUIRIES = "inquiries"
    PROVISIONS = "provisions"
    SELF_INFORMATION = "self_information"
    ANNOUNCEMENTS = "announcements"
    CLERICAL_DETAILS = "clerical_details"
    SUPPORT_SITE_USERS = "support_site_users"
    INQUIRY_STATUS = "inquiry_status"
    DISTRIBUTED_FILES = "distributed_files"
    NEWS_AND_MANUALS = "news_and_manuals"
    INQUIRY_FORM = "inquiry_form"
    GRANT_PAPERWORK = "grant_paperwork"


DUTIES: Mapping[Role, frozenset[Duty]] = {
    # A0-045: both speak for both departments; the manager files for the board of education too.
    Role.CONTACT_MANAGER: frozenset({Duty.LIAISON, Duty.APPLICATIONS}),
    Role.CONTACT_STAFF: frozenset({Duty.LIAISON}),
    Role.VPN_ADMIN_PRIMARY: frozenset({Duty.VPN_DEVICES}),
    Role.VPN_ADMIN_DEPUTY: frozenset({Duty.VPN_DEVICES}),
    # A0-046
    Role.SYSTEM_ADMIN: frozenset(
        {
            *(Duty.TERMINALS, Duty.MASTER_MAINTENANCE, Duty.SECURITY),
            *(Duty.OPERATION_RECORDS, Duty.PROVISION_RECORDS, Duty.SYSTEM),
        }
    ),
    # A0-047
    Role.BUSINESS_OPERATOR: frozenset(
        {
            *(Duty.LINKAGE_CODES, Duty.DUPLICATE_COPIES, Duty.INQUIRIES),
            *(Duty.PROVISIONS, Duty.SELF_INFORMATION, Duty.ANNOUNCEMENTS),
        }
    ),
    # A0-048
    Role.SUPPORT_SITE_MANAGER: frozenset(
        {Duty.CLERICAL_DETAILS, Duty.SUPPORT_SITE_USERS, Duty.INQUIRY_STATUS, Duty.DISTRIBUTED_FILES}
    ),
    # A0-049
    Role.SUPPORT_SITE_STAFF: frozenset({Duty.NEWS_AND_MANUALS, Duty.INQUIRY_FORM, Duty.DISTRIBUTED_FILES}),
    # A0-050
    Role.CLERICAL_CONTACT: frozenset({Duty.GRANT_PAPERWORK}),
}

#: Held once for the whole organisation, by people of the executive departments (A0-045: the contact section
#: speaks for the board of education too).
ORGANISATION_WIDE = frozenset(
    {Role.CONTACT_MANAGER, Role.CONTACT_STAFF, Role.VPN_ADMIN_PRIMARY, Role.VPN_ADMIN_DEPUTY, Role.CLERICAL_CONTACT}
)
#: Nobody can do without; a system administrator is needed in each department (A0-046).
REQUIRED = (
    *(Role.CONTACT_MANAGER, Role.VPN_ADMIN_PRIMARY, Role.VPN_ADMIN_DEPUTY),
    *(Role.SUPPORT_SITE_MANAGER, Role.CLERICAL_CONTACT),
)
#: The roles that ``gaps`` asks about.
MISSED = (*REQUIRED, Role.SYSTEM_ADMIN)
#: At most one at a time.
SINGLE = frozenset({Role.VPN_ADMIN_PRIMARY, Role.VPN_ADMIN_DEPUTY})
#: These log in somewhere, so that somebody who leaves has accounts to be closed.
WITH_ACCOUNTS = frozenset(
    {Role.SYSTEM_ADMIN, Role.BUSINESS_OPERATOR, Role.SUPPORT_SITE_MANAGER, Role.SUPPORT_SITE_STAFF}
)


def may_hold(role: Role, department: Department) -> bool:
    """Return whether somebody of *department* may hold *role*. Source: A0-044, A0-045."""
    return department is Department.EXECUTIVE or role not in ORGANISATION_WIDE


@dataclass(frozen=True, slots=True)
class Held:
    """A role that a contact of a department holds for a span of days."""

    contact: UUID
    department: Department
    role: Role
    span: Span


class GapKind(StrEnum):
    """What is wrong with who holds which roles; it warns, and stops nothing."""

    MISSING = "missing"
    ONLY_ONE = "only_one"
    SAME_PERSON = "same_person"


@dataclass(frozen=True, slots=True)
class Gap:
    """One such thing: which role, and in which department where the department matters."""

    kind: GapKind
    role: Role
    department: Department | None = None


def gaps(held: Sequence[Held], departments: Sequence[Department], day: date) -> tuple[Gap, ...]:
    """Return what is wrong on *day* with who holds the roles of an organisation that has *departments*.

    Source: A0-044 (a first and a deputy VPN administrator), A0-046 (a system administrator in each department).
    """
    now = [each for each in held if day in each.span]
    holders = {role: {each.contact for each in now if each.role is role} for role in Role}
    found = [Gap(GapKind.MISSING, role) for role in REQUIRED if not holders[role]]
    if holders[Role.VPN_ADMIN_PRIMARY] & holders[Role.VPN_ADMIN_DEPUTY]:
        found.append(Gap(GapKind.SAME_PERSON, Role.VPN_ADMIN_DEPUTY))
    admins = Counter(each.department for each in now if each.role is Role.SYSTEM_ADMIN)
    for department in departments:
        if admins[department] < 2:
            kind = GapKind.ONLY_ONE if admins[department] else GapKind.MISSING
            found.append(Gap(kind, Role.SYSTEM_ADMIN, department))
    return tuple(found)


def opened_by_leaving(
    held: Sequence[Held], after: Sequence[Held], departments: Sequence[Department], day: date
) -> tuple[Gap, ...]:
    """Return the gaps of *day* that a change of *held* into *after* brings: what to warn of when it is told."""
    before = set(gaps(held, departments, day))
    return tuple(gap for gap in gaps(after, departments, day) if gap not in before)


class Task(StrEnum):
    """What is done at a hand-over (A0-051)."""

    CHANGE_FORM = "change_form"
    SYSTEM_ADMIN_URL = "system_admin_url"
    HELPDESK_CONTACT = "helpdesk_contact"
    VPN_HANDLING = "vpn_handling"
    SYSTEM_ADMIN_ACCOUNT = "system_admin_account"
    BUSINESS_OPERATOR_ACCOUNT = "business_operator_account"
    SUPPORT_SITE_MANAGER_DETAILS = "support_site_manager_details"
    SUPPORT_SITE_STAFF_DETAILS = "support_site_staff_details"
    CLERICAL_DETAILS = "clerical_details"


@dataclass(frozen=True, slots=True)
class MatrixTask:
    """One task of the table: in which row, whose change opens it, and whose duty it is."""

    row: int
    moves: frozenset[Role]
    acts: tuple[Role, ...]
    task: Task


@dataclass(frozen=True, slots=True)
class Matrix:
    """The table as it holds from ``valid_from`` on; leavers' accounts are closed ``accounts_within`` days."""

    valid_from: date
    accounts_within: timedelta
    tasks: tuple[MatrixTask, ...]

    def tasks_for(self, role: Role) -> tuple[MatrixTask, ...]:
        """Return exactly the tasks that a change of *role* opens, in the table's order. Source: A0-051."""
        return tuple(task for task in self.tasks if role in task.moves)


def matrix_on(matrices: Sequence[Matrix], day: date) -> Matrix:
    """Return the matrix that holds on *day*: the newest that is not younger, else the first one."""
    in_order = sorted(matrices, key=lambda matrix: matrix.valid_from)
    return next((each for each in reversed(in_order) if each.valid_from <= day), in_order[0])


def accounts_due(role: Role, effective_on: date, within: timedelta, *, leaves: bool) -> date | None:
    """Return the last day on which a leaver's accounts may be open; None where there is nothing to close.

    *effective_on* is the first day on which the role is no longer held. Source: A0-051.
    """
    return effective_on + within if leaves and role in WITH_ACCOUNTS else None


class ChangeState(StrEnum):
    """Where a personnel change stands."""

    OPEN = "open"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class TaskState(StrEnum):
    """Where a task stands; it is dropped when its change is cancelled."""

    OPEN = "open"
    DONE = "done"
    DROPPED = "dropped"


CHANGE_TRANSITIONS: Mapping[ChangeState, frozenset[ChangeState]] = {
    ChangeState.OPEN: frozenset({ChangeState.COMPLETED, ChangeState.CANCELLED}),
    ChangeState.COMPLETED: frozenset(),
    ChangeState.CANCELLED: frozenset(),
}
TASK_TRANSITIONS: Mapping[TaskState, frozenset[TaskState]] = {
    TaskState.OPEN: frozenset({TaskState.DONE, TaskState.DROPPED}),
    TaskState.DONE: frozenset(),
    TaskState.DROPPED: frozenset(),
}


def is_complete(tasks: Sequence[TaskState], *, accounts_due_on: date | None, accounts_closed: bool) -> bool:
    """Return whether nothing of a change is left to do: every task, and the leaver's accounts. Source: A0-051."""
    return all(state is TaskState.DONE for state in tasks) and (accounts_due_on is None or accounts_closed)
