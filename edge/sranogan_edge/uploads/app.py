"""What ``sranogan-serve`` serves: scoring, its description, health and metrics. Needs the extra ``serve``."""

from __future__ import annotations

from collections.abc import Mapping

from sranogan_edge.extras import needs_extra
from sranogan_edge.uploads.waiting import Uploads

with needs_extra("serve", "scoring what programs send"):
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Route

    from sranogan_edge.page.access import Access, Address
    from sranogan_edge.page.metrics import METRICS_TYPE, text_of
    from sranogan_edge.page.visitors import Gate
    from sranogan_edge.uploads.metrics import EndpointCollector, UploadsCollector
    from sranogan_edge.uploads.routes import routes_of

__all__ = ["endpoint_app"]

STALE_S = 60.0  # without a sign of the thread that scores for so long, /healthz says no
_ABOUT = """sranogan-serve: POST an image to /v1/score.

/openapi.json describes it; KServe's protocol is at /v2; /readyz, /healthz, /metrics.
"""


def endpoint_app(uploads: Uploads, address: Address, model: str, about: Mapping[str, str]) -> Starlette:
    """Return the ASGI application that scores for whom ``address`` allows.

    ``model`` is the bundle's name, for KServe's protocol; ``about`` is told by /metrics, as it is then.
    """
    gate = Gate({"viewer": address.viewer_token, "operator": address.token})

    async def front(request: Request) -> Response:
        return PlainTextResponse(_ABOUT)

    async def ready(request: Request) -> Response:
        why = uploads.why_not
        return PlainTextResponse(f"not ready: {why}\n" if why else "ready\n", 503 if why else 200)

    async def health(request: Request) -> Response:
        age = uploads.beat_age_s
        good = age < STALE_S
        return PlainTextResponse("ok\n" if good else f"no sign for {age:.0f} s\n", 200 if good else 503)

    async def metrics(request: Request) -> Response:
        told = text_of(EndpointCollector(uploads, about, gate.wrong), UploadsCollector(uploads))
        return Response(told, media_type=METRICS_TYPE)

    routes = [
        Route("/", front),
        Route("/readyz", ready),
        Route("/healthz", health),
        Route("/metrics", metrics),
        *routes_of(uploads, model),
    ]
    guard = Middleware(Access, address=address, gate=gate, sessions=None)
    return Starlette(routes=routes, middleware=[guard])
