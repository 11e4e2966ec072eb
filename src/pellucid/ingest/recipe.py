"""What an ingest run may be told; the shipped ones are `defaults/recipes/detection-data*.toml` and `caption-data*.toml`.

A recipe names roots, never machine paths: the command line says where each root lies.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from pellucid.records.bundle import ViewSpec
from pellucid.records.dataset import SPLITS
from pellucid.records.recipe import Recipe

Reader = Literal["folders", "csv", "coco"]
Label = Literal["ai", "real"]
Share = Annotated[float, Field(gt=0, le=1)]
Chain = Literal["equalised", "squash", "none"]
Box = tuple[float, float, float, float]
# In place of a split: drawn by the hash of the group, as the recipe's `shares` say.
BY_SHARES = "shares"
# What a manifest can say of a picture; each may come from a column or be the same for a whole source.
FIELDS = ("path", "label", "split", "source", "licence", "generator", "declared", "ship", "sha256", "origin", "group")


class Filter(Recipe):
    """Keep the rows of a manifest whose `column` contains a text, or is one of some values."""

    column: str
    contains: str | None = None
    one_of: tuple[str, ...] = ()

    def keeps(self, row: dict[str, str]) -> bool:
        value = row[self.column]
        return (self.contains is None or self.contains in value) and (not self.one_of or value in self.one_of)


class Correction(Recipe):
    """Set `field` to `value` in the rows whose `column` contains a text: a manifest that is wrong of a known part."""

    column: str
    contains: str
    field: str
    value: str

    @field_validator("field")
    @classmethod
    def _known_field(cls, value: str) -> str:
        if value not in FIELDS:
            raise ValueError(f"allowed are {', '.join(FIELDS)}")
        return value


class Source(Recipe):
    """Pictures under one root and how to read what is known of them.

    `columns` maps our fields to a manifest's columns, `constants` sets a field for all; `labels` and `splits` translate
    values, and rows whose split is not listed are left out. `paired` says that a manifest's rows come two by two, a real
    picture and what was generated from it: they share a group. `annotations` maps COCO caption files to splits, or to
    `shares` where the recipe's shares split them; `objects` maps some of them to the COCO instance file of the same pictures.
    """

    root: str
    reader: Reader
    manifest: str = ""
    pictures: str = ""
    columns: dict[str, str] = {}
    constants: dict[str, str] = {}
    labels: dict[str, Label] = {"ai": "ai", "real": "real"}
    splits: dict[str, str] = {}
    where: tuple[Filter, ...] = ()
    corrections: tuple[Correction, ...] = ()
    ship: tuple[str, ...] = ("1",)
    annotations: dict[str, str] = {}
    objects: dict[str, str] = {}
    paired: bool = False

    @field_validator("columns", "constants")
    @classmethod
    def _known_fields(cls, value: dict[str, str]) -> dict[str, str]:
        if unknown := sorted(set(value) - set(FIELDS)):
            raise ValueError(f"unknown fields {unknown}; allowed are {', '.join(FIELDS)}")
        return value

    @field_validator("splits", "annotations")
    @classmethod
    def _known_splits(cls, value: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        allowed = (*SPLITS, BY_SHARES) if info.field_name == "annotations" else SPLITS
        if unknown := sorted(set(value.values()) - set(allowed)):
            raise ValueError(f"unknown splits {unknown}; allowed are {', '.join(allowed)}")
        return value

    @model_validator(mode="after")
    def _complete(self) -> Source:
        if self.reader == "csv" and not (self.manifest and "path" in self.columns):
            raise ValueError("a csv source needs `manifest` and a column for `path`")
        if self.reader == "coco" and not self.annotations:
            raise ValueError("a coco source needs `annotations`: which file holds which split")
        if unknown := sorted(set(self.objects) - set(self.annotations)):
            raise ValueError(f"objects are given for {unknown}, which `annotations` does not name")
        if self.paired and not (self.reader == "csv" and "label" in self.columns):
            raise ValueError("only a csv source with a column for `label` can be paired")
        return self


class Tiles(Recipe):
    """Pictures whose declared domain is `declared` are grids: all tiles in `all_in`, elsewhere one drawn by the picture's id."""

    declared: str
    rows: int = Field(gt=0)
    columns: int = Field(gt=0)
    all_in: tuple[str, ...] = ("train",)


class Crop(Recipe):
    """Pictures of `generator` are judged by `box` (left, top, right, bottom as fractions): its visible mark lies outside."""

    generator: str
    box: Box


class Caps(Recipe):
    """At most so many samples of a source in `split`, the first by id: narrow sources must not fill the training set."""

    split: str = "train"
    samples: dict[str, int] = {}


class Duplicates(Recipe):
    """PDQ distances, of 256 bits: `near_bits` across splits is a duplicate; within `same_bits` two labels contradict."""

    near_bits: int = Field(ge=0, le=255)
    same_bits: int = Field(ge=0, le=255)
    min_quality: int = Field(ge=0, le=100)
    precedence: tuple[str, ...]


class RootFile(Recipe):
    """A file below a root."""

    root: str
    file: str


class Domains(Recipe):
    """One rule for both labels, learned from what real pictures are declared to be.

    `of` maps declared domains to the rule's classes; those not listed teach nothing. Embeddings come from the root `features`;
    what lacks there is extracted with `encoder` where its root is given.
    """

    features: str = "features"
    encoder: RootFile = RootFile(root="encoder", file="encoder.onnx")
    view: str = "clean"
    split: str = "train"
    regularisation: float = Field(gt=0)
    folds: int = Field(ge=2)
    of: dict[str, str]


class Weights(Recipe):
    """How training weighs samples, so that the guard measures what the head will see: groups by n^-power, labels even."""

    power: float = Field(ge=0, le=1)
    balance_limit: float = Field(ge=1)


class Guard(Recipe):
    """File facts may predict the label up to AUC `limit` in what comes out of `chain`, over `repeats` groupings into `folds`."""

    chain: Chain = "equalised"
    split: str = "train"
    limit: float = Field(gt=0.5, le=1)
    per_label: int = Field(gt=0)
    folds: int = Field(ge=2)
    repeats: int = Field(gt=0)
    text_vectors: RootFile = RootFile(root="models", file="clip_vitb16_text_vectors.npz")
    tags: int = Field(default=3, gt=0)
    weights: Weights


class DataRecipe(Recipe):
    """One dataset. `shares` splits what comes without a split, by hash; `domains` and `guard` are for labelled pictures."""

    kind: Literal["data"] = "data"
    name: str
    about: str = ""
    seed: int = 0
    view: ViewSpec = ViewSpec()
    shares: dict[str, Share] = {}
    sources: tuple[Source, ...] = Field(min_length=1)
    tiles: tuple[Tiles, ...] = ()
    crops: tuple[Crop, ...] = ()
    caps: Caps = Caps()
    duplicates: Duplicates
    domains: Domains | None = None
    guard: Guard | None = None
    weaknesses: tuple[str, ...] = ()

    @field_validator("shares")
    @classmethod
    def _whole(cls, value: dict[str, float]) -> dict[str, float]:
        if value and abs(sum(value.values()) - 1) > 1e-6:
            raise ValueError(f"shares add up to {sum(value.values()):g}; they must add up to 1")
        return value
