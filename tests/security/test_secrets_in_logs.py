"""A real service with every secret that it can have, made to fail in many ways at the log level debug: it prints none of them."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from pellucid.base.errors import ConfigError
from pellucid.base.settings import Settings, read_settings
from tests.pictures import jpeg, png
from tests.security.conftest import Logs
from tests.serve.receiver import receiving
from tests.signing import Authority
from tests.tiny_bundle import make_tiny_bundle

ROOT = Path(__file__).parents[2]
API_KEY = "bootstrap-key-0f1e2d3c4b5a"
WEBHOOK = "whsec_" + base64.b64encode(bytes(range(100, 132))).decode()
TOKEN = "hook-token-77aa88bb"
PASSWORD = "pa:ss/w0rd@of-the-database"
DESCRIBER = "describer-key-5566"
BUCKET = "bucket/secret+key==9988"
SENT_TOKEN = "query-token-of-an-uploader-4711"


def test_the_settings_show_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", BUCKET)
    settings = Settings(
        api_keys=(API_KEY,),
        webhook_url=f"https://hooks.example/x?token={TOKEN}",
        webhook_secrets=(WEBHOOK,),
        describer_key=DESCRIBER,
        database_url="postgresql://pellucid:the-password-of-it@db/x",
        tracking_url="https://me:another-password@mlflow.example",
    )
    for shown in (repr(settings), str(settings)):
        for secret in (API_KEY, TOKEN, WEBHOOK, DESCRIBER, "the-password-of-it", "another-password"):
            assert secret not in shown
    hidden = settings.secrets
    assert {API_KEY, WEBHOOK, DESCRIBER, "the-password-of-it", "another-password", BUCKET} <= set(hidden)
    assert Settings(database_url="postgresql://pellucid:pellucid@db/x").secrets == (BUCKET,), "a common word would hide much else"
    assert Settings(describer_key="EMPTY").secrets == (BUCKET,), "so would what describers without keys are given"


@pytest.mark.parametrize("name", ["DATABASE_URL", "WEBHOOK_URL", "WEBHOOK_SECRETS", "DESCRIBER_URL", "API_KEYS"])
def test_a_setting_that_is_wrong_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"PELLUCID_{name}", "nonsense://hush:hush/ hush")
    if name in ("WEBHOOK_SECRETS", "API_KEYS"):
        monkeypatch.setenv(f"PELLUCID_{name}", "hush")
    if name == "WEBHOOK_SECRETS":  # what it means is looked at when something is to be signed
        assert "hush" not in repr(read_settings())
        return
    with pytest.raises(ConfigError) as caught:
        read_settings()
    assert f"PELLUCID_{name}" in caught.value.detail
    assert "hush" not in caught.value.detail


@pytest.mark.parametrize("as_json", [False, True], ids=["plain", "json"])
def test_a_secret_is_left_out_however_it_is_written(logs: Logs, as_json: bool) -> None:
    import logging
    from urllib.parse import quote

    secret = 'a/b+c=="d\\e\u00e9-long-enough'
    stream = logs(as_json, (secret,))
    log = logging.getLogger("x")
    for form in (secret, quote(secret), quote(secret, safe=""), repr(secret), json.dumps(secret)):
        log.info("it is %s.", form, extra={"sent": form})
    try:
        raise ValueError(secret)
    except ValueError:
        log.exception("failed")
    log.info("postgresql://me:short@db/x and https://x:%s@h", "y")
    written = stream.getvalue()
    assert "long-enough" not in written
    assert "short@" not in written
    assert "://me:***@db" in written
    assert len(written.splitlines()) == 7 if as_json else True


@contextmanager
def serving(environment: dict[str, str], data: Path) -> Iterator[tuple[subprocess.Popen[bytes], int, Path]]:
    """`pellucid serve`, its port, and the file that all its output goes to."""
    out = data.parent / f"{data.name}.out"
    command = [sys.executable, "-c", "from pellucid.cli import main; main()", "serve", "--port", "0", "--data", str(data)]
    given = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1", **environment}
    with out.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=given) as process:
        try:
            until = time.monotonic() + 60
            while not (found := re.search(r"http://127\.0\.0\.1:(\d+)", out.read_text())):
                assert process.poll() is None, out.read_text()
                assert time.monotonic() < until
                time.sleep(0.05)
            yield process, int(found.group(1)), out
        finally:
            process.kill()


@pytest.fixture
def secrets(tmp_path: Path) -> dict[str, str]:
    """The environment of a service with every kind of secret."""
    bundle = tmp_path / "bundle"
    make_tiny_bundle(bundle)
    (tmp_path / "policy.toml").write_text(
        'name = "tiny"\nversion = 1\n\n[[rules]]\nname = "default"\ndecision = "allow"\nreason = "Nothing was found."\n'
    )
    paper = Authority("secrets").signer()
    certificates, key = tmp_path / "site.pem", tmp_path / "site.key"
    certificates.write_bytes(paper.certificate)
    key.write_bytes(paper.key)
    return {
        "PELLUCID_LOG_LEVEL": "debug",
        "PELLUCID_BUNDLE": str(bundle),
        "PELLUCID_POLICY": str(tmp_path / "policy.toml"),
        "PELLUCID_API_KEYS": API_KEY,
        "PELLUCID_WEBHOOK_SECRETS": WEBHOOK,
        "PELLUCID_WEBHOOK_ATTEMPTS": "2",
        "PELLUCID_DESCRIBER_KEY": DESCRIBER,
        "PELLUCID_SIGNING_KEY": str(key),
        "PELLUCID_SIGNING_CERTIFICATES": str(certificates),
        "PELLUCID_FETCH_URLS": "on",
        "PELLUCID_ANALYSIS_TIMEOUT_S": "20",
        "AWS_SECRET_ACCESS_KEY": BUCKET,
    }


def parts_of_key(environment: dict[str, str]) -> list[str]:
    """Every line of the signing key's PEM."""
    text = Path(environment["PELLUCID_SIGNING_KEY"]).read_text()
    return [line for line in text.splitlines() if line and not line.startswith("-----")]


