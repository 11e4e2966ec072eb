"""The examples of docs/client.md are run, one after another in one program, against a real service."""

from __future__ import annotations

import base64
import inspect
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from pellucid.base.webhook_signing import secret_key, signed_headers
from pellucid.client import AsyncClient, Client, errors
from pellucid.client.admin import Admin
from tests.client.conftest import Serve
from tests.pictures import jpeg

HANDBOOK = Path(__file__).parents[2] / "docs" / "client.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```", HANDBOOK.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def at_home(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pictures lie in the working folder, and the environment says where the service is."""
    for seed, name in enumerate(("photo.jpg", "other.jpg")):
        (tmp_path / name).write_bytes(jpeg(seed=seed))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PELLUCID_URL", f"http://127.0.0.1:{serve()}")


def test_every_example_runs_and_says_what_it_promises(at_home: None, capsys: pytest.CaptureFixture[str]) -> None:
    program: dict[str, Any] = {}
    assert len(EXAMPLES) >= 7
    for example in EXAMPLES:
        exec(compile(example, str(HANDBOOK), "exec"), program)
    said = capsys.readouterr().out
    for promised in ("A fake answer.", "not-an-image", "image/webp", "count=1 of=1"):
        assert promised in said
    assert len(program["reports"]) == 2
    assert program["pellucid"]

    body = json.dumps({"type": "analysis.answered", "timestamp": "", "data": {"id": program["report"].id}}).encode()
    headers = signed_headers("01KANJ5V7ZQ4W4X1T0QK8P3M2D", int(time.time()), body, [secret_key(program["SECRETS"][0])])
    assert program["received"](body, headers) == 204
    assert program["received"](body + b" ", headers) == 401
    assert base64.b64decode(program["SECRETS"][0].removeprefix("whsec_")) == bytes(range(32))


def test_every_method_and_every_error_is_in_the_handbook() -> None:
    text = HANDBOOK.read_text()
    methods = [name for name, _ in inspect.getmembers(Client, inspect.isfunction) if not name.startswith("_") and name != "close"]
    kinds = [name for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.ClientError)]
    lacking = [name for name in methods if f"`{name}`" not in text] + [name for name in kinds if f"`{name}`" not in text]
    assert set(lacking) <= {"ApiError", "WebhookRefused"}
    assert AsyncClient.__name__ in text
    assert Admin.__name__.lower() in text
