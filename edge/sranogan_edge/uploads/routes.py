"""``POST /v1/score`` and what describes it, as routes of an application. Needs the extra ``page``."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from sranogan_edge.errors import (
    ImageError,
    TooLargeError,
    UploadError,
)
from sranogan_edge.uploads.answers import answer_of, said_of, status_of, waits_of
from sranogan_edge.uploads.kserve import kserve_routes
from sranogan_edge.uploads.openapi import document
from sranogan_edge.uploads.reading import Sent, images_of, is_form
from sranogan_edge.uploads.waiting import Uploads

__all__ = ["OPENAPI", "SCORE", "routes_of"]

SCORE, OPENAPI = "/v1/score", "/openapi.json"
AHEAD = 1  # images of one request that come while another of it is scored
Row = dict[str, Any]


def routes_of(uploads: Uploads, model: str) -> list[Route]:
    """Return the routes: scoring, its description, and KServe's of ``model``, the bundle's name."""

    async def score(request: Request) -> Response:
        return await _score(request, uploads)

    async def openapi(request: Request) -> Response:
        return JSONResponse(document(uploads.settings))

    own = [Route(SCORE, score, methods=["POST"]), Route(OPENAPI, openapi)]
    return own + kserve_routes(uploads, model)


async def _score(request: Request, uploads: Uploads) -> Response:
    rows: list[Row] = []
    several = False
    try:
        several = is_form(request)
        with uploads.place():
            if not several:
                return JSONResponse(await _only_one(request, uploads))
            await _each(request, uploads, rows)
            return JSONResponse({"results": rows})
    except (UploadError, ImageError) as error:
        status = status_of(error)
        if not isinstance(error, ImageError):
            uploads.refused(status)
        so_far = {"results": rows} if several else {}
        return JSONResponse({"error": said_of(error), **so_far}, status, waits_of(error, uploads))
    except ClientDisconnect:  # nobody is there to answer to
        return PlainTextResponse("", 400)


async def _only_one(request: Request, uploads: Uploads) -> Row:
    async with aclosing(images_of(request, uploads)) as images:
        sent = await anext(images)
        assert sent.upload
    return (await answer_of(sent.upload, uploads, gone=_gone(request))).to_dict()


async def _each(request: Request, uploads: Uploads, rows: list[Row]) -> None:
    """Put one row for each image into ``rows``; the next image comes while one is being scored."""
    begun: deque[asyncio.Task[Row]] = deque()
    try:
        async with aclosing(images_of(request, uploads)) as images:
            async for sent in images:
                begun.append(asyncio.create_task(_row(sent, uploads)))
                if len(begun) > AHEAD:
                    rows.append(await begun.popleft())
    finally:
        while begun:
            rows.append(await begun.popleft())


async def _row(sent: Sent, uploads: Uploads) -> Row:
    try:
        if sent.upload is None:
            raise sent.error or TooLargeError(sent.name)
        return (await answer_of(sent.upload, uploads)).to_dict()
    except (ImageError, TooLargeError) as error:
        return {"file": sent.name, "verdict": "error", "error": said_of(error)}


def _gone(request: Request) -> Callable[[], Any]:
    async def disconnected() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    return disconnected
