"""Uploads and duplicate copies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from chukan.platform.messages import mark

revision = "0006"
down_revision = "0005"
PURPOSE = mark("Uploads and duplicate copies")
branch_labels = None
depends_on = None

PRIVILEGES: dict[str, tuple[str, ...]] = {
    "upload": ("select", "insert", "update", "delete"),
    "upload_event": ("select", "insert"),
    "upload_piece": ("select", "insert", "update", "delete"),
    "upload_error": ("select", "insert", "update", "delete"),
    "duplicate_copy": ("select", "insert", "update", "delete"),
    "copy_day": ("select", "insert", "update", "delete"),
}


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away."""
    _uploads()
    _parts_of_uploads()
    _copies()
    # Sealed bytes do not compress: the server shall not try.
    op.execute("alter table upload_piece alter column content set storage external")
    op.execute("alter table duplicate_copy alter column content set storage external")


def _uploads() -> None:
    op.create_table(
        "upload",
        sa.Column("id", sa.Uuid(), server_default=sa.func.uuidv7(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("state", sa.Text(), server_default=sa.text("'receiving'"), nullable=False),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("information", sa.SmallInteger(), nullable=False),
        sa.Column("dataset", sa.SmallInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("department", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("received", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("expected", sa.Integer(), nullable=False),
        sa.Column("exempt", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("begun_at", sa.TIMESTAMP(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("received_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("finished_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("epoch", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("records", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("progress", JSONB(), nullable=True),
        sa.Column("header", sa.Text(), nullable=True),
        sa.Column("faults", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("registered", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("deleted", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("superseded", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("tidy", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="upload_pk"),
        sa.UniqueConstraint("number", name="upload_number_key"),
        sa.CheckConstraint(
            "state in ('receiving', 'received', 'staging', 'validated', 'registered', 'refused', 'cancelled')",
            name="upload_state",
        ),
        sa.CheckConstraint("form in ('csv', 'xml')", name="upload_form"),
        sa.CheckConstraint("received between 0 and size", name="upload_received"),
        sa.CheckConstraint(
            "(number is null) = (state in ('receiving', 'cancelled') and received_at is null)", name="upload_number"
        ),
    )


def _parts_of_uploads() -> None:
    op.create_table(
        "upload_event",
        sa.Column("upload", sa.Uuid(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), server_default=sa.func.clock_timestamp(), nullable=False),
        sa.Column("old", sa.Text(), nullable=True),
        sa.Column("new", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("upload", "at", name="upload_event_pk"),
    )
    op.create_table(
        "upload_piece",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("upload", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="upload_piece_pk"),
    )
    op.create_table(
        "upload_error",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="upload_error_pk"),
    )


def _copies() -> None:
    op.create_table(
        "duplicate_copy",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("person", sa.LargeBinary(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("information", sa.SmallInteger(), nullable=False),
        sa.Column("dataset", sa.SmallInteger(), nullable=False),
        sa.Column("version", sa.SmallInteger(), nullable=False),
        sa.Column("published_from", sa.Date(), nullable=False),
        sa.Column("published_to", sa.Date(), nullable=True),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="duplicate_copy_pk"),
    )
    op.create_index("duplicate_copy_person_information_ix", "duplicate_copy", ["person", "information"])
    op.create_table(
        "copy_day",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("uploads", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("records", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("day", name="copy_day_pk"),
    )
