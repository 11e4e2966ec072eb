"""An analysis has a life cycle and may be accepted before it is answered; jobs, webhook deliveries, idempotency keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = "0000"

ID = sa.String(26).with_variant(sa.String(26, collation="C"), "postgresql")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    with op.batch_alter_table("analyses") as table:
        # Whatever stands there is answered; from now on the code says.
        table.add_column(sa.Column("state", sa.String(16), nullable=False, server_default="answered"))
        table.add_column(sa.Column("settled", MOMENT))
        table.add_column(sa.Column("declared", sa.String(16)))
        table.add_column(sa.Column("problem", sa.JSON))
        table.add_column(sa.Column("deleted_why", sa.String(200)))
        table.alter_column("sha256", existing_type=sa.String(64), nullable=True)
        table.alter_column("verdict", existing_type=sa.String(16), nullable=True)
        table.alter_column("bundle", existing_type=sa.String(128), nullable=True)
        table.alter_column("report", existing_type=sa.JSON, nullable=True)
    op.execute("UPDATE analyses SET settled = created")
    with op.batch_alter_table("analyses") as table:
        table.alter_column("state", existing_type=sa.String(16), existing_nullable=False, server_default=None)
    _jobs()
    _deliveries()
    _idempotency()


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", ID, primary_key=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("payload", sa.JSON),
        *_lease(),
    )
    op.create_index("jobs_by_due", "jobs", ["kind", "due"])


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", ID, primary_key=True),
        sa.Column("event", sa.String(64), nullable=False),
        sa.Column("analysis", ID, index=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("settled", MOMENT),
        sa.Column("status", sa.Integer),
        sa.Column("problem", sa.String(500)),
        *_lease(),
    )
    op.create_index("deliveries_by_due", "deliveries", ["state", "due"])
    op.create_index("deliveries_by_state", "deliveries", ["state", "id"])


def _idempotency() -> None:
    op.create_table(
        "idempotency",
        sa.Column("owner", sa.String(64), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("analysis", ID, nullable=False),
        sa.Column("expires", MOMENT, nullable=False, index=True),
    )


def _lease() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("due", MOMENT, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("holder", sa.String(26)),
        sa.Column("taken", MOMENT),
    )
