"""What the registry writes into the audit trail: every act, in its transaction, in the platform's chain.

Organisations are named by their code (unions without one by their id), people by their id alone.
"""

from __future__ import annotations

from chukan.platform.audit.rules import Action


class RegistryAction(Action):
    """The acts on the registry."""

    IMPORT = "registry:organisation:import"
    CHANGE = "registry:organisation:change"
    MOVE = "registry:organisation:move"
    MERGE = "registry:organisation:merge"
    DIVIDE = "registry:organisation:divide"
    ADD_UNION = "registry:union:add"
    CHANGE_MEMBERS = "registry:union:change_members"
    IMPORT_POPULATION = "registry:population:import"
    ADOPT = "registry:interface:adopt"
    ADD_CONTACT = "registry:contact:add"
    CHANGE_CONTACT = "registry:contact:change"
    LEAVE = "registry:contact:leave"
    APPOINT = "registry:role:appoint"
    OPEN_HANDOVER = "registry:handover:open"
    FINISH_TASK = "registry:handover:finish_task"
    CLOSE_ACCOUNTS = "registry:handover:close_accounts"
    CANCEL_HANDOVER = "registry:handover:cancel"
    DECLARE = "registry:delegation:declare"
    END_DECLARATION = "registry:delegation:end"
