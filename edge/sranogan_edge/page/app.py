"""The live page: what the runner sees, says and costs, in any browser. Needs the extra ``page``.

Nothing is fetched from elsewhere: one HTML file, two scripts, one style sheet, and JSON that they ask for
once a second.
"""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np

from sranogan_edge.device import temperatures
from sranogan_edge.errors import SranoganError, StaleThresholdError
from sranogan_edge.extras import needs_extra
from sranogan_edge.page.board import Board, Entry, Snapshot
from sranogan_edge.page.entry import FIELDS

with needs_extra("page", "the live page"):
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.requests import Request
    from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
    from starlette.routing import Route

    from sranogan_edge.page.access import Access, Address
    from sranogan_edge.page.metrics import metrics_text

__all__ = ["make_app", "state_of"]

ASSETS = Path(__file__).with_name("assets")
STALE_S = 60.0  # without a sign of the loop for so long, /healthz says no
CHART_POINTS = 300
RESULTS_AT_ONCE = 50
MAX_BODY_BYTES = 1024


def make_app(board: Board, address: Address) -> Starlette:
    """Return the ASGI application that shows ``board`` to whom ``address`` allows."""
    files = ("page.js", "chart.js", "page.css", "icon.svg")
    shown = _Shown(board)
    routes = [Route("/", _asset("index.html")), *(Route(f"/{name}", _asset(name)) for name in files)]
    routes += [
        Route("/api/state", shown.state),
        Route("/api/calibration", shown.calibration),
        Route("/api/results", shown.results),
        Route("/api/threshold", shown.threshold, methods=["POST"]),
        Route("/api/live/{kind}.png", shown.live),
        Route("/api/picture/{number:int}.png", shown.picture),
        Route("/metrics", shown.metrics),
        Route("/healthz", shown.health),
        Route("/readyz", shown.ready),
    ]
    return Starlette(routes=routes, middleware=[Middleware(Access, address=address)])


def _asset(name: str) -> Any:
    async def send(request: Request) -> Response:
        return FileResponse(ASSETS / name)

    return send


class _Shown:
    """The answers, each of one snapshot."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def state(self, request: Request) -> Response:
        return JSONResponse(state_of(self._board.snapshot()))

    def calibration(self, request: Request) -> Response:
        now = self._board.snapshot()
        own = now.calibration
        return JSONResponse(
            {
                "scores": [round(score, 4) for score in own.scores],
                "threshold": _finite(own.threshold),
                "false_alarm_rate": own.false_alarm_rate,
                "version": now.calibration_version,
            }
        )

    def results(self, request: Request) -> Response:
        asked = request.query_params
        words, verdict = asked.get("q", "").lower().split(), asked.get("verdict", "")
        before = int(asked["before"]) if asked.get("before", "").isdecimal() else None
        entries = [
            entry
            for entry in reversed(self._board.snapshot().entries)
            if (before is None or entry.number < before) and _matches(entry, words, verdict)
        ]
        page = entries[:RESULTS_AT_ONCE]
        return JSONResponse(
            {
                "results": [one.to_dict() for one in page],
                "more": len(entries) > len(page),
                "found": len(entries),
            }
        )

    async def threshold(self, request: Request) -> Response:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > MAX_BODY_BYTES:
                return PlainTextResponse("too long\n", 413)
        try:
            asked = json.loads(body)
            value, version = asked["threshold"], str(asked["calibration_version"])
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise TypeError(f"a threshold must be a number; received {value!r}")
            by = request.client.host if request.client else ""
            self._board.set_threshold(float(value), by, version=version)
        except StaleThresholdError as error:
            return JSONResponse({"error": str(error)}, 409)
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError, SranoganError) as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({"threshold": self._board.threshold})

    def live(self, request: Request) -> Response:
        kind = request.path_params["kind"]
        png = self._board.live_picture(kind) if kind in ("frame", "reconstruction", "heat") else None
        return Response(png, media_type="image/png") if png else PlainTextResponse("no image yet\n", 404)

    def picture(self, request: Request) -> Response:
        number = request.path_params["number"]
        for entry in self._board.snapshot().entries:
            if entry.number == number and (png := entry.png()):
                return Response(png, media_type="image/png")
        return PlainTextResponse("its picture is no longer kept\n", 404)

    def metrics(self, request: Request) -> Response:
        return Response(metrics_text(self._board), media_type="text/plain; version=0.0.4; charset=utf-8")

    def health(self, request: Request) -> Response:
        age = self._board.snapshot().beat_age_s
        good = age < STALE_S
        return PlainTextResponse("ok\n" if good else f"no sign for {age:.0f} s\n", 200 if good else 503)

    def ready(self, request: Request) -> Response:
        now = self._board.snapshot()
        return PlainTextResponse("ready\n" if now.ready else "not ready\n", 200 if now.ready else 503)


def _matches(entry: Entry, words: list[str], verdict: str) -> bool:
    fields = " ".join(getattr(entry.line, name) or "" for name in FIELDS)
    text = f"{entry.line.file} {entry.feed} {entry.line.verdict} {entry.reason} {fields}".lower()
    return (not verdict or entry.line.verdict == verdict) and all(word in text for word in words)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def state_of(now: Snapshot) -> dict[str, Any]:
    """Return what the page shows, ready for JSON."""
    alike = [one for one in now.entries if one.scale == now.entries[-1].scale]  # their scores compare
    shown = alike[-CHART_POINTS:]
    return {
        "time": time.time(),
        "about": {name: str(value) for name, value in now.about.items()},
        "ready": now.ready,
        "not_ready_because": now.not_ready_because,
        "beat_age": now.beat_age_s,
        "threshold": _finite(now.threshold),
        "can_set_threshold": now.can_set_threshold,
        "calibration_version": now.calibration_version,
        "counts": now.counts,
        "queue": now.queue,
        "alarms": list(now.alarms),
        "feeds": [{"name": name, **vars(health)} for name, health in now.feeds.items()],
        "sinks": [{"name": name, **vars(health)} for name, health in now.sinks.items()],
        "latencies": {
            stage: {"median": float(np.median(taken)), "p95": float(np.percentile(taken, 95))}
            for stage, taken in now.latencies.items()
        },
        "temperatures": temperatures(),
        "latest": shown[-1].to_dict() if shown else None,
        "history": [[one.number, _finite(one.line.score), one.line.verdict] for one in shown],
    }
