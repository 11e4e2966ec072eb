"""Every method against the real application over a real socket."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from pellucid.base.settings import shipped
from pellucid.client import (
    AnalysisFailed,
    Client,
    Conflict,
    Deleted,
    FetchRefused,
    InvalidRequest,
    NotAnswered,
    NotFound,
    NothingRestricted,
    PictureRefused,
    StillWaiting,
)
from pellucid.records.report import Report
from pellucid.serve.engine import Engine
from tests.client.conftest import QUICK, Serve
from tests.client.flaky import Answer, flaky, problem
from tests.pictures import jpeg, png, scene
from tests.serve.fake import FakeAnalyser, report_of

ROOT = Path(__file__).parents[2]
ID = "01KANJ5V7ZQ4W4X1T0QK8P3M2C"
UNKNOWN = "01KANJ5V7ZQ4W4X1T0QK8P3M2D"


def test_a_picture_is_given_as_path_bytes_or_open_file(pellucid: Client, tmp_path: Path) -> None:
    path = tmp_path / "photo ü.png"
    path.write_bytes(png())
    with path.open("rb") as file:
        given = [path, str(path), png(), file, io.BytesIO(png())]
        reports = [pellucid.analyse(picture) for picture in given]
    assert [report.source for report in reports] == [path.name, path.name, None, path.name, None]
    assert len({report.image.sha256 for report in reports}) == 1
    assert pellucid.analyse(png(), name="called so.png").source == "called so.png"


def test_a_picture_is_given_by_its_address(serve: Serve) -> None:
    class Pictures(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(png())))
            self.end_headers()
            self.wfile.write(png())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Pictures) as site:
        thread = threading.Thread(target=site.serve_forever)
        thread.start()
        at = f"http://127.0.0.1:{site.server_port}/a.png"
        port = serve(fetch_urls=True, fetch_ports=(site.server_port,), fetch_networks="127.0.0.1/32")
        with Client(f"http://127.0.0.1:{port}", retries=QUICK) as client:
            report = client.analyse(at, declared="edited")
            with pytest.raises(ValueError, match="not its address"):
                client.search_by_picture(at)
        site.shutdown()
        thread.join()
    assert (report.source, report.verdict.label) == (at, "edited")


def test_an_address_that_is_not_fetched_is_refused(pellucid: Client) -> None:
    with pytest.raises(FetchRefused, match="fetch-disabled"):
        pellucid.analyse("https://example.com/photo.jpg")


def test_what_the_uploader_declares_is_sent(pellucid: Client) -> None:
    assert pellucid.analyse(png(), declared="generated").verdict.basis == ["claim"]


def test_an_analysis_begun_later_is_waited_for(pellucid: Client) -> None:
    pending = pellucid.analyse(png(), later=True, name="later.png")
    report = pellucid.wait(pending)
    assert (report.id, report.source) == (pending.id, "later.png")
    assert pellucid.wait(pending.id) == report == pellucid.get(pending.id)


def test_waiting_has_an_end_and_the_analysis_goes_on(serve: Serve) -> None:
    analyser = FakeAnalyser()
    analyser.gate.clear()
    with Client(f"http://127.0.0.1:{serve(analyser)}", retries=QUICK) as client:
        pending = client.analyse(png(), later=True)
        with pytest.raises(NotAnswered) as early:
            client.get(pending.id)
        assert (early.value.code, early.value.status, early.value.retry_after_s) == ("not-answered-yet", 202, 1)
        with pytest.raises(StillWaiting, match="not answered within") as waiting:
            client.wait(pending, timeout_s=0.1)
        analyser.gate.set()
        assert client.wait(waiting.value.id).id == pending.id


def test_an_analysis_that_fails_says_why(pellucid: Client) -> None:
    pending = pellucid.analyse(jpeg()[:200], later=True)
    with pytest.raises(AnalysisFailed, match="broken-image"):
        pellucid.wait(pending)


def test_a_key_of_ones_own_finds_the_same_analysis_and_takes_no_other_picture(pellucid: Client) -> None:
    first = pellucid.analyse(png(), idempotency_key="upload-17")
    assert pellucid.analyse(png(), idempotency_key="upload-17").id == first.id
    with pytest.raises(InvalidRequest, match="idempotency-mismatch"):
        pellucid.analyse(png(seed=1), idempotency_key="upload-17")
    assert pellucid.analyse(png()).id != first.id
    for key in ("two words", "", "a" * 256, "a\n"):
        with pytest.raises(ValueError, match="idempotency key"):
            pellucid.analyse(png(), idempotency_key=key)


def test_a_list_is_read_through_its_pages_as_far_as_it_is_needed(pellucid: Client) -> None:
    made = [pellucid.analyse(png(seed=seed), declared="generated" if seed % 2 else None).id for seed in range(7)]
    assert [report.id for report in pellucid.list(page_size=2)] == made[::-1]
    labels = {report.verdict.label for report in pellucid.list(verdict="generated", page_size=2)}
    assert labels == {"generated"}
    assert next(pellucid.list(page_size=1)).id == made[-1]
    now = datetime.now(UTC)
    assert not list(pellucid.list(since=now + timedelta(hours=1)))
    assert len(list(pellucid.list(since=now - timedelta(hours=1), until=now + timedelta(hours=1)))) == 7


def test_a_filter_that_does_not_exist_is_refused_and_not_ignored(pellucid: Client) -> None:
    with pytest.raises(InvalidRequest, match="owner"):
        next(pellucid.list(owner="me"))  # type: ignore[call-arg]


def test_pictures_are_found_by_words_by_picture_and_as_duplicates(serve: Serve) -> None:
    engine = Engine(FakeAnalyser(), heatmap=lambda data: b"\x89PNG drawn", embed=lambda data: np.full(512, 0.25, np.float32))
    with Client(f"http://127.0.0.1:{serve(engine)}", retries=QUICK) as client:
        one, two = (client.analyse(png(seed=seed)) for seed in (0, 1))
        again = client.analyse(png())
        found = list(client.search("fake picture", page_size=1))
        assert {each.report.id for each in found} == {one.id, two.id, again.id}
        assert found[0].highlights.caption
        assert not list(client.search("fake", tag="dog"))
        assert {each.report.id for each in client.similar(one.id)} == {two.id, again.id}
        assert client.search_by_picture(png(seed=3), limit=1)[0].cosine == pytest.approx(1, abs=1e-3)
        relation = {each.analysis: each.relation for each in client.duplicates(one.id)}
        assert relation[again.id] == "same_bytes"
        assert client.heatmap(one.id) == b"\x89PNG drawn"


def test_a_derivative_is_made_of_what_is_sent_or_of_what_is_stored(pellucid: Client) -> None:
    report = pellucid.analyse(png(), declared="generated")
    sent = pellucid.derivative(png(), size=64, to="webp")
    stored = pellucid.derivative(analysis=report.id, to="jpeg")
    assert (sent.media_type, sent.label, stored.media_type, stored.label) == ("image/webp", "none", "image/jpeg", "generated")
    assert sent.data[:4] == b"RIFF"
    assert sent.credentials.startswith("unsigned")
    for both in ({}, {"picture": png(), "analysis": report.id}, {"picture": "https://example.com/a.png"}):
        with pytest.raises(ValueError, match="give either"):
            pellucid.derivative(**both)


def test_recourse_goes_from_the_flag_to_the_ruling(pellucid: Client) -> None:
    report = pellucid.analyse(png(), declared="generated")
    flag = pellucid.flag(report.id, "captured", "I was there.", actor="bea")
    appeal = pellucid.appeal(report.id, "I took it.")
    assert (flag.actor, appeal.stood) == ("local/bea", "generated")
    with pytest.raises(Conflict, match="appeal-open"):
        pellucid.appeal(report.id, "Once more.")
    assert pellucid.waiting()["appealed"] == 1
    (case,) = pellucid.queue(page_size=1)
    assert (case.why, case.report.id, case.flags, case.appeals) == ("appealed", report.id, [flag], [appeal])
    assert pellucid.statement(report.id).fields.decision_visibility == ["DECISION_VISIBILITY_CONTENT_LABELLED"]
    assert [fields.puid for fields in pellucid.statements()] == [pellucid.statement(report.id).fields.puid]
    ruling = pellucid.rule(report.id, "no_ai_found", "I saw the negative.", reply="You were right.")
    assert ruling.state == "in_force"
    assert pellucid.get(report.id).verdict.basis == ["ruling"]
    assert [each.state for each in pellucid.flags(report.id)] == ["closed"]
    assert [each.ruling for each in pellucid.appeals(report.id)] == [ruling.id]
    assert pellucid.rulings(report.id) == (ruling,)
    with pytest.raises(NothingRestricted):
        pellucid.statement(report.id)
    measured = pellucid.transparency(since=datetime.now(UTC) - timedelta(days=1))
    assert (measured.appeals["overturned"], measured.overturned_of_appeals.share) == (1, 1.0)


def test_a_policy_is_tried(pellucid: Client) -> None:
    pellucid.analyse(png())
    tried = pellucid.dry_run((shipped("policies") / "moderation.toml").read_text(), until=datetime.now(UTC) + timedelta(days=1))
    assert tried.looked_at == 1
    with pytest.raises(InvalidRequest, match="bad-policy: policy"):
        pellucid.dry_run("nonsense")


def test_a_deleted_analysis_is_gone(pellucid: Client) -> None:
    report = pellucid.analyse(png())
    pellucid.delete(report.id)
    with pytest.raises(Deleted):
        pellucid.get(report.id)


def test_says_whether_it_is_alive_and_ready_and_what_is_loaded(pellucid: Client) -> None:
    pellucid.analyse(png())
    assert pellucid.health().status == "ok"
    assert pellucid.ready()
    assert pellucid.models() == ()


def test_is_not_ready_while_models_are_loaded_or_nobody_is_there() -> None:
    with flaky(problem(503, "starting")) as server, Client(server.url) as client:
        assert not client.ready()
        assert len(server.asked) == 1
    with Client(server.url, retries=QUICK) as client:
        assert not client.ready()


def test_keys_and_banks_are_looked_after(serve: Serve) -> None:
    from pellucid.analyse.facts import pdq_of

    with Client(f"http://127.0.0.1:{serve()}", retries=QUICK) as client:
        client.admin.put_bank("known", f"{pdq_of(scene(seed=5))[0]}\n".encode(), action="block", reason="On the list.", bound=12)
        assert [(bank.name, bank.bound, bank.entries) for bank in client.admin.banks()] == [("known", 12, 1)]
        blocked = client.analyse(png(seed=5))
        assert blocked.withheld
        assert [match.analysis for match in client.admin.bank_matches(bank="known")] == [blocked.id]
        client.admin.remove_bank("known")
        assert client.admin.banks() == ()
        with pytest.raises(NotFound):
            client.admin.remove_bank("../keys")
        made = client.admin.make_key("anna", role="administrator", expires_in_days=1)
    with Client(client._endpoint.url, made.key, retries=QUICK) as anna:
        other = anna.admin.make_key("app", scopes={"read", "analyse"}, per_minute=600)
        assert other.scopes == ["analyse", "read"]
        assert anna.admin.rotate_key(other.id, overlap_hours=1).key != other.key
        assert anna.admin.revoke_key(other.id).state == "revoked"
        with pytest.raises(Conflict, match="key-not-active"):
            anna.admin.rotate_key(other.id)
        states = [key.state for key in anna.admin.keys()]  # noqa: SIM118
        assert states == ["active", "revoked"]


def test_address_and_key_come_from_the_environment_where_they_are_not_given(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PELLUCID_URL", f"http://127.0.0.1:{serve(api_keys=('0123456789abcdef',))}/")
    monkeypatch.setenv("PELLUCID_API_KEY", "0123456789abcdef\n")
    with Client(retries=QUICK) as client:
        client.analyse(png())


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("example.com", None),
        ("ftp://example.com", None),
        ("http://", None),
        ("http://[::1", None),
        (None, "two words"),
        (None, "a\r\nb"),
        (None, "schlüssel"),
    ],
)
def test_what_is_no_address_or_no_key_is_said_at_once_and_no_key_is_shown(url: str | None, key: str | None) -> None:
    with pytest.raises(ValueError, match=r"address is|API key") as wrong:
        Client(url, key)
    assert key is None or key not in str(wrong.value)


@pytest.mark.parametrize("name", ["", "..", "../keys", f"{ID}/similar", f"{ID}?x", ID.lower(), "a" * 26])
def test_what_is_no_id_never_becomes_part_of_an_address(name: str) -> None:
    with flaky() as server, Client(server.url) as client:
        for ask in (client.get, client.delete, client.heatmap, client.statement, client.admin.revoke_key):
            with pytest.raises(ValueError, match="is not the id"):
                ask(name)
        assert server.asked == []


def test_what_a_newer_service_adds_is_passed_over() -> None:
    from pellucid.base.pixels import decode

    report = report_of(decode(png()))
    body = report.model_dump_json().replace('"verdict":{', '"rumour":[1],"verdict":{"mood":"calm",', 1).encode()
    with flaky(Answer(200, body)) as server, Client(server.url) as client:
        assert client.get(report.id) == report
    assert isinstance(report, Report)


def test_the_client_is_imported_without_the_service() -> None:
    libraries = ("fastapi", "starlette", "uvicorn", "sqlalchemy", "onnxruntime", "openvino", "c2pa", "torch")
    code = f"import sys, pellucid.client; print([name for name in {libraries!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "src", capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_a_picture_that_is_none_is_refused_before_it_is_stored(pellucid: Client) -> None:
    with pytest.raises(PictureRefused):
        pellucid.analyse(b"no picture", later=True)
    with pytest.raises(FileNotFoundError):
        pellucid.analyse("not-there.png")
    with pytest.raises(InvalidRequest, match="empty-body"):
        pellucid.analyse(b"")
