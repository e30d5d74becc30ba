"""What was looked at, one finding each: a kind, a subject and a sentence with the figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from keras_sranogan.audit.controls import PLAIN, SHIFTED_NORMALS
from keras_sranogan.audit.figures import ALL_SHORTCUTS, ControlFigures, Figures, best_statistic
from keras_sranogan.audit.statistics import STATISTICS

MAX_LOST = 0.20  # of the AUROC over chance, by taking a shortcut away
MAX_LEFT = 0.50  # of it, with the centre of every image hidden
MAX_MARGIN = 0.15  # half a 95 % interval: above it there are too few images to tell
MIN_EACH = 20  # images of either class: the interval of a few that are told apart without error has no width
TELLS = 0.70  # AUROC, either way round, from which one number is said to tell the classes apart

Kind = Literal["leans", "undecided", "warns", "open", "fine"]
ONE_NUMBER = "one number of the image"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        kind: ``"leans"``: a shortcut carries the AUROC; ``"undecided"``: too few images to tell;
            ``"warns"``: to be known, and no proof of a shortcut; ``"open"``: this data cannot say;
            ``"fine"``: looked at, nothing found.
        subject: what a score would be reading, or what was looked at.
        text: in words, with the figures.
    """

    kind: Kind
    subject: str
    text: str


def about_controls(figures: Figures) -> Iterator[Finding]:
    """Whether the AUROC survives each control: only these may convict, all else warns."""
    for name, control in figures.controls.items():
        left, bounds = control.left.left, control.left.left_ci
        if name == PLAIN:
            continue
        if left is not None and bounds is not None:
            yield _controlled(name, control, left, bounds)
        else:
            why = control.problem or "The images that can still be read give no AUROC."
            yield Finding("undecided", control.reads, f"{control.title}: no figure. {why.splitlines()[0]}")


def _controlled(name: str, control: ControlFigures, left: float, bounds: list[float]) -> Finding:
    low, high = bounds
    if control.removes_content:
        text = f"{control.title}: {percent(left)} of the AUROC over chance is left ({_range(low, high)})"
        wrong, proven, cleared = left > MAX_LEFT, low > 0, high <= MAX_LEFT
    else:
        lost = f"{percent(1 - left)} of the AUROC over chance is lost"
        text = f"{control.title}: {lost} ({_range(1 - high, 1 - low)})"
        wrong, proven, cleared = left < 1 - MAX_LOST, high < 1, low >= 1 - MAX_LOST
    few = min(control.n_normal, control.n_abnormal) < MIN_EACH
    shift = name == SHIFTED_NORMALS  # says nothing of the plain AUROC, so it cannot convict
    if few or (wrong and not proven) or not (wrong or cleared or (high - low) / 2 <= MAX_MARGIN):
        kind: Kind = "open" if shift else "undecided"
        return Finding(kind, control.reads, f"{text}: too few images to tell.")
    if wrong:
        reason = (
            "a change of acquisition alone looks anomalous"
            if shift
            else f"the score hangs on {control.reads}"
        )
        return Finding("warns" if shift else "leans", control.reads, f"{text}: {reason}.")
    return Finding("fine", control.reads, f"{text}.")


def about_statistics(figures: Figures) -> Iterator[Finding]:
    """Whether one number of the image, or of its file, does what the model does."""
    plain, seen = figures.controls[PLAIN].ranking.auroc, best_statistic(figures, "pixels")
    beaten = ", ".join(_beaten(figures))
    if beaten:
        text = f"One number of the image does as well as the model: {beaten}."
        yield Finding("warns", ONE_NUMBER, text)
    elif seen is not None and plain is not None:
        which = f"The best single number, {STATISTICS[seen[0]].baseline.meaning}"
        text = f"{which}, has AUROC {seen[1]:.3f} (either way round), the model {plain:.3f}."
        yield Finding("fine", ONE_NUMBER, text)
    file = best_statistic(figures, "file", "size")
    if file is not None and file[1] >= TELLS:
        which = f"{STATISTICS[file[0]].baseline.meaning}: AUROC {file[1]:.3f}, either way round"
        yield Finding(
            "warns",
            "the files",
            f"The files alone tell the classes apart ({which}). In this data, whatever betrays how a file "
            "was made looks like detection.",
        )


def _beaten(figures: Figures) -> Iterator[str]:
    for name, control in figures.controls.items():
        best, auroc = best_statistic(figures, "pixels", control=name), control.ranking.auroc
        if name == SHIFTED_NORMALS or control.removes_content or best is None or auroc is None:
            continue  # there the classes differ by what was done to one of them, or should not differ
        if best[1] >= auroc and (name == PLAIN or best[1] >= TELLS):
            yield f"{control.title} ({best[0].replace('_', ' ')} {best[1]:.3f}, the model {auroc:.3f})"


def about_removal(figures: Figures) -> Iterator[Finding]:
    """What a regression on the shortcut statistics takes from the AUROC: a warning, no proof."""
    found = figures.removed.get(ALL_SHORTCUTS)
    if found is None or found.left.left is None or found.left.left_ci is None:
        return
    left, (low, high) = found.left.left, found.left.left_ci
    names = ", ".join(name.replace("_", " ") for name in found.statistics)
    explained = f"{percent(max(found.explained, 0))} of its variance"
    text = (
        f"Without what {names} explain of it among the normals ({explained}), the score has AUROC "
        f"{found.ranking.auroc or 0:.3f}: {percent(1 - left)} of the advantage is lost "
        f"({_range(1 - high, 1 - low)})"
    )
    if left < 1 - MAX_LOST and high < 1:
        yield Finding("warns", "regression on shortcuts", f"{text}.")
    elif (high - low) / 2 > MAX_MARGIN:
        yield Finding("open", "regression on shortcuts", f"{text}: too few images to tell.")
    else:
        yield Finding("fine", "regression on shortcuts", f"{text}.")


def percent(share: float) -> str:
    """Whole per cent, without a minus before zero."""
    return f"{round(100 * share)}%"


def _range(low: float, high: float) -> str:
    return f"95%: {percent(low)} to {percent(high)}"
