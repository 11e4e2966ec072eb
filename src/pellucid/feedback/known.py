"""The rulings in force, held in memory and looked at again whenever one changes; laid over every new report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PIL import Image

from pellucid.analyse import ruled
from pellucid.analyse.dry_run import is_blocked_by_bank
from pellucid.analyse.inheritance import Known, KnownPictures
from pellucid.analyse.policy import Policy
from pellucid.base.errors import InputError, NotFound
from pellucid.base.pixels import decode
from pellucid.records.recourse import Inheritance
from pellucid.records.report import Report
from pellucid.store.recourse import all_ruled, ruling_in_force, rulings_version
from pellucid.store.store import Store


class KnownRulings:
    """Safe to use from several threads: what is held is replaced, never changed."""

    def __init__(self, store: Store, bounds: Inheritance) -> None:
        self._store, self._bounds = store, bounds
        self._held: tuple[tuple[Any, ...], KnownPictures] = ((), KnownPictures(()))

    def applied(self, report: Report, data: bytes, policy: Callable[[], Policy]) -> Report:
        """`report` of the picture `data`, which nobody has ruled on yet."""
        if is_blocked_by_bank(report):
            return report
        found = self.now().find(report.image, lambda: decode(data).image, self._picture_of, self._bounds)
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

    def _picture_of(self, known: Known) -> Image.Image | None:
        try:
            return decode(self._store.objects.get(known.sha256)).image
        except (NotFound, InputError):
            return None


def _known(row: dict[str, Any]) -> Known:
    return Known(row["ruling"], row["analysis"], row["verdict"], row["sha256"], tuple(row["hashes"]))
