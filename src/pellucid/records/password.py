"""Passwords: argon2id (RFC 9106), the parameters in one place. Unlike that of a key this hash is slow: passwords can be guessed.

The parameters stand in every hash, so that older ones are still read; they are made anew at the next sign-in.
"""

from __future__ import annotations

import unicodedata
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from pellucid.base.errors import InvalidParameter

# RFC 9106, section 4, the second choice: 64 MiB, 3 passes, 4 lanes.
PARAMETERS = RFC_9106_LOW_MEMORY
SHORTEST = 12
LONGEST = 256
# Of random bits that nobody kept, with PARAMETERS: what is verified for a name that has no password.
NOBODYS = "$argon2id$v=19$m=65536,t=3,p=4$dSkfh/kz+gJQKmHkEowf3w$bq/aqqO6GwBQ373wPq71wAbLl9U6IZcyNmskzz4OYCA"


def check_password(password: str, name: str) -> None:
    """Raises `InvalidParameter` where it is too short, or the name itself."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidParameter(f"the password has {len(password)} characters; allowed are {SHORTEST} to {LONGEST}")
    if _plain(password).casefold() == _plain(name).casefold():
        raise InvalidParameter("the password is the name; take another")


def hashed(password: str) -> str:
    """Takes 0.15 s and 64 MiB, on purpose."""
    return _hasher().hash(_plain(password))


def is_right(kept: str | None, password: str) -> bool:
    """As slow where no password is kept, so that the time says nothing of which names there are."""
    try:
        matches = _hasher().verify(kept or NOBODYS, _plain(password))
    except (VerificationError, InvalidHashError):
        return False
    return matches and kept is not None


def is_outdated(kept: str) -> bool:
    """Was it made with other parameters than today's?"""
    return _hasher().check_needs_rehash(kept)


def _plain(password: str) -> str:
    """The same characters are the same bytes, whatever keyboard they came from. A lone surrogate is no character."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "replace").decode()


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher.from_parameters(PARAMETERS)
