"""A recipe (or policy): one TOML file a run, read into a typed record or refused like a compiler would.

Whoever writes a recipe is told the file and line, what stood there, what is allowed and what was probably meant; all
mistakes at once. `tomllib` keeps no positions, so the lines are found by a second, simple reading of the text.
"""

from __future__ import annotations

import difflib
import re
import tomllib
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from pellucid.base.errors import ConfigError

T = TypeVar("T", bound=BaseModel)
Place = tuple[str | int, ...]

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")
_TOML_LINE = re.compile(r"\(at line (\d+)")
# Dotted keys cost tomllib time and memory by the square of their length: 200 KB of them ended the process.
MOST_PARTS = 16
_LONG_KEY = re.compile(
    r"""(?:(?:(?<![\w-])[\w-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){%d}""" % MOST_PARTS  # noqa: UP031
)
MOST_MISTAKES = 50
MOST_SHOWN = 200


class Recipe(BaseModel):
    """Base of all recipes: nothing changes after reading, and a key that nobody reads is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def load_recipe(path: Path, kind: type[T]) -> T:
    """The file at `path` as a `kind`. Raises `ConfigError`, one line a mistake: `FILE:LINE: key: was, allowed, hint`."""
    return parse_recipe(path, _read(path), kind)


def parse_recipe(path: Path, text: str, kind: type[T]) -> T:
    """`text` as the content of `path`, which need not exist; otherwise as `load_recipe`."""
    try:
        return kind.model_validate(_parse(path, text))
    except ValidationError as error:
        raise ConfigError("\n".join(_mistakes(path, text, kind, error))) from error


def recipe_kind(path: Path, allowed: Sequence[str]) -> str:
    """The `kind` at the top of the file, which says who reads the rest. Raises `ConfigError` where it is none of `allowed`."""
    text = _read(path)
    kind = _parse(path, text).get("kind")
    if kind in allowed:
        return str(kind)
    line = dict(key_lines(text)).get(("kind",), 1)
    was = "this key is missing" if kind is None else f"was {kind!r}"
    raise ConfigError(f"{path}:{line}: kind: {was}; {_hint(str(kind), allowed)}allowed are {', '.join(allowed)}")


def key_lines(text: str) -> Iterator[tuple[Place, int]]:
    """(place, line) of every table header and key that begins a line, e.g. (("sources", 1, "path"), 14)."""
    table: Place = ()
    counts: dict[Place, int] = {}
    for number, line in _outside_long_strings(text):
        if header := _HEADER.match(line):
            table = _table(header.group(2), header.group(1) == "[[", counts)
            yield table, number
        elif key := _KEY.match(line):
            place = table
            for part in _parts(key.group(1)):
                place = (*place, part)
                yield place, number


def _mistakes(path: Path, text: str, kind: type[BaseModel], error: ValidationError) -> Iterator[str]:
    """A line each; the file may come from a stranger, so of very many the first ones."""
    lines, found = dict(key_lines(text)), error.errors(include_url=False)
    yield from (_explain(path, lines, kind, one) for one in found[:MOST_MISTAKES])
    if len(found) > MOST_MISTAKES:
        yield f"{path}: and {len(found) - MOST_MISTAKES} more mistakes"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); name a TOML file") from error


def _parse(path: Path, text: str) -> dict[str, Any]:
    if long := _LONG_KEY.search(text):
        line = text.count("\n", 0, long.start()) + 1
        raise ConfigError(f"{path}:{line}: a dotted key has more than {MOST_PARTS} parts; no table here lies so deep")
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ConfigError(f"{path}:1: this is not TOML that can be read: it is nested too deeply") from error
    except tomllib.TOMLDecodeError as error:
        found = _TOML_LINE.search(str(error))
        line = int(found.group(1)) if found else len(text.splitlines())
        raise ConfigError(f"{path}:{line}: this is not TOML: {error}") from error
    except ValueError as error:  # a whole number of thousands of digits
        raise ConfigError(f"{path}:1: this is not TOML that can be read: {error}") from error


def _outside_long_strings(text: str) -> Iterator[tuple[int, str]]:
    """Numbered lines, less those inside a triple-quoted string (what looks like a key there is none)."""
    closing = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if closing:
            closing = "" if closing in line else closing
            continue
        yield number, line
        closing = next((mark for mark in ('"""', "'''") if line.count(mark) % 2), "")


def _table(name: str, repeated: bool, counts: dict[Place, int]) -> Place:
    """The place of a header: every part that names an array of tables is followed by the index of its newest element."""
    place: Place = ()
    parts = _parts(name)
    for depth, part in enumerate(parts, start=1):
        place = (*place, part)
        if repeated and depth == len(parts):
            counts[place] = counts.get(place, -1) + 1
        if place in counts:
            place = (*place, counts[place])
    return place


def _parts(name: str) -> list[str]:
    return [part.strip("\"'") for part in _PART.findall(name)]


def _explain(path: Path, lines: dict[Place, int], kind: type[BaseModel], error: Mapping[str, Any]) -> str:
    place = tuple(error["loc"])
    name = ".".join(str(part) for part in place) or "the whole file"
    return f"{path}:{_line(lines, place)}: {name}: {_what(kind, place, error)}"


def _line(lines: dict[Place, int], place: Place) -> int:
    """Of the key itself, or of the nearest table around it; the first line where the file has none."""
    for end in range(len(place), 0, -1):
        if place[:end] in lines:
            return lines[place[:end]]
    return 1


def _what(kind: type[BaseModel], place: Place, error: Mapping[str, Any]) -> str:
    around = _fields(kind, place[:-1])
    match error["type"]:
        case "extra_forbidden":
            return f"there is no such key; {_hint(str(place[-1]), around)}allowed are {', '.join(around) or 'none'}"
        case "missing":
            return "this key is missing; add it"
        case _:
            return f"was {_short(error['input'])}; {error['msg'][:1].lower()}{error['msg'][1:]}"


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= MOST_SHOWN else f"{shown[:MOST_SHOWN]}… ({len(shown)} characters)"


def _hint(wrong: str, allowed: Sequence[str]) -> str:
    near = difflib.get_close_matches(wrong, allowed, n=1, cutoff=0.6)
    return f"did you mean {near[0]}? " if near else ""


def _fields(kind: type[BaseModel], place: Place) -> list[str]:
    """The keys allowed in the table at `place`, through lists, unions and dictionaries of models; sorted."""
    models = {kind}
    for part in place:
        inner = [model.model_fields[part].annotation for model in models if isinstance(part, str) and part in model.model_fields]
        models = {model for annotation in inner for model in _models(annotation)} or models
    return sorted({field.alias or name for model in models for name, field in model.model_fields.items()})


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from _models(inner)
