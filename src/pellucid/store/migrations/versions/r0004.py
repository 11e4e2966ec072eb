"""Flags, appeals, rulings; pictures on which a ruling is in force; analyses that inherit one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

ID = sa.String(26).with_variant(sa.String(26, collation="C"), "postgresql")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    with op.batch_alter_table("analyses") as table:
        table.add_column(sa.Column("inherits", ID))
        table.create_index("analyses_by_inherits", ["inherits"])
    _said("flags", sa.Column("says", sa.String(16), nullable=False), sa.Column("note", sa.Text), *_openness())
    _said(
        "appeals",
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("stood", sa.String(16), nullable=False),
        *_openness(),
        sa.Column("ruling", ID),
    )
    _said(
        "rulings",
        sa.Column("round", ID, nullable=False, index=True),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("reply", sa.Text),
        sa.Column("decision", sa.String(16)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("policy", sa.String(160), nullable=False),
        sa.Column("stood", sa.String(16), nullable=False),
        sa.Column("stood_decision", sa.String(16)),
        sa.Column("machine", sa.String(16), nullable=False),
        sa.Column("machine_decision", sa.String(16)),
    )
    op.create_table(
        "ruled",
        sa.Column("analysis", ID, primary_key=True),
        sa.Column("ruling", ID, nullable=False, index=True),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("hashes", sa.JSON, nullable=False),
    )


def _said(name: str, *columns: sa.Column[object]) -> None:
    op.create_table(
        name,
        sa.Column("id", ID, primary_key=True),
        sa.Column("analysis", ID, nullable=False),
        sa.Column("created", MOMENT, nullable=False, index=True),
        sa.Column("actor", sa.String(160), nullable=False),
        *columns,
    )
    op.create_index(f"{name}_by_analysis", name, ["analysis", "id"])
    op.create_index(f"{name}_by_state", name, ["state", "id"])


def _openness() -> tuple[sa.Column[object], ...]:
    return sa.Column("state", sa.String(16), nullable=False), sa.Column("closed", MOMENT)
