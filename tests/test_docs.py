"""What exists is documented: errors, commands, settings, metrics, API paths, and every page from the index."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def page(name: str) -> str:
    path = DOCS / name
    assert path.exists(), f"docs/{name} is missing"
    return path.read_text()


def rows(name: str) -> dict[str, str]:
    """The table rows of a page, by what stands in backticks in their first cell."""
    found = re.findall(r"^\| *`([^`]+)`(.*)$", page(name), re.MULTILINE)
    return dict(found)


def subclasses(kind: type) -> Iterator[type]:
    yield kind
    for below in kind.__subclasses__():
        yield from subclasses(below)


def test_every_error_code_has_its_row_with_its_status() -> None:
    from pellucid.base.errors import PellucidError

    # Only the tree itself: tests may have made leaves of their own.
    codes = {kind.code: kind.status for kind in subclasses(PellucidError) if kind.__module__ == "pellucid.base.errors"}
    table = rows("errors.md")
    assert set(table) == set(codes)
    assert not [code for code, status in codes.items() if f"| {status} |" not in table[code]]


def test_every_command_and_option_is_documented() -> None:
    import typer.main

    from pellucid.cli import app

    text = page("commands.md")
    for name, options in commands(typer.main.get_command(app), "pellucid"):
        assert f"`{name}" in text, f"docs/commands.md lacks {name}"
        section = text.split(f"`{name}", 1)[1].split("\n## ", 1)[0]
        assert not [option for option in options if f"`{option}" not in section], f"docs/commands.md lacks options of {name}"


def commands(command: object, name: str) -> Iterator[tuple[str, list[str]]]:
    """(full name, long options) of every command below `command` that does something."""
    below = getattr(command, "commands", None)
    if below:
        for part, inner in below.items():
            yield from commands(inner, f"{name} {part}")
    else:
        params = getattr(command, "params", [])
        yield name, [option for param in params for option in param.opts if option.startswith("--") and option != "--help"]


def test_every_setting_has_its_row_with_its_default() -> None:
    from pellucid.base.settings import PREFIX, Settings

    table = rows("settings.md")
    assert set(table) == {PREFIX + name.upper() for name in Settings.model_fields}
    for name, field in Settings.model_fields.items():
        shown = "" if field.default in (None, ()) else f"`{field.default}`"
        assert f"| {shown} |" in table[PREFIX + name.upper()], f"docs/settings.md has another default of {name}"


def test_every_metric_is_documented() -> None:
    from pellucid.serve.metrics import Metrics

    text = page("metrics.md")
    families = Metrics().registry.collect()
    names = [family.name + ("_total" if family.type == "counter" else "") for family in families]
    assert not [name for name in names if name.startswith("pellucid_") and f"`{name}`" not in text]


def test_every_path_of_the_api_is_documented(tmp_path: Path) -> None:
    from pellucid.app import create_app
    from pellucid.base.settings import read_settings

    text = page("api.md")
    paths = create_app(read_settings(data_dir=tmp_path)).openapi()["paths"]
    calls = [f"{method.upper()} {path}" for path, methods in paths.items() for method in methods]
    assert calls
    assert not [call for call in calls if f"`{call}`" not in text]


def test_every_page_is_reached_from_the_index() -> None:
    index = page("README.md")
    pages = [path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md") if path.name != "README.md"]
    assert not [path for path in pages if f"({path})" not in index]


@pytest.mark.parametrize("path", sorted(ROOT.glob("*.md")) + sorted(DOCS.rglob("*.md")), ids=lambda path: str(path.name))
def test_every_link_inside_the_repository_leads_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", path.read_text())
    assert not [target for target in targets if not (path.parent / target).exists()]


def test_every_word_of_the_design_is_explained() -> None:
    words = rows("words.md")
    flow = "image sample dataset recipe checkpoint evaluation gate bundle"
    answer = "report verdict evidence caption tag policy decision slice budget channel"
    people = "event flag appeal ruling label"
    assert set(f"{flow} {answer} {people}".split()) <= set(words)


def test_the_changelog_names_the_version() -> None:
    from pellucid import __version__

    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()
