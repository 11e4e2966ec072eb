"""Every field that a recipe of a network may have stands in docs/training.md, or docs/distributed.md where many share it."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs the extra `train`")

from pydantic import BaseModel

from pellucid.export.recipe import VariantsRecipe
from pellucid.train.image_recipe import DistilRecipe, EnsembleRecipe, ImageRecipe

DOCS = Path(__file__).parents[2] / "docs"


def fields(kind: object) -> Iterator[str]:
    """Names of the fields of `kind` and of the records inside it."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            yield name
            yield from fields(field.annotation)
    for inner in typing.get_args(kind):
        yield from fields(inner)


@pytest.mark.parametrize("kind", [ImageRecipe, DistilRecipe, EnsembleRecipe, VariantsRecipe])
def test_every_field_is_documented(kind: type[BaseModel]) -> None:
    text = "".join((DOCS / name).read_text() for name in ("training.md", "distributed.md"))
    lacking = {name for name in fields(kind) if f"`{name}`" not in text and f"[{name}]" not in text and f".{name}]" not in text}
    assert not lacking
