"""One HTML file of a run: figures, histogram, the most anomalous images, every line. It loads nothing."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import numpy as np

from sranogan_edge.results.contact_sheet import MOST_SHOWN
from sranogan_edge.results.html_parts import BINS, HEAD, histogram_html, range_of, row, table, text
from sranogan_edge.results.line import ResultLine
from sranogan_edge.results.summary import FolderFigures, Summary

__all__ = ["MOST_ROWS", "report_html"]

MOST_ROWS = 5000  # a browser shows more only slowly; results.csv has all


def report_html(lines: Sequence[ResultLine], figures: Summary, sheet: bytes | None) -> str:
    """Return the page of a run.

    Args:
        lines: of the run, in order.
        figures: that sum them up.
        sheet: the contact sheet as PNG; None where no image was judged.
    """
    parts = [HEAD, "<h1>Scored images</h1>", _figures(figures), _histogram(lines, figures.threshold)]
    if sheet:
        picture = base64.b64encode(sheet).decode()
        parts.append(f"<h2>The most anomalous, {MOST_SHOWN} at most</h2>")
        parts.append(f'<img alt="the most anomalous images" src="data:image/png;base64,{picture}">')
    if figures.folders:
        parts.append(_folders(figures))
    parts.append(_lines(lines))
    return "\n".join([*parts, "</body></html>\n"])


def _figures(figures: Summary) -> str:
    counted = (
        f"{figures.images} images: {figures.normal} normal, {figures.anomalous} anomalous, "
        f"{figures.out_of_domain} out of domain, {figures.not_asked_for} not asked for, "
        f"{figures.failed} failed."
    )
    threshold = "none: too few normals" if figures.threshold is None else f"{figures.threshold:.3f}"
    site = f", calibration {figures.calibration[:12]}" if figures.calibration else ""
    of = f"Threshold {threshold}; {figures.steps} search steps on {figures.backend}; "
    of += f"bundle {figures.bundle[:12]}"
    if figures.foreign_by:
        of += f"; images that are not like the training data are told {figures.foreign_by}".replace(
            "are told off: ", "are not told: "
        )
    regions = f"<br>Heat maps: {text(figures.regions.text)}." if figures.regions else ""
    means = "A score is in standard deviations of normals, about 0 for one."
    return f"<p>{text(counted)}<br>{text(of + site)}.<br>{means}{regions}</p>"


def _histogram(lines: Sequence[ResultLine], threshold: float | None) -> str:
    scores = np.array([line.score for line in lines if line.score is not None])
    if not len(scores):
        return histogram_html([], 0.0, 0.0, threshold)
    low, high = range_of(float(scores.min()), float(scores.max()), threshold)
    counts, _ = np.histogram(scores, BINS, (low, high))
    return histogram_html(counts.tolist(), low, high, threshold)


def _folders(figures: Summary) -> str:
    rows = (_folder_row(name, one) for name, one in figures.folders.items())
    names = ("folder", "images", "scored", "anomalous", "out of domain", "failed", "mean score", "highest")
    return f"<h2>By folder</h2>{table(names, rows)}"


def _folder_row(name: str, one: FolderFigures) -> str:
    scores = ("" if value is None else f"{value:.2f}" for value in (one.mean_score, one.highest_score))
    counts = (one.images, one.scored, one.anomalous, one.out_of_domain, one.failed)
    return row("", name, [*map(str, counts), *scores])


def _lines(lines: Sequence[ResultLine]) -> str:
    rows = (_line_row(line) for line in lines[:MOST_ROWS])
    left_out = len(lines) - MOST_ROWS
    more = f"<p>{left_out} more stand in results.csv.</p>" if left_out > 0 else ""
    return f"<h2>All images</h2>{table(('file', 'score', 'p-value', 'verdict'), rows)}{more}"


def _line_row(line: ResultLine) -> str:
    numbers = ("", "") if line.score is None else (f"{line.score:.3f}", f"{line.p_value:.4f}")
    why = line.error or line.reason
    name = f"{line.file} ({why})" if why else line.file
    return row(line.verdict, name, [*numbers, line.verdict])
