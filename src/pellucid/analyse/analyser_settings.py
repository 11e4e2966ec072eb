"""How much an analyser does at a time and how long a part may take; never what is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pellucid.base.pixels import Limits

# Generous beside what a part takes (docs/adr/0005-batching.md): they are there for the day on which something hangs.
TIME_LIMITS_S: Mapping[str, float] = {
    "facts": 5, "credentials": 5, "marks": 5, "encode": 20, "encode_whole": 20, "inference": 20, "caption": 10,
    "tags": 5, "safety": 10, "moderation": 5,
}  # fmt: skip


@dataclass(frozen=True)
class AnalyserSettings:
    """How much at a time, never what is answered. `streams` batches run at a time; `workers` threads run the other parts.

    `max_open_pixels` are those of all pictures that are decoded, or held decoded, at one time.
    """

    limits: Limits = field(default_factory=Limits)
    max_open_pixels: int = 128_000_000
    captions: bool = True
    channel: str = "production"
    max_batch: int = 8
    batch_wait_ms: float = 2.0
    streams: int = 2
    workers: int = 4
    time_limits_s: Mapping[str, float] = field(default_factory=lambda: TIME_LIMITS_S)
