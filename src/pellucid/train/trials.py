"""What a search leaves behind: its trials as a table, and the best of them as a recipe that can be trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tomlkit


@dataclass(frozen=True)
class Trial:
    """`scores` by round; the last one counts. One that was `ended_early` fell behind others after as many rounds."""

    values: dict[str, Any]
    scores: tuple[float, ...]
    seconds: float
    ended_early: bool

    @property
    def score(self) -> float:
        return self.scores[-1]


def table(trials: Sequence[Trial], own: dict[str, Any]) -> str:
    """Markdown, in the order given; the recipe's own values are marked."""
    places = list(own)
    lines = [
        f"| {' | '.join(f'`{place}`' for place in places)} | score | rounds | seconds | |",
        "|" + "---|" * (len(places) + 4),
    ]
    for trial in trials:
        values = " | ".join(_short(trial.values[place]) for place in places)
        notes = [note for note, holds in (("as the recipe", trial.values == own), ("ended early", trial.ended_early)) if holds]
        lines.append(f"| {values} | {trial.score:.4f} | {len(trial.scores)} | {trial.seconds:.1f} | {', '.join(notes)} |")
    return "\n".join(lines) + "\n"


def with_values(text: str, values: dict[str, Any], name: str) -> str:
    """The recipe `text` with `values` at their places, named `name`, without its search; comments stay."""
    tree = tomlkit.parse(text)
    tree["name"] = name
    tree.pop("search", None)
    for place, value in values.items():
        *tables, field = place.split(".")
        inner: Any = tree
        for part in tables:
            inner = inner.setdefault(part, tomlkit.table())
        inner[field] = value
    return tomlkit.dumps(tree)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
