"""What is written into the platform's chain about the comparison of records."""

from __future__ import annotations

from chukan.platform.audit.rules import Action


class RecordAction(Action):
    """The acts of operators on cases."""

    CLOSE_CASE = "provision_records:case:close"
