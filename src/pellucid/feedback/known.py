"""The rulings in force, held in memory and looked at again whenever one changes; laid over every new report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from typing import Any

from PIL import Image

from pellucid.analyse import ruled
from pellucid.analyse.dry_run import is_blocked_by_bank
from pellucid.analyse.inheritance import MOST_VERIFIED, Known, KnownPictures
from pellucid.analyse.policy import Policy
from pellucid.analyse.reading import Reader
from pellucid.base.errors import InputError, NotFound
from pellucid.base.pixels import Limits, claimed_pixels
from pellucid.records.recourse import Inheritance
from pellucid.records.report import Report
from pellucid.store.recourse import all_ruled, ruling_in_force, rulings_version
from pellucid.store.store import Store


class KnownRulings:
    """Safe to use from several threads: what is held is replaced, never changed."""

    def __init__(self, store: Store, bounds: Inheritance, reader: Reader, limits: Limits) -> None:
        self._store, self._bounds, self._reader, self._limits = store, bounds, reader, limits
        self._held: tuple[tuple[Any, ...], KnownPictures] = ((), KnownPictures(()))

    def applied(self, report: Report, data: bytes, policy: Callable[[], Policy]) -> Report:
        """`report` of the picture `data`, which nobody has ruled on yet."""
        if is_blocked_by_bank(report):
            return report
        known, kept = self.now(), dict[str, bytes]()
        with ExitStack() as inside:

            def picture() -> Image.Image:
                """Two are open at a time, and who holds room must not ask for more: so for both at once."""
                kept.update(self._kept(known.near(report.image, self._bounds)[:MOST_VERIFIED]))
                largest = max((claimed_pixels(each, self._limits) for each in kept.values()), default=0)
                inside.enter_context(self._reader.room.hold(claimed_pixels(data, self._limits) + largest))
                return self._reader.decode(data, self._limits).image

            found = known.find(report.image, picture, lambda earlier: self._picture_of(earlier, kept), self._bounds)
        if found is None:
            return report
        with self._store.database.connect() as connection:
            ruling = ruling_in_force(connection, found.known.analysis)
        if ruling is None:
            return report
        return ruled.inherited(report, ruling, found, policy()) if found.same else ruled.similar(report, ruling, found)

    def now(self) -> KnownPictures:
        with self._store.database.connect() as connection:
            version = rulings_version(connection)
            if version != self._held[0]:
                self._held = version, KnownPictures([_known(row) for row in all_ruled(connection)])
        return self._held[1]

    def _kept(self, near: list[tuple[Known, int]]) -> dict[str, bytes]:
        """The bytes of those that are kept, and could be decoded, by their analysis."""
        found: dict[str, bytes] = {}
        for known, _ in near:
            with suppress(NotFound, InputError):
                data = self._store.objects.get(known.sha256)
                claimed_pixels(data, self._limits)
                found[known.analysis] = data
        return found

    def _picture_of(self, known: Known, kept: Mapping[str, bytes]) -> Image.Image | None:
        if known.analysis not in kept:
            return None
        try:
            return self._reader.decode(kept[known.analysis], self._limits).image
        except InputError:
            return None


def _known(row: dict[str, Any]) -> Known:
    return Known(row["ruling"], row["analysis"], row["verdict"], row["sha256"], tuple(row["hashes"]))
