"""Parts of a bundle taken over as they are: a new detector does not need the captioner to be trained again.

Files are copied after the bundle was verified; their licences, uses and what they were trained on go along.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pellucid.base.errors import BundleError
from pellucid.base.files import sha256_of
from pellucid.export.recipe import KeptPart
from pellucid.records.bundle import Bundle, Origin, Use, read_bundle, verify

FILES: Mapping[KeptPart, tuple[str, ...]] = {
    "encoder": ("encoder.onnx",),
    "tags": ("tags.onnx", "tags.json"),
    "caption": ("caption.onnx", "vocabulary.json"),
    "safety": ("safety.onnx",),
}


@dataclass(frozen=True)
class Kept:
    """What of a `bundle` was kept: origins by file, uses by part, ids of training data by part."""

    bundle: Bundle | None = None
    origins: dict[str, Origin] = field(default_factory=dict)
    uses: dict[str, Use] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict)

    def check_encoder(self, encoder: Path) -> None:
        """Heads read what their own encoder says. Raises `BundleError` for another one."""
        if self.bundle and self.bundle.files["encoder.onnx"].sha256 != sha256_of(encoder):
            raise BundleError(f"{self.bundle.label} has another encoder than this bundle; keep the encoder too, or nothing")


NOTHING = Kept()


def keep(parts: tuple[KeptPart, ...], source: Path, folder: Path) -> Kept:
    """Copy the files of `parts` from the bundle in `source`. Raises `BundleError` where it is damaged or lacks one."""
    if faults := verify(source):
        raise BundleError(f"{source} cannot be built upon: " + "; ".join(map(str, faults)))
    bundle = read_bundle(source)
    names = [name for part in parts for name in FILES[part]]
    if lacking := [name for name in names if name not in bundle.files]:
        raise BundleError(f"{bundle.label} in {source} has no {', '.join(lacking)}; keep other parts")
    for name in names:
        shutil.copyfile(source / name, folder / name)
    return Kept(
        bundle,
        {name: Origin(licence=bundle.files[name].licence, source=bundle.files[name].source) for name in names},
        {part: bundle.parts[part] for part in parts if part in bundle.parts},
        {part: bundle.data[part] for part in parts if part in bundle.data},
    )
