"""Moments as they are told: RFC 3339 in UTC, ending in Z, so that one can stand in an address as it is (a + would be a blank)."""

from __future__ import annotations

from datetime import UTC, datetime


def stamp(moment: datetime) -> str:
    """To the millisecond, cut and not rounded, so that it is never later than the moment itself."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
