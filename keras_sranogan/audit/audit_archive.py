"""The audit of an archive's scores: false alarms by month, scanner and site; no image is read again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from keras_sranogan.audit.by_group import LIMITS, UNLIKELY, by_group, findings_of, interval_of
from keras_sranogan.audit.report import STYLES
from keras_sranogan.data.archive_run import ArchiveImages, ScoresOf, opened_archive
from keras_sranogan.html.page import Places, render_page
from keras_sranogan.machine import circumstances
from sranogan_edge.errors import DataError
from sranogan_edge.terminal import shown, terminal

__all__ = ["audit_archive", "print_groups", "render_groups"]

SCHEMA_VERSION = 1
SHOWN_GROUPS = 15  # on a terminal
WORDS = {"warns": "warning", "open": "not known", "fine": "fine"}
_HEADS = ("normals", "flagged", "share", "95 % interval", "p, corrected", "out of domain")


def audit_archive(asked: ScoresOf, places: Places) -> dict[str, Any]:
    """Return the figures of an archive's false alarms, and write what was asked for.

    Raises:
        DataError: no finished run, no classes, or no normals that have a score.
        SettingsError, RunError, CalibrationError: another bundle or calibration than the one that judged.
        ResultsError: a result cannot be written.
    """
    started = time.monotonic()
    places.make_folders()
    with opened_archive(asked) as images:
        figures = _figures(images, asked)
    figures["minutes"] = round((time.monotonic() - started) / 60, 2)
    places.write(figures, {}, report=lambda: render_groups(figures))
    return figures


def _figures(images: ArchiveImages, asked: ScoresOf) -> dict[str, Any]:
    normals, flagged, judged = images.rows.ask(
        f"""SELECT count(*), count(*) FILTER (WHERE score > threshold), count(threshold)
        FROM images WHERE {images.is_normal} AND score IS NOT NULL"""
    )[0]
    if not normals:
        raise DataError(f"{images.run.out}: no normal has a score. Check the split and the labels.")
    if not judged:
        raise DataError(
            f"{images.run.out}: scored without a finite threshold (too few normals for its rate), so there "
            "are no false alarms. Calibrate, and score the archive with --calibration into another folder."
        )
    found = by_group(images)
    findings = findings_of(found)
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "archive",
        "n_normal": normals,
        "flagged": flagged,
        "share_flagged": flagged / normals,
        "share_flagged_ci": list(interval_of(flagged, normals)),
        "false_alarm_rate_set": images.calibration.false_alarm_rate,
        "held_out_normals": len(images.calibration.scores),
        "by": {kind: asdict(one) for kind, one in found.items()},
        "differs": [finding.text for finding in findings if finding.kind == "warns"],
        "findings": [asdict(finding) for finding in findings],
        "limits": LIMITS,
        "level": UNLIKELY,
        "model": str(asked.model),
        "archive": {"run": dict(images.run.about), "images": images.run.images, "left_out": images.left_out},
        **circumstances(str(asked.out), "labelled" if asked.labels else asked.split, 0),
    }


def print_groups(figures: Mapping[str, Any], console: Console | None = None) -> None:
    """Print what groups flag, and which differ."""
    console = console or terminal()
    for kind, one in figures["by"].items():
        if one["groups"]:
            console.print(_table(kind, one))
    for finding in figures["findings"]:
        line = f"{WORDS[finding['kind']]}: {finding['text']}"
        console.print(shown(line), style=STYLES[finding["kind"]], markup=False, highlight=False)
    console.print(overall(figures), style="bold", markup=False, highlight=False)


def overall(figures: Mapping[str, Any]) -> str:
    """Say what all normals came to, and how many groups differ."""
    low, high = figures["share_flagged_ci"]
    differing = len(figures["differs"])
    return (
        f"{figures['share_flagged']:.1%} of {figures['n_normal']:,} normals are flagged (95%: {low:.1%} to "
        f"{high:.1%}); the threshold was set for {figures['false_alarm_rate_set']:.1%} by "
        f"{figures['held_out_normals']:,} normals. Groups that differ: {differing or 'none'}."
    )


def _table(kind: str, one: Mapping[str, Any]) -> Table:
    likeliest = sorted(one["groups"], key=lambda group: (group["p_value"] or 1.0, -group["normals"]))
    visible = sorted(likeliest[:SHOWN_GROUPS], key=lambda group: str(group["name"]))
    table = Table(title=f"False alarms by {kind}", box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column(kind)
    for head in _HEADS:
        table.add_column(head, justify="right", no_wrap=True)
    for group in visible:
        table.add_row(escape(shown(group["name"])), *_cells(group))
    hidden = len(one["groups"]) - len(visible)
    told = [f"and {hidden} more groups, see --report or --json"] if hidden else []
    told += [f"{one['unsaid']:,} normals do not say it"] if one["unsaid"] else []
    told += [f"{one['more']:,} normals are of smaller groups"] if one["more"] else []
    table.caption = "; ".join(told) or None
    return table


def _cells(group: Mapping[str, Any]) -> tuple[str, ...]:
    low, high = group["interval"]
    p_value = "-" if group["p_value"] is None else f"{group['p_value']:.2g}"
    counts = f"{group['normals']:,}", f"{group['flagged']:,}", f"{group['share']:.1%}"
    return (*counts, f"{low:.1%} to {high:.1%}", p_value, f"{group['foreign']:,}")


def render_groups(figures: Mapping[str, Any]) -> str:
    """Return the HTML page."""
    tables = {
        kind: [(group["name"], _cells(group), kind_of(group)) for group in one["groups"]]
        for kind, one in figures["by"].items()
    }
    return render_page(
        "audit_groups.html.j2",
        {},
        audit=figures,
        tables=tables,
        heads=_HEADS,
        words=WORDS,
        overall=overall(figures),
    )


def kind_of(group: Mapping[str, Any]) -> str:
    """``warns`` where the group differs."""
    return "warns" if group["p_value"] is not None and group["p_value"] < UNLIKELY else ""
