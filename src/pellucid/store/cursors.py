"""Cursors of lists: the id that the last page ended with, wrapped so that nobody reckons with it."""

from __future__ import annotations

import base64
import binascii

from pellucid.base.errors import InvalidParameter
from pellucid.base.ids import is_id


def write_cursor(last_id: str) -> str:
    return base64.urlsafe_b64encode(f"before:{last_id}".encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> str:
    """The id that `write_cursor` was given. Raises `InvalidParameter`."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, UnicodeError, ValueError):
        text = ""
    word, _, last_id = text.partition(":")
    if word != "before" or not is_id(last_id):
        raise InvalidParameter(f"the cursor {cursor[:80]!r} is not one that this service gave; take `next` of the page before")
    return last_id
