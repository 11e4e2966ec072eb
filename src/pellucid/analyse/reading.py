"""All that parses a stranger's bytes, behind one interface: in this process, or by workers behind the fence (`fenced.py`).

What a service or `pellucid analyse` is sent is nobody's but a stranger's. Training, export and evaluation read pictures that
somebody chose, with `decode` itself: a crash there costs a command that can be begun again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from pellucid.analyse.claims import read_claims
from pellucid.base.pixels import Limits, Picture, decode
from pellucid.base.room import Room
from pellucid.records.derivative import Derivative, Label, Wanted
from pellucid.records.report import Evidence

# The library of signed records takes a while to import, and who only decodes does without.
if TYPE_CHECKING:
    from pellucid.analyse.credentials import Credentials
    from pellucid.analyse.derive import Deriver


class ReadsRecords(Protocol):
    """A `Credentials`, or one that asks a worker."""

    def read(self, data: bytes, picture_format: str) -> list[Evidence]: ...


class Reader(Protocol):
    """Safe to use from several threads. Who decodes holds the `room` for the pixels as long as they are open."""

    @property
    def room(self) -> Room: ...

    def decode(self, data: bytes, limits: Limits) -> Picture:
        """As `pixels.decode`."""
        ...

    def claims(self, data: bytes, picture_format: str) -> list[Evidence]:
        """As `read_claims`."""
        ...


class SiteReader(Reader, ReadsRecords, Protocol):
    """One that also knows the site's trust list. It is read at the first need; raises `ConfigError` where it is wrong."""

    @property
    def credentials(self) -> Credentials: ...

    def derive(self, deriver: Deriver, data: bytes, wanted: Wanted, label: Label | None = None) -> Derivative: ...

    def start(self) -> None:
        """So that the first picture need not wait."""
        ...

    def close(self) -> None: ...


class Direct:
    """In this process and thread."""

    def __init__(self, room: Room, open_credentials: Callable[[], Credentials] | None = None) -> None:
        self.room = room
        self._open_credentials = open_credentials

    @cached_property
    def credentials(self) -> Credentials:
        assert self._open_credentials is not None
        return self._open_credentials()

    def decode(self, data: bytes, limits: Limits) -> Picture:
        return decode(data, limits)

    def claims(self, data: bytes, picture_format: str) -> list[Evidence]:
        return read_claims(data, picture_format)

    def read(self, data: bytes, picture_format: str) -> list[Evidence]:
        return self.credentials.read(data, picture_format)

    def derive(self, deriver: Deriver, data: bytes, wanted: Wanted, label: Label | None = None) -> Derivative:
        return deriver.derive(data, wanted, label)

    def start(self) -> None:
        """Nothing is to be started."""

    def close(self) -> None:
        """Nothing is held."""
