"""Pages made of the package's templates: everything escaped, a name that is not given is a mistake, nothing inline.

`render(request, "queue.html", moderator, cases=…)` answers with `templates/queue.html`, which extends `base.html`. Templates know
`request`, `moderator` (None where nobody is signed in), `csrf`, `static("console.css")`, the address of a file of `static/`,
and the words of words.py.
"""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from pellucid.console.assets import address
from pellucid.console.signed_in import Moderator
from pellucid.console.words import FILTERS, NAMES


def render(
    request: Request, template: str, moderator: Moderator | None, status: int = HTTPStatus.OK, **context: Any
) -> HTMLResponse:
    data = request.app.state.service.settings.data_dir.resolve()
    known = {"request": request, "moderator": moderator, "csrf": moderator.csrf if moderator else "", "data": data}
    return HTMLResponse(environment().get_template(template).render({**known, **context}), status)


@cache
def environment() -> Environment:
    made = Environment(
        loader=PackageLoader("pellucid.console", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(NAMES, static=address)
    made.filters.update(FILTERS)
    return made
