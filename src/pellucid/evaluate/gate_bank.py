"""The regression bank: pictures on which a person has ruled. Whoever won an appeal once is not accused again by the next model.

A JSON line a ruling, `file` beside the bank; the ruled pictures are judged by the candidate's bundle exactly as in an evaluation:

    {"id": "01J…", "sha256": "…", "verdict": "no_ai_found", "file": "pictures/01J….jpg"}
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from pellucid.base.errors import DataError, InputError
from pellucid.base.files import sha256_of
from pellucid.base.pixels import decode
from pellucid.evaluate.detection import ACCUSED
from pellucid.evaluate.gate_policy import Limit, PolicyFile
from pellucid.evaluate.judge import judge_split
from pellucid.records.bundle import ViewSpec
from pellucid.records.dataset import Dataset, Sample
from pellucid.records.features import FeatureFolder
from pellucid.records.gate import Finding
from pellucid.records.report import Frozen, VerdictLabel
from pellucid.runtime.bundle import LoadedBundle
from pellucid.runtime.features import DATA_LIMITS

REAL = ("no_ai_found", "captured")
EXAMPLES = 5


class Ruled(Frozen):
    """A moderator's ruling on a picture."""

    id: str
    sha256: str
    verdict: VerdictLabel
    file: str


def read_bank(path: Path) -> list[Ruled]:
    """Raises `DataError` naming the line that is no ruling."""
    rulings = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            rulings.append(Ruled.model_validate_json(line))
        except ValidationError as error:
            raise DataError(f"{path}:{number}: this is no ruling: {error.errors()[0]['msg']}") from error
    return rulings


def regression(file: PolicyFile, folder: Path, bank: Path) -> Iterator[Finding]:
    rule = file.policy.regression
    if rule is None:
        return
    limit = Limit("regression bank", rule.accused_again, file.place("regression", "accused_again"), rule.required)
    if not bank.exists():
        yield limit.not_measured("", "there is no bank of ruled pictures, so nobody checked whether one is accused again")
        return
    rulings = [ruled for ruled in read_bank(bank) if ruled.verdict in REAL]
    samples = [sample for ruled in rulings if (sample := _sample(ruled, bank.parent))]
    again = _accused(LoadedBundle.open(folder), samples, bank.parent) if samples else []
    some = f": {', '.join(again[:EXAMPLES])}" if again else ""
    yield limit.at_most(
        "", len(again), f"{len(again)} of {len(samples)} pictures that were ruled real are called generated{some}"
    )
    if lacking := len(rulings) - len(samples):
        yield limit.not_measured("pictures", f"{lacking} of {len(rulings)} pictures ruled real are not at hand or were changed")


def _accused(bundle: LoadedBundle, samples: Sequence[Sample], root: Path) -> list[str]:
    spec: ViewSpec = bundle.head.views
    with tempfile.TemporaryDirectory() as folder:
        features = FeatureFolder(Path(folder), f"{bundle.head.id}{spec.side_px}").open()
        judged = judge_split(bundle, Dataset(tuple(samples), {"bank": str(root)}), features, "clean")
    return [sample.id for sample, verdict in zip(samples, judged.verdicts, strict=True) if verdict == ACCUSED]


def _sample(ruled: Ruled, root: Path) -> Sample | None:
    """None where the picture was deleted, changed or cannot be read."""
    path = root / ruled.file
    if not path.is_file() or sha256_of(path) != ruled.sha256:
        return None
    try:
        image = decode(path.read_bytes(), DATA_LIMITS).image
    except InputError:
        return None
    return Sample(
        id=ruled.id, root="bank", path=ruled.file, sha256=ruled.sha256, split="bank", source="rulings", licence="none",
        label="real", width=image.width, height=image.height,
    )  # fmt: skip
