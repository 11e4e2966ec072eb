"""The table of analyses as it was before revisions were kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0000"
down_revision = None

ID = sa.String(26).with_variant(sa.String(26, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "analyses",
        sa.Column("id", ID, primary_key=True),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.String(1024)),
        sa.Column("sha256", sa.String(64), nullable=False, index=True),
        sa.Column("pdq", sa.String(64)),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("decision", sa.String(16)),
        sa.Column("probability", sa.Float),
        sa.Column("bundle", sa.String(128), nullable=False),
        sa.Column("report", sa.JSON, nullable=False),
        sa.Column("embedding", sa.LargeBinary),
    )
    op.create_index("analyses_by_verdict", "analyses", ["verdict", "id"])
    op.create_index("analyses_by_decision", "analyses", ["decision", "id"])
    op.create_index("analyses_by_created", "analyses", ["created"])
