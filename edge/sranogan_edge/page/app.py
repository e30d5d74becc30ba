"""The live page: what the runner sees, says and costs, in any browser. Needs the extra ``page``.

Nothing is fetched from elsewhere: one HTML file, three scripts, one style sheet, and JSON that they ask for
once something changed.
"""

from __future__ import annotations

import json
import math
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sranogan_edge.device import temperatures
from sranogan_edge.errors import SettingsError, SranoganError, StaleThresholdError
from sranogan_edge.extras import needs_extra
from sranogan_edge.page.board import Board, Entry, Snapshot
from sranogan_edge.page.entry import FIELDS
from sranogan_edge.refusals import Refusals

with needs_extra("page", "the live page"):
    from prometheus_client.registry import Collector
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.requests import Request
    from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
    from starlette.routing import Route

    from sranogan_edge.page.access import SIGN_IN, SIGN_OUT, Access, Address
    from sranogan_edge.page.audit import AuditTrail
    from sranogan_edge.page.body import body_of
    from sranogan_edge.page.events import Events
    from sranogan_edge.page.metrics import METRICS_TYPE, metrics_text
    from sranogan_edge.page.sign_in import SignIn, session_of
    from sranogan_edge.page.visitors import Gate, Sessions, Visitor

__all__ = ["NO_MORE", "More", "make_app", "state_of"]

ASSETS = Path(__file__).with_name("assets")
STALE_S = 60.0  # without a sign of the loop for so long, /healthz says no
CHART_POINTS = 300
RESULTS_AT_ONCE = 50
EVENTS = 50  # of the audit trail, the newest


@dataclass(frozen=True)
class More:
    """What is served beside the page.

    Attributes:
        routes: of it.
        metrics: of it.
    """

    routes: tuple[Route, ...] = ()
    metrics: tuple[Collector, ...] = ()


NO_MORE = More()


def make_app(
    board: Board,
    address: Address,
    audit: AuditTrail | None = None,
    more: More = NO_MORE,
    crowd: Refusals | None = None,
) -> Starlette:
    """Return the ASGI application that shows ``board`` to whom ``address`` allows, with ``more`` beside it.

    ``audit`` keeps who came in, and who changed what; without it nothing is kept. ``crowd`` counts
    connections that were closed for others.
    """
    events = Events(board)
    files = ("page.js", "chart.js", "audit.js", "theme.js", "page.css", "icon.svg")
    gate, sessions = Gate({"viewer": address.viewer_token, "operator": address.token}), Sessions()
    if audit:
        gate.on_wrong = lambda at, times: audit.noted("wrong token", Visitor("", "viewer", at), new=times)
    shown, sign_in = _Shown(board, gate, audit, more.metrics, crowd), SignIn(gate, sessions, audit)
    routes = [Route("/", _asset("index.html")), *(Route(f"/{name}", _asset(name)) for name in files)]
    routes += [
        Route("/api/state", shown.state),
        Route("/api/events", events.stream),
        Route("/api/calibration", shown.calibration),
        Route("/api/results", shown.results),
        Route("/api/threshold", shown.threshold, methods=["POST"]),
        Route("/api/live/{kind}.png", shown.live),
        Route("/api/picture/{number}.png", shown.picture),
        Route("/api/audit", shown.audit),
        Route("/api/audit.csv", shown.audit_csv),
        Route(SIGN_IN, sign_in.form),
        Route(SIGN_IN, sign_in.enter, methods=["POST"]),
        Route(SIGN_OUT, sign_in.leave, methods=["POST"]),
        Route("/metrics", shown.metrics),
        Route("/healthz", shown.health),
        Route("/readyz", shown.ready),
        *more.routes,
    ]
    guard = Middleware(Access, address=address, gate=gate, sessions=sessions)
    app = Starlette(routes=routes, middleware=[guard])
    app.state.events = events
    return app


def _asset(name: str) -> Any:
    async def send(request: Request) -> Response:
        return FileResponse(ASSETS / name)

    return send


