"""`make demo` as a newcomer starts it: fills a fresh instance through the API, with the shipped models, and stops on Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from examples.demo_cast import RECOURSE, Sent, cast, crowd
from examples.demo_pictures import julia, landscape, pattern, saved
from examples.demo_signing import Authority

from pellucid.base.pixels import decode
from pellucid.client import Client, ConnectionFailed, NotAllowed, Retries

ROOT = Path(__file__).parents[2]
EXTRA = 2
ENCORES = ("sunrise-again.jpg", "sunrise-small.webp", "sunrise-poster.png")


def demo(out: Path, *options: str) -> subprocess.Popen[str]:
    """With a setting in the environment that would lock everybody out, were it not left aside."""
    paths = f"{ROOT / 'src'}{os.pathsep}{ROOT}"
    environment = {**os.environ, "PYTHONPATH": paths, "COLUMNS": "200", "PELLUCID_API_KEYS": "0123456789abcdef"}
    command = [sys.executable, "-m", "examples.demo", "--out", str(out), "--port", "0", *options]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen[str], Path, str]]:
    """(process, folder, what it said) of a demo that is filled."""
    out = tmp_path_factory.mktemp("demo")
    process = demo(out, "--pictures", str(EXTRA))
    said = ""
    assert process.stdout is not None
    for line in process.stdout:
        said += line
        if "Ctrl-C stops it" in line:
            break
    with process:
        yield process, out, said
        process.terminate()


def test_it_fills_serves_tells_where_to_look_and_stops_on_ctrl_c(running: tuple[subprocess.Popen[str], Path, str]) -> None:
    process, out, said = running
    assert process.poll() is None, said
    found = re.search(r"(http://127\.0\.0\.1:\d+)/console", said)
    assert found, said
    url = found.group(1)
    assert f"{url}/docs" in said
    keys = {line.split()[0]: line.split()[2] for line in (out / "demo" / "keys.txt").read_text().splitlines()}
    assert (out / "demo" / "keys.txt").stat().st_mode & 0o077 == 0
    with Client(url) as nobody, pytest.raises(NotAllowed):
        nobody.models()
    with Client(url, keys["admin"]) as admin:
        everything_is_there(admin)
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 0
    assert process.stdout is not None
    assert "stopping" in process.stdout.read()
    with Client(url, retries=Retries(attempts=1)) as late, pytest.raises(ConnectionFailed):
        late.health()
    again = demo(out, "--keep", "--once")
    assert f"{count(said)} pictures" in (again.communicate(timeout=300)[0] or "")
    assert again.returncode == 0


def everything_is_there(admin: Client) -> None:
    reports = {report.source: report for report in admin.list()}
    stands = {name: (reports[name].verdict.label, reports[name].verdict.basis) for name in reports}
    assert stands["press.jpg"] == ("captured", ["record"])
    assert stands["studio.jpg"] == ("generated", ["ruling"])
    assert stands["ridge.jpg"] == ("generated", ["claim"])
    assert stands["collage.jpg"] == stands["retouched.jpg"] == ("edited", ["claim"])
    assert stands["sunrise.png"] == stands["sunrise-again.jpg"] == stands["sunrise-small.webp"] == ("no_ai_found", ["ruling"])
    assert reports["sunrise-poster.png"].moderation is not None
    assert reports["sunrise-poster.png"].moderation.decision == "review"
    assert reports["ridge.jpg"].moderation is not None
    assert (reports["ridge.jpg"].moderation.rule, reports["ridge.jpg"].moderation.policy) == ("ai_is_labelled", "demo@1")
    assert reports["on-the-list.jpg"].withheld
    assert reports["on-the-list-mirrored.jpg"].withheld
    assert [match.bank for match in reports["watched.png"].matches] == ["demo-watched"]
    relations = {each.relation for each in admin.duplicates(reports["valley.png"].id)}
    assert relations == {"same_bytes", "near"}
    assert {case.why for case in admin.queue()} >= {"appealed", "flagged", "doubtful"}
    measured = admin.transparency()
    assert measured.appeals == {"open": 1, "upheld": 1, "overturned": 1, "settled": 0}
    assert {ruling.actor for name in ("holiday.jpg", "sunrise.png") for ruling in admin.rulings(reports[name].id)} == {
        "mo",
        "kim",
    }
    assert len(reports) == len(everybody()) + len(ENCORES) + EXTRA


def count(said: str) -> int:
    found = re.search(r"^(\d+) pictures at", said, re.MULTILINE)
    assert found
    return int(found.group(1))


def test_it_removes_no_folder_that_no_demo_made(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "precious.txt").write_text("mine")
    process = demo(tmp_path, "--once")
    assert "no demo made it" in process.communicate(timeout=120)[0]
    assert process.returncode == 1
    assert (tmp_path / "demo" / "precious.txt").read_text() == "mine"


def test_a_port_that_is_taken_is_said_and_nothing_is_filled(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = demo(tmp_path, "--once", "--port", str(taken.getsockname()[1]))
        said = process.communicate(timeout=300)[0]
    assert "cannot listen on" in said
    assert process.returncode == 1


def test_there_is_nothing_to_keep_before_the_first_run(tmp_path: Path) -> None:
    process = demo(tmp_path, "--keep")
    assert "run it once without --keep" in process.communicate(timeout=120)[0]
    assert process.returncode == 2


@cache
def everybody() -> tuple[Sent, ...]:
    return tuple(cast(Authority("a"), Authority("b")))


def test_every_picture_can_be_read_and_has_a_name_of_its_own() -> None:
    everyone = [*everybody(), *crowd(6)]
    names = [one.name for one in everyone]
    assert len(set(names)) == len(names)
    for one in everyone:
        assert min(decode(one.data).image.size) >= 64
    assert {said.name for said in RECOURSE} <= set(names)


def test_the_same_seed_gives_the_same_picture() -> None:
    for make in (landscape, julia, pattern):
        assert saved(make(3), "PNG") == saved(make(3), "PNG") != saved(make(4), "PNG")