@pytest.mark.parametrize("log_format", ["plain", "json"])
def test_no_secret_is_in_what_a_failing_service_prints(tmp_path: Path, secrets: dict[str, str], log_format: str) -> None:
    data, private = tmp_path / "data", tmp_path / "private-name.png"
    private.write_bytes(png())
    with receiving() as hooks:
        hooks.status = 500
        environment = {
            **secrets,
            "PELLUCID_LOG_FORMAT": log_format,
            "PELLUCID_WEBHOOK_URL": f"{hooks.url}?token={TOKEN}",
        }
        with serving(environment, data) as (process, port, out):
            made = go_wrong_in_many_ways(port)
            until = time.monotonic() + 30
            while not hooks.came:
                assert time.monotonic() < until, out.read_text()
                time.sleep(0.05)
            # The database is taken away under it; not its -shm: that is mapped memory, and cut short it ends who reads it.
            for file in (data / "pellucid.sqlite", data / "pellucid.sqlite-wal"):
                file.write_bytes(b"no database any more " * 500)
            for path in ("/v1/analyses", "/readyz", "/v1/keys"):
                ask(port, "GET", path)
            process.send_signal(signal.SIGTERM)
            process.wait(40)
            written = out.read_text()
    assert "Traceback" in written or '"trace"' in written, "nothing failed"
    assert "webhook" in written, "the webhook did not fail"
    for secret in [API_KEY, WEBHOOK, WEBHOOK.removeprefix("whsec_"), TOKEN, DESCRIBER, BUCKET, SENT_TOKEN, *made]:
        assert secret not in written, f"{secret[:8]}… is in the log"
    for line in parts_of_key(secrets):
        assert line not in written


