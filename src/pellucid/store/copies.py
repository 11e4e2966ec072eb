"""Stored pictures that may be copies of one that was ruled on: those of the same bytes, and those whose hash is near."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sqlalchemy import Engine, select

from pellucid.store.hashes import BATCH
from pellucid.store.tables import analyses, hashes


def same_bytes_after(database: Engine, sha256: str, after: str, limit: int) -> list[str]:
    """Ids of answered pictures of just these bytes, oldest first, behind the id `after`."""
    same = (analyses.c.sha256 == sha256, analyses.c.state == "answered", analyses.c.id > after)
    with database.connect() as connection:
        return list(connection.execute(select(analyses.c.id).where(*same).order_by(analyses.c.id).limit(limit)).scalars())


def near_after(database: Engine, pdqs: Sequence[bytes], bound: int, after: int, limit: int) -> list[tuple[int, str]]:
    """(number, id) of the first `limit` hashes kept behind `after` that are within `bound` bits of any of `pdqs`.

    All hashes are read: 32 MB a million. They are in no index, since bounds of inheritance are too wide for one.
    """
    wanted = np.frombuffer(b"".join(pdqs), dtype=np.uint8).reshape(-1, 32)
    found: list[tuple[int, str]] = []
    while len(wanted) and len(found) < limit:
        page = select(hashes).where(hashes.c.number > after).order_by(hashes.c.number).limit(BATCH)
        with database.connect() as connection:
            rows = connection.execute(page).all()
        if not rows:
            break
        after = rows[-1].number
        kept = np.frombuffer(b"".join(row.pdq for row in rows), dtype=np.uint8).reshape(-1, 32)
        bits = np.bitwise_count(kept[:, None] ^ wanted[None]).sum(axis=2, dtype=np.int64).min(axis=1)
        found += [(rows[place].number, rows[place].analysis) for place in np.flatnonzero(bits <= bound).tolist()]
    return found[:limit]
