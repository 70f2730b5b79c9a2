"""The console searches the trail by who, what, whom and when: it may read the entries, and finds them by index.

The expressions are those of ``platform/audit/search.py``. An entry is hashed as the text that it is; the indexes are
beside it and prove nothing. What is asked for together with an actor or a subject stands at the end of their indexes:
who never did something is told by the index, and the bodies of all that they did are not opened.
"""

from __future__ import annotations

from psycopg.sql import SQL

from chukan.platform.database.migrations.support import run

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away."""
    run(SQL("create index audit_entry_recorded_ix on platform.audit_entry (recorded_at, chain, seq)"))
    for index in (
        SQL(
            "create index audit_entry_actor_ix on platform.audit_entry "
            "((body::jsonb ->> 'actor') text_pattern_ops, recorded_at, chain, seq, "
            "(body::jsonb ->> 'action') text_pattern_ops, (body::jsonb ->> 'subject') text_pattern_ops)"
        ),
        SQL(
            "create index audit_entry_action_ix on platform.audit_entry "
            "((body::jsonb ->> 'action') text_pattern_ops, recorded_at, chain, seq)"
        ),
        SQL(
            "create index audit_entry_subject_ix on platform.audit_entry "
            "((body::jsonb ->> 'subject') text_pattern_ops, recorded_at, chain, seq, "
            "(body::jsonb ->> 'action') text_pattern_ops)"
        ),
        SQL(
            "create index audit_entry_request_ix on platform.audit_entry "
            "((body::jsonb ->> 'request') text_pattern_ops, recorded_at, chain, seq)"
        ),
    ):
        run(index)
    run(SQL("grant select on platform.audit_entry to {console}"))
