"""Moments as they are told: RFC 3339 in UTC, ending in Z, so that one can stand in an address as it is (a + would be a blank)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator

from pellucid.base.errors import InvalidParameter


def stamp(moment: datetime) -> str:
    """To the millisecond, cut and not rounded, so that it is never later than the moment itself."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def in_utc(moment: datetime) -> datetime:
    """One without a zone is taken as UTC. Raises `InvalidParameter` where UTC has no such year."""
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise InvalidParameter(f"{moment.isoformat()} is before or after all years that there are in UTC") from error


def _sent(moment: datetime) -> datetime:
    try:
        return in_utc(moment)
    except InvalidParameter as error:
        raise ValueError(error.detail) from error


# A moment that a request brings, in UTC.
Moment = Annotated[datetime, AfterValidator(_sent)]
