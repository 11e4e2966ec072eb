"""The proof of `benchmarks/fuzz.py` with 300 files: no 5xx, no hang, no worker lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.fuzz_files import MUTATIONS, mutated, seeds

from pellucid.base.containers import accepted_format


def test_three_hundred_damaged_files_bring_nothing_down(repository: Path, tmp_path: Path) -> None:
    page = tmp_path / "fuzz.md"
    command = [sys.executable, "-m", "benchmarks.fuzz", "--files", "300", "--out", str(page)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(repository / "src"), str(repository)])}
    found = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "answers of 5xx: 0" in page.read_text()


def test_damage_is_the_same_for_the_same_seed_and_of_every_kind() -> None:
    whole = seeds()
    made = [mutated(whole, 7, number) for number in range(400)]
    assert made == [mutated(whole, 7, number) for number in range(400)]
    assert {change for _, done, _ in made for change in done.split("+")} == {*MUTATIONS, "checksums"}
    assert {accepted_format(data) for _, _, data in made} >= {"JPEG", "PNG", "WEBP", "GIF", "AVIF"}
    unchanged = sum(data == whole[name] for name, _, data in made)
    assert unchanged < len(made) / 10
