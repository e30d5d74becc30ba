"""KServe's v2 protocol, as Triton speaks it: one model, whose input is an image. Needs the extra ``page``."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sranogan_edge import __version__
from sranogan_edge.errors import ImageError, MalformedUploadError, UploadError
from sranogan_edge.uploads.answers import answer_of, status_of, waits_of
from sranogan_edge.uploads.reading import pieces_of
from sranogan_edge.uploads.tensors import (
    IMAGE,
    MOST_JSON_BYTES,
    OUTPUTS,
    Asked,
    asked_of,
    images_in,
    output_of,
)
from sranogan_edge.uploads.waiting import Upload, Uploads, new_file

__all__ = ["kserve_routes"]

JSON_WEIGHT = 24  # of its bytes, what Python makes of it may take
LENGTH = "inference-header-content-length"


def kserve_routes(uploads: Uploads, model: str) -> list[Route]:
    """Return the routes of the protocol, for one model called ``model``."""
    about = {
        "name": model,
        "versions": ["1"],
        "platform": "sranogan",
        "inputs": [{"name": IMAGE, "datatype": "BYTES", "shape": [-1]}],
        "outputs": [{"name": name, "datatype": kind, "shape": [-1]} for name, kind in OUTPUTS.items()],
    }

    async def server(request: Request) -> Response:
        return JSONResponse(
            {"name": "sranogan", "version": __version__, "extensions": ["binary_tensor_data"]}
        )

    async def live(request: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(request: Request) -> Response:
        is_ready = not uploads.why_not
        return JSONResponse({"ready": is_ready}, 200 if is_ready else 503)

    async def metadata(request: Request) -> Response:
        return JSONResponse(about) if _is(request, model) else _unknown(request)

    async def model_ready(request: Request) -> Response:
        return await ready(request) if _is(request, model) else _unknown(request)

    async def infer(request: Request) -> Response:
        return await _infer(request, uploads, model) if _is(request, model) else _unknown(request)

    return [
        Route("/v2", server),
        Route("/v2/health/live", live),
        Route("/v2/health/ready", ready),
        *(
            Route(f"/v2/models/{{name}}{version}{end}", does, methods=[method])
            for version in ("", "/versions/1")
            for end, does, method in (
                ("", metadata, "GET"),
                ("/ready", model_ready, "GET"),
                ("/infer", infer, "POST"),
            )
        ),
    ]


def _is(request: Request, model: str) -> bool:
    return bool(request.path_params["name"] == model)


def _unknown(request: Request) -> Response:
    return JSONResponse({"error": f"there is no model {request.path_params['name'][:80]!r} here"}, 404)


async def _infer(request: Request, uploads: Uploads, model: str) -> Response:
    try:
        with uploads.place():
            asked, rows = await _scored(request, uploads)
    except (UploadError, ImageError) as error:
        if not isinstance(error, ImageError):
            uploads.refused(status_of(error))
        return JSONResponse({"error": str(error)}, status_of(error), waits_of(error, uploads))
    except ClientDisconnect:  # nobody is there to answer to
        return JSONResponse({"error": "gone"}, 400)
    said: dict[str, Any] = {"model_name": model, "model_version": "1"}
    if asked.id is not None:
        said["id"] = asked.id
    return JSONResponse({**said, "outputs": [output_of(name, rows) for name in asked.outputs]})


async def _scored(request: Request, uploads: Uploads) -> tuple[Asked, list[dict[str, Any]]]:
    """Score one image after the other; the first bad one ends it."""
    held, body, rows = 0, bytearray(), list[dict[str, Any]]()
    settings = uploads.settings
    try:
        async with aclosing(pieces_of(request, settings.max_held_bytes, "the request")) as pieces:
            async for piece in pieces:
                uploads.hold(len(piece))
                held += len(piece)
                body += piece
        length = _length(request)
        weight = JSON_WEIGHT * min(len(body) if length is None else length, MOST_JSON_BYTES)
        uploads.hold(weight)
        held += weight
        asked = await asyncio.to_thread(asked_of, bytes(body), length, settings.max_images)
        images = images_in(asked)
        while (data := await asyncio.to_thread(next, images, None)) is not None:
            rows.append(await _row(data, f"image {len(rows) + 1}", uploads))
    finally:
        uploads.let_go(held)
    return asked, rows


async def _row(data: bytes, name: str, uploads: Uploads) -> dict[str, Any]:
    uploads.hold(len(data))
    file = new_file()
    file.write(data)
    file.flush()
    return (await answer_of(Upload(name, file, len(data)), uploads)).to_dict()


def _length(request: Request) -> int | None:
    """Of the JSON, where bytes follow it."""
    stated = request.headers.get(LENGTH)
    if stated is None:
        return None
    if not stated.isdecimal() or len(stated) > 12:
        raise MalformedUploadError(f"{LENGTH} is {stated[:40]!r}. It is how many bytes of JSON there are.")
    return int(stated)
