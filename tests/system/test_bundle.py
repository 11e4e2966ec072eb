"""`make bundle` as one command: every stage, from pictures to a verified and evaluated bundle that answers. `make system`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs the extra `train`")

from pellucid.analyse.analyser import Analyser
from pellucid.analyse.moderation import load_policy
from pellucid.records.bundle import read_bundle, verify
from pellucid.runtime.bundle import LoadedBundle

pytestmark = [pytest.mark.system, pytest.mark.timeout(1800)]


def test_one_command_makes_a_bundle_that_answers(tmp_path: Path, repository: Path) -> None:
    command = ["make", "bundle", "SIZE=smoke", f"OUT={tmp_path}", f"BIN={_commands(tmp_path)}", f"VENV={tmp_path}"]
    found = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    folder = tmp_path / "bundles" / "smoke"
    assert verify(folder) == []
    assert set(read_bundle(folder).parts) == {"encoder", "detector", "domain", "tags", "caption", "safety", "replay"}
    (record,) = (tmp_path / "evaluations").glob("smoke-*/evaluation.json")
    assert {"detection", "controls", "captions"} <= json.loads(record.read_text())["sections"].keys()
    picture = (tmp_path / "made" / "pictures" / "0.png").read_bytes()
    analyser = Analyser(LoadedBundle.open(folder), load_policy(None))
    try:
        report = analyser.analyse(picture).report
    finally:
        analyser.close()
    assert report.inference is not None
    assert report.model.bundle.startswith("smoke@")


def _commands(folder: Path) -> Path:
    """`python` and `pellucid` of this environment where the Makefile looks for them, which then installs nothing."""
    (folder / "bin").mkdir()
    for name, line in (("python", ""), ("pellucid", '-c "from pellucid.cli import main; main()" ')):
        (folder / "bin" / name).write_text(f'#!/bin/sh\nexec {sys.executable} {line}"$@"\n')
        (folder / "bin" / name).chmod(0o755)
    for stamp in ("plain.stamp", "dev.stamp"):
        (folder / stamp).touch()
    return folder / "bin"
