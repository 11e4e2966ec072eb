"""What is with the encoder, and what it said, while one picture is analysed."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from pellucid.analyse.parts import Started
from pellucid.runtime.session import Tensors


@dataclass(frozen=True)
class Asked:
    """The whole picture squashed, and the views that are with the encoder."""

    whole: Image.Image
    detect: Started[Tensors]
    caption: Started[Tensors] | None


@dataclass(frozen=True)
class Seen:
    """What the encoder says of the detection view and, if captions are on, of the whole picture; and the domains that follow."""

    detect: Tensors
    whole: Tensors | None
    domains: dict[str, float]

    @property
    def domain(self) -> str:
        return max(self.domains, key=self.domains.__getitem__)
