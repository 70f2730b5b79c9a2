"""Every permission of the platform's operators, in one closed list.

A permission is ``<scope>:<resource>:<action>``. Features above accounts ask for one with ``Actor.require``, commands
declare what they need (``needs`` in ``platform/command_line.py``); which role holds which is data
(``config/roles.toml``), and ``docs/permissions.md`` shows both. None of them opens the content that organisations
keep: there is no such permission to be given.

Source: A0-142 item 1.
"""

from __future__ import annotations

from types import MappingProxyType

from chukan.platform.audit.rules import Action
from chukan.platform.messages import mark, text


class Permission(Action):
    """What an operator may be allowed to do."""

    OPERATOR_READ = "accounts:operator:read"
    OPERATOR_CREATE = "accounts:operator:create"
    OPERATOR_RESET = "accounts:operator:reset"
    OPERATOR_UNLOCK = "accounts:operator:unlock"
    OPERATOR_DISABLE = "accounts:operator:disable"
    ROLE_CHANGE = "accounts:role:change"
    ADMINISTRATOR_APPOINT = "accounts:administrator:appoint"
    SESSION_REVOKE = "accounts:session:revoke"
    REQUEST_READ = "accounts:request:read"

    AUDIT_READ = "audit:entry:read"
    AUDIT_VERIFY = "audit:trail:verify"
    AUDIT_EXPORT = "audit:evidence:export"
    AUDIT_SEAL = "audit:trail:seal"

    KEY_READ = "vault:key:read"
    WRAPPING_KEY_ROTATE = "vault:wrapping_key:rotate"
    SIGNING_KEY_ROTATE = "vault:signing_key:rotate"
    DATA_KEY_ROTATE = "vault:data_key:rotate"

    ORGANISATION_READ = "tenants:organisation:read"
    ORGANISATION_CHANGE = "tenants:organisation:change"
    TENANT_PROVISION = "tenants:tenant:provision"
    TENANT_SUSPEND = "tenants:tenant:suspend"
    TENANT_CLOSE = "tenants:tenant:close"
    TENANT_PURGE = "tenants:tenant:purge"
    TENANT_PURGE_APPROVE = "tenants:purge:approve"
    CREDENTIAL_ROTATE = "tenants:credential:rotate"
    RELEASE_READ = "tenants:release:read"
    RELEASE_APPLY = "tenants:release:apply"

    SERVICE_HOURS_READ = "service_hours:calendar:read"
    OUTAGE_ANNOUNCE = "service_hours:outage:announce"
    OUTAGE_CANCEL = "service_hours:outage:cancel"

    JOB_READ = "jobs:run:read"
    JOB_RUN = "jobs:job:run"

    MAIL_READ = "mail:message:read"
    MAIL_SEND = "mail:message:send"
    MAIL_RETRY = "mail:message:retry"

    EXEMPTION_READ = "limits:exemption:read"
    EXEMPTION_REQUEST = "limits:exemption:request"
    EXEMPTION_APPROVE = "limits:exemption:approve"
    MASTERS_READ = "masters:package:read"
    MASTERS_LOAD = "masters:package:load"
    MASTERS_APPLY = "masters:package:apply"
    CERTIFICATE_READ = "certificates:certificate:read"
    CERTIFICATE_REQUEST = "certificates:certificate:request"
    CERTIFICATE_REPLACE = "certificates:certificate:replace"
    CERTIFICATE_REVOKE = "certificates:certificate:revoke"
    EXCHANGE_READ = "transmission:exchange:read"
    EXCHANGE_STOP = "transmission:exchange:stop"
    MESSAGE_RETRY = "transmission:message:retry"
    CODE_READ = "linkage_codes:code:read"
    CODE_REQUEST = "linkage_codes:code:request"
    LINK_HISTORY_READ = "linkage_codes:history:read"
    LINK_CASE_CLOSE = "linkage_codes:case:close"
    LINK_MOVE = "linkage_codes:link:move"
    LINK_MOVE_APPROVE = "linkage_codes:move:approve"
    COPIES_DELETE = "duplicate_copies:copies:delete"
    INQUIRY_QUEUE_READ = "inquiries:queue:read"
    INQUIRY_QUEUE_CANCEL = "inquiries:queue:cancel"
    PROVISION_QUEUE_READ = "provisions:queue:read"
    RESTRICTION_SET = "provisions:restriction:set"
    RESTRICTION_LIFT = "provisions:restriction:lift"
    RECORD_READ = "provision_records:record:read"
    RECONCILIATION_RUN = "provision_records:reconciliation:run"
    RECONCILIATION_CASE_READ = "provision_records:case:read"
    RECONCILIATION_CASE_CLOSE = "provision_records:case:close"
    SYSTEM_READ = "connections:system:read"
    SYSTEM_REGISTER = "connections:system:register"
    SYSTEM_REVOKE = "connections:system:revoke"
    BATCH_READ = "operations:batch:read"
    BATCH_RUN = "operations:batch:run"
    EXCLUDED_ITEMS_READ = "operations:excluded_items:read"
    EXCLUDED_ITEMS_LOAD = "operations:excluded_items:load"
    SETTING_READ = "operations:setting:read"
    SETTING_CHANGE = "operations:setting:change"
    CAMPAIGN_READ = "campaigns:campaign:read"
    CAMPAIGN_CHANGE = "campaigns:campaign:change"
    SLOT_BOOK = "campaigns:slot:book"


