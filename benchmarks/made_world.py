"""All that `make bundle SIZE=smoke` reads, made by code: an encoder that knows nothing, pictures, captions, text vectors.

    python benchmarks/made_world.py FOLDER

FOLDER/clip        weights of CLIP ViT-B/16's tower with thin feed-forward layers: right shapes, a third of the work
FOLDER/pictures    a manifest and 40 pictures of both labels, of eight sources and generators, in two domains
FOLDER/captions    twelve captioned pictures with their objects, in COCO's layout
FOLDER/clip_vitb16_text_vectors.npz
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

SIDE_PX = 128
PICTURES = 40
CLASSES = ("dog", "cat", "person", "car", "airplane")
SCENES = (("dog", "A red dog runs through water ."), ("person", "A man stands near a car ."), ("car", "A red car on a road ."))


def make(folder: Path) -> None:
    """Write everything below `folder`. The same bytes every time."""
    make_encoder(folder / "clip")
    make_pictures(folder / "pictures")
    make_captions(folder / "captions")
    vectors = np.random.default_rng(0).normal(size=(len(CLASSES), 512)).astype(np.float32)
    names = {"coco": np.array(CLASSES), "voc": np.array(["aeroplane"])}
    np.savez(folder / "clip_vitb16_text_vectors.npz", allow_pickle=False, T=vectors, V=vectors[-1:], **names)


def make_encoder(folder: Path) -> None:
    torch.manual_seed(0)
    shape = CLIPVisionConfig(
        hidden_size=768, intermediate_size=32, projection_dim=512, num_hidden_layers=12, num_attention_heads=12, image_size=224,
        patch_size=16,
    )  # fmt: skip
    CLIPVisionModelWithProjection(shape).save_pretrained(folder)


def make_pictures(folder: Path) -> None:
    folder.mkdir(parents=True)
    with (folder / "manifest.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "label", "split", "source", "generator", "declared"])
        for number in range(PICTURES):
            ai, art, second = bool(number & 1), bool(number & 2), bool(number & 4)
            scene(number, art, reddish=ai).save(folder / f"{number}.png")
            source = f"{'gallery' if ai else 'camera'}-{'art' if art else 'photo'}-{int(second)}"
            generator = f"generator-{int(second)}" if ai else ""
            split = "val" if number >= PICTURES * 3 // 5 else "train"
            table.writerow([f"{number}.png", "ai" if ai else "real", split, source, generator, "art" if art else "photo"])


def make_captions(folder: Path) -> None:
    (folder / "images").mkdir(parents=True)
    for split, numbers in (("train", range(9)), ("val", range(9, 12))):
        images, annotations = [], []
        for number in numbers:
            thing, sentence = SCENES[number % len(SCENES)]
            scene(1000 + number, art=False, reddish=False).save(folder / "images" / f"{number}.png")
            images.append({"id": number, "file_name": f"{number}.png", "coco80": [thing]})
            annotations += [{"image_id": number, "caption": sentence} for _ in range(2)]
        (folder / f"captions_{split}.json").write_text(json.dumps({"images": images, "annotations": annotations}))


def scene(seed: int, art: bool, reddish: bool) -> Image.Image:
    """Rectangles on a gradient with grain; what counts as art has flat colours, what counts as AI is redder."""
    draw = np.random.default_rng(seed)
    down = np.linspace(-40, 40, SIDE_PX)[:, None, None]
    pixels = 128 + draw.uniform(-1, 1) * down + draw.normal(0, 0 if art else 12, (SIDE_PX, SIDE_PX, 3))
    pixels[..., 0] += 30 * reddish
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    pencil = ImageDraw.Draw(image)
    for _ in range(6):
        left, top, width, height = draw.integers(0, SIDE_PX // 2, 4).tolist()
        pencil.rectangle((left, top, left + width + 8, top + height + 8), fill=tuple(draw.integers(0, 256, 3).tolist()))
    return image


if __name__ == "__main__":
    make(Path(sys.argv[1]))
