"""Open every picture once: is it readable, what are its facts, and what is its PDQ hash.

What was found is kept a line a picture in a cache file, so that an interrupted run goes on and a second run is quick. A line
counts only while path, size and time of change of the file are the same.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pdqhash
from PIL import Image
from tqdm import tqdm

from pellucid.base.errors import InputError
from pellucid.base.pixels import FORMATS, decode
from pellucid.runtime.features import DATA_LIMITS

# Reference PDQ shrinks to this size before it hashes (github.com/facebook/ThreatExchange, pdq/README.md).
PDQ_SIDE_PX = 512
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Wanted:
    """A file below a root, and the part of it to be hashed."""

    root: str
    path: str
    box: Box | None = None


@dataclass(frozen=True)
class Check:
    """Facts of a file; `problem` says why it cannot be used. `pdq` is 64 hexadecimal digits; `quality` 0 to 100."""

    sha256: str = ""
    width: int = 0
    height: int = 0
    format: str = ""
    bytes: int = 0
    quantisation: float = 0.0
    pdq: str = ""
    quality: int = 0
    problem: str | None = None


def check_all(wanted: Sequence[Wanted], roots: dict[str, Path], cache: Path, workers: int) -> list[Check]:
    """One `Check` for each of `wanted`, in order; new ones are added to `cache` as they come."""
    known = _read(cache)
    keys = [_key(each, roots[each.root] / each.path) for each in wanted]
    lacking = [(key, each) for key, each in zip(keys, wanted, strict=True) if key not in known]
    cache.parent.mkdir(parents=True, exist_ok=True)
    _end_last_line(cache)
    with cache.open("a") as file, ThreadPoolExecutor(workers) as pool:
        found = pool.map(lambda each: check(roots[each.root] / each.path, each.box), (each for _, each in lacking))
        for (key, _), result in zip(lacking, tqdm(found, total=len(lacking), unit="picture", desc="checking"), strict=True):
            known[key] = result
            file.write(json.dumps({"key": key, **asdict(result)}) + "\n")
    return [known[key] for key in keys]


def check(path: Path, box: Box | None = None) -> Check:
    """Never raises for a bad picture: `problem` names it."""
    try:
        data = path.read_bytes()
        picture = decode(data, DATA_LIMITS)
    except (InputError, OSError) as error:
        reason = error.detail if isinstance(error, InputError) else f"cannot be read: {error.strerror}"
        return Check(problem=reason)
    pdq, quality = pdq_of(_cut(picture.image, box))
    return Check(picture.sha256, picture.width, picture.height, picture.format, picture.bytes, _quantisation(data), pdq, quality)


def pdq_of(image: Image.Image) -> tuple[str, int]:
    """PDQ hash (64 hexadecimal digits) and its quality; a hash of quality below 50 says little."""
    small = image.copy()
    small.thumbnail((PDQ_SIDE_PX, PDQ_SIDE_PX), Image.Resampling.BOX)
    bits, quality = pdqhash.compute(np.asarray(small))
    return np.packbits(bits.astype(np.uint8)).tobytes().hex(), int(quality)


def _cut(image: Image.Image, box: Box | None) -> Image.Image:
    if box is None:
        return image
    left, top, right, bottom = box
    width, height = image.size
    return image.crop((round(left * width), round(top * height), round(right * width), round(bottom * height)))


def _quantisation(data: bytes) -> float:
    """Mean of a JPEG's first quantisation table (1 is nearly lossless, 40 is poor); 0 for other formats."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
        tables = getattr(opened, "quantization", None)
    return float(np.mean(tables[0])) if tables else 0.0


def _key(wanted: Wanted, path: Path) -> str:
    try:
        state = path.stat()
        stamp = f"{state.st_size}:{state.st_mtime_ns}"
    except OSError:
        stamp = "missing"
    return f"{wanted.root}/{wanted.path}|{wanted.box or ''}|{stamp}"


def _end_last_line(cache: Path) -> None:
    """An interrupted run may have left half a line, which must not swallow the next one."""
    if cache.exists() and not cache.read_bytes().endswith(b"\n"):
        with cache.open("a") as file:
            file.write("\n")


def _read(cache: Path) -> dict[str, Check]:
    return dict(_entries(cache.read_text().splitlines())) if cache.exists() else {}


def _entries(lines: Iterable[str]) -> Iterator[tuple[str, Check]]:
    for line in lines:
        try:
            entry = json.loads(line)
            yield entry.pop("key"), Check(**entry)
        except (ValueError, KeyError, TypeError):
            continue  # the last line of an interrupted run, or one of another version
