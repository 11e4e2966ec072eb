"""What is installed: every requirement pinned, every licence one that we may pass on, and an audit that never passes unasked."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from pellucid.base.telemetry import SWITCHES, switch_off_telemetry
from tests.tiny_bundle import make_tiny_bundle

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
AUDIT = ROOT / ".ci" / "audit.py"
# SPDX names of what may be used in a product without giving its source. MPL-2.0 asks for the changed files of the library alone.
ALLOWED = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0",
    "Python-2.0", "Unlicense", "Zlib",
}  # fmt: skip
# How distributions without an SPDX expression say it.
WORDS = {
    "3-clause bsd license": "BSD-3-Clause",
    "apache 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd license": "BSD-3-Clause",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
    "the unlicense (unlicense)": "Unlicense",
}


def named(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned() -> dict[str, str]:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    return {named(name): version for name, version in (line.split("==") for line in lines)}


def brought(requirements: list[str]) -> dict[str, Distribution]:
    """Every distribution that these bring, as it is installed here."""
    found: dict[str, Distribution] = {}
    asked: set[tuple[str, frozenset[str]]] = set()
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        wanted = waiting.pop()
        if (named(wanted.name), frozenset(wanted.extras)) in asked:
            continue
        asked.add((named(wanted.name), frozenset(wanted.extras)))
        found[named(wanted.name)] = distribution(wanted.name)
        below = [Requirement(text) for text in found[named(wanted.name)].requires or ()]
        extras = ("", *wanted.extras)
        waiting += [each for each in below if each.marker is None or any(each.marker.evaluate({"extra": e}) for e in extras)]
    return found


def licences(found: Distribution) -> Iterator[str]:
    """SPDX names, of which one that is not allowed is one too many; `OR` leaves the choice, so one allowed is enough."""
    metadata = found.metadata
    said = metadata.get("License-Expression")
    if said is None:
        classifiers = [
            line.rpartition("::")[2].strip() for line in metadata.get_all("Classifier", []) if line.startswith("License")
        ]
        said = " OR ".join(WORDS.get(each.lower(), each) for each in classifiers) or metadata.get("License") or "none is named"
        said = WORDS.get(said.lower(), said)
    for part in said.split(" AND "):
        choices = [each.strip(" ()") for each in part.split(" OR ")]
        yield next((each for each in choices if each in ALLOWED), choices[0])


def test_every_requirement_is_pinned_and_the_pin_satisfies_it() -> None:
    pins = pinned()
    asked = [*PROJECT["dependencies"], *(text for extra in PROJECT["optional-dependencies"].values() for text in extra)]
    wrong = [text for text in asked if not Requirement(text).specifier.contains(pins.get(named(Requirement(text).name), "0"))]
    assert not wrong, "pin them in constraints.txt"


def test_all_that_the_plain_install_brings_is_pinned_as_it_is_installed() -> None:
    pins = pinned()
    found = {name: each.version.partition("+")[0] for name, each in brought(PROJECT["dependencies"]).items()}
    assert len(found) > 40
    assert {name: version for name, version in found.items() if pins.get(name) != version} == {}


def test_all_that_the_plain_install_brings_has_a_licence_of_the_list() -> None:
    found = {name: list(licences(each)) for name, each in brought(PROJECT["dependencies"]).items()}
    assert {name: names for name, names in found.items() if not set(names) <= ALLOWED} == {}


@pytest.mark.parametrize("licence", ["GPL-3.0-only", "AGPL-3.0", "MIT AND LGPL-2.1", "Other/Proprietary License", "", "UNKNOWN"])
def test_another_licence_is_seen(tmp_path: Path, licence: str) -> None:
    folder = tmp_path / "x-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: x\nVersion: 1\nLicense-Expression: {licence or 'none'}\n")
    assert not set(licences(Distribution.at(folder))) <= ALLOWED


def test_the_models_of_the_package_say_their_licences_too(shipped_bundle: Path) -> None:
    """Which may be used for what is the bundle's own statement (docs/settings.md, `GET /v1/models`)."""
    from pellucid.records.bundle import read_bundle, verify

    assert verify(shipped_bundle) == []
    assert all(file.licence for file in read_bundle(shipped_bundle).files.values())


