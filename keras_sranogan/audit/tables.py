"""The audit's figures as rows of text, one form for the terminal, the page and the model card.

All of it is made from the figures as they stand in the JSON file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keras_sranogan.audit.controls import PLAIN
from keras_sranogan.html.text import NONE, interval, number

Audit = Mapping[str, Any]

MODEL = "the model"
ALL_TIES = [0.5, 0.5]  # interval of the AUROC of a number that is the same for all images
SHORT = {  # heads of columns, each of 6 characters at most
    "plain": "plain",
    "low_pass": "low-p.",
    "jpeg_equalised": "JPEG",
    "border_masked": "border",
    "centre_masked": "centre",
    "exposure_shifted": "expos.",
    "pose_jittered": "pose",
    "shifted_normals": "shift.",
}
KINDS = {
    "leans": "shortcut",
    "undecided": "undecided",
    "warns": "warning",
    "open": "not known",
    "fine": "fine",
}


@dataclass(frozen=True)
class ControlRow:
    """One control, as text.

    Attributes:
        title, meaning: of the control.
        auroc, interval: of the model there.
        left, left_interval: of its advantage over chance.
        spread, deviation: smallest to largest, and standard deviation, over several models.
        ours: whether this is the plain row.
    """

    title: str
    meaning: str
    auroc: str
    interval: str
    left: str
    left_interval: str
    spread: str
    deviation: str
    ours: bool


@dataclass(frozen=True)
class StatisticRow:
    """One statistic (or the model) under every control.

    Attributes:
        name, meaning: of the statistic.
        cells: AUROC and its interval, per control, as text.
        constant: it is one and the same for all images.
        ours: this is the model.
    """

    name: str
    meaning: str
    cells: list[tuple[str, str]]
    constant: bool = False
    ours: bool = False


@dataclass(frozen=True)
class ShortcutRow:
    """One shortcut statistic: Spearman's correlation per class, and the AUROC without what it explains."""

    name: str
    by_class: list[tuple[str, str]]
    without: str
    without_interval: str
    left: str


@dataclass(frozen=True)
class Tables:
    """All tables of an audit."""

    controls: list[ControlRow]
    heads: list[str]
    statistics: list[StatisticRow]
    classes: list[str]
    shortcuts: list[ShortcutRow]
    findings: list[tuple[str, str, str]]


def tables_of(audit: Audit) -> Tables:
    """Return the tables of ``audit``, figures as in the JSON file."""
    controls = audit["controls"]
    return Tables(
        controls=[_control(name, found, audit["seeds"]) for name, found in controls.items()],
        heads=[SHORT.get(name, name) for name in controls],
        statistics=[_model(controls), *_statistics(audit)],
        classes=_classes(audit),
        shortcuts=_shortcuts(audit),
        findings=[(f["kind"], KINDS[f["kind"]], f["text"]) for f in audit["verdict"]["findings"]],
    )


def percentage(share: float | None) -> str:
    """Whole per cent; a dash where there is none."""
    return NONE if share is None else f"{round(100 * share)}%"


def _control(name: str, found: Mapping[str, Any], seeds: Mapping[str, Any] | None) -> ControlRow:
    ranking, left = found["ranking"], found["left"]
    spread = seeds["auroc"].get(name) if seeds else None
    bounds = left["left_ci"]
    changed = name != PLAIN
    return ControlRow(
        title=found["title"],
        meaning=found["meaning"],
        auroc=number(ranking["auroc"]),
        interval=interval(ranking["auroc_ci"]),
        left=percentage(left["left"]) if changed else NONE,
        left_interval=f"{percentage(bounds[0])} to {percentage(bounds[1])}" if bounds and changed else NONE,
        spread=f"{spread['min']:.3f} to {spread['max']:.3f}" if spread else NONE,
        deviation=f"{spread['sd']:.3f}" if spread else NONE,
        ours=not changed,
    )


def _model(controls: Mapping[str, Any]) -> StatisticRow:
    rankings = [found["ranking"] for found in controls.values()]
    cells = [(number(one["auroc"]), interval(one["auroc_ci"])) for one in rankings]
    return StatisticRow(MODEL, "its score", cells, ours=True)


def _statistics(audit: Audit) -> list[StatisticRow]:
    return [
        StatisticRow(
            name=name.replace("_", " "),
            meaning=f"{found['meaning']}, {found['direction']}",
            cells=[
                (number(found["auroc"].get(control)), interval(found["auroc_ci"].get(control)))
                for control in audit["controls"]
            ],
            constant=all(bounds == ALL_TIES for bounds in found["auroc_ci"].values()),
        )
        for name, found in audit["statistics"].items()
    ]


def _shortcuts(audit: Audit) -> list[ShortcutRow]:
    names = list(dict.fromkeys(name for found in audit["associations"].values() for name in found))
    rows = [_shortcut(audit, name, name.replace("_", " ")) for name in names]
    return [*rows, _shortcut(audit, "all", "all of them together")]


def _shortcut(audit: Audit, name: str, title: str) -> ShortcutRow:
    of_classes = [audit["associations"][label] for label in _classes(audit)]
    found = [by_name.get(name, {"rho": None, "rho_ci": None}) for by_name in of_classes]
    removed = audit["removed"].get(name)
    return ShortcutRow(
        name=title,
        by_class=[(_signed(one["rho"]), _signed_interval(one["rho_ci"])) for one in found],
        without=number(removed["ranking"]["auroc"]) if removed else NONE,
        without_interval=interval(removed["ranking"]["auroc_ci"]) if removed else NONE,
        left=percentage(removed["left"]["left"]) if removed else NONE,
    )


def _classes(audit: Audit) -> list[str]:
    """The classes with enough images for a correlation; all where none has."""
    found = audit["associations"]
    large = [label for label, of in found.items() if any(one["rho"] is not None for one in of.values())]
    return large or list(found)


def _signed(value: float | None) -> str:
    return NONE if value is None else f"{value:+.2f}"


def _signed_interval(bounds: list[float] | None) -> str:
    return NONE if bounds is None else f"{bounds[0]:+.2f} to {bounds[1]:+.2f}"
