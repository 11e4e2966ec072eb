"""`/console/policy`: the moderation policy in force, and which stored decisions another would change. It changes nothing."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from pydantic import ValidationError

from pellucid.base.errors import BadPolicy
from pellucid.base.settings import Settings, shipped
from pellucid.console.page import Page
from pellucid.console.pages import render
from pellucid.console.signed_in import Checked, Moderator, may
from pellucid.feedback import policies
from pellucid.feedback.desk import Held as HeldDesk
from pellucid.serve.service import Held

REPORTS = 2000
Moderating = Annotated[Moderator, may("moderate")]


class PolicyPage(Page):
    """As long as a policy may be, each of its bytes escaped by the form."""

    max_bytes = 3 * 200_000 + 1024


router = APIRouter(prefix="/console/policy", route_class=PolicyPage, include_in_schema=False)


@router.get("")
async def policy(request: Request, service: Held, desk: HeldDesk, moderator: Moderating) -> Response:
    text = await service.read(lambda: text_in_force(service.settings))
    in_force = await desk.ask(lambda: desk.policy.label)
    return render(request, "policy.html", moderator, text=text, in_force=in_force, run=None, mistakes=())


@router.post("", dependencies=[Checked])
async def try_policy(
    request: Request,
    desk: HeldDesk,
    moderator: Moderating,
    policy: Annotated[str, Form()] = "",
    cursor: Annotated[str, Form()] = "",
) -> Response:
    """Mistakes are shown with their lines, above the text as it was sent."""
    text = policy.replace("\r\n", "\n")
    in_force = await desk.ask(lambda: desk.policy.label)
    try:
        wish = policies.DryRunWish(policy=text, reports=REPORTS, cursor=cursor or None)
        run = await desk.ask(lambda: policies.run(desk, wish))
    except (BadPolicy, ValidationError) as error:
        mistakes = error.detail.splitlines() if isinstance(error, BadPolicy) else ["A policy has 1 to 200,000 characters."]
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return render(request, "policy.html", moderator, status, text=text, in_force=in_force, run=None, mistakes=mistakes)
    return render(request, "policy.html", moderator, text=text, in_force=in_force, run=run, mistakes=())


def text_in_force(settings: Settings) -> str:
    """The file as it is now; the policy in force is the one that was there at the start."""
    return (settings.policy or shipped("policies") / "moderation.toml").read_text(encoding="utf-8")
