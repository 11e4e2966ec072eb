"""Logs: one line an event, as JSON or plain, on standard error.

What is logged may hold what a stranger sent (a file name, a header), so every control character, line separator and
text-direction mark is escaped on the way out: nobody can forge a line, hide one, or repaint a terminal (CWE-117). A secret that
comes along (in an address, in somebody's error message) is left out: API keys by their shape, passwords in addresses, and what
the settings hold; what an OpenID provider sends a browser back with, too.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import unicodedata
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Literal, TextIO
from urllib.parse import quote

from pellucid.base.moments import stamp

Level = Literal["debug", "info", "warning", "error"]

# Unicode categories that are never printed as they are: control, format (direction marks), surrogate, line, paragraph.
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# An API key (records/key.py): what follows its id is left out, wherever it may have come from.
_KEY = re.compile(r"(pel_[0-9A-Z]{26}_)[0-9a-f]+")
# user:password@ in an address: what a database's address, or an error that quotes it, may hold.
_PASSWORD = re.compile(r"(://[^/\s:@\"']*:)[^/\s@\"']+@")
# What an OpenID provider sends a browser back with is good for one sign-in.
_CODE = re.compile(r"(/oidc/callback\?)[^\s\"']+")
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "color_message"}


def configure_logs(
    level: Level = "info", as_json: bool = False, stream: TextIO | None = None, secrets: Collection[str] = ()
) -> None:
    """Send all logs (ours, uvicorn's, libraries') through one handler; calling it again replaces that handler.

    Each of `secrets` is left out wherever it comes, however it is escaped.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter(secrets) if as_json else PlainFormatter(secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True


def escape(text: str) -> str:
    """`text` on one line of printable characters; the backslash itself is doubled, so that escapes cannot be forged."""
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    return "".join(_escaped(character) for character in text)


class _Discreet(logging.Formatter):
    """Leaves secrets out of finished lines."""

    def __init__(self, secrets: Collection[str] = ()) -> None:
        super().__init__()
        forms = {form for secret in secrets if secret for form in _forms(secret)}
        self._secrets = re.compile("|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))) if forms else None

    def without_secrets(self, line: str) -> str:
        if "pel_" in line:
            line = _KEY.sub(r"\1***", line)
        if "://" in line:
            line = _PASSWORD.sub(r"\1***@", line)
        if "/callback?" in line:
            line = _CODE.sub(r"\1***", line)
        return self._secrets.sub("***", line) if self._secrets else line


class PlainFormatter(_Discreet):
    """`2026-11-22T15:04:05.678Z INFO pellucid.serve: analysed id=01J… ms=71`: for people."""

    def format(self, record: logging.LogRecord) -> str:
        facts = "".join(f" {escape(name)}={escape(str(value))}" for name, value in _facts(record).items())
        line = f"{_time(record)} {record.levelname} {escape(record.name)}: {escape(record.getMessage())}{facts}"
        trace = _trace(self, record)
        return self.without_secrets(line + "".join(f"\n    {escape(part)}" for part in trace.splitlines()) if trace else line)


class JsonFormatter(_Discreet):
    """One JSON object a line: time, level, logger, message, what `extra=` held, and the trace; for machines."""

    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, object] = {
            "time": _time(record), "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage(),
        }  # fmt: skip
        event |= {name: value for name, value in _facts(record).items() if name not in event}
        if trace := _trace(self, record):
            event["trace"] = trace
        # ASCII only: JSON's own \uXXXX escapes every separator and direction mark.
        return self.without_secrets(json.dumps(event, ensure_ascii=True, default=str).replace("\x7f", "\\u007f"))


def _forms(secret: str) -> Iterator[str]:
    """As it is and as addresses, `repr` and JSON write it, and each of these as our lines do."""
    written = {secret, quote(secret), quote(secret, safe=""), repr(secret)[1:-1], json.dumps(secret)[1:-1]}
    for form in written:
        yield from (form, escape(form), json.dumps(form)[1:-1])


def _time(record: logging.LogRecord) -> str:
    return stamp(datetime.fromtimestamp(record.created, UTC))


def _facts(record: logging.LogRecord) -> dict[str, object]:
    """What `extra=` held, less the underscored names with which a library such as Ray marks every record of its process."""
    return {name: value for name, value in record.__dict__.items() if name not in _STANDARD and not name.startswith("_")}


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return formatter.formatException(record.exc_info) if record.exc_info and record.exc_info[0] else ""


def _escaped(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if unicodedata.category(character) not in _UNPRINTABLE:
        return character
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
