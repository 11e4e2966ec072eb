"""The model artefact that is served: a folder of ONNX files, small arrays and one `bundle.json` (design section 6).

    BUNDLE/*.onnx *.json *.npz card.md   what is served
    BUNDLE/licences/<licence>.txt        the text of every licence that a file names
    BUNDLE/bundle.json                   written last: every file with its hash, licence and source; without it, no bundle

The id is a hash over the files' hashes: the same files are the same bundle wherever they lie. Nothing in it is a pickle.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pellucid.base.errors import BundleError
from pellucid.base.files import sha256_of, write_atomically
from pellucid.records.heads import Calibration as Calibration
from pellucid.records.heads import Domains as Domains
from pellucid.records.heads import SliceThreshold as SliceThreshold
from pellucid.records.heads import TagEntry as TagEntry
from pellucid.records.heads import TagSet as TagSet
from pellucid.records.heads import Thresholds as Thresholds
from pellucid.records.heads import read_json as read_json

# OpenAI CLIP's own normalisation (github.com/openai/CLIP, `clip.py`).
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

SCHEMA = 1
HEAD = "bundle.json"
LICENCES = "licences"
REQUIRED = ("encoder.onnx", "detector.onnx", "domain.onnx", "domains.json", "calibration.json", "thresholds.json", "card.md")
SUFFIXES = (".onnx", ".json", ".npz", ".md", ".txt")
# Design section 6. Whatever is not named here shares the last one. A detector that reads pixels may be as large as the encoder
# (docs/adr/0006-resnet-and-vit.md).
MAX_BYTES = {
    "encoder.onnx": 90_000_000, "detector.onnx": 90_000_000, "safety.onnx": 24_000_000, "caption.onnx": 14_000_000,
}  # fmt: skip
MAX_REST_BYTES = 7_000_000

Use = Literal["any", "research"]
Json = dict[str, Any]
# Schema n → the function that makes a head of schema n into one of n + 1.
UPGRADES: Mapping[int, Callable[[Json], Json]] = {}


class ViewSpec(BaseModel):
    """The numbers of the preprocessing chain. Sides in pixels; JPEG quality as libjpeg counts it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    side_px: int = 272
    jpeg_quality: int = 80
    encoder_px: int = 224
    mean: tuple[float, float, float] = CLIP_MEAN
    std: tuple[float, float, float] = CLIP_STD


class Origin(BaseModel):
    """Under which licence a file may be used (its text is `licences/<licence>.txt`) and where it comes from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    licence: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+-]*$")]
    source: Annotated[str, Field(min_length=1)]


class BundleFile(Origin):
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(ge=0)]


class BundleHead(BaseModel):
    """What the maker of a bundle knows. `parts` says of each model (encoder, detector, tags …) what it may be used for."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
    recipe: Json
    git_commit: str
    data: dict[str, str]
    parts: dict[str, Use]
    views: ViewSpec


