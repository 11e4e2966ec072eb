"""The command line: frozen help, reports by the line, and a service that starts, answers and ends as it should."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import typer.main
from PIL import Image
from typer.testing import CliRunner

from pellucid.analyse.claims import read_claims
from pellucid.cli import app, main
from pellucid.records.report import Report
from tests.pictures import jpeg, png
from tests.tiny_bundle import make_tiny_bundle

GOLDEN = Path(__file__).parent / "golden" / "cli.txt"
POLICY = 'name = "tiny"\nversion = 1\n\n[[rules]]\nname = "default"\ndecision = "allow"\nreason = "Nothing was found."\n'
PLAIN = {"COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1", "TERM": "dumb"}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    make_tiny_bundle(folder)
    return folder


@pytest.fixture(autouse=True)
def _environment(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "policy.toml").write_text(POLICY)
    monkeypatch.setenv("PELLUCID_POLICY", str(tmp_path / "policy.toml"))
    monkeypatch.setenv("PELLUCID_BUNDLE", str(bundle))
    for name, value in PLAIN.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    (folder / "deep").mkdir(parents=True)
    (folder / "b.png").write_bytes(png())
    (folder / "deep" / "a.jpg").write_bytes(jpeg())
    (folder / ".hidden").write_bytes(b"left out")
    return folder


def run(*words: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """As the shell would call it."""
    monkeypatch.setattr(sys, "argv", ["pellucid", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_the_command_line_is_frozen() -> None:
    """A change shows in review; write it anew with `WRITE_GOLDEN=1 pytest tests/test_cli.py`."""
    found = "\n".join(_help(*words) for words in _commands())
    if os.environ.get("WRITE_GOLDEN"):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(found)
    assert found == GOLDEN.read_text()


def test_a_folder_gives_one_report_a_line_in_order(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    single = tmp_path / "single.jpg"
    single.write_bytes(jpeg(seed=3))
    assert run("analyse", "--json", str(pictures), str(single), monkeypatch=monkeypatch) == 0
    reports = [Report.model_validate_json(line) for line in capsys.readouterr().out.splitlines()]
    assert [report.source for report in reports] == [str(pictures / "b.png"), str(pictures / "deep" / "a.jpg"), str(single)]


def test_what_cannot_be_answered_says_why_and_the_rest_is_answered(
    pictures: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (pictures / "a.txt").write_text("no picture")
    missing = str(pictures / "missing.jpg")
    assert run("analyse", "--json", str(pictures), missing, monkeypatch=monkeypatch) == 3
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["source"] for line in lines if "problem" not in line] == [
        str(pictures / "b.png"),
        str(pictures / "deep" / "a.jpg"),
    ]
    assert {line["source"]: line["problem"]["code"] for line in lines if "problem" in line} == {
        str(pictures / "a.txt"): "not-an-image",
        missing: "not-found",
    }


@pytest.mark.parametrize("recipe", ["detector.toml", "captioner.toml", "tags.toml"])
def test_training_without_its_extra_says_what_to_install(recipe: str, tmp_path: Path) -> None:
    without = "import sys; sys.modules['torch'] = None; from pellucid.cli import main; main()"
    command = [sys.executable, "-c", without, "train", recipe, "--out", str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 2
    assert "`train` needs torch, which is not installed: pip install 'pellucid[train]'" in found.stderr


def test_says_its_version(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("--version", monkeypatch=monkeypatch) == 0
    assert re.fullmatch(r"pellucid \d+\.\d+\.\d+\S*\n", capsys.readouterr().out)


def test_without_json_there_is_a_table(
    pictures: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("analyse", str(pictures / "b.png"), monkeypatch=monkeypatch) == 0
    assert re.search(r"picture.*verdict.*decision", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["serve", "--host", "0.0.0.0"], 2, "bad-config: PELLUCID_HOST is 0.0.0.0"),
        (["serve", "--port", "70000"], 2, "bad-config: PELLUCID_PORT"),
        (["train", "nowhere.toml"], 2, "bad-config: there is no recipe nowhere.toml"),
        (["train", "detector.toml", "--root", "pictures"], 2, "bad-config: --root is 'pictures'"),
        (["train", "detector.toml", "--root", "pictures=/nowhere"], 2, "bad-config: --root pictures: there is no folder"),
        (["bundle", "show", "/nowhere"], 1, "bad-bundle: /nowhere is not a bundle"),
        (["analyse", "--bundle", "/nowhere", "a.png"], 1, "bad-bundle: /nowhere is not a bundle"),
    ],
)
def test_our_errors_are_one_line(
    words: list[str], status: int, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(*words, monkeypatch=monkeypatch) == status
    error = capsys.readouterr().err
    assert error.startswith(said)
    assert error.count("\n") == 1


def test_a_whole_bundle_is_verified_and_shown(
    bundle: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("bundle", "verify", str(bundle), monkeypatch=monkeypatch) == 0
    assert "nothing wrong" in capsys.readouterr().out
    assert run("bundle", "show", str(bundle), monkeypatch=monkeypatch) == 0
    assert "encoder.onnx" in capsys.readouterr().out


def test_a_changed_bundle_is_refused_with_the_file_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tiny_bundle(tmp_path / "changed")
    (tmp_path / "changed" / "card.md").write_text("another card")
    assert run("bundle", "verify", str(tmp_path / "changed"), monkeypatch=monkeypatch) == 1
    assert "card.md" in capsys.readouterr().out


@pytest.fixture
def service(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A real `pellucid serve` with the tiny bundle, and its port."""
    start = "from pellucid.cli import main; main()"
    command = [sys.executable, "-c", start, "serve", "--port", "0", "--data", str(tmp_path / "data")]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True) as process:
        assert process.stdout is not None
        greeting = [process.stdout.readline() for _ in range(3)]
        found = re.search(r"http://127\.0\.0\.1:(\d+)", greeting[0])
        assert found, greeting
        assert f"curl -F file=@photo.jpg {found.group()}/v1/analyses" in greeting[1]
        assert f"{found.group()}/docs" in greeting[2]
        yield process, int(found.group(1))
        process.kill()


