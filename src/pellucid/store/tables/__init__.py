"""Every table, so that METADATA is whole once this package is imported. A file a subject; a new one gets its line here."""

from pellucid.store.tables.accounts import accounts, sessions, sign_in_failures
from pellucid.store.tables.analyses import analyses
from pellucid.store.tables.api_keys import api_keys
from pellucid.store.tables.audit import audit, audit_head
from pellucid.store.tables.banks import bank_entries, bank_matches, banks
from pellucid.store.tables.deliveries import deliveries
from pellucid.store.tables.hashes import hashes
from pellucid.store.tables.idempotency import idempotency
from pellucid.store.tables.jobs import jobs
from pellucid.store.tables.metadata import METADATA
from pellucid.store.tables.recourse import appeals, flags, ruled, rulings
from pellucid.store.tables.search import search_entries, search_tags

__all__ = [
    "METADATA",
    "accounts",
    "analyses",
    "api_keys",
    "appeals",
    "audit",
    "audit_head",
    "bank_entries",
    "bank_matches",
    "banks",
    "deliveries",
    "flags",
    "hashes",
    "idempotency",
    "jobs",
    "ruled",
    "rulings",
    "search_entries",
    "search_tags",
    "sessions",
    "sign_in_failures",
]
