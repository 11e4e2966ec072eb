"""Cursors of lists: where the last page ended, wrapped so that nobody reckons with it.

CURSORS = Cursors("queue", Place)          # the list's name and the shape of a place in it
CURSORS.read(CURSORS.write(place))         # the place again; `InvalidParameter` for whatever this list did not give
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Generic, TypeVar

from pydantic import StringConstraints, TypeAdapter, ValidationError

from pellucid.base.errors import InvalidParameter
from pellucid.base.ids import PATTERN

T = TypeVar("T")
AnId = Annotated[str, StringConstraints(pattern=PATTERN)]


class Cursors(Generic[T]):
    """Those of one list; another's are refused."""

    def __init__(self, of: str, place: type[T]) -> None:
        self._of, self._place = f"{of}:".encode(), TypeAdapter(place)

    def write(self, place: T) -> str:
        return base64.urlsafe_b64encode(self._of + self._place.dump_json(place)).decode().rstrip("=")

    def read(self, cursor: str) -> T:
        """The place that `write` was given. Raises `InvalidParameter`."""
        try:
            told = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            if told.startswith(self._of):
                return self._place.validate_json(told.removeprefix(self._of), strict=True)
        except (binascii.Error, ValidationError, ValueError):
            pass
        raise InvalidParameter(f"the cursor {cursor[:80]!r} is not one that this list gave; take `next` of the page before")


# Of lists that go by the id of what was last seen: newest first, the next page is older.
REPORTS = Cursors[str]("reports", AnId)
STATEMENTS = Cursors[str]("statements", AnId)
