"""What a describer said, token by token, and how probable a part of it is."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Token:
    """`text` in bytes, for a token may end within a letter; `log_probability` is the natural logarithm."""

    text: bytes
    log_probability: float


@dataclass(frozen=True)
class Reply:
    """`tokens` are those that `text` was made of, marks of its end perhaps after them; empty where they are not known."""

    text: str
    tokens: tuple[Token, ...] = ()

    def probability(self, start: int, end: int) -> float | None:
        """Geometric mean probability of the tokens that touch `text[start:end]`; None where that is not known."""
        if not self._matches():
            return None
        first, last = (len(self.text[:place].encode("utf-8", "surrogatepass")) for place in (start, end))
        touched, at = [], 0
        for token in self.tokens:
            if at < last and at + len(token.text) > first:
                touched.append(token.log_probability)
            at += len(token.text)
        if not touched or not all(-math.inf < value <= 0 for value in touched):
            return None
        return math.exp(math.fsum(touched) / len(touched))

    def _matches(self) -> bool:
        said = b"".join(token.text for token in self.tokens)
        return bool(self.tokens) and said.startswith(self.text.encode("utf-8", "surrogatepass"))
