"""How a verdict shows itself in a notebook: a picture and a small table, which load nothing."""

from __future__ import annotations

import base64
import math
from html import escape
from typing import TYPE_CHECKING

import cv2
import numpy as np

from sranogan_edge.scoring.overlay import OVERLAY_SIDE_PX, overlay_of

if TYPE_CHECKING:
    from sranogan_edge.scoring.rule import Verdict

__all__ = ["verdict_html", "verdict_png"]


def verdict_png(verdict: Verdict) -> bytes | None:
    """Return the image with its heat as PNG, 384 pixels a side at most; None where its scale is not known."""
    if verdict.heat_limit <= 0:
        return None
    picture = overlay_of(verdict, verdict.heat_limit)
    height, width = picture.shape[:2]
    scale = min(1.0, OVERLAY_SIDE_PX / max(height, width))
    if scale < 1.0:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    return bytes(cv2.imencode(".png", picture)[1].tobytes())


def verdict_html(verdict: Verdict) -> str:
    """Return the picture and what was found, as HTML without scripts and links; all text is escaped."""
    left = 'style="text-align:left"'
    rows = "".join(
        f"<tr><th {left}>{escape(name)}</th><td {left}>{escape(text)}</td></tr>"
        for name, text in _rows(verdict)
    )
    picture = ""
    if png := verdict_png(verdict):
        embedded = base64.b64encode(png).decode()
        picture = f'<img alt="the image with its heat" width="256" src="data:image/png;base64,{embedded}">'
    return (
        '<div style="display:flex;gap:1rem;align-items:flex-start;flex-wrap:wrap">'
        f"{picture}<table>{rows}</table></div>"
    )


def _rows(verdict: Verdict) -> list[tuple[str, str]]:
    judged = "anomalous" if verdict.anomalous else "normal"
    finite = math.isfinite(verdict.threshold)
    rows = [
        ("verdict", "not like the training data" if verdict.out_of_domain else judged),
        ("score", f"{verdict.score:.3f} (threshold {f'{verdict.threshold:.3f}' if finite else 'none'})"),
        ("p-value", f"{verdict.p_value:.3g}"),
        *((f"score of {name}", f"{value:.3f}") for name, value in verdict.parts.items()),
    ]
    if verdict.tiles:
        left, top, width, height = verdict.tiles.worst
        rows.append(("tiles", f"{verdict.tiles.count}, the worst {width} x {height} at {left}, {top}"))
    rows += [("note", text) for text in (verdict.out_of_domain, verdict.colour) if text]
    if "total" in verdict.milliseconds:
        rows.append(("took", f"{verdict.milliseconds['total']:.1f} ms"))
    return rows