LOADS_BOTH = """
import sys, time
from pathlib import Path
reached = []
sys.addaudithook(lambda event, given: reached.append(given) if event in ("socket.connect", "socket.getaddrinfo") else None)
from pellucid.runtime.session import open_session
for kind in ("openvino", "onnxruntime"):
    open_session(Path(sys.argv[1]), kind)
time.sleep(1)
print(reached, [name for name in sys.modules if name.startswith("openvino_telemetry.")])
"""


def test_no_library_tells_a_third_party_that_the_service_runs(tmp_path: Path) -> None:
    """OpenVINO and ONNX Runtime do when they are imported, and keep an id in the home (docs/adr/0020-no-telemetry.md)."""
    make_tiny_bundle(tmp_path / "bundle")
    home = tmp_path / "home"
    command = [sys.executable, "-c", LOADS_BOTH, str(tmp_path / "bundle" / "encoder.onnx")]
    given = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=ROOT / "src", env=given, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] []", done.stdout
    assert not home.exists(), [path.name for path in home.rglob("*")]


def test_a_site_may_switch_a_report_on_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SWITCHES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    monkeypatch.delitem(sys.modules, "openvino_telemetry", raising=False)
    switch_off_telemetry()
    assert {name: os.environ[name] for name in SWITCHES} == {**SWITCHES, "RAY_USAGE_STATS_ENABLED": "1"}
    with pytest.raises(ImportError):
        import_module("openvino_telemetry")


def pip_audit(folder: Path, answer: str, status: int = 0, error: str = "") -> dict[str, str]:
    """An environment in which `python -m pip_audit` says this: the network's edge."""
    module = folder / "pip_audit"
    module.mkdir()
    lines = ["import sys", f"sys.stdout.write({answer!r})", f"sys.stderr.write({error!r})", f"sys.exit({status})"]
    (module / "__main__.py").write_text("\n".join(lines))
    (module / "__init__.py").write_text("")
    return {"PYTHONPATH": str(folder)}


def audited(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(AUDIT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)


def one(name: str, **more: Any) -> str:
    return json.dumps({"name": name, "version": "1", **more})


def test_an_audit_that_asked_of_every_pin_and_found_nothing_passes(tmp_path: Path) -> None:
    answer = '{"dependencies": [' + ", ".join(one(name, vulns=[]) for name in pinned()) + "]}"
    done = audited(pip_audit(tmp_path, answer))
    assert (done.returncode, done.stdout) == (0, f"no known vulnerability in {len(pinned())} pins\n")


def test_an_audit_names_what_is_known_and_where_it_is_mended(tmp_path: Path) -> None:
    known = one("pillow", vulns=[{"id": "CVE-2099-1", "fix_versions": ["14.0"]}])
    answer = '{"dependencies": [' + ", ".join([known, *(one(name, vulns=[]) for name in pinned() if name != "pillow")]) + "]}"
    done = audited(pip_audit(tmp_path, answer, status=1))
    assert done.returncode == 1
    assert "pillow 1: CVE-2099-1; mended in 14.0" in done.stdout


@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [
        ("", 1, "requests.exceptions.ConnectionError: name resolution failed"),
        ("<html>proxy login</html>", 0, ""),
        ("{}", 0, ""),
        ("", 0, ""),
        ('{"dependencies": []}', 0, ""),
        ('{"dependencies": [' + one("pillow", skip_reason="not found") + "]}", 0, ""),
        ('{"dependencies": [' + one("pillow", vulns=[]) + "]}", 0, ""),
    ],
    ids=["no network", "a login page", "another answer", "nothing", "of none", "all skipped", "of one only"],
)
def test_an_audit_that_could_not_ask_says_so_and_does_not_pass(tmp_path: Path, answer: str, status: int, error: str) -> None:
    """pip-audit itself ends with 0 where every package was skipped."""
    done = audited(pip_audit(tmp_path, answer, status, error))
    assert done.returncode == 3
    assert done.stdout.startswith("could not be asked")


def test_pip_audit_itself_without_a_network_is_understood() -> None:
    """The real one; the proxy is a port on which nobody listens."""
    try:
        distribution("pip-audit")
    except PackageNotFoundError:
        pytest.fail("pip-audit is of the extra `dev`; install it")
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
    done = audited(nowhere, "--timeout", "5", "--vulnerability-service", "osv")
    assert (done.returncode, done.stdout[:18]) == (3, "could not be asked"), done.stdout + done.stderr


def test_the_audit_is_of_this_repository() -> None:
    assert runpy.run_path(str(AUDIT))["pins"]() == len(pinned())
