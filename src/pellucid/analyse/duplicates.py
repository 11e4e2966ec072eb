"""How two stored pictures are the same, in figures and in words.

The hash finds them and the embedding is shown beside it, for they see different things: PDQ the arrangement of light and dark,
the encoder what is shown. A face exchanged in a picture moves the hash little.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pellucid.records.bank import USUAL_BOUND

SAME_BYTES = "The same bytes."


def cosine(first: NDArray[np.float32] | None, second: NDArray[np.float32] | None) -> float | None:
    """Of two embeddings [512]; None where one is not there or says nothing."""
    if first is None or second is None:
        return None
    lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
    return round(float(first @ second) / lengths, 4) if lengths else None


def why_near(distance: int, likeness: float | None) -> str:
    """A sentence for moderators. It claims no more than the figures do: a part of the picture may differ."""
    hashes = f"The PDQ hashes differ in {distance} of 256 bits; {USUAL_BOUND} or fewer are the same picture by PDQ's rule"
    seen = "." if likeness is None else f", and the embeddings' cosine is {likeness:.2f}."
    return f"{hashes}{seen} A part of it may have been changed."
