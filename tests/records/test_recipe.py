"""A recipe is read, or refused with file, line, what was, and what is allowed."""

from __future__ import annotations

import contextlib
import string
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from pellucid.base.errors import ConfigError
from pellucid.records.recipe import Recipe, key_lines, load_recipe, recipe_kind


class Part(Recipe):
    learning_rate: Annotated[float, Field(gt=0)] = 0.1
    mode: Literal["fast", "slow"] = "fast"


class Example(Recipe):
    name: str
    parts: tuple[Part, ...] = ()
    named: dict[str, Part] = {}
    best: Part | None = None


def refused(tmp_path: Path, text: str) -> list[str]:
    """The complaints about `text`, one a line, without the folder."""
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_recipe(path, Example)
    return [line.removeprefix(f"{tmp_path}/") for line in caught.value.detail.splitlines()]


def test_reads_a_whole_recipe(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('name = "a"\n[[parts]]\nmode = "slow"\n[named.x]\nlearning_rate = 2\n')
    assert load_recipe(path, Example) == Example(name="a", parts=(Part(mode="slow"),), named={"x": Part(learning_rate=2)})


def test_an_unknown_key_names_its_line_the_allowed_keys_and_the_nearest(tmp_path: Path) -> None:
    assert refused(tmp_path, 'name = "a"\n\n[best]\nlearningrate = 1\n') == [
        "run.toml:4: best.learningrate: there is no such key; did you mean learning_rate? allowed are learning_rate, mode"
    ]


def test_a_wrong_value_says_what_was_and_what_is_allowed(tmp_path: Path) -> None:
    complaints = refused(tmp_path, 'name = "a"\n[[parts]]\n[[parts]]\nmode = "fats"\nlearning_rate = -1.0\n')
    assert complaints == [
        "run.toml:5: parts.1.learning_rate: was -1.0; input should be greater than 0",
        "run.toml:4: parts.1.mode: was 'fats'; input should be 'fast' or 'slow'",
    ]


def test_a_missing_key_points_at_the_table_that_lacks_it(tmp_path: Path) -> None:
    assert refused(tmp_path, "[best]\n") == ["run.toml:1: name: this key is missing; add it"]


def test_keys_inside_long_strings_are_no_keys(tmp_path: Path) -> None:
    assert refused(tmp_path, 'name = """\nbest = 1\n"""\nbest = 2\n')[0].startswith("run.toml:4: best: was 2;")


def test_what_is_not_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    assert refused(tmp_path, 'name = "a"\nparts = [\n')[0].startswith("run.toml:2: this is not TOML: ")
    assert refused(tmp_path, 'name = "a"\nname = "b"\n')[0].startswith("run.toml:2: this is not TOML: ")


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: cannot be read"):
        load_recipe(tmp_path / "absent.toml", Example)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_recipe(tmp_path / "binary.toml", Example)


def test_the_kind_is_read_before_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('# a comment\nkind = "detector"\nanything = 1\n')
    assert recipe_kind(path, ("detector", "caption")) == "detector"
    with pytest.raises(ConfigError, match=r":2: kind: was 'detector'; allowed are tags, caption"):
        recipe_kind(path, ("tags", "caption"))
    path.write_text("anything = 1\n")
    with pytest.raises(ConfigError, match=r":1: kind: this key is missing; allowed are tags"):
        recipe_kind(path, ("tags",))


def test_a_recipe_never_changes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        Example(name="a").name = "b"  # type: ignore[misc]


NAMES = st.text(string.ascii_lowercase + "_", min_size=1, max_size=6)


@given(st.lists(st.tuples(NAMES, st.dictionaries(NAMES, st.integers(), max_size=4)), max_size=6))
def test_every_key_of_every_table_is_found_on_its_line(tables: list[tuple[str, dict[str, int]]]) -> None:
    lines: list[str] = []
    expected = []
    seen: dict[str, int] = {}
    for name, keys in tables:
        seen[name] = seen.get(name, -1) + 1
        lines.append(f"[[ {name} ]]  # {name}")
        expected.append(((name, seen[name]), len(lines)))
        for key, value in keys.items():
            lines.append(f'"{key}" = {value}')
            expected.append(((name, seen[name], key), len(lines)))
    assert list(key_lines("\n".join(lines))) == expected


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_with_our_own_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(text.encode("utf-8", "ignore").decode())
    with contextlib.suppress(ConfigError):
        load_recipe(path, Example)
