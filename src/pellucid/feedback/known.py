"""The rulings in force, held in memory and looked at again whenever one changes; laid over every new report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PIL import Image

from pellucid.analyse import ruled
from pellucid.analyse.dry_run import is_blocked_by_bank
from pellucid.analyse.inheritance import Found, Known, RuledPictures
from pellucid.analyse.policy import Policy
from pellucid.base.errors import InputError, NotFound
from pellucid.records.label import Ruling
from pellucid.records.recourse import Inheritance
from pellucid.records.report import Report
from pellucid.store.recourse import all_ruled, ruling_in_force, rulings_version
from pellucid.store.store import Store


class KnownRulings:
    """Safe to use from several threads: what is held is replaced, never changed."""

    def __init__(self, store: Store, bounds: Inheritance, opened: Callable[[bytes], Image.Image]) -> None:
        """`opened` gives the picture in some bytes, as large as it is compared."""
        self._store, self._bounds, self._opened = store, bounds, opened
        self._held: tuple[tuple[Any, ...], RuledPictures] = ((), RuledPictures(()))

    def applied(self, report: Report, data: bytes, policy: Callable[[], Policy]) -> Report:
        """`report` of the picture `data`, which nobody has ruled on yet."""
        found = self.found(report, lambda: data)
        if found is None:
            return report
        with self._store.database.connect() as connection:
            ruling = ruling_in_force(connection, found.known.analysis)
        return report if ruling is None else laid_over(report, ruling, found, policy())

    def found(self, report: Report, data: Callable[[], bytes]) -> Found | None:
        """The ruled picture that the report's is, or is similar to; none where a hash bank blocks it, whatever anybody rules."""
        if is_blocked_by_bank(report):
            return None
        return self.now().find(report.image, lambda: self._opened(data()), self._picture_of, self._bounds)

    def now(self) -> RuledPictures:
        with self._store.database.connect() as connection:
            version = rulings_version(connection)
            if version != self._held[0]:
                self._held = version, RuledPictures([_known(row) for row in all_ruled(connection)])
        return self._held[1]

    def _picture_of(self, known: Known) -> Image.Image | None:
        try:
            return self._opened(self._store.objects.get(known.sha256))
        except (NotFound, InputError):
            return None


def laid_over(report: Report, ruling: Ruling, found: Found, policy: Policy) -> Report:
    return ruled.inherited(report, ruling, found, policy) if found.same else ruled.similar(report, ruling, found)


def _known(row: dict[str, Any]) -> Known:
    return Known(row["ruling"], row["analysis"], row["verdict"], row["sha256"], tuple(row["hashes"]))
