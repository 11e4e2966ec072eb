"""`/v1/banks`: hash banks imported, listed and removed; `/v1/bank-matches`: the log, for the site's legal reporting."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from pellucid.base.errors import (
    BadExchange,
    BadRequest,
    BodyTooLarge,
    BodyTooSlow,
    Busy,
    EmptyBody,
    InvalidParameter,
    NotFound,
    NotMultipart,
)
from pellucid.base.ids import PATTERN
from pellucid.base.moments import Moment
from pellucid.records.actor import Actor
from pellucid.records.bank import LARGEST_BOUND, NAME, USUAL_BOUND, Bank, BankRule, match_lines
from pellucid.records.exchange import read_exchange
from pellucid.records.pages import Banks, MatchPage
from pellucid.records.report import BankAction
from pellucid.serve.access import require
from pellucid.serve.body import received
from pellucid.serve.problems import documented
from pellucid.serve.service import Held
from pellucid.store.bank_matches import MatchFilters, all_logged_matches, logged_matches
from pellucid.store.banks import all_banks, bank_named, import_bank, remove_bank

router = APIRouter(prefix="/v1", tags=["hash banks"])

Name = Annotated[str, Path(pattern=NAME, description="The bank's name", examples=["known-abuse"])]
Admin = Annotated[Actor, require("admin")]
BODY_ERRORS = (EmptyBody, BadRequest, NotMultipart, BodyTooLarge, BodyTooSlow, Busy)


class RuleQuery(BaseModel):
    """What a match on the bank means."""

    model_config = ConfigDict(extra="forbid")

    action: BankAction = Field(description="What follows from a match")
    reason: str = Field(min_length=1, max_length=500, pattern=r"^[^\x00]*$", description="A sentence that moderators can quote")
    bound: int = Field(USUAL_BOUND, ge=0, le=LARGEST_BOUND, description="Most bits of 256 that may differ; PDQ's rule is 31")


class FilterQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    bank: str | None = Field(None, pattern=NAME, description="Only of this bank, also of one that was removed")
    action: BankAction | None = Field(None, description="Only of this action")
    analysis: str | None = Field(None, pattern=PATTERN, description="Only of this analysis")
    since: Moment | None = Field(None, description="Found at or after this moment (RFC 3339)")
    until: Moment | None = Field(None, description="Found before this moment (RFC 3339)")

    def filters(self) -> MatchFilters:
        return MatchFilters(self.bank, self.action, self.analysis, self.since, self.until)


class MatchQuery(FilterQuery):
    limit: int = Field(50, ge=1, le=200, description="Matches a page")
    after: str | None = Field(None, pattern=PATTERN, description="`next` of the page before")


@router.get("/banks", summary="All hash banks", dependencies=[require("moderate")], responses=documented())
async def list_banks(service: Held) -> Banks:
    return Banks(items=[listed.bank for listed in await service.read(lambda: all_banks(service.store.database))])


@router.get(
    "/bank-matches",
    summary="Every match found, for legal reporting",
    dependencies=[require("moderate")],
    responses=documented(InvalidParameter),
)
async def list_matches(service: Held, asked: Annotated[MatchQuery, Query()]) -> MatchPage:
    """Kept when the analysis is deleted. Holds hashes and names, never a picture."""
    database, filters = service.store.database, asked.filters()
    found = await service.read(lambda: logged_matches(database, filters, asked.after, asked.limit + 1))
    shown = list(found[: asked.limit])
    return MatchPage(items=shown, next=shown[-1].id if len(found) > asked.limit else None)


@router.get(
    "/bank-matches.csv",
    summary="The same as one CSV file",
    dependencies=[require("admin")],
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}, **documented(InvalidParameter)},
)
async def export_matches(service: Held, asked: Annotated[FilterQuery, Query()]) -> StreamingResponse:
    """Oldest first, without pages."""
    lines = match_lines(all_logged_matches(service.store.database, asked.filters()))
    headers = {"Content-Disposition": 'attachment; filename="bank-matches.csv"', "Cache-Control": "no-store"}
    return StreamingResponse(lines, media_type="text/csv", headers=headers)


@router.get(
    "/banks/{name}", summary="One bank", dependencies=[require("moderate")], responses=documented(NotFound, InvalidParameter)
)
async def get_bank(service: Held, name: Name) -> Bank:
    return (await service.read(lambda: bank_named(service.store.database, name))).bank


@router.put(
    "/banks/{name}",
    summary="Make a bank of a file, or replace its entries and rule",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
    responses=documented(InvalidParameter, BadExchange, *BODY_ERRORS),
)
async def put_bank(service: Held, request: Request, actor: Admin, name: Name, asked: Annotated[RuleQuery, Query()]) -> Bank:
    """The raw body, or the multipart part `file`, in one of the exchange formats (docs/banks.md), read whole or not at all. Holds
    from the next picture on, in every process. Lists larger than a body may be are imported by `pellucid banks import`."""
    rule = BankRule(name=name, **asked.model_dump())
    async with received(request, service.settings, service.open_bytes) as sent:
        data = sent.data

        def replace() -> Bank:
            return import_bank(service.store.database, rule, read_exchange(data).entries, actor.name)

        return await service.read(replace)


@router.delete("/banks/{name}", status_code=204, summary="Remove a bank", responses=documented(NotFound, InvalidParameter))
async def delete_bank(service: Held, actor: Admin, name: Name) -> None:
    """Matches found before stay in the log, and pictures that it blocked stay withheld."""
    await service.read(lambda: remove_bank(service.store.database, name, actor.name))
