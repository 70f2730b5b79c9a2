"""Batches, and what is not provided."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chukan.platform.messages import mark

revision = "0008"
down_revision = "0007"
PURPOSE = mark("Batches, and what is not provided")
branch_labels = None
depends_on = None

PRIVILEGES: dict[str, tuple[str, ...]] = {
    "batch_result": ("select", "insert", "update", "delete"),
    "excluded_item_list": ("select", "insert"),
    "excluded_item": ("select", "insert"),
}


def upgrade() -> None:
    """Expand: nothing that the running release needs is taken away."""
    _results()
    _excluded_items()
    _marks()


def _results() -> None:
    op.create_table(
        "batch_result",
        sa.Column("night", sa.Date(), nullable=False),
        sa.Column("started_at", sa.TIMESTAMP(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("registered", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("remaining", sa.Integer(), nullable=False),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("night", name="batch_result_pk"),
    )


def _excluded_items() -> None:
    op.create_table(
        "excluded_item_list",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name="excluded_item_list_pk"),
    )
    op.create_table(
        "excluded_item",
        sa.Column("list", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("information", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("dataset", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("from_day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("list", "information", "dataset", "item", name="excluded_item_pk"),
    )


def _marks() -> None:
    """The night finds who has something to register without opening every schema."""
    op.execute(
        "create trigger upload_begun after insert on upload "
        "for each row execute function platform_api.mark_upload('abandoned-uploads')"
    )
    op.execute(
        "create trigger upload_received after update of state on upload "
        "for each row when (old.state = 'receiving' and new.state = 'received') "
        "execute function platform_api.mark_upload('registration')"
    )
