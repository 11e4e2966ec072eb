"""Hash banks with their matches; PDQ hashes of answered pictures; one index for all analyses of the same bytes."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

ID = sa.String(26).with_variant(sa.String(26, collation="C"), "postgresql")
MOMENT = sa.DateTime(timezone=True)
NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
LEAST_QUALITY = 50
BATCH = 1000


def upgrade() -> None:
    _banks()
    _matches()
    op.create_table(
        "hashes",
        sa.Column("number", NUMBER, primary_key=True),
        sa.Column("analysis", ID, nullable=False),
        sa.Column("pdq", sa.LargeBinary(32), nullable=False),
        sa.UniqueConstraint("analysis"),
    )
    _fill_hashes()
    op.drop_index("ix_analyses_sha256", "analyses")
    op.create_index("analyses_by_picture", "analyses", ["sha256", "id"])


def _banks() -> None:
    op.create_table(
        "banks",
        sa.Column("name", sa.String(63), primary_key=True),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("bound", sa.Integer, nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("entries", sa.Integer, nullable=False),
        sa.Column("changed", MOMENT, nullable=False),
        sa.Column("list", ID, nullable=False),
    )
    op.create_table(
        "bank_entries",
        sa.Column("number", NUMBER, primary_key=True),
        sa.Column("list", ID, nullable=False),
        sa.Column("pdq", sa.LargeBinary(32), nullable=False),
        sa.Column("reference", sa.String(500)),
        sa.Column("tags", sa.String(500)),
    )
    op.create_index("bank_entries_by_list", "bank_entries", ["list", "number"])


def _matches() -> None:
    op.create_table(
        "bank_matches",
        sa.Column("id", ID, primary_key=True),
        sa.Column("analysis", ID, nullable=False, index=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("pdq", sa.String(64), nullable=False),
        sa.Column("source", sa.String(1024)),
        sa.Column("bank", sa.String(63), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("distance", sa.Integer, nullable=False),
        sa.Column("orientation", sa.String(16), nullable=False),
        sa.Column("reference", sa.String(500)),
    )
    op.create_index("bank_matches_by_bank", "bank_matches", ["bank", "id"])
    op.create_index("bank_matches_by_action", "bank_matches", ["action", "id"])


def _fill_hashes() -> None:
    """From the reports given before, in their order."""
    connection, last = op.get_bind(), ""
    page = sa.text("SELECT id, report FROM analyses WHERE id > :last AND pdq IS NOT NULL ORDER BY id LIMIT :batch")
    keep = sa.text("INSERT INTO hashes (analysis, pdq) VALUES (:analysis, :pdq)")
    while rows := connection.execute(page, {"last": last, "batch": BATCH}).all():
        last = rows[-1].id
        images = [(row.id, (row.report if isinstance(row.report, dict) else json.loads(row.report))["image"]) for row in rows]
        known = [
            {"analysis": name, "pdq": bytes.fromhex(image["pdq"])}
            for name, image in images
            if (image.get("pdq_quality") or 0) >= LEAST_QUALITY
        ]
        if known:
            connection.execute(keep, known)
