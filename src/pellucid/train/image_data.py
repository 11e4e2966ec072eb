"""Pictures as a network's training takes them: bytes of cached views in, a changed batch of tensors out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from pellucid.nets.image import resized
from pellucid.records.bundle import ViewSpec
from pellucid.records.dataset import Dataset
from pellucid.runtime.view_cache import ViewCache, Views
from pellucid.train.image_recipe import Augmentation

SCORED_AT_ONCE = 64


@dataclass(frozen=True)
class Pictures:
    """The same pictures in every one of `views`, in order."""

    views: tuple[Views, ...]
    spec: ViewSpec

    def __len__(self) -> int:
        return len(self.views[0])

    def whole(self, rows: Sequence[int], side_px: int, view: int, device: torch.device) -> Tensor:
        """[b, 3, side, side] as served."""
        return resized(self._pixels(self.views[view].take(np.asarray(rows)), device), side_px)

    def changed(self, rows: Tensor, views: Tensor, rule: Augmentation, side_px: int, device: torch.device) -> Tensor:
        """[b, 3, side, side]: row by row a view [b], cut and turned by torch's own draws, which the loop seeds at every step."""
        taken = [self.views[view].picture(row) for view, row in zip(views.tolist(), rows.tolist(), strict=True)]
        # Pixels are made in float32, as they are served, whatever the network computes in.
        with torch.autocast(device.type, enabled=False):
            pixels = self._pixels(np.stack(taken), device)
            if rule.crop < 1:
                pixels = _cut(pixels, rule.crop)
            if rule.flip:
                turn = torch.rand(len(pixels)) < 0.5
                pixels = torch.where(sent(turn, device).view(-1, 1, 1, 1), pixels.flip(-1), pixels)
            return resized(pixels, rule.train_px or side_px)

    def _pixels(self, pixels_nhwc: NDArray[np.uint8], device: torch.device) -> Tensor:
        """What `runtime.views.to_tensors` does, where the network is: bytes travel there, not floats of four times the size."""
        mean, std = (sent(torch.tensor(numbers), device).view(3, 1, 1) for numbers in (self.spec.mean, self.spec.std))
        scaled = sent(torch.from_numpy(pixels_nhwc), device).permute(0, 3, 1, 2).float() / 255.0
        return ((scaled - mean) / std).contiguous()


def load_pictures(dataset: Dataset, views: Sequence[str], out: Path) -> Pictures:
    """All of `dataset`; views that lack are made under `out/views`."""
    spec = ViewSpec()
    cache = ViewCache(out / "views", spec)
    cache.add(dataset, views)
    ids = [sample.id for sample in dataset.samples]
    return Pictures(tuple(cache.open(view, ids) for view in views), spec)


@torch.no_grad()
def answers(
    model: nn.Module, pictures: Pictures, rows: Sequence[int], side_px: int, view: int = 0, show: str = ""
) -> Iterator[Tensor]:
    """What `model` says of the whole pictures in `rows`, batch by batch, on the CPU."""
    device = next(model.parameters()).device
    starts = range(0, len(rows), SCORED_AT_ONCE)
    for start in tqdm(starts, desc=show, unit="batch", disable=not show, leave=False):
        batch = pictures.whole(rows[start : start + SCORED_AT_ONCE], side_px, view, device)
        yield model(batch).float().cpu()


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """`tensor` on `device`; a GPU goes on with its work meanwhile."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def _cut(pixels: Tensor, least: float) -> Tensor:
    """A square a picture, of one side for the batch so that it can be resized at once, at a place of its own."""
    whole = pixels.shape[-1]
    side = round(whole * (least + (1 - least) * torch.rand(()).item()))
    places = torch.randint(0, whole - side + 1, (len(pixels), 2)).tolist()
    return torch.stack([one[:, top : top + side, left : left + side] for one, (top, left) in zip(pixels, places, strict=True)])
