"""What a stranger sends cannot begin a log line, hide one, or repaint a terminal; on a real socket, in both formats."""

from __future__ import annotations

import http.client
import json
import logging
import unicodedata
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.pictures import png
from tests.security.conftest import Logs
from tests.serve.fake import FakeAnalyser

FORGED = "FORGED-4be1"
HOSTILE = {
    "line": f"a\r\n2026-11-26T00:00:00.000Z INFO pellucid: {FORGED}",
    "terminal": f"\x1b[2K\x1b[1A{FORGED}\x07",
    "direction": f"\u202e{FORGED}\u2066",
    "separators": f"a\u2028{FORGED}\u2029b\x85c",
    "json": f'", "level": "error", "message": "{FORGED}"}}\n{{"x": "',
    "format": f"%s%n{{0}}{{request}}{FORGED}",
}


class Failing(FakeAnalyser):
    """Fails with what was sent in the error's own words, as libraries do."""

    def analyse(self, data: bytes, source: str | None = None, *rest: object) -> None:  # type: ignore[override]
        logging.getLogger("pellucid.test").warning("cannot answer %s", source, extra={"source": source})
        raise RuntimeError(f"no answer for {source}")


def unprintable(text: str) -> list[str]:
    return [letter for letter in text if letter != "\n" and unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp")]


@pytest.mark.parametrize("as_json", [False, True], ids=["plain", "json"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_nothing_that_is_sent_makes_a_line_of_its_own(serve: Callable[..., int], logs: Logs, kind: str, as_json: bool) -> None:
    text = HOSTILE[kind]
    stream = logs(as_json)
    port = serve(Failing())
    quoted = "".join(f"%{byte:02X}" for byte in text.encode())
    name = text.encode().replace(b'"', b"%22").replace(b"\r", b"").replace(b"\n", b"")
    form = b'--e\r\nContent-Disposition: form-data; name="file"; filename="' + name + b'"\r\n\r\n' + png() + b"\r\n--e--\r\n"
    header = "".join(letter for letter in text if letter not in "\r\n\x00").encode()
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        for method, path, body, headers in (
            ("GET", f"/v1/{quoted}", None, {}),
            ("GET", f"/v1/search?q={quoted}", None, {}),
            ("GET", f"/v1/analyses/{quoted}", None, {}),
            ("POST", "/v1/analyses", form, {"Content-Type": "multipart/form-data; boundary=e"}),
            ("POST", "/v1/keys", json.dumps({"name": text}).encode(), {"Content-Type": "application/json"}),
            ("GET", "/v1/models", None, {"X-Forwarded-For": header, "User-Agent": header, "Authorization": header}),
        ):
            try:
                connection.request(method, path, body, headers)
                connection.getresponse().read()
            except (http.client.HTTPException, ConnectionError):  # refused with the connection: h11 takes no such header
                connection.close()
    written = stream.getvalue()
    assert "cannot answer" in written, "the failing analyser was asked"
    assert FORGED in written
    assert not unprintable(written)
    for line in written.splitlines():
        if as_json:
            event = json.loads(line)
            assert {"time", "level", "logger", "message"} <= set(event)
            assert not (event["level"] == "error" and event["message"] == FORGED)
        else:
            assert line.startswith(("20", "    ")), line
            assert not line.startswith("2026-11-26T00:00:00.000Z")
