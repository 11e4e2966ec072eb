"""Do two moderators see the same? The share on which they agree, and Cohen's kappa, which takes out what chance would give.

kappa = (agreed - expected) / (1 - expected), `expected` from how often each names each verdict (Cohen, 1960).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def agreed_share(pairs: Sequence[tuple[str, str]]) -> float | None:
    """None where nobody was asked twice."""
    return sum(first == second for first, second in pairs) / len(pairs) if pairs else None


def kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """1 is full agreement, 0 what chance gives; None where nobody was asked twice, or all always said one and the same."""
    agreed = agreed_share(pairs)
    if agreed is None:
        return None
    firsts, seconds = Counter(first for first, _ in pairs), Counter(second for _, second in pairs)
    expected = sum(count * seconds[name] for name, count in firsts.items()) / len(pairs) ** 2
    return None if expected == 1 else (agreed - expected) / (1 - expected)
