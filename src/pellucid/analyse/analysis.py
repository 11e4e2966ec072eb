"""What analysing gives: the report that is shown, and what is kept beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pellucid.records.report import Report


@dataclass(frozen=True)
class Analysis:
    """The report, and the detection view's embedding [512] for search; None where the encoder did not answer."""

    report: Report
    embedding: NDArray[np.float32] | None
