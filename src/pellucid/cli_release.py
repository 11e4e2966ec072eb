"""Commands around a release: the gate, the release itself, the registry, and runs that wait for their tracking server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pellucid.base.errors import ConfigError
from pellucid.base.tables import show, table
from pellucid.cli_parts import Out, RecipeArgument, Roots, extra_needed, named_folders, recipe_path

REFUSED = 1
DEFAULT_MODEL = "pellucid-embedded"

track_app = typer.Typer(no_args_is_help=True, help="Runs of training, as the tracking server knows them.")
registry_app = typer.Typer(no_args_is_help=True, help="Bundles that passed the gate, and where they run.")

Model = Annotated[str, typer.Argument(metavar="MODEL", help="Name in the registry.")]
RegistryOut = Annotated[
    Path, typer.Option("--out", metavar="FOLDER", help="Where the local registry lies, if there is no server.")
]


def add_commands(app: typer.Typer) -> None:
    app.command()(gate)
    app.command()(release)
    app.add_typer(track_app, name="track")
    app.add_typer(registry_app, name="registry")


def gate(
    evaluation: Annotated[Path, typer.Argument(metavar="CANDIDATE_EVALUATION", help="Its evaluation.json.")],
    champion: Annotated[Path | None, typer.Option(metavar="EVALUATION", help="evaluation.json of what is in service.")] = None,
    also: Annotated[list[Path] | None, typer.Option(metavar="EVALUATION", help="Adds parts measured apart. Repeatable.")] = None,
    bundle: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The bundle; the one of its name under OUT if not given.")
    ] = None,
    policy: Annotated[Path | None, typer.Option(metavar="FILE", help="Limits; the shipped gate.toml if not given.")] = None,
    bank: Annotated[Path | None, typer.Option(metavar="FILE", help="Ruled pictures; those under OUT if not given.")] = None,
    register: Annotated[str | None, typer.Option(metavar="MODEL", help="Register the bundle if it passes.")] = None,
    out: Out = Path("runs"),
) -> None:
    """May this candidate be released? Exit status 0 if it passed, 1 if it was refused."""
    with extra_needed("gate"):
        from pellucid.evaluate.gate import case, run_gate

        asked = case([evaluation, *(also or [])], champion, bundle, policy, out, bank)
        record, folder = run_gate(asked)
        for finding in record.refusals:
            typer.echo(f"{finding.rule} {finding.part}".rstrip() + f" ({finding.place}): {finding.words}")
        typer.echo(f"{record.parties.candidate}: {'passed' if record.passed else 'REFUSED'}; {folder / 'gate.md'}")
        if not record.passed:
            raise typer.Exit(REFUSED)
        if register:
            from pellucid.pipelines.registry import open_registry

            version = open_registry(out).register(register, asked.bundle, folder)
            typer.echo(f"{version.model} version {version.number}: {', '.join(version.aliases)}")


def release(recipe: RecipeArgument, root: Roots = None, out: Out = Path("runs")) -> None:
    """Export, evaluate, gate and register, as the recipe says. Exit status 1 if the gate refused."""
    with extra_needed("release"):
        from pellucid.pipelines.release import release as run_release

        outcome = run_release(recipe_path(recipe), named_folders(root), out)
    typer.echo(outcome.folder / "gate.md")
    if outcome.version is None:
        raise typer.Exit(REFUSED)
    typer.echo(f"{outcome.version.model} version {outcome.version.number}")


@track_app.command("sync")
def sync_runs(out: Out = Path("runs")) -> None:
    """Send what training wrote while the tracking server was away. Sending twice changes nothing."""
    with extra_needed("track sync"):
        from pellucid.train.journal import journals
        from pellucid.train.tracking import OFF, sync, tracking_url

        url = tracking_url(out)
        if url == OFF:
            raise ConfigError("PELLUCID_TRACKING_URL is none: runs are sent nowhere; unset it, or give a server")
        typer.echo(f"{sync(journals(out), url)} events sent to {url}")


@registry_app.command("list")
def list_versions(model: Model = DEFAULT_MODEL, out: RegistryOut = Path("runs")) -> None:
    """Versions of a model, newest first, with their aliases."""
    with extra_needed("registry"):
        from pellucid.pipelines.registry import open_registry

        found = open_registry(out).versions(model)
    rows = [(str(one.number), one.bundle, one.policy, ", ".join(one.aliases)) for one in found]
    show(table(model, ("version", "bundle", "gate policy", "aliases"), rows))


@registry_app.command("promote")
def promote_version(
    number: Annotated[int, typer.Argument(metavar="VERSION", help="Its number in the registry.")],
    alias: Annotated[str, typer.Argument(metavar="ALIAS", help="candidate, staging, canary or production.")],
    model: Annotated[str, typer.Option(metavar="MODEL", help="Name in the registry.")] = DEFAULT_MODEL,
    out: RegistryOut = Path("runs"),
) -> None:
    """Let an alias point at a version; it points at one version at a time."""
    with extra_needed("registry"):
        from pellucid.pipelines.registry import open_registry

        version = open_registry(out).promote(model, number, alias)
    typer.echo(f"{version.model} version {version.number}: {', '.join(version.aliases)}")
