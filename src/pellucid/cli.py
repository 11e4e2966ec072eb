"""The command line: one command a stage of the design, and `serve` and `analyse` for the answer.

Errors of ours are one line, `code: detail`, on standard error. Exit status: 0 done, 1 failed, 2 wrongly asked or set, 3 some
pictures not answered. What a command needs is imported inside it, so that the plain install does not miss what training needs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from pellucid import __version__
from pellucid.base.errors import ConfigError, InvalidParameter, PellucidError
from pellucid.base.tables import show, table
from pellucid.base.telemetry import switch_off_telemetry
from pellucid.cli_accounts import add_commands as add_account_commands
from pellucid.cli_banks import add_commands as add_bank_commands
from pellucid.cli_bundle import add_commands as add_bundle_commands
from pellucid.cli_keys import add_commands as add_key_commands
from pellucid.cli_parts import (
    BundleOption,
    On,
    Out,
    RecipeArgument,
    Roots,
    extra_needed,
    named_folders,
    recipe_path,
)
from pellucid.cli_recourse import add_commands as add_recourse_commands
from pellucid.cli_release import add_commands
from pellucid.cli_webhooks import add_commands as add_webhook_commands

if TYPE_CHECKING:
    from pellucid.serve.files import Answer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
add_bundle_commands(app)

FAILED = 1
WRONGLY_ASKED = 2
SOME_NOT_ANSWERED = 3
MANY = 2


def main() -> None:
    """The entry point: `app`, with our errors in one line."""
    switch_off_telemetry()
    try:
        app()
    except PellucidError as error:
        typer.echo(f"{error.code}: {error.detail}", err=True)
        sys.exit(WRONGLY_ASKED if isinstance(error, ConfigError | InvalidParameter) else FAILED)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"pellucid {__version__}")
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """Did AI make this picture? What does it show? What to do?"""


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; other than loopback needs a key or account.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    data: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Folder of the database and the stored pictures.")] = None,
    bundle: BundleOption = None,
    role: Annotated[
        Literal["all", "api", "worker", "console"] | None,
        typer.Option(help="`api` answers `/v1`, `worker` the queue and webhooks, `console` moderators, `all` everything."),
    ] = None,
) -> None:
    """Start the service. Settings come from PELLUCID_… variables; options win over them."""
    from pellucid.app import check_exposure, create_app
    from pellucid.base.settings import read_settings
    from pellucid.serve.server import run

    settings = read_settings(host=host, port=port, data_dir=data, bundle=bundle, role=role)
    check_exposure(settings)
    run(create_app(settings), settings, announce=typer.echo)


@app.command()
def analyse(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Pictures, and folders of them (hidden files are left out).")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One report a line.")] = False,
    bundle: BundleOption = None,
) -> None:
    """Answer pictures without a server; nothing is stored. Exit status 3 if some could not be answered."""
    from pellucid.app_engine import open_engine
    from pellucid.base.settings import read_settings
    from pellucid.serve.files import answers, pictures_in

    settings = read_settings(bundle=bundle)
    sources = pictures_in(paths)
    engine = open_engine(settings)
    try:
        found = _with_progress(answers(sources, engine.analyser, settings), len(sources))
        failed = _print_lines(found) if as_json else _print_table(found)
    finally:
        engine.close()
    if failed:
        raise typer.Exit(SOME_NOT_ANSWERED)


@app.command()
def derive(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A picture.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the derivative is written.")],
    size: Annotated[int | None, typer.Option(min=16, help="Longest side in pixels; a smaller picture is not enlarged.")] = None,
    to: Annotated[
        Literal["jpeg", "png", "webp", "avif"] | None,
        typer.Option("--format", help="If not given, what FILE ends in, else the original's."),
    ] = None,
    label: Annotated[
        Literal["none", "edited", "generated"], typer.Option(help="What the site says of it, beside the marks it carries.")
    ] = "none",
) -> None:
    """Make a picture to publish: provenance kept and signed, EXIF and places left out."""
    from pellucid.app_engine import open_deriver
    from pellucid.base.files import write_atomically
    from pellucid.base.settings import read_settings
    from pellucid.records.derivative import FORMATS, Label, Wanted
    from pellucid.serve.files import read_picture

    settings = read_settings()
    ending = out.suffix.lower().removeprefix(".").replace("jpg", "jpeg")
    wanted, said = Wanted(size, FORMATS.get(to or ending)), None if label == "none" else Label(label)
    made = open_deriver(settings).derive(read_picture(str(path), settings.max_body_bytes), wanted, said)
    write_atomically(out, made.data)
    typer.echo(f"{out}: {made.format}, {made.width} x {made.height}, {made.says or 'no label'}, {made.credentials}")


@app.command()
def ingest(recipe: RecipeArgument, root: Roots = None, out: Out = Path("runs")) -> None:
    """Read labelled folders and manifests into a dataset; refuses one whose file facts give the label away."""
    _run_stage("ingest", recipe, root, out)


@app.command()
def train(recipe: RecipeArgument, root: Roots = None, out: Out = Path("runs"), on: On = "local") -> None:
    """Train what the recipe says and write a checkpoint."""
    _run_stage("train", recipe, root, out, on=on)


@app.command()
def tune(
    recipe: RecipeArgument,
    trials: Annotated[int, typer.Option(min=1, help="How many settings are tried, the recipe's own the first.")] = 8,
    root: Roots = None,
    out: Out = Path("runs"),
    on: On = "local",
) -> None:
    """Search the space that the recipe gives; writes a table of the trials and the best recipe."""
    _run_stage("train", recipe, root, out, "tune", trials=trials, on=on)


@app.command()
def export(recipe: RecipeArgument, root: Roots = None, out: Out = Path("runs")) -> None:
    """Make a bundle, the artefact that is served, from checkpoints."""
    _run_stage("export", recipe, root, out)


@app.command()
def evaluate(
    recipe: RecipeArgument,
    root: Roots = None,
    out: Out = Path("runs"),
    final: Annotated[bool, typer.Option("--final", help="Use the test splits; recorded with bundle and date.")] = False,
) -> None:
    """Measure a bundle. The test splits are refused without --final."""
    _run_stage("evaluate", recipe, root, out, final=final)


@app.command("describe-server")
def describe_server(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="Folder that training a qwen2vl recipe has written.")],
    root: Roots = None,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.")] = 8100,
) -> None:
    """Answer for a trained Qwen2-VL by the chat protocol, as vLLM does: one picture at a time, for trials."""
    with extra_needed("describe-server"):
        from pellucid.train.describe_server import serve_checkpoint

        serve_checkpoint(checkpoint, named_folders(root), port, announce=typer.echo)


add_commands(app)
add_webhook_commands(app)
add_key_commands(app)
add_account_commands(app)
add_bank_commands(app)
add_recourse_commands(app)


def _run_stage(stage: str, recipe: str, roots: list[str] | None, out: Path, module: str = "run", **options: Any) -> None:
    from pellucid.base.logs import configure_logs
    from pellucid.base.settings import read_settings

    settings = read_settings()
    configure_logs(settings.log_level, settings.log_format == "json")
    folders = named_folders(roots)
    with extra_needed(stage):
        made = import_module(f"pellucid.{stage}.{module}").run(recipe_path(recipe), folders, out, **options)
    if made is not None:
        typer.echo(made)


def _with_progress(found: Iterator[Answer], total: int) -> Iterator[Answer]:
    """A bar on standard error, where there are many and a person looks on."""
    if total < MANY or not sys.stderr.isatty():
        return found
    from rich.console import Console
    from rich.progress import track

    return iter(track(found, "Analysing", total, console=Console(stderr=True)))


def _print_lines(found: Iterator[Answer]) -> int:
    failed = 0
    for answer in found:
        typer.echo(answer.line())
        failed += answer.problem is not None
    return failed


def _print_table(found: Iterator[Answer]) -> int:
    answers = list(found)
    show(table(None, ("picture", "verdict", "P(AI)", "caption or problem", "tags", "decision"), [one.row() for one in answers]))
    return sum(answer.problem is not None for answer in answers)
