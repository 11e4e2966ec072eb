"""A policy to be tried comes over the API: whatever it is, it is answered, soon and in little memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from starlette.testclient import TestClient

SOURCES = Path(__file__).parents[2] / "src"
RULE = '[[rules]]\nname = "{}"\ndecision = "allow"\nreason = "r"\n'
HEAD = 'name = "p"\nversion = 1\n'
HOSTILE = {
    "a dotted key of 99,000 parts": "a." * 99_000 + "a = 1",
    "a table of 99,000 parts": "[" + "a." * 99_000 + "a]",
    "an array of tables of 99,000 parts": "[[" + "a." * 99_000 + "a]]",
    "quoted parts": '"a".' * 49_000 + "a = 1",
    "parts with escapes": '"\\"".' * 33_000 + "a = 1",
    "parts in single quotes": "'a'." * 49_000 + "a = 1",
    "parts with blanks": "a . " * 49_000 + "a = 1",
    "parts in an inline table": "x = {" + "a." * 99_000 + "a = 1}",
    "many long keys": "\n".join(f"{'a.' * 400}b{n} = 1" for n in range(240)),
    "deep lists": "a = " + "[" * 199_000,
    "deep inline tables": "a = " + "{a=" * 60_000,
    "a number of 199,000 digits": "a = " + "9" * 199_000,
    "20,000 unknown keys": "\n".join(f"k{n} = 1" for n in range(16_000)),
    "20,000 wrong rules": HEAD + "[[rules]]\n" * 18_000,
    "scores that are none": HEAD
    + "[concepts]\n"
    + "\n".join(f'c{n} = ["t"]' for n in range(2000))
    + "\n"
    + "\n".join(
        f'[[rules]]\nname = "r{n}"\ndecision = "allow"\nreason = "r"\nwhen.all = [{{ score = "zz{n}", below = 1 }}]'
        for n in range(190)
    ),
    "too many rules": HEAD + "\n".join(RULE.format(f"r{n}") for n in range(3000)),
    "a long line of words": "a" * 100_000 + " " * 99_000,
    "a long line of quotes": '"' * 199_999,
    "a long line of single quotes": "'a" * 99_999,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.timeout(60)
def test_is_refused_with_its_line_and_a_short_answer(client: TestClient, text: str) -> None:
    answer = client.post("/v1/policies/dry-run", json={"policy": text[:200_000]})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad-policy")
    assert answer.json()["detail"].startswith("policy.toml:")
    assert len(answer.content) < 40_000


def test_a_long_dotted_key_costs_little_memory() -> None:
    """One of 200 KB took all there was: the process was killed."""
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_DATA, (400 << 20, 400 << 20))\n"
        "from pathlib import Path\nfrom pellucid.base.errors import ConfigError\n"
        "from pellucid.records.actor import Roles\nfrom pellucid.records.recipe import parse_recipe\n"
        "try: parse_recipe(Path('p.toml'), 'a.' * 99_000 + 'a = 1', Roles)\n"
        "except ConfigError as error: print(error.detail)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=SOURCES, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.startswith("p.toml:1: a dotted key has more than 16 parts"), done.stderr


def test_prose_with_many_dots_is_no_long_key(client: TestClient) -> None:
    reason = "Waiting ... " * 30 + "e.g. a.b.c.d.e.f, 1.2.3.4, www.example.com."
    policy = HEAD + f'[[rules]]\nname = "d"\ndecision = "allow"\nreason = "{reason}"\n'
    assert client.post("/v1/policies/dry-run", json={"policy": policy}).status_code == 200
