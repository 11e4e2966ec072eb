"""Who inherits a ruling? Of every change of a ruled picture: the share that inherits it, goes to review, or is not recognised.

    python benchmarks/inheritance.py                                     pictures that installed packages bring
    python benchmarks/inheritance.py --pictures FOLDER --limit 100 --json figures.json

Each picture is ruled on, and then comes again: in the twelve re-encodings (all should inherit), with a part of it exchanged,
filled or written over and saved again (none should), as a picture that is merely like it (none should), and as another picture.
The way taken is that of the service, with the bounds of the shipped policy. Edits are placed where the seed says, so that some
fall on plain sky and change little that can be seen; they are counted all the same.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps
from rich.console import Console
from rich.table import Table

from pellucid.analyse.facts import image_facts
from pellucid.analyse.inheritance import Known, RuledPictures, hashes_of
from pellucid.base.errors import ImageError
from pellucid.base.pixels import Picture, decode
from pellucid.records.recourse import load_recourse
from pellucid.runtime.reencode import RE_ENCODINGS

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
SHARES = (0.02, 0.05, 0.1)
RESULTS = ("inherited", "review", "unknown")
Make = Callable[[Image.Image, Image.Image, random.Random], Image.Image]


def main() -> None:
    asked = _arguments()
    pictures = list(_pictures(asked.pictures, asked.limit, asked.seed, asked.side_px))
    bounds, draw = load_recourse().inheritance, random.Random(asked.seed)
    counts: dict[str, Counter[str]] = {}
    plain, compared_s = 0, []
    for number, image in enumerate(pictures):
        hashes = hashes_of(image, bounds)
        if not hashes:
            plain += 1
            continue
        known = RuledPictures([Known("ruling", "analysis", "no_ai_found", "0" * 64, hashes)])
        other = pictures[(number + 1) % len(pictures)]
        for name, changed in _changes(image, other, draw):
            begun_s = time.perf_counter()
            facts = image_facts(Picture(changed, "1" * 64, "PNG", 0, ()))
            found = known.find(facts, lambda shown=changed: shown, lambda _, ruled=image: ruled, bounds)
            compared_s.append(time.perf_counter() - begun_s)
            counts.setdefault(name, Counter())["unknown" if found is None else "inherited" if found.same else "review"] += 1
    ms = sorted(compared_s)[len(compared_s) // 2] * 1000
    _show(counts, f"{len(pictures) - plain} pictures; {plain} more are too plain for PDQ; median {ms:.0f} ms a look")
    if asked.json:
        asked.json.write_text(
            json.dumps({"pictures": len(pictures), "plain": plain, "median_ms": ms, "counts": counts}, indent=1)
        )


def _changes(image: Image.Image, other: Image.Image, draw: random.Random) -> Iterator[tuple[str, Image.Image]]:
    for name, change in RE_ENCODINGS.items():
        yield f"re-encoding: {name}", change(image)
    edits: dict[str, Make] = {"text": _text}
    for share in SHARES:
        edits[f"patch of {share:.0%}"] = lambda a, b, d, s=share: _patched(a, b, d, s)
        edits[f"fill of {share:.0%}"] = lambda a, _, d, s=share: _filled(a, d, s)
    for name, edit in edits.items():
        edited = edit(image, other, draw)
        yield f"edit: {name}, jpeg80", RE_ENCODINGS["jpeg80"](edited)
        yield f"edit: {name}, hard", RE_ENCODINGS["hard"](edited)
    wide, high = image.size
    yield "similar: crop of 70 %", image.crop((round(0.15 * wide), round(0.15 * high), round(0.85 * wide), round(0.85 * high)))
    yield "crop: 5 % less on one side", image.crop((round(0.05 * wide), 0, wide, high))
    yield "similar: turned by 2 degrees", image.rotate(2, Image.Resampling.BICUBIC).crop(_inner(image, 0.06))
    yield "similar: mirrored", ImageOps.mirror(image)
    yield "similar: a quarter brighter", ImageEnhance.Brightness(image).enhance(1.25)
    yield "another picture", other


def _patched(image: Image.Image, other: Image.Image, draw: random.Random, share: float) -> Image.Image:
    """A part of another picture in place of one of the same share, with hard edges."""
    box = _box(image, draw, share)
    size = (box[2] - box[0], box[3] - box[1])
    changed = image.copy()
    changed.paste(ImageOps.fit(other, size), box[:2])
    return changed


def _filled(image: Image.Image, draw: random.Random, share: float) -> Image.Image:
    """An ellipse of the picture's own texture from elsewhere, with soft edges: as a generative fill, it fits in."""
    box, source = _box(image, draw, share), _box(image, draw, share)
    size = (box[2] - box[0], box[3] - box[1])
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).ellipse((0.05 * size[0], 0.05 * size[1], 0.95 * size[0], 0.95 * size[1]), fill=255)
    changed = image.copy()
    changed.paste(image.crop((*source[:2], source[0] + size[0], source[1] + size[1])), box[:2], _soft(mask))
    return changed


def _text(image: Image.Image, _: Image.Image, draw: random.Random) -> Image.Image:
    changed = image.copy()
    place = (image.width * draw.uniform(0.05, 0.4), image.height * draw.uniform(0.05, 0.85))
    font = ImageFont.load_default(max(8, image.height // 16))
    ImageDraw.Draw(changed).text(place, "NOT REAL", fill=draw.choice(["white", "black", "red"]), font=font)
    return changed


def _box(image: Image.Image, draw: random.Random, share: float) -> tuple[int, int, int, int]:
    wide, high = (max(2, round(side * share**0.5)) for side in image.size)
    left, top = draw.randrange(image.width - wide + 1), draw.randrange(image.height - high + 1)
    return left, top, left + wide, top + high


def _inner(image: Image.Image, edge: float) -> tuple[int, int, int, int]:
    wide, high = image.size
    return round(edge * wide), round(edge * high), round((1 - edge) * wide), round((1 - edge) * high)


def _soft(mask: Image.Image) -> Image.Image:
    return mask.filter(ImageFilter.GaussianBlur(max(1, mask.width / 20)))


def _pictures(folder: Path | None, limit: int, seed: int, side_px: int) -> Iterator[Image.Image]:
    places = sorted(path for path in (folder or Path()).rglob("*") if path.suffix.lower() in SUFFIXES) if folder else _brought()
    random.Random(seed).shuffle(places)
    count = 0
    for path in places:
        try:
            image = decode(path.read_bytes()).image
        except ImageError:
            continue
        image.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
        yield image
        count += 1
        if count == limit:
            return


def _brought() -> list[Path]:
    """Photographs of scikit-learn and matplotlib."""
    folders = (Path(str(files("sklearn") / "datasets" / "images")), Path(str(files("matplotlib") / "mpl-data" / "sample_data")))
    return sorted(path for folder in folders for path in folder.rglob("*.jpg"))


def _show(counts: dict[str, Counter[str]], caption: str) -> None:
    table = Table(title="Who inherits the ruling", caption=caption, title_justify="left", caption_justify="left")
    for column in ("change", *RESULTS, "of"):
        table.add_column(column, justify="left" if column == "change" else "right")
    for name, found in counts.items():
        total = found.total()
        table.add_row(name, *(f"{found[result] / total:.1%}" for result in RESULTS), str(total))
    Console(width=100).print(table)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, help="folder of pictures; those of installed packages if not given")
    parser.add_argument("--limit", type=int, default=100, help="most pictures")
    parser.add_argument("--side-px", type=int, default=1024, help="pictures are made no larger than this first")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the counts here")
    return parser.parse_args()


if __name__ == "__main__":
    main()
