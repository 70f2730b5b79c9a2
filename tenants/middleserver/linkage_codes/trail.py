"""What linkage codes write into the audit trail of their organisation; persons are named by serials and links alone."""

from __future__ import annotations

from chukan.platform.audit.rules import Action


class LinkageAction(Action):
    """The acts on linkage codes."""

    REQUEST = "linkage_codes:code:request"
    OVERDUE = "linkage_codes:request:overdue"
    SWAP = "linkage_codes:link:swap"
    RELINK = "linkage_codes:link:relink"
    HISTORY = "linkage_codes:history:read"
    CLOSE_CASE = "linkage_codes:case:close"
