"""From an upload to its answer, and from an error to what a client is told. Needs the extra ``page``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import ClientDisconnect

from sranogan_edge.errors import (
    ImageError,
    MalformedUploadError,
    NotReadyError,
    SranoganError,
    TooBusyError,
    TooLargeError,
    UploadTypeError,
)
from sranogan_edge.results.line import ResultLine
from sranogan_edge.uploads.waiting import Upload, Uploads

__all__ = ["answer_of", "said_of", "status_of", "waits_of"]

NOT_READY_S = 5  # until a client may ask again
_STATUS: dict[type[SranoganError], int] = {
    ImageError: 422,
    TooLargeError: 413,
    MalformedUploadError: 400,
    UploadTypeError: 415,
    TooBusyError: 429,
    NotReadyError: 503,
}


async def answer_of(upload: Upload, uploads: Uploads, gone: Callable[[], Any] | None = None) -> ResultLine:
    """Let ``upload`` wait, and return its line.

    Args:
        upload: that nobody else looks after.
        uploads: where it waits.
        gone: a coroutine function that returns once nobody waits for the answer.

    Raises:
        ImageError: it cannot be scored.
        NotReadyError: nothing is scored now.
        ClientDisconnect: nobody waits for it.
    """
    try:
        uploads.put(upload)
    except NotReadyError:
        uploads.done(upload)
        raise
    answer = asyncio.wrap_future(upload.answer)
    watch = asyncio.ensure_future(gone()) if gone else None
    try:
        await asyncio.wait([one for one in (answer, watch) if one], return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise ClientDisconnect
        return answer.result()
    finally:
        if watch:
            watch.cancel()
        if not answer.done():
            uploads.withdraw(upload)


def said_of(error: SranoganError) -> Mapping[str, str]:
    """What a client is told: the kind, for programs, and what was wrong with the cure, for people."""
    return {"kind": type(error).__name__, "message": str(error)}


def status_of(error: SranoganError) -> int:
    """The HTTP status that an error is answered with."""
    return next(status for kind, status in _STATUS.items() if isinstance(error, kind))


def waits_of(error: SranoganError, uploads: Uploads) -> dict[str, str]:
    """The header that says when to come again."""
    if isinstance(error, TooBusyError):
        return {"Retry-After": str(uploads.retry_after_s())}
    return {"Retry-After": str(NOT_READY_S)} if isinstance(error, NotReadyError) else {}
