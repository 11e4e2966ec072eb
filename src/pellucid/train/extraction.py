"""Before training: the features a recipe needs, extracted where they lack, so that a run starts from a dataset alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pellucid.records.bundle import ViewSpec
from pellucid.records.dataset import read_dataset
from pellucid.records.features import FeatureFolder
from pellucid.runtime.features import extract, feature_key
from pellucid.runtime.session import open_encoder


def extract_lacking(out: Path, dataset: str, views: Sequence[str], parts: Sequence[str], splits: Sequence[str] = ()) -> None:
    """Add to `out/features` what `dataset` (all of it, or some `splits`) lacks of `views`, by `out/encoder/encoder.onnx`.

    Nothing happens where that file is not there: the run itself then says which features lack. Raises `DataError` where
    the feature folder is of another encoder.
    """
    encoder = out / "encoder" / "encoder.onnx"
    if not encoder.exists():
        return
    data = read_dataset(out / "data" / dataset)
    wanted = data.only(*splits) if splits else data
    ids = {sample.id for sample in wanted.samples}
    spec = ViewSpec()
    folder = FeatureFolder(out / "features", feature_key(encoder, spec)).open()
    lacking = [view for view in views if ids - folder.known(view)]
    if lacking:
        extract(wanted, lacking, parts, open_encoder(encoder), spec, folder)
