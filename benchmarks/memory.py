"""Peak memory of a process that is sent large pictures at once, by how many pixels may be open at one time.

    python benchmarks/memory.py                          eight WebP of 64 million pixels, three settings; a minute
    python benchmarks/memory.py --side 4000 --pictures 4

Each row is a process of its own: the shipped bundle loaded, then as many threads as pictures, as `pellucid serve` has them. The
growth is over what the process held after its first, small picture.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

from PIL import Image
from rich.console import Console
from rich.table import Table

from pellucid.app_engine import open_engine
from pellucid.base.settings import read_settings

MIB = 1 << 20


def main() -> None:
    arguments = _arguments()
    if arguments.open_pixels:
        print(*_peaks(Path(arguments.folder), arguments.pictures, arguments.open_pixels), flush=True)
        return
    pixels = arguments.side**2
    table = Table(title=f"{arguments.pictures} WebP of {pixels:,} pixels at once")
    for column in ("PELLUCID_MAX_OPEN_PIXELS", "before, MiB", "peak, MiB", "growth, bytes a pixel of one"):
        table.add_column(column, justify="right")
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), arguments.side)
        for limit in (arguments.pictures * pixels, 2 * pixels, pixels):
            before, peak = _measured(folder, arguments.pictures, limit)
            table.add_row(f"{limit:,}", f"{before / MIB:,.0f}", f"{peak / MIB:,.0f}", f"{(peak - before) / pixels:.1f}")
    Console().print(table)


def make(folder: Path, side: int) -> None:
    """One large picture and a small one, of plain colour: what counts is their size."""
    for name, size in (("large.webp", side), ("small.webp", 64)):
        Image.new("RGB", (size, size), (90, 120, 30)).save(folder / name, "WEBP", lossless=True, quality=0, method=0)


def _measured(folder: str, pictures: int, limit: int) -> tuple[int, int]:
    command = [sys.executable, __file__, "--folder", folder, "--pictures", str(pictures), "--open-pixels", str(limit)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    # On a busy machine parts that came too late still run when the process ends, and the runtime then aborts it: no harm here.
    if len(found.stdout.split()) != 2:
        raise SystemExit(found.stderr)
    before, peak = found.stdout.split()
    return int(before), int(peak)


def _peaks(folder: Path, pictures: int, limit: int) -> tuple[int, int]:
    """(bytes held at most before, and after) all pictures were answered at once."""
    engine = open_engine(read_settings(max_open_pixels=limit))
    engine.analyser.analyse((folder / "small.webp").read_bytes())
    before = getrusage(RUSAGE_SELF).ru_maxrss * 1024
    data = (folder / "large.webp").read_bytes()
    with ThreadPoolExecutor(pictures) as threads:
        list(threads.map(engine.analyser.analyse, [data] * pictures))
    engine.close()
    return before, getrusage(RUSAGE_SELF).ru_maxrss * 1024


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--side", type=int, default=8000, help="pixels a side of the large pictures")
    parser.add_argument("--pictures", type=int, default=8, help="how many are sent at once")
    parser.add_argument("--open-pixels", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--folder", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
