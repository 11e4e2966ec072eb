"""docs/recipes.md has a row for every field that a recipe of any kind may have, with the type and default that the code reads."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="training needs the extra `train`")

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

import pellucid
from pellucid.evaluate.recipe import Bound
from pellucid.nets.image import Network
from pellucid.records.bundle import ViewSpec
from pellucid.records.recipe import Recipe
from pellucid.train.detector_recipe import Verdict
from pellucid.train.distribution import Distribution
from pellucid.train.image_recipe import Augmentation
from pellucid.train.loop import Optimiser

PAGE = Path(__file__).parents[2] / "docs" / "recipes.md"
# Tables of more than one kind, each with a section of its own.
SHARED: dict[type[BaseModel], str] = {
    Optimiser: "optimiser",
    Distribution: "distribution",
    Verdict: "verdict",
    Network: "network",
    Augmentation: "augmentation",
    ViewSpec: "view",
    Bound: "expect",
}
WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", Any: "anything"}
SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
Row = tuple[str, str, str, str]


def kinds() -> dict[str, type[Recipe]]:
    """Every recipe in the package that has a `kind`, by it."""
    for module in pkgutil.walk_packages(pellucid.__path__, "pellucid."):
        if re.search(r"recipe$|pipelines\.release$", module.name):
            importlib.import_module(module.name)
    found = [kind for kind in _below(Recipe) if "kind" in kind.model_fields and kind.__module__.startswith("pellucid.")]
    return {typing.get_args(kind.model_fields["kind"].annotation)[0]: kind for kind in found}


def expected() -> Iterator[Row]:
    """(section, place, type, default) of every field."""
    for name, kind in kinds().items():
        yield from rows(name, kind, "")
    for shared, name in SHARED.items():
        yield from rows(f"[{name}]", shared, "")


def rows(section: str, kind: type[BaseModel], before: str) -> Iterator[Row]:
    for name, field in kind.model_fields.items():
        if (before, name) == ("", "kind"):
            continue
        yield section, before + name, type_of(field), default_of(field)
        for inner in _models(field.annotation):
            if inner not in SHARED:
                yield from rows(section, inner, f"{before}{name}{'.NAME' if _is_table_of(field.annotation) else ''}.")


def type_of(field: FieldInfo) -> str:
    bounds = [f"{sign} {getattr(rule, name):g}" for rule in field.metadata for name, sign in SIGNS.items() if hasattr(rule, name)]
    fewest = [f"at least {rule.min_length}" for rule in field.metadata if hasattr(rule, "min_length")]
    return ", ".join([words_for(field.annotation), *bounds, *fewest])


def words_for(annotation: Any) -> str:
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if models := [f"[`[{SHARED[model]}]`](#{SHARED[model]})" for model in _models(annotation) if model in SHARED]:
        return models[0] if origin is not dict else f"table of {models[0]}"
    if origin is typing.Annotated:
        return words_for(inner[0])
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in inner)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(words_for(each) for each in inner if each is not type(None)))
    if origin is dict:
        return f"table of {words_for(inner[1])}"
    if origin is tuple and inner[-1] is Ellipsis:
        return f"list of {words_for(inner[0])}"
    if origin is tuple:
        return f"[{', '.join(words_for(each) for each in inner)}]"
    return WORDS.get(annotation, "table")


def default_of(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "needed"
    if value is None:
        return "none"
    if isinstance(value, BaseModel):
        value = value.model_dump(exclude_unset=True)
        return f"`{json.dumps(value)}`" if value else "its own"
    return f"`{json.dumps(value)}`"


def written() -> dict[tuple[str, str], Row]:
    """The rows of the page: (section, place) → (type, default, meaning)."""
    found: dict[tuple[str, str], Any] = {}
    section = ""
    for line in PAGE.read_text().splitlines():
        if heading := re.match(r"#+ `([^`]+)`", line):
            section = heading[1]
        elif section and line.startswith("| `"):
            place, *rest = [cell.strip() for cell in line.strip("|").split(" | ")]
            found[section, place.strip("` ")] = tuple(rest)
    return found


def test_every_field_of_every_recipe_has_its_row_with_its_type_and_default() -> None:
    page = written()
    wrong = [row for row in expected() if page.get(row[:2], ("", ""))[:2] != row[2:]]
    wanted = "\n".join("{}: | `{}` | {} | {} | … |".format(*row) for row in wrong)
    assert not wrong, f"docs/recipes.md wants these rows:\n{wanted}"


def test_no_row_outlives_its_field_and_each_says_something() -> None:
    page, fields = written(), {row[:2] for row in expected()}
    assert not [place for place in page if place not in fields]
    assert not [place for place, cells in page.items() if len(cells) != 3 or not cells[2]]


def _below(kind: type) -> Iterator[type]:
    for below in kind.__subclasses__():
        yield below
        yield from _below(below)


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from _models(inner)


def _is_table_of(annotation: Any) -> bool:
    return typing.get_origin(annotation) is dict
