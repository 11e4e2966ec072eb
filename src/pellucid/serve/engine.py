"""What the routes need of the models: one that analyses, one that draws heat maps, one that makes
derivatives, and a list of what is loaded.

The routes know these shapes and nothing of sessions and bundles; `app.py` puts the real ones in.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from pellucid.base.pixels import Picture
from pellucid.records.derivative import Derivative, Label, Wanted
from pellucid.records.report import Report
from pellucid.records.service import ModelInfo

Declared = Literal["none", "edited", "generated"]


class Analysis(Protocol):
    """A report and what is kept beside it."""

    @property
    def report(self) -> Report: ...

    @property
    def embedding(self) -> NDArray[np.float32] | None: ...


class Analyser(Protocol):
    def analyse(
        self, data: bytes, source: str | None = None, declared: Declared | None = None, decoded: Picture | None = None
    ) -> Analysis:
        """The answer to one picture, `decoded` where that was done before. Safe to call from several threads.

        Raises `ImageError` where the bytes are not one.
        """
        ...


@dataclass(frozen=True)
class Engine:
    """The loaded models. `close` is called once, after the last answer; heat maps are kept by the name and id of `bundle`.

    `room` is held while the picture in some bytes is open. `setup` names all that decides an answer beside the picture, as it is
    now; without it no answer is used again.
    """

    analyser: Analyser
    models: tuple[ModelInfo, ...] = ()
    heatmap: Callable[[bytes], bytes] | None = None
    bundle: str = "none"
    derive: Callable[[bytes, Wanted, Label | None], Derivative] | None = None
    close: Callable[[], None] = lambda: None
    room: Callable[[bytes], AbstractContextManager[None]] = lambda _: nullcontext()
    setup: Callable[[], str] | None = None
    embed: Callable[[bytes], NDArray[np.float32]] | None = None
