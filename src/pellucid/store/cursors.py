"""Cursors of lists: where the last page ended, wrapped so that nobody reckons with it."""

from __future__ import annotations

import base64
import binascii

from pellucid.base.errors import InvalidParameter
from pellucid.base.ids import is_id


def write_cursor(last_id: str) -> str:
    return wrapped(f"before:{last_id}")


def read_cursor(cursor: str) -> str:
    """The id that `write_cursor` was given. Raises `InvalidParameter`."""
    word, _, last_id = unwrapped(cursor).partition(":")
    if word != "before" or not is_id(last_id):
        raise InvalidParameter(f"the cursor {cursor[:80]!r} is not one that this service gave; take `next` of the page before")
    return last_id


def wrapped(place: str) -> str:
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def unwrapped(cursor: str) -> str:
    """What was wrapped; empty where nothing was."""
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, UnicodeError, ValueError):
        return ""
