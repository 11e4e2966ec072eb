"""The rules that look at the bundle itself: whole and licensed, small and fast enough, and not abstaining too often."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from pellucid.evaluate.gate_policy import BundleLimits, Limit, PolicyFile
from pellucid.records.bundle import read_bundle, verify
from pellucid.records.gate import Finding
from pellucid.records.heads import ALL
from pellucid.runtime.bundle import LoadedBundle
from pellucid.runtime.views import caption_view, detection_view, to_tensor

SIZE_PX = (1350, 1080)


def bundle(file: PolicyFile, folder: Path, evaluated: str) -> Iterator[Finding]:
    """`evaluated` is the label of the bundle that the evaluation speaks of; another one in `folder` fails."""
    whole = Limit("bundle whole and licensed", 0, file.place("bundle"))
    faults = verify(folder)
    said = "; ".join(map(str, faults)) or "hashes, schema, licence texts and the size of every part are as they should be"
    yield whole.at_most("", len(faults), said)
    if faults:
        return
    label = read_bundle(folder).label
    same = Limit("bundle is the one evaluated", 0, file.place("bundle"))
    yield same.at_most("", int(label != evaluated), f"the evaluation is of {evaluated}, the folder holds {label}")
    yield from _loaded(file, LoadedBundle.open(folder))


def _loaded(file: PolicyFile, loaded: LoadedBundle) -> Iterator[Finding]:
    if rule := file.policy.domains:
        limit = Limit("domains that abstain", rule.abstaining, file.place("domains", "abstaining"), rule.required)
        slices = loaded.thresholds.slices.items()
        names = sorted(name for name, one in slices if name != ALL and "/" not in name and one.threshold is None)
        yield limit.at_most("", len(names), f"no threshold keeps to the budget for {', '.join(names) or 'none'}")
    if limits := file.policy.bundle:
        total = sum(one.bytes for one in loaded.head.files.values())
        yield _limit(file, limits, "bytes").at_most("", total, f"{total / 1e6:.1f} MB in {len(loaded.head.files)} files")
        cost = _limit(file, limits, "cpu_ms")
        took = answer_cpu_ms(loaded, limits.rounds)
        yield cost.at_most("", round(took, 1), f"processor milliseconds of one answer, median of {limits.rounds}")


def answer_cpu_ms(loaded: LoadedBundle, rounds: int) -> float:
    """Both views of a made picture through the encoder and all heads, summed over cores, so that other work does not count."""
    rows, columns = SIZE_PX
    noise = np.random.default_rng(0).integers(0, 256, (rows, columns, 3), dtype=np.uint8)
    _answer(loaded, Image.fromarray(noise))
    took = []
    for _ in range(rounds):
        start = time.process_time()
        _answer(loaded, Image.fromarray(noise))
        took.append(1000 * (time.process_time() - start))
    return float(np.median(took))


def _answer(loaded: LoadedBundle, image: Image.Image) -> None:
    views = loaded.head.views
    whole = caption_view(image, views)
    said = loaded.encode(np.stack([to_tensor(detection_view(image, views), views), to_tensor(whole, views)]))
    loaded.detect({name: array[:1] for name, array in said.items()})
    loaded.domain(said["embedding"][:1])
    if loaded.heads.tags:
        loaded.tags(said["embedding"][1:])
    if loaded.heads.caption:
        loaded.caption(said["patches"][1], said["embedding"][1])
    if loaded.heads.safety:
        loaded.safety(np.asarray(whole, dtype=np.float32).transpose(2, 0, 1))


def _limit(file: PolicyFile, rule: BundleLimits, name: str) -> Limit:
    return Limit(f"bundle {name}", getattr(rule, name), file.place("bundle", name), rule.required)
