"""Names of analyses: ULIDs (github.com/ulid/spec), which sort by time and can be made anywhere."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 26
# The first letter holds three bits only: 26 letters are 130 bits, an id has 128.
PATTERN = r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$"


def new_id(moment: datetime | None = None) -> str:
    """48 bits of milliseconds, of now or of `moment`, and 80 random bits, in 26 letters of Crockford's base 32."""
    milliseconds = int(moment.timestamp() * 1000) if moment else time.time_ns() // 1_000_000
    value = milliseconds << 80 | secrets.randbits(80)
    return "".join(ALPHABET[value >> shift & 31] for shift in range((LENGTH - 1) * 5, -1, -5))


def moment_of(name: str) -> datetime:
    """When the id was made, to the millisecond."""
    value = 0
    for letter in name:
        value = value << 5 | ALPHABET.index(letter)
    return datetime.fromtimestamp((value >> 80) / 1000, UTC)


def first_id(moment: datetime) -> str:
    """What sorts before every id made at `moment` or later, and after those made before."""
    return new_id(moment)[:10] + ALPHABET[0] * (LENGTH - 10)


def is_id(text: str) -> bool:
    """Is it one that `new_id` could have given?"""
    return len(text) == LENGTH and text[0] <= "7" and set(text) <= set(ALPHABET)
