"""The OpenAPI document and the page to try it on, both from the package: nothing is fetched from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.staticfiles import StaticFiles

from pellucid.base.errors import Forbidden, ForeignOrigin, HostRefused, RateLimited, Unauthorized
from pellucid.records.service import Problem
from pellucid.serve.examples import add_examples
from pellucid.serve.metrics import package_version
from pellucid.serve.problems import documented

ASSETS = "/docs/assets"
DESCRIPTION = """Send a picture, get one report: whether AI made it, what it shows, and what to do about it.

Every error is a problem detail (RFC 9457, `application/problem+json`) with a stable `code`."""

router = APIRouter(include_in_schema=False)


@router.get("/")
async def root() -> RedirectResponse:
    return RedirectResponse("/docs")


@router.get("/docs")
async def docs() -> HTMLResponse:
    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="Pellucid API",
        swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{ASSETS}/favicon-32x32.png",
        swagger_ui_parameters={"validatorUrl": None, "defaultModelsExpandDepth": 0},
    )
    page.headers["Content-Security-Policy"] = _policy(bytes(page.body).decode())
    return page


def _policy(html: str) -> str:
    """Only the page's own script and the package's files run; Swagger UI sets styles on elements as it goes."""
    scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts]
    return (
        f"default-src 'none'; script-src 'self' {' '.join(hashes)}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )


def install(app: FastAPI) -> None:
    """Serve the assets, and give `app` our document in place of the framework's."""
    app.mount(ASSETS, StaticFiles(packages=[("pellucid.serve", "swagger")]))
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        document = get_openapi(
            title="Pellucid", version=package_version(), openapi_version="3.1.0", description=DESCRIPTION, routes=app.routes
        )
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas["Problem"] = Problem.model_json_schema()
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        for operation in (each for path in document["paths"].values() for each in path.values()):
            _say_who_may(operation)
        add_examples(document)
        app.openapi_schema = document
    return app.openapi_schema


def _say_who_may(operation: dict[str, Any]) -> None:
    """The scope in words, which pages show, and the errors that every call with a scope can give."""
    scopes = [scope for asked in operation.get("security", []) for scopes in asked.values() for scope in scopes]
    if not scopes:
        return
    needs = f"Needs the scope `{'`, `'.join(scopes)}`."
    operation["description"] = "\n\n".join(filter(None, [operation.get("description"), needs]))
    for status, response in documented(Unauthorized, Forbidden, ForeignOrigin, RateLimited, HostRefused).items():
        operation["responses"].setdefault(str(status), response)
