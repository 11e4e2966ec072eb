"""What the pages call things, and how they write times and shares: filters and names of the templates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400

VERDICTS: Mapping[str, str] = {
    "generated": "AI-generated",
    "edited": "Edited with AI",
    "captured": "Taken with a camera",
    "no_ai_found": "No AI found",
    "unsure": "Unsure",
}
# In the order of the keys 1 to 4.
RULED = ("generated", "edited", "captured", "no_ai_found")
DECISIONS: Mapping[str, str] = {"allow": "Allow", "limit": "Limit", "review": "Review", "block": "Block"}
LINES: Mapping[str, str] = {
    "appealed": "Appealed",
    "second": "Second moderator",
    "flagged": "Flagged",
    "doubtful": "Uncertain",
}
# The four kinds of evidence, the strongest first, and what each is worth (docs/claims.md).
KINDS: Mapping[str, tuple[str, str]] = {
    "ruling": ("Ruling", "A moderator's, on this picture or on the same one saved otherwise. Overrides all below."),
    "record": ("Record", "Signed by someone on the trust list: decides. Broken or signed by others: moves nothing."),
    "claim": ("Claim", "The uploader's word, or unsigned marks in the file. Of AI: labels. Of no AI: proves nothing."),
    "inference": ("Inference", "The pixels, as the model sees them: a probability with a known share of errors. Never proof."),
}
OUTCOMES: Mapping[str, str] = {
    "open": "Open",
    "upheld": "Upheld",
    "overturned": "Overturned",
    "settled": "Settled",
}
STATES: Mapping[str, str] = {
    "waiting": "waits for a second moderator",
    "in_force": "in force",
    "agreed": "agreed with the one in force",
    "outvoted": "outvoted",
    "withdrawn": "taken back by its moderator",
    "corrected": "corrected since",
}
ACTIONS: Mapping[str, str] = {
    "appeal.made": "Appeal",
    "flag.made": "Flag",
    "ruling.made": "Ruling",
    "ruling.inherited": "Ruling on the same or a similar picture",
    "analysis.deleted": "Deletion",
}


def ago(moment: datetime | str, now: datetime | None = None) -> str:
    """How long since, in the one unit that says enough: "4 min", "3 h", "12 d"."""
    return span(((now or datetime.now(UTC)) - instant(moment)).total_seconds())


def span(seconds: float | None) -> str:
    """A length of time, rounded down; "–" where there is none."""
    if seconds is None:
        return "–"
    for unit, length in (("d", DAY_S), ("h", HOUR_S), ("min", MINUTE_S)):
        # Two of a unit are the least that is told in it: "90 min" says more than "1 h".
        if seconds >= 2 * length or (unit == "min" and seconds >= length):
            return f"{int(seconds // length)} {unit}"
    return f"{max(0, int(seconds))} s"


def when(moment: datetime | str) -> str:
    """To the minute, in UTC."""
    return instant(moment).strftime("%Y-%m-%d %H:%M")


def instant(moment: datetime | str) -> datetime:
    found = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def share(value: float | None) -> str:
    """0.972 → "97.2 %"."""
    return "–" if value is None else f"{100 * value:.1f} %"


def probability(value: float | None) -> str:
    """As the report has it; what rounds to 0 or 1 and is not keeps its digits."""
    if value is None:
        return "–"
    return f"{value:.4f}" if 0 < value < 0.005 or 0.995 < value < 1 else f"{value:.2f}"


def few(value: float) -> str:
    """To one decimal, and none where it says nothing: "64", "3.5"."""
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}".removesuffix(".0")


FILTERS: Mapping[str, Callable[..., Any]] = {
    "ago": ago, "span": span, "when": when, "share": share, "probability": probability, "few": few,
}  # fmt: skip
NAMES: Mapping[str, Any] = {
    "VERDICTS": VERDICTS, "RULED": RULED, "DECISIONS": DECISIONS, "LINES": LINES, "KINDS": KINDS, "OUTCOMES": OUTCOMES,
    "STATES": STATES, "ACTIONS": ACTIONS,
}  # fmt: skip
