"""What HTML reports are put together of: head, histogram, tables, text that is safe to show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from sranogan_edge.results.table import plain_text

__all__ = ["BINS", "HEAD", "histogram_html", "range_of", "row", "table", "text"]

BINS = 40
WIDE, HIGH = 800, 180  # of the histogram, in its own units
HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Scored images</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<style>
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #8884; overflow-wrap: anywhere; }
td.n, th.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
tr.anomalous td, tr.error td { font-weight: 600; }
img, svg { max-width: 100%; height: auto; }
rect.normal { fill: #3b82f6; } rect.above { fill: #f97316; } line { stroke: currentColor; }
text { fill: currentColor; font-size: 12px; }
</style></head><body>
"""


def range_of(low: float, high: float, threshold: float | None) -> tuple[float, float]:
    """Return from where to where a histogram goes that shows scores and threshold."""
    places = (low, high) if threshold is None else (low, high, threshold)
    low, high = min(places), max(places)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def histogram_html(counts: Sequence[int], low: float, high: float, threshold: float | None) -> str:
    """Draw how many images have which score.

    Args:
        counts: of equal parts of the range; empty where no image was judged.
        low: where the range begins (:func:`range_of`).
        high: where it ends.
        threshold: None where there is none.
    """
    if not counts:
        return "<p>No image was judged.</p>"
    bar, part = WIDE / len(counts), (high - low) / len(counts)
    drawn = []
    for number, count in enumerate(counts):
        tall = HIGH * count / max(counts)
        above = threshold is not None and low + number * part >= threshold
        drawn.append(
            f'<rect class="{"above" if above else "normal"}" x="{number * bar:.1f}" y="{HIGH - tall:.1f}" '
            f'width="{bar - 1:.1f}" height="{tall:.1f}"><title>{count}</title></rect>'
        )
    if threshold is not None:
        x = (threshold - low) / (high - low) * WIDE
        drawn.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{HIGH}" stroke-dasharray="4"/>')
    drawn.append(f'<text x="0" y="{HIGH + 16}">{low:.2f}</text>')
    drawn.append(f'<text x="{WIDE}" y="{HIGH + 16}" text-anchor="end">{high:.2f}</text>')
    dashed = "; dashed: the threshold" if threshold is not None else ""
    return (
        f'<h2>Scores</h2><svg viewBox="0 0 {WIDE} {HIGH + 22}" role="img" aria-label="histogram of scores">'
        f"{''.join(drawn)}</svg><p>How many images have which score{dashed}.</p>"
    )


def table(names: Sequence[str], rows: Iterable[str]) -> str:
    """Return a table of ``rows``, with the names of its columns."""
    first, *others = names
    head = f"<th>{first}</th>" + "".join(f'<th class="n">{name}</th>' for name in others)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def row(kind: str, name: str, cells: Sequence[str]) -> str:
    """Return a row of a table; ``kind`` is its class."""
    others = "".join(f'<td class="n">{text(cell)}</td>' for cell in cells)
    return f'<tr class="{text(kind)}"><td>{text(name)}</td>{others}</tr>\n'


def text(given: str) -> str:
    """Escape what HTML reads, and what no browser can show."""
    plain = str(plain_text(given))
    return escape("".join(one if one.isprintable() else repr(one)[1:-1] for one in plain))