def ask(port: int, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    given = {"Authorization": f"Bearer {API_KEY}", **{name.replace("_", "-"): value for name, value in headers.items()}}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request(method, path, body, given)
        answer = connection.getresponse()
        return answer.status, answer.read()


def go_wrong_in_many_ways(port: int) -> list[str]:
    """The secrets of keys that were made meanwhile."""
    status, body = ask(port, "POST", "/v1/keys", b'{"name": "app", "role": "platform"}', Content_Type="application/json")
    assert status == 201, body
    made = json.loads(body)
    ask(port, "GET", f"/v1/analyses?key={made['key']}&api_key={API_KEY}")
    ask(port, "GET", f"/v1/search?q={made['key']}%20{API_KEY}")
    ask(port, "GET", f"/v1/{API_KEY}/{made['key']}")
    ask(port, "GET", "/v1/keys", Authorization=f"Bearer {made['key']}")
    ask(port, "GET", "/v1/keys", Authorization=f"Bearer {API_KEY}x")
    ask(port, "GET", "/v1/keys", Authorization=f"Basic {API_KEY}")
    ask(port, "POST", "/v1/keys", json.dumps({"name": API_KEY + "\n"}).encode(), Content_Type="application/json")
    ask(port, "POST", "/v1/analyses", png(), Prefer="respond-async", Idempotency_Key=API_KEY)
    ask(port, "POST", "/v1/analyses", jpeg()[:200], Prefer="respond-async")
    ask(port, "POST", "/v1/derivatives?size=64&label=edited&format=jpeg", png())
    url = f"http://127.0.0.1:1/a.png?token={SENT_TOKEN}"
    ask(port, "POST", "/v1/analyses", json.dumps({"url": url}).encode(), Content_Type="application/json")
    url = f"https://me:{SENT_TOKEN}@example.com/a.png"
    ask(port, "POST", "/v1/analyses", json.dumps({"url": url}).encode(), Content_Type="application/json")
    ask(port, "POST", "/v1/analyses", b"", Cookie=f"session={SENT_TOKEN}")
    return [made["key"].rpartition("_")[2]]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PELLUCID_DATABASE_URL", "postgresql://pellucid:pa%3Ass%2Fw0rd%40of-the-database@127.0.0.1:9/x"),
        ("PELLUCID_DATABASE_URL", "postgresql+nodriver://pellucid:pa%3Ass%2Fw0rd%40of-the-database@127.0.0.1:9/x"),
        ("PELLUCID_DATABASE_URL", "postgresql://pellucid:pa%3Ass%2Fw0rd%40of-the-database@127.0.0.1:port/x"),
        ("PELLUCID_WEBHOOK_SECRETS", "whsec_hush-hush-hush"),
        ("PELLUCID_OBJECTS_URL", "s3://no-such-bucket"),
        ("PELLUCID_SIGNING_KEY", "policy"),
    ],
)
def test_a_service_that_cannot_start_says_why_without_a_secret(
    tmp_path: Path, secrets: dict[str, str], name: str, value: str
) -> None:
    policy = secrets["PELLUCID_POLICY"]
    extra = {"PELLUCID_WEBHOOK_URL": f"http://127.0.0.1:9/?token={TOKEN}", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    command = [sys.executable, "-c", "from pellucid.cli import main; main()", "keys", "list", "--data", str(tmp_path / "data")]
    if name not in ("PELLUCID_DATABASE_URL", "PELLUCID_OBJECTS_URL"):
        command[3:] = ["serve", "--port", "0", "--data", str(tmp_path / "data")]
    given = {**os.environ, "PYTHONPATH": str(ROOT / "src"), **secrets, **extra, name: policy if value == "policy" else value}
    try:
        done = subprocess.run(command, env=given, capture_output=True, text=True, timeout=30, check=False)
        written, status = done.stdout + done.stderr, done.returncode
    except subprocess.TimeoutExpired as late:  # it serves, never ready, and says so
        written, status = ((late.stdout or b"") + (late.stderr or b"")).decode(), 2
    assert status != 0
    assert written
    for secret in (API_KEY, WEBHOOK, "hush-hush", TOKEN, PASSWORD, "w0rd", DESCRIBER, BUCKET):
        assert secret not in written
    if name == "PELLUCID_DATABASE_URL":
        assert written.startswith("bad-config: "), written
        assert written.count("\n") == 1
