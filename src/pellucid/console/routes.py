"""Every router of the console, in the order in which they are asked; a new page gets its line here."""

from __future__ import annotations

from fastapi import APIRouter

from pellucid.console import appeals, cases, measures, nowhere, pictures, policy, queue, search, sign_in, static

ROUTERS: tuple[APIRouter, ...] = (
    static.router, sign_in.router, queue.router, cases.router, pictures.router, appeals.router, search.router, policy.router,
    measures.router, nowhere.router,
)  # fmt: skip
