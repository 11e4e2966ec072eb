"""`pellucid bundle`: look at and check bundles."""

from __future__ import annotations

import typer

from pellucid.base.tables import show, table
from pellucid.cli_parts import BundleArgument

bundle_app = typer.Typer(no_args_is_help=True, help="Look at and check bundles, the model artefacts that are served.")


def add_commands(app: typer.Typer) -> None:
    app.add_typer(bundle_app, name="bundle")


@bundle_app.command("verify")
def verify_bundle(folder: BundleArgument = None) -> None:
    """Check hashes, schema, licences and sizes. Exit status 1 if anything is wrong."""
    from pellucid.base.settings import shipped
    from pellucid.records.bundle import read_bundle, verify

    folder = folder or shipped("bundle")
    faults = verify(folder)
    if not faults:
        bundle = read_bundle(folder)
        typer.echo(f"{bundle.label}: {len(bundle.files)} files, nothing wrong")
        return
    show(table(f"{folder}: {len(faults)} faults", ("file", "problem"), [(fault.file, fault.problem) for fault in faults]))
    raise typer.Exit(1)


@bundle_app.command("show")
def show_bundle(folder: BundleArgument = None) -> None:
    """What is in a bundle: files, sizes, licences, and what each part may be used for."""
    from pellucid.base.settings import shipped
    from pellucid.records.bundle import read_bundle

    bundle = read_bundle(folder or shipped("bundle"))
    typer.echo(f"{bundle.label} of {bundle.created}, use: {bundle.use}")
    show(table("parts", ("part", "use"), sorted(bundle.parts.items())))
    rows = [(name, f"{file.bytes:,}", file.licence, file.source) for name, file in sorted(bundle.files.items())]
    show(table("files", ("file", "bytes", "licence", "source"), rows))
