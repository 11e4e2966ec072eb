"""The model card that travels inside a bundle: of what it is made, what it may be used for and where it fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from pellucid.export.kept import Kept
from pellucid.export.recipe import BundleRecipe
from pellucid.records.checkpoint import Checkpoint
from pellucid.records.dataset import Dataset

# Entries of a nested measure, such as one per generator; a tag head has hundreds.
WORTH_LISTING = 20
LIMITS = """\
- The detector can only fail to find AI; it never says that a picture is human-made. Its threshold keeps to a budget of wrong
  accusations measured on pictures it had not seen, half of them of sources it had not seen and half re-saved; on a kind of
  picture that is not in its data that budget does not hold.
- Missing or thin in the data: DALL-E 3, Firefly, Imagen, Ideogram and video generators; night-mode, press and food photographs;
  AI partners of anime, comics, charts and screenshots. Small edits with AI inside a real picture are not looked for.
- Several generator labels come from public galleries and are not certain.
- Faces: most AI faces here are StyleGAN2, and a generator of portraits alone that it never met looks real to it. Wrong
  accusations are counted by apparent skin tone, estimated from the picture by its individual typology angle, which light and
  make-up move; nothing is claimed of a group with fewer than 100 pictures.
- The captioner learned from photographs of everyday scenes in English; it names what it has seen often and can be wrong.
- The safety model could not be tested on indecent pictures, since none are in the data: its recall is unknown.
- Watermarks of closed systems (SynthID and others) are not read."""


def model_card(recipe: BundleRecipe, checkpoints: dict[str, Checkpoint], kept: Kept, dataset: Dataset) -> str:
    """Markdown. Figures of training only: those of the finished bundle stand in its evaluation record."""
    return "\n".join(_lines(recipe, checkpoints, kept, dataset)) + "\n"


def _lines(recipe: BundleRecipe, checkpoints: dict[str, Checkpoint], kept: Kept, dataset: Dataset) -> Iterator[str]:
    yield f"# Model card of `{recipe.name}`"
    yield ""
    yield "One frozen encoder (CLIP ViT-B/16, int8) with small heads: AI detection, domain, tags, captions; and a safety model."
    yield from _judges(recipe, checkpoints["detector"])
    yield ""
    yield "## What it may be used for"
    yield ""
    yield from (f"- {part}: `use: {use}`" for part, use in (kept.uses | recipe.uses).items())
    yield ""
    yield "`research`: trained on data whose licence is for research or education only, or does not allow redistribution."
    yield ""
    yield "## Training figures"
    yield ""
    for part, checkpoint in checkpoints.items():
        origin = checkpoint.origin
        yield f"- {part}: {_flat(origin.metrics)} (data {origin.dataset}, code {origin.git_commit[:12]})"
    if kept.bundle:
        parts = ", ".join(f"{part} (data {kept.data[part]})" if part in kept.data else part for part in recipe.kept)
        yield f"- as they were in {kept.bundle.label}, made by code {kept.bundle.git_commit[:12]}: {parts}"
    yield ""
    yield "Figures on test splits stand in the bundle's final evaluation record, once that is made (docs/evaluation.md)."
    yield ""
    yield "## Limits"
    yield ""
    yield LIMITS
    yield ""
    yield from _data(dataset)


def _judges(recipe: BundleRecipe, detector: Checkpoint) -> Iterator[str]:
    """Where AI detection is not the encoder's head alone."""
    if detector.origin.kind == "image-detector":
        yield f"AI detection is by `{recipe.detector}` instead, a network on the pixels themselves ({recipe.variant})."
    if detector.origin.kind == "ensemble":
        members = ", ".join(f"`{name}`" for name in detector.origin.recipe["members"])
        yield f"AI detection is a vote of {members}; those that are networks on pixels are stored as {recipe.variant}."


def _flat(metrics: dict[str, Any]) -> str:
    """`a 1, b (c 2, d 3)`; what has more than `WORTH_LISTING` entries stays in the checkpoint."""
    parts = []
    for name, value in metrics.items():
        if not isinstance(value, dict):
            parts.append(f"{name} {value}")
        elif len(value) <= WORTH_LISTING:
            parts.append(f"{name} ({_flat(value)})")
    return ", ".join(parts) or "none"


def _data(dataset: Dataset) -> Iterator[str]:
    trained = dataset.only("train", "val").samples
    counts = Counter(
        (sample.source, sample.generator or "", sample.label or "", sample.licence, sample.ship) for sample in trained
    )
    yield "## Detection data, with licences as their sources state them"
    yield ""
    yield "| source | label | generator | pictures | licence | may ship |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for (source, generator, label, licence, ship), count in sorted(counts.items()):
        yield f"| {source} | {label} | {generator} | {count} | {licence.replace('|', '/')} | {'yes' if ship else 'no'} |"
