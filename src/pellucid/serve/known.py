"""What a serving process knows of pictures: the hash banks as they stand, answers given before, hashes of what is stored.

Banks and hashes are held in memory, 100 bytes each. Whether a bank changed is asked at every picture, by one row a bank: what was
imported, by whatever process, holds from the next picture on.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from pellucid.analyse.analysis import Analysis
from pellucid.analyse.banks import Banks, Entries, blocks
from pellucid.analyse.facts import pdq_orientations
from pellucid.analyse.known import KnowingAnalyser, may_be_remembered
from pellucid.analyse.pdq_index import PdqIndex, Words, compared, words_of
from pellucid.base.errors import PictureWithheld
from pellucid.base.pixels import Decode, Limits, decode
from pellucid.base.settings import Settings
from pellucid.records.report import Model, Report
from pellucid.serve.engine import Declared, Engine
from pellucid.store.banks import BankInForce, all_banks, entries_in, references_of
from pellucid.store.hashes import answers_before, hash_of, hashes_after
from pellucid.store.store import Store

NO_MODEL = Model(bundle="none", channel="none", use="any")
# Numbers are given before a transaction ends, so that a smaller one may come to be seen after a larger one.
LOOKED_BACK = 1000
LARGEST_TAIL = 20_000


class KnownPictures:
    """Safe to use from several threads."""

    def __init__(self, store: Store, decode: Decode = decode) -> None:
        self._store, self._decode = store, decode
        self._lock = threading.Lock()
        self._held: tuple[tuple[BankInForce, ...], Banks] = ((), self._loaded(()))

    def banks(self) -> Banks:
        """As they are now; those who come while a new list is loaded wait for it."""
        listed = all_banks(self._store.database)
        if (held := self._held)[0] == listed:
            return held[1]
        with self._lock:
            listed = all_banks(self._store.database)
            while self._held[0] != listed:
                # Entries are erased once no bank names them any more: what is named before and after was read whole.
                loaded, before = self._loaded(listed), listed
                listed = all_banks(self._store.database)
                if listed == before:
                    self._held = (listed, loaded)
            return self._held[1]

    def recall(self, sha256: str, declared: Declared | None, setup: str) -> Analysis | None:
        """What the same models said of the same bytes, if they would say it again."""
        for report, embedding in answers_before(self._store.database, sha256, declared):
            if may_be_remembered(report, setup):
                return Analysis(report, embedding)
        return None

    def before(self, engine: Engine, settings: Settings) -> Engine:
        """`engine`, which is only asked about what is not known. The banks are loaded when this returns."""
        self.banks()
        models, setup = engine.models, engine.setup if settings.reuse_answers else None
        model = Model(bundle=models[0].bundle, channel=models[0].channel, use=models[0].use) if models else NO_MODEL
        knowing = KnowingAnalyser(
            engine.analyser, model, settings.limits, self.banks, self.recall, setup, engine.room, self._decode
        )
        return replace(engine, analyser=knowing)

    def picture(self, analysis_id: str) -> bytes:
        """Its bytes, if they may be shown. Raises `PictureWithheld`, or as `Store.get`."""
        self.check_shown(analysis_id)
        return self._store.picture(analysis_id)

    def check_shown(self, analysis_id: str) -> None:
        """To be asked before anything is served that was made of the picture. Raises `PictureWithheld`, or as `Store.get`.

        What a bank of then blocked stays blocked; what one of today lists is blocked from today on.
        """
        if self.withholds(self._store.get(analysis_id)):
            raise PictureWithheld(f"a hash bank blocks the picture of the analysis {analysis_id}")

    def withholds(self, report: Report) -> bool:
        """Does a bank, of then or of today, block the picture?"""
        pdq, quality = report.image.pdq, report.image.pdq_quality or 0
        return report.withheld or (pdq is not None and blocks(self.banks().matches([pdq], quality)))

    def check_sent(self, data: bytes, limits: Limits) -> None:
        """To be asked before anything is made of a picture that is not analysed. Raises `PictureWithheld`, or `ImageError`."""
        banks = self.banks()
        if len(banks) and blocks(banks.matches(*pdq_orientations(self._decode(data, limits).image))):
            raise PictureWithheld("a hash bank blocks this picture")

    def _loaded(self, listed: tuple[BankInForce, ...]) -> Banks:
        rows = [[(row.number, row.pdq) for row in entries_in(self._store.database, each.list)] for each in listed]
        packed = b"".join(pdq for bank in rows for _, pdq in bank)
        numbers = np.array([number for bank in rows for number, _ in bank], dtype=np.int64)
        places = np.repeat(np.arange(len(rows), dtype=np.int16), np.array([len(bank) for bank in rows], dtype=np.int64))
        entries = Entries(words_of(packed), numbers, places)
        return Banks([each.bank for each in listed], entries, partial(references_of, self._store.database))


class StoredHashes:
    """Hashes of answered pictures: an index, and a tail of newer ones that is compared whole until the next index."""

    def __init__(self, store: Store, largest_tail: int = LARGEST_TAIL) -> None:
        self._store, self._largest_tail = store, largest_tail
        self._lock = threading.Lock()
        self._index, self._numbers = PdqIndex(words_of(b"")), np.zeros(0, dtype=np.int64)
        self._tail: dict[int, bytes] = {}
        self._last = 0

    def near_to(self, analysis_id: str, bound: int) -> dict[int, int]:
        """Number → distance of every stored hash within `bound` bits of the analysis's, its own included; none if it has none."""
        pdq = hash_of(self._store.database, analysis_id)
        if pdq is None:
            return {}
        asked = words_of(pdq)
        with self._lock:
            self._read_on()
            _, rows, bits = self._index.near(asked, bound)
            indexed = zip(self._numbers[rows].tolist(), bits.tolist(), strict=True)
            numbers, words = self._tail_words()
            _, tail_rows, tail_bits = compared(words, asked, bound)
        return dict(indexed) | dict(zip(numbers[tail_rows].tolist(), tail_bits.tolist(), strict=True))

    def _read_on(self) -> None:
        for row in hashes_after(self._store.database, self._last - LOOKED_BACK):
            place = np.searchsorted(self._numbers, row.number)
            if place == len(self._numbers) or self._numbers[place] != row.number:
                self._tail[row.number] = row.pdq
            self._last = max(self._last, row.number)
        if len(self._tail) > max(self._largest_tail, len(self._numbers) // 10):
            self._build()

    def _build(self) -> None:
        numbers, words = self._tail_words()
        all_numbers, all_words = np.concatenate([self._numbers, numbers]), np.concatenate([self._index.hashes_nw, words])
        order = np.argsort(all_numbers)
        self._numbers, self._index, self._tail = all_numbers[order], PdqIndex(all_words[order]), {}

    def _tail_words(self) -> tuple[NDArray[np.int64], Words]:
        return np.array(list(self._tail), dtype=np.int64), words_of(b"".join(self._tail.values()))
