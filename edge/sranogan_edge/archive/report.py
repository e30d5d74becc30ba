"""One HTML file of an archive's scores: figures, histogram, errors, dates, scanners, the worst images."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from pathlib import Path

from sranogan_edge.archive.summary import MOST_GROUPS, Group, Summary, Worst
from sranogan_edge.results.html_parts import HEAD, histogram_html, row, table, text

__all__ = ["archive_html"]

MOST_PICTURES = 12
_GROUP = ("images", "scored", "anomalous", "share", "out of domain", "failed", "mean score", "highest")


def archive_html(summary: Summary, source: str, out: Path) -> str:
    """Return the page.

    Args:
        summary: of the part files.
        source: what the archive is called.
        out: where the part files and heat maps are.
    """
    parts = [
        HEAD,
        f"<h1>{text(source)}</h1>",
        _figures(summary),
        histogram_html(summary.counts, summary.low, summary.high, summary.threshold),
        *_pictures(summary, out),
    ]
    if summary.errors:
        rows = (row("", kind, [f"{count:,}", example]) for kind, count, example in summary.errors)
        parts.append(f"<h2>Errors</h2>{table(('kind', 'images', 'one of them'), rows)}")
    for name, groups in summary.by.items():
        more = f"<p>The {MOST_GROUPS} with the most images.</p>" if len(groups) == MOST_GROUPS else ""
        parts.append(f"<h2>By {name}</h2>{table((name, *_GROUP), map(_group, groups))}{more}")
    names = ("source", "score", "p-value", "verdict")
    parts.append(f"<h2>The highest scores</h2>{table(names, map(_worst, summary.worst))}")
    return "\n".join([*parts, "</body></html>\n"])


def _figures(summary: Summary) -> str:
    of = summary.all
    normal = of.images - of.anomalous - of.foreign - summary.not_asked_for - of.failed
    told = (
        f"{of.images:,} images: {normal:,} normal, {of.anomalous:,} anomalous, {of.foreign:,} out of domain, "
        f"{summary.not_asked_for:,} not asked for, {of.failed:,} failed."
    )
    threshold = "none: too few normals" if summary.threshold is None else f"{summary.threshold:.3f}"
    below = ", ".join(f"{share:.0%} lie below about {score:.2f}" for share, score in summary.quantiles)
    by = "; ".join(
        f"bundle {bundle[:12]}, {steps} search steps on {backend}, version {version}"
        for bundle, steps, backend, version in summary.scored_by
    )
    means = "A score is in standard deviations of normals, about 0 for one."
    lines = (told, f"Threshold {threshold}; {by}.", f"{means} Of the scores {below}." if below else means)
    return f"<p>{'<br>'.join(map(text, lines))}</p>"


def _group(group: Group) -> str:
    scores = ("" if one is None else f"{one:.2f}" for one in (group.mean_score, group.highest_score))
    share = f"{group.anomalous / group.scored:.1%}" if group.scored else ""
    counts = [f"{one:,}" for one in (group.images, group.scored, group.anomalous)]
    return row("", group.name, [*counts, share, f"{group.foreign:,}", f"{group.failed:,}", *scores])


def _worst(worst: Worst) -> str:
    name = f"{worst.source} ({worst.reason})" if worst.reason else worst.source
    p_value = "" if worst.p_value is None else f"{worst.p_value:.4f}"
    return row(worst.verdict, name, [f"{worst.score:.3f}", p_value, worst.verdict])


def _pictures(summary: Summary, out: Path) -> Iterator[str]:
    """Heat maps of the highest scores that have one, as far as they are still there."""
    shown = [worst for worst in summary.worst if worst.heat_map][:MOST_PICTURES]
    for worst in shown:
        with contextlib.suppress(OSError):
            png = base64.b64encode((out / str(worst.heat_map)).read_bytes()).decode()
            name = text(f"{worst.source}: {worst.score:.2f}")
            picture = f'<img alt="{name}" src="data:image/png;base64,{png}">'
            yield f"<figure>{picture}<figcaption>{name}</figcaption></figure>"
