"""What is deleted without being asked for: what the retention policy says is over, bytes that were never accepted, old notes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import islice

from pellucid.records.retention import Retention
from pellucid.store.database import writing
from pellucid.store.deletion import release, unnamed
from pellucid.store.deliveries import forget_delivered
from pellucid.store.idempotency import forget_expired
from pellucid.store.leases import now
from pellucid.store.retention import overdue
from pellucid.store.sessions import Lifetime, forget_sessions
from pellucid.store.sign_in_failures import forget_failures
from pellucid.store.store import Store

DELIVERED_KEPT = timedelta(days=7)
# Longer than anyone takes from writing an object to writing its row.
ORPHANED = timedelta(days=1)
ASKED_AT_ONCE = 500


def erase_overdue(store: Store, policy: Retention, limit: int) -> int:
    """Delete what the policy says is over, at most `limit`; says how many."""
    with store.database.connect() as connection:
        found = overdue(connection, policy, limit)
    return sum(store.erase(analysis_id, why) for analysis_id, why in found)


def erase_orphans(store: Store, older_than: timedelta = ORPHANED) -> int:
    """Delete objects that no row names, since their process died before the picture was accepted; says how many."""
    count = 0
    for names in _batches(store.objects.older_than(now() - older_than)):
        with store.database.connect() as connection:
            orphans = unnamed(connection, names)
        for name in orphans:
            with writing(store.database) as connection:
                release(connection, store.objects, name)
        count += len(orphans)
    return count


def forget_old(store: Store) -> None:
    """Idempotency keys that expired, and deliveries that arrived long ago."""
    with writing(store.database) as connection:
        forget_expired(connection)
        forget_delivered(connection, now() - DELIVERED_KEPT)


def forget_sign_ins(store: Store, lifetime: Lifetime) -> None:
    """Sessions that are over, and failures of long ago."""
    with writing(store.database) as connection:
        forget_sessions(connection, lifetime, now())
        forget_failures(connection, now())


def _batches(names: Iterable[str]) -> Iterator[list[str]]:
    left = iter(names)
    while batch := list(islice(left, ASKED_AT_ONCE)):
        yield batch
