"""Numbers of PDQ hashes are given once only: who reads on from the last one he saw never takes a new hash for a deleted one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

ID = sa.String(26)


def upgrade() -> None:
    """PostgreSQL's sequences never go back; SQLite gives a number again unless the table was made with AUTOINCREMENT."""
    if op.get_bind().dialect.name != "sqlite":
        return
    op.rename_table("hashes", "hashes_before")
    op.create_table(
        "hashes",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("analysis", ID, nullable=False),
        sa.Column("pdq", sa.LargeBinary(32), nullable=False),
        sa.UniqueConstraint("analysis"),
        sqlite_autoincrement=True,
    )
    op.execute("INSERT INTO hashes (number, analysis, pdq) SELECT number, analysis, pdq FROM hashes_before ORDER BY number")
    op.drop_table("hashes_before")
