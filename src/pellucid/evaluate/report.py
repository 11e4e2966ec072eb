"""An evaluation for people: the same blocks as `report.md` and as `report.html`, which needs no other file.

No picture of the data appears in either.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from pellucid.base.files import write_atomically
from pellucid.evaluate.blocks import Block, cell, markdown
from pellucid.evaluate.contents import contents
from pellucid.evaluate.judge import Judged
from pellucid.evaluate.plots import draw_plots
from pellucid.records.evaluation import Evaluation

TEMPLATE = "report.html"


def write_report(record: Evaluation, judged: Mapping[str, Judged], folder: Path) -> None:
    """`report.md` and `report.html`, with the plots as files beside the one and inside the other."""
    folder.mkdir(parents=True, exist_ok=True)
    draw_plots(record.sections, judged, folder)
    blocks = list(contents(record))
    write_atomically(folder / "report.md", "\n".join(_lines(record, blocks)).encode())
    write_atomically(folder / "report.html", page(record, blocks, folder).encode())


def page(record: Evaluation, blocks: Sequence[Block], folder: Path) -> str:
    """HTML that asks nobody for anything: styles and plots are inside, every text is escaped."""
    environment = Environment(
        loader=PackageLoader("pellucid.evaluate", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = cell
    plots = {name: _data_uri(folder / name) for block in blocks for name in block.plots}
    return environment.get_template(TEMPLATE).render(record=record, blocks=blocks, plots=plots)


def _data_uri(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"


def _lines(record: Evaluation, blocks: Sequence[Block]) -> Iterator[str]:
    yield f"# Evaluation of `{record.bundle}`"
    yield ""
    purpose = "Final" if record.final else "For choosing"
    yield f"{purpose}, {record.created}. Command: `{record.command}`. Machine: {record.machine}."
    yield f"Code: {record.git_commit}. Data: {', '.join(f'{name} {found}' for name, found in record.datasets.items())}."
    yield ""
    for block in blocks:
        yield from markdown(block)
