"""What a browser sends, no more of it than any of our own forms needs."""

from __future__ import annotations

from starlette.requests import Request

__all__ = ["MAX_BODY_BYTES", "body_of"]

MAX_BODY_BYTES = 2048


async def body_of(request: Request) -> bytes | None:
    """Return the whole body; None where it is longer than ``MAX_BODY_BYTES``, of which no more is read."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            return None
    return body
