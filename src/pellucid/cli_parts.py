"""What commands of the command line share: arguments that mean the same everywhere, recipes and roots, tables for people."""

from __future__ import annotations

import getpass
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pellucid.base.errors import ConfigError

if TYPE_CHECKING:
    from sqlalchemy import Engine

RecipeArgument = Annotated[str, typer.Argument(metavar="RECIPE", help="A TOML file, or the name of a shipped recipe.")]
Roots = Annotated[
    list[str] | None, typer.Option("--root", metavar="NAME=FOLDER", help="Where a root named in the recipe lies. Repeatable.")
]
Out = Annotated[Path, typer.Option(metavar="FOLDER", help="Where the result is written.")]
On = Annotated[Literal["local", "ray"], typer.Option("--on", help="This machine, or the Ray cluster at PELLUCID_RAY_ADDRESS.")]
BundleArgument = Annotated[Path | None, typer.Argument(metavar="FOLDER", help="The bundle; the shipped one if not given.")]
BundleOption = Annotated[
    Path | None, typer.Option("--bundle", metavar="FOLDER", help="Bundle to use; the shipped one if not given.")
]
Data = Annotated[Path | None, typer.Option("--data", metavar="FOLDER", help="Folder of the database; as `serve` takes it.")]


@contextmanager
def extra_needed(what: str) -> Iterator[None]:
    """A module that only the extra `train` brings, and is not there, is said in our words."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("pellucid"):
            raise
        raise ConfigError(f"`{what}` needs {error.name}, which is not installed: pip install 'pellucid[train]'") from error


def recipe_path(name: str) -> Path:
    """A TOML file by its path, or a shipped one by its name. Raises `ConfigError`."""
    from pellucid.base.settings import shipped

    path, folder = Path(name), shipped("recipes")
    if path.is_file():
        return path
    if (folder / name).is_file():
        return folder / name
    names = ", ".join(sorted(file.name for file in folder.glob("*.toml"))) or "none"
    raise ConfigError(f"there is no recipe {name}; give the path of a TOML file, or one of the shipped ones: {names}")


def named_folders(roots: Sequence[str] | None) -> dict[str, Path]:
    """`NAME=FOLDER` → {NAME: FOLDER}. Raises `ConfigError`."""
    return dict(_root(text) for text in roots or [])


def _root(text: str) -> tuple[str, Path]:
    name, sign, folder = text.partition("=")
    if not (name and sign and folder):
        raise ConfigError(f"--root is {text!r}; allowed is NAME=FOLDER, as in --root pictures=/data/pictures")
    if not Path(folder).is_dir():
        raise ConfigError(f"--root {name}: there is no folder {folder}")
    return name, Path(folder)


@contextmanager
def database_at(data: Path | None, make: bool = False) -> Iterator[Engine]:
    """The database that `serve` with the same settings would open; where `make` says so a new one is made, and that is said.

    Raises `ConfigError` where there is none: a slip in `--data` would else look like a site without keys.
    """
    from pellucid.app import open_store
    from pellucid.base.settings import read_settings
    from pellucid.store.database import is_made

    settings = read_settings(data_dir=data)
    folder = settings.data_dir
    if settings.database_url is None and not is_made(folder):
        if not make:
            raise ConfigError(
                f"there is no database in {folder}; name the folder that `serve` has with --data or PELLUCID_DATA_DIR"
            )
        typer.echo(f"a new database is made in {folder}; start the service with `pellucid serve --data {folder}`", err=True)
    store = open_store(settings)
    try:
        yield store.database
    finally:
        store.close()


def operator() -> str:
    """`cli:NAME`, as the machine knows who types; a container may know no name."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return "cli:unknown"