def test_serve_answers_and_on_sigterm_still_answers_what_it_accepted(service: tuple[subprocess.Popen[str], int]) -> None:
    process, port = service
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as first:
        first.request("POST", "/v1/analyses", body=jpeg())
        assert first.getresponse().status == 200

    body = jpeg(seed=5)
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as second:
        second.putrequest("POST", "/v1/analyses")
        second.putheader("Content-Length", str(len(body)))
        second.endheaders(body[:100])
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        second.send(body[100:])
        answer = second.getresponse()
        assert (answer.status, json.loads(answer.read())["image"]["format"]) == (200, "JPEG")
    process.wait(30)


def _commands() -> Iterator[list[str]]:
    yield []
    command = typer.main.get_command(app)
    for name, below in command.commands.items():  # type: ignore[attr-defined]
        yield [name]
        yield from ([name, inner] for inner in getattr(below, "commands", {}))


def _help(*words: str) -> str:
    result = CliRunner().invoke(app, [*words, "--help"], prog_name="pellucid", env=PLAIN)
    return "\n".join(line.rstrip() for line in result.output.strip().splitlines()) + "\n"


def test_a_derivative_is_written_and_said_to_be_unsigned_without_a_key(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "small.webp"
    words = ("derive", str(pictures / "b.png"), "--size", "64", "--label", "edited", "--out", str(out))
    assert run(*words, monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out == f"{out}: WEBP, 64 x 48, edited, unsigned; no signing key is set\n"
    assert read_claims(out.read_bytes(), "WEBP")[0].says == "edited"


@pytest.mark.parametrize(
    ("name", "options", "made"), [("x.jpg", (), "JPEG"), ("x.webp", ("--format", "avif"), "AVIF"), ("x", (), "PNG")]
)
def test_a_derivative_is_of_the_format_that_is_asked_for_or_the_name_says(
    name: str, options: tuple[str, ...], made: str, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / name
    assert run("derive", str(pictures / "b.png"), "--out", str(out), *options, monkeypatch=monkeypatch) == 0
    with Image.open(out) as image:
        assert image.format == made


def test_a_key_without_certificates_is_a_wrong_setting(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PELLUCID_SIGNING_KEY", str(tmp_path / "site.key"))
    assert run("derive", str(pictures / "b.png"), "--out", str(tmp_path / "x.png"), monkeypatch=monkeypatch) == 2
    assert "belong together" in capsys.readouterr().err