class _Shown:
    """The answers, each of one snapshot."""

    def __init__(
        self,
        board: Board,
        gate: Gate,
        audit: AuditTrail | None,
        metrics: tuple[Collector, ...],
        crowd: Refusals | None,
    ) -> None:
        self._board, self._gate, self._audit = board, gate, audit
        self._metrics, self._crowd = metrics, crowd

    def state(self, request: Request) -> Response:
        visitor: Visitor = request.scope["sranogan_visitor"]
        by = {"name": visitor.name, "role": visitor.role, "can_sign_out": bool(session_of(request))}
        return JSONResponse({**state_of(self._board.snapshot()), "visitor": by})

    def audit(self, request: Request) -> Response:
        events, intact = self._audit.events() if self._audit else ([], True)
        newest = [asdict(event) for event in reversed(events[-EVENTS:])]
        return JSONResponse({"events": newest, "intact": intact, "all": len(events)})

    def audit_csv(self, request: Request) -> Response:
        content = self._audit.csv() if self._audit else b""
        headers = {"Content-Disposition": 'attachment; filename="sranogan-audit.csv"'}
        return Response(content, media_type="text/csv; charset=utf-8", headers=headers)

    def calibration(self, request: Request) -> Response:
        now = self._board.snapshot()
        own = now.calibration
        return JSONResponse(
            {
                "scores": [round(score, 4) for score in own.scores],
                "threshold": _finite(own.threshold),
                "false_alarm_rate": own.false_alarm_rate,
                "reach": list(own.reach),
                "version": now.calibration_version,
            }
        )

    def results(self, request: Request) -> Response:
        asked = request.query_params
        words, verdict = asked.get("q", "").lower().split(), asked.get("verdict", "")
        before = _number(asked.get("before", ""))
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
        body = await body_of(request)
        if body is None:
            return PlainTextResponse("too long\n", 413)
        try:
            asked = json.loads(body)
            value, version = asked["threshold"], str(asked["calibration_version"])
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise TypeError(f"a threshold must be a number; received {value!r}")
            self._apply(float(value), version, str(asked.get("reason", "")).strip(), request)
        except StaleThresholdError as error:
            return JSONResponse({"error": str(error)}, 409)
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError, SranoganError) as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({"threshold": self._board.threshold})

    def _apply(self, value: float, version: str, reason: str, request: Request) -> None:
        """Put a threshold in force, and keep who did it first."""
        by: Visitor = request.scope["sranogan_visitor"]
        self._board.check_threshold(value, version)
        if not reason:
            raise SettingsError("say why: the reason stands beside the change")
        if self._audit:
            self._audit.add("threshold", by, old=self._board.threshold, new=value, reason=reason)
        try:
            self._board.set_threshold(value, str(by), version=version)
        except SranoganError as error:
            if self._audit:
                self._audit.noted(
                    "threshold not applied", by, old=self._board.threshold, new=value, reason=str(error)
                )
            raise

    def live(self, request: Request) -> Response:
        kind = request.path_params["kind"]
        png = self._board.live_picture(kind) if kind in ("frame", "reconstruction", "heat") else None
        return Response(png, media_type="image/png") if png else PlainTextResponse("no image yet\n", 404)

    def picture(self, request: Request) -> Response:
        number = _number(request.path_params["number"])
        for entry in self._board.snapshot().entries:
            if entry.number == number and (png := entry.png()):
                return Response(png, media_type="image/png")
        return PlainTextResponse("its picture is no longer kept\n", 404)

    def metrics(self, request: Request) -> Response:
        closed = self._crowd.total if self._crowd else 0
        told = metrics_text(self._board, self._gate.wrong, closed, *self._metrics)
        return Response(told, media_type=METRICS_TYPE)

    def health(self, request: Request) -> Response:
        age = self._board.snapshot().beat_age_s
        good = age < STALE_S
        return PlainTextResponse("ok\n" if good else f"no sign for {age:.0f} s\n", 200 if good else 503)

    def ready(self, request: Request) -> Response:
        now = self._board.snapshot()
        return PlainTextResponse("ready\n" if now.ready else "not ready\n", 200 if now.ready else 503)


def _number(text: str) -> int | None:
    """A result's number; None where it is none: Python refuses to read those of thousands of digits."""
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


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