class Bundle(BundleHead):
    """`bundle.json`. `use` is `research` as soon as one part is."""

    schema_version: Annotated[int, Field(alias="schema")] = SCHEMA
    id: str
    created: str
    use: Use
    files: dict[str, BundleFile]

    @property
    def label(self) -> str:
        return f"{self.name}@{self.id[:12]}"

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of the files that have a limit of their own, and of the `rest`."""
        sizes = {name: self.files[name].bytes for name in MAX_BYTES if name in self.files}
        return sizes | {"rest": sum(file.bytes for name, file in self.files.items() if name not in sizes)}


@dataclass(frozen=True)
class Fault:
    file: str
    problem: str

    def __str__(self) -> str:
        return f"{self.file}: {self.problem}"


def write_bundle(folder: Path, head: BundleHead, origins: Mapping[str, Origin]) -> Bundle:
    """Hash the files that lie in `folder`, write `bundle.json` last. Licence texts need no origin.

    Raises `BundleError` with every fault that `verify` would find.
    """
    names = _files_in(folder)
    known = {name: Origin(licence=Path(name).stem, source="licence text") for name in names if _is_licence(name)} | dict(origins)
    if lacking := [name for name in names if name not in known]:
        raise BundleError(f"{', '.join(lacking)} in {folder}: no licence and source given; give each file an Origin or remove it")
    files = {name: _file(folder, name, known[name]) for name in names}
    bundle = Bundle(
        **head.model_dump(), id=id_of(files), created=datetime.now(UTC).isoformat(timespec="seconds"),
        use="research" if "research" in head.parts.values() else "any", files=files,
    )  # fmt: skip
    if faults := list(_faults(folder, bundle)):
        raise BundleError(f"{folder} is no valid bundle: " + "; ".join(map(str, faults)))
    write_atomically(folder / HEAD, bundle.model_dump_json(by_alias=True, indent=1).encode())
    return bundle


def read_bundle(folder: Path) -> Bundle:
    """The head alone; `verify` compares it with the files. Raises `BundleError`."""
    try:
        return Bundle.model_validate(upgraded(json.loads((folder / HEAD).read_bytes())))
    except (OSError, ValidationError, ValueError) as error:
        raise BundleError(f"{folder} is not a bundle: {error}") from error


def verify(folder: Path) -> list[Fault]:
    """Everything wrong with the bundle in `folder`: none is an empty list."""
    try:
        bundle = read_bundle(folder)
    except BundleError as error:
        return [Fault(HEAD, error.detail)]
    return list(_faults(folder, bundle))


def upgraded(head: Json, to: int = SCHEMA, steps: Mapping[int, Callable[[Json], Json]] = UPGRADES) -> Json:
    """A head of an older schema as one of schema `to`; raises `BundleError` for one that is unknown or newer."""
    while (schema := head.get("schema")) != to:
        if not isinstance(schema, int) or schema not in steps:
            raise BundleError(f"bundle.json has schema {schema}; this version reads up to {to}; update Pellucid or export again")
        head = steps[schema](head)
    return head


def id_of(files: Mapping[str, BundleFile]) -> str:
    """sha256 over the sorted (name, sha256) of the files."""
    lines = "".join(f"{name} {file.sha256}\n" for name, file in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _files_in(folder: Path) -> list[str]:
    paths = [path for path in folder.rglob("*") if not path.is_dir() and path != folder / HEAD]
    return sorted(path.relative_to(folder).as_posix() for path in paths)


def _is_licence(name: str) -> bool:
    return re.fullmatch(rf"{LICENCES}/[^/]+\.txt", name) is not None


def _file(folder: Path, name: str, origin: Origin) -> BundleFile:
    path = folder / name
    return BundleFile(sha256=sha256_of(path), bytes=path.stat().st_size, **origin.model_dump())


def _faults(folder: Path, bundle: Bundle) -> Iterator[Fault]:
    present = set(_files_in(folder))
    for name in sorted(present - bundle.files.keys()):
        yield Fault(name, "not listed in bundle.json")
    for name in sorted(bundle.files.keys() - present):
        yield Fault(name, "listed in bundle.json but not there")
    for name in sorted(set(REQUIRED) - bundle.files.keys()):
        yield Fault(name, "every bundle needs this file")
    for name in sorted(bundle.files.keys() & present):
        yield from _file_faults(folder, name, bundle.files[name], bundle.files.keys() & present)
    yield from _size_faults(bundle)
    if bundle.id != id_of(bundle.files):
        yield Fault(HEAD, f"its id is {bundle.id}, that of its files is {id_of(bundle.files)}")


def _file_faults(folder: Path, name: str, listed: BundleFile, present: set[str]) -> Iterator[Fault]:
    path = folder / name
    if path.is_symlink():
        yield Fault(name, "is a link; a bundle holds its files itself")
        return
    if path.stat().st_size != listed.bytes or sha256_of(path) != listed.sha256:
        yield Fault(name, "was changed: its hash is not the one listed")
    if f"{LICENCES}/{listed.licence}.txt" not in present:
        yield Fault(name, f"the text of its licence is not there as {LICENCES}/{listed.licence}.txt")
    if path.suffix not in SUFFIXES:
        yield Fault(name, f"only {', '.join(SUFFIXES)} are allowed; nothing that could be a pickle")
    if path.suffix == ".npz" and not _is_plain_npz(path):
        yield Fault(name, "holds pickled objects or is damaged; only plain arrays are allowed")


def _is_plain_npz(path: Path) -> bool:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return all(isinstance(arrays[name], np.ndarray) for name in arrays.files)
    except Exception:
        return False


def _size_faults(bundle: Bundle) -> Iterator[Fault]:
    for name, size in bundle.sizes.items():
        limit = MAX_BYTES.get(name, MAX_REST_BYTES)
        if size > limit:
            yield Fault(name, f"is {size / 1e6:.1f} MB; at most {limit / 1e6:.0f} MB are allowed")
