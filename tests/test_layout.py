"""The shape of the repository: small modules that say what they are, names from the design, nothing from one machine."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "src" / "pellucid").rglob("*.py"))
MAX_LINES = 250
# One tree of errors stands in one file.
LONGER = {"base/errors.py": 375}
TRAINING_LIBRARIES = ("torch", "transformers", "sklearn", "nncf", "onnx", "ray", "scipy", "matplotlib", "mlflow")

# Written so that these lines do not match themselves.
REGISTRY_HOSTS = re.compile(r"pypi\.o[r]g|python[h]osted|npm[j]s\.|deb\.debian\.o[r]g|debian\.o[r]g/debian")
MACHINE_PATHS = re.compile(r"/(?:wor[k]|far[m]|roo[t])/")
LARGEST_FILE = 99_000_000


def tracked() -> list[Path]:
    """Files of the repository, the new ones included that git does not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def text_of(path: Path) -> str:
    """The file's text; nothing where it is binary (git's own rule: a zero byte near the start)."""
    content = path.read_bytes()
    return "" if b"\0" in content[:8000] else content.decode("utf-8", "replace")


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(ROOT / "src")))
def test_a_module_is_short_and_says_what_it_is(module: Path) -> None:
    source = module.read_text()
    allowed = LONGER.get(module.relative_to(ROOT / "src" / "pellucid").as_posix(), MAX_LINES)
    assert len(source.splitlines()) <= allowed, f"has {len(source.splitlines())} lines; split it by idea"
    if module.name != "__init__.py":
        assert ast.get_docstring(ast.parse(source)), "begins without a sentence that says what it is"


def test_nothing_is_called_utils_or_helpers() -> None:
    names = {path for path in MODULES if re.search(r"util|helper|misc|common", path.stem)}
    assert not names, "name a module after its idea"


def test_every_package_of_the_design_is_there_and_no_other() -> None:
    packages = {path.parent.name for path in (ROOT / "src" / "pellucid").glob("*/__init__.py")}
    stages = {"ingest", "train", "export", "evaluate", "serve", "observe", "feedback", "pipelines"}
    known = {"base", "records", "runtime", "store", "client", "analyse", "nets", "console"} | stages
    assert packages - known == {"defaults"}


def test_no_file_names_a_registry_or_a_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match.group()}"
        for path in tracked()
        for number, line in enumerate(text_of(path).splitlines(), start=1)
        for match in (*REGISTRY_HOSTS.finditer(line), *MACHINE_PATHS.finditer(line))
    ]
    assert not found


def test_no_file_is_too_large_to_be_submitted() -> None:
    assert not [path for path in tracked() if path.stat().st_size > LARGEST_FILE]


def test_constraints_are_exact_versions_without_addresses() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert "torch==2.13.0" in lines
    assert not [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line)]


@pytest.mark.parametrize("module", ["pellucid.app", "pellucid.cli"])
def test_the_service_is_imported_without_the_training_libraries(module: str) -> None:
    code = f"import sys, {module}; print([name for name in {TRAINING_LIBRARIES!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "src", capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
