"""Where a network starts from: chance, a hub model by name, a local folder, or a checkpoint of ours that was distilled."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from transformers import ResNetModel, ViTModel

from pellucid.base.errors import ConfigError, DataError
from pellucid.nets.image import Backbone, Network
from pellucid.records.checkpoint import read_checkpoint

PLACES = "embeddings.position_embeddings"
# Read by transformers, not by us: what comes after the features.
UNUSED = "pooler."


def take_start(backbone: Backbone, network: Network, roots: dict[str, Path], out: Path) -> None:
    """Put the weights that `network` names into `backbone`.

    Raises `ConfigError` for a root that was not given and `DataError` where weights cannot be had or are of another shape.
    """
    if not network.weights:
        return
    found = {name: tensor for name, tensor in _weights(network, roots, out).items() if not name.startswith(UNUSED)}
    own = backbone.body.state_dict()
    if PLACES in found:
        found[PLACES] = _places(found[PLACES], own[PLACES])
    wrong = [name for name in own if name not in found or found[name].shape != own[name].shape]
    if wrong or found.keys() - own.keys():
        first = (wrong or sorted(found.keys() - own.keys()))[0]
        raise DataError(
            f"{network.weights} is no {network.architecture} of the recipe's shape: {first} differs; change the shape"
        )
    backbone.body.load_state_dict(found)


def _weights(network: Network, roots: dict[str, Path], out: Path) -> dict[str, Tensor]:
    scheme, _, place = network.weights.partition(":")
    if scheme == "checkpoint":
        start = "backbone.body."
        weights = read_checkpoint(out / "checkpoints" / place).weights.items()
        return {name.removeprefix(start): torch.from_numpy(a.copy()) for name, a in weights if name.startswith(start)}
    if scheme == "hub":
        return _pretrained(network, place)
    if scheme not in roots:
        raise ConfigError(f"weights = {network.weights!r} needs the root {scheme!r}; give it with --root {scheme}=FOLDER")
    return _pretrained(network, str(roots[scheme] / place))


def _pretrained(network: Network, place: str) -> dict[str, Tensor]:
    """Only safetensors: reading runs no code."""
    kind = ViTModel if network.architecture == "vit" else ResNetModel
    try:
        model = kind.from_pretrained(place, use_safetensors=True, dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise DataError(
            f"weights {place} cannot be had ({str(error).splitlines()[0]}); where no hub is reached, name a local folder "
            "(`ROOT:FOLDER`) or a distilled start (`checkpoint:NAME`)"
        ) from error
    weights: dict[str, Tensor] = model.state_dict()
    return weights


def _places(found: Tensor, own: Tensor) -> Tensor:
    """Position vectors [1, 1 + g², d] of another picture size, interpolated to ours (arXiv 2010.11929, section 3.2)."""
    if found.shape == own.shape or found.shape[-1] != own.shape[-1]:
        return found
    before, after = (round((places.shape[1] - 1) ** 0.5) for places in (found, own))
    grid = found[:, 1:].unflatten(1, (before, before)).permute(0, 3, 1, 2)
    wider = torch.nn.functional.interpolate(grid, (after, after), mode="bicubic", align_corners=False)
    return torch.cat([found[:, :1], wider.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)
