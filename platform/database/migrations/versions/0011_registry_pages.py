"""The registry's pages: contacts are kept up to date and leave, and work lists find what is open."""

from __future__ import annotations

from psycopg.sql import SQL

from chukan.platform.database.migrations.support import run

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away."""
    run(SQL("alter table platform.contact add column left_on date"))
    # Which organisation and department somebody belongs to stays: whoever changes it is a new contact.
    run(SQL("grant update (name, email, telephone, left_on) on platform.contact to {console}"))
    # Most hand-overs are finished: the lists over all organisations look at the others alone.
    run(
        SQL("create index personnel_change_unfinished on platform.personnel_change (effective_on) where state = 'open'")
    )
    run(SQL("create index handover_task_unfinished on platform.handover_task (change) where state = 'open'"))
    # Every reader of a day's roles asks by organisation or role, and for those that have not ended.
    run(SQL("create index role_assignment_by_role on platform.role_assignment (role, organisation)"))