#: What each one allows, in the words of ``docs/permissions.md``.
MEANINGS: MappingProxyType[Permission, str] = MappingProxyType(
    {
        Permission.OPERATOR_READ: mark("see operators, their roles and open sessions"),
        Permission.OPERATOR_CREATE: mark("invite an operator"),
        Permission.OPERATOR_RESET: mark("hand out a new way in"),
        Permission.OPERATOR_UNLOCK: mark("lift the delay after failed log-ins"),
        Permission.OPERATOR_DISABLE: mark("disable an operator"),
        Permission.ROLE_CHANGE: mark("give and take roles"),
        Permission.ADMINISTRATOR_APPOINT: mark("approve another administrator, as the second person"),
        Permission.SESSION_REVOKE: mark("end an operator's sessions"),
        Permission.REQUEST_READ: mark("see what waits for a second person"),
        Permission.AUDIT_READ: mark("read the audit trail"),
        Permission.AUDIT_VERIFY: mark("verify the audit trail"),
        Permission.AUDIT_EXPORT: mark("export an organisation's evidence"),
        Permission.AUDIT_SEAL: mark("seal the audit trail, and write lost seals anew"),
        Permission.KEY_READ: mark("see which keys there are, never a key"),
        Permission.WRAPPING_KEY_ROTATE: mark("rotate and destroy wrapping keys"),
        Permission.SIGNING_KEY_ROTATE: mark("make a new signing key"),
        Permission.DATA_KEY_ROTATE: mark("rotate an organisation's data key"),
        Permission.ORGANISATION_READ: mark("see organisations, departments and contacts"),
        Permission.ORGANISATION_CHANGE: mark("register and change organisations"),
        Permission.TENANT_PROVISION: mark("provision a tenant"),
        Permission.TENANT_SUSPEND: mark("suspend and resume a tenant"),
        Permission.TENANT_CLOSE: mark("close a tenant"),
        Permission.TENANT_PURGE: mark("ask for a closed tenant to be purged"),
        Permission.TENANT_PURGE_APPROVE: mark("approve a purge, as the second person"),
        Permission.CREDENTIAL_ROTATE: mark("renew the tenants' credentials"),
        Permission.RELEASE_READ: mark("see releases and who has them"),
        Permission.RELEASE_APPLY: mark("apply a release to a group"),
        Permission.SERVICE_HOURS_READ: mark("see service hours and planned outages"),
        Permission.OUTAGE_ANNOUNCE: mark("announce a planned outage"),
        Permission.OUTAGE_CANCEL: mark("cancel a planned outage"),
        Permission.JOB_READ: mark("see jobs and their runs"),
        Permission.JOB_RUN: mark("run a job out of turn"),
        Permission.MAIL_READ: mark("see outgoing mail and its state"),
        Permission.MAIL_SEND: mark("send what is due and test mails, take in delivery reports"),
        Permission.MAIL_RETRY: mark("send failed mail again"),
        Permission.EXEMPTION_READ: mark("see who is exempt from the upload limits"),
        Permission.EXEMPTION_REQUEST: mark("ask for an exemption from the upload limits"),
        Permission.EXEMPTION_APPROVE: mark("approve an exemption, as the second person"),
        Permission.MASTERS_READ: mark("see the masters and where each organisation stands"),
        Permission.MASTERS_LOAD: mark("load masters from files"),
        Permission.MASTERS_APPLY: mark("apply masters to organisations"),
        Permission.CERTIFICATE_READ: mark("see the organisations' message certificates"),
        Permission.CERTIFICATE_REQUEST: mark("request a message certificate"),
        Permission.CERTIFICATE_REPLACE: mark("put a message certificate into use, or retire one"),
        Permission.CERTIFICATE_REVOKE: mark("revoke a message certificate"),
        Permission.EXCHANGE_READ: mark("see the exchange of messages"),
        Permission.EXCHANGE_STOP: mark("stop the exchange, of one organisation or of all, and let it go on"),
        Permission.MESSAGE_RETRY: mark("send a message again that was given up"),
        Permission.CODE_READ: mark("see how many linkage codes were asked for and came"),
        Permission.CODE_REQUEST: mark("ask for linkage codes"),
        Permission.LINK_HISTORY_READ: mark("see the history of a link, without its code"),
        Permission.LINK_CASE_CLOSE: mark("close a case of a doubtful link"),
        Permission.LINK_MOVE: mark("ask for swapped or wrong links to be put right"),
        Permission.LINK_MOVE_APPROVE: mark("approve that links are put right, as the second person"),
        Permission.COPIES_DELETE: mark("delete old versions of duplicate copies at all organisations"),
        Permission.INQUIRY_QUEUE_READ: mark("see how inquiries stand, without their content"),
        Permission.INQUIRY_QUEUE_CANCEL: mark("take inquiries back that have no answer"),
        Permission.PROVISION_QUEUE_READ: mark("see how provisions stand, without their content"),
        Permission.RESTRICTION_SET: mark("suspend automatic replies after an incident"),
        Permission.RESTRICTION_LIFT: mark("let automatic replies go on after an incident"),
        Permission.RECORD_READ: mark("see what is recorded of an inquiry, without its content"),
        Permission.RECONCILIATION_RUN: mark("compare records with the network out of turn"),
        Permission.RECONCILIATION_CASE_READ: mark("see which records differ from the network's"),
        Permission.RECONCILIATION_CASE_CLOSE: mark("close a case of records that differ"),
        Permission.SYSTEM_READ: mark("see the systems that may connect"),
        Permission.SYSTEM_REGISTER: mark("register a system's certificate"),
        Permission.SYSTEM_REVOKE: mark("bar a system's certificate"),
        Permission.BATCH_READ: mark("see the night batch, uploads and their limits"),
        Permission.BATCH_RUN: mark("run the night batch out of turn"),
        Permission.EXCLUDED_ITEMS_READ: mark("see the items that are not provided"),
        Permission.EXCLUDED_ITEMS_LOAD: mark("load the items that are not provided"),
        Permission.SETTING_READ: mark("see an organisation's settings"),
        Permission.SETTING_CHANGE: mark("change an organisation's settings"),
        Permission.CAMPAIGN_READ: mark("see the campaigns of revisions"),
        Permission.CAMPAIGN_CHANGE: mark("plan campaigns of revisions"),
        Permission.SLOT_BOOK: mark("book nights for large registrations"),
    }
)


def told_permission(permission: Permission) -> str:
    """Return what *permission* allows, in the reader's language."""
    return text(MEANINGS[permission])
