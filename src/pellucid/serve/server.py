"""Run the application on a socket: says where it is, and on SIGTERM answers what was accepted before it goes."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from pellucid.base.errors import ConfigError
from pellucid.base.logs import configure_logs
from pellucid.base.settings import PREFIX, Settings

BACKLOG = 1024


def run(app: ASGIApp, settings: Settings, announce: Callable[[str], object]) -> None:
    """Returns after the last answer. Raises `ConfigError` where the address cannot be had."""
    configure_logs(settings.log_level, settings.log_format == "json", secrets=settings.secrets)
    listening = _listen(settings)
    config = uvicorn.Config(
        app, log_config=None, timeout_graceful_shutdown=settings.shutdown_grace_s, server_header=False, http="h11"
    )
    announce(_greeting(_url(listening), settings.role))
    uvicorn.Server(config).run(sockets=[listening])


def _listen(settings: Settings) -> socket.socket:
    """Bound before the models are loaded, so that a taken port is known at once and early requests wait."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise ConfigError(
            f"cannot listen on {where}: {error.strerror}; take another port: `make serve PORT=8001`, "
            f"`pellucid serve --port 8001`, or {PREFIX}PORT"
        ) from error
    return listening


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _greeting(url: str, role: str) -> str:
    lines = [f"Pellucid at {url}"]
    if role in ("all", "api"):
        lines += [f"  try      curl -F file=@photo.jpg {url}/v1/analyses", f"  browser  {url}/docs"]
    if role in ("all", "console"):
        lines.append(f"  console  {url}/console")
    return "\n".join(lines)
