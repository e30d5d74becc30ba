"""The proof of equality as a picture: the error by search step, and scores against Keras' scores."""

from __future__ import annotations

from pathlib import Path

from sranogan_edge.errors import ResultsError
from sranogan_export.proof.equality import KERAS, Equality

INCHES = (10.0, 4.5)
MARKS = {
    0: ("o", "#777777"),
    1: ("s", "#1f77b4"),
    2: ("^", "#d62728"),
}  # by form: the shape tells them apart too


def plot(found: Equality, path: Path) -> None:
    """Write a PNG file; equal figures give equal pictures.

    Raises:
        ResultsError: it cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=INCHES, layout="constrained")
    curve, scatter = figure.subplots(1, 2)
    forms = [KERAS, *(row.form for row in found.scores)]
    for number, form in enumerate(forms):
        mark, colour = MARKS[number]
        rows = [row for row in found.curve if form in row.mean_l1]
        steps, errors = [row.steps for row in rows], [row.mean_l1[form] for row in rows]
        curve.plot(steps, errors, marker=mark, color=colour, label=form, alpha=0.8)
        if form != KERAS:
            scatter.scatter(
                found.scored[KERAS], found.scored[form], 14, marker=mark, color=colour, label=form, alpha=0.6
            )
    curve.set(xlabel="search steps", ylabel="mean |x - G(z)|", title=f"{found.normals_of_steps} normals")
    ends = [min(map(min, found.scored.values())), max(map(max, found.scored.values()))]
    scatter.plot(ends, ends, color="#777777", linewidth=0.8)
    scatter.set(xlabel="score by Keras", ylabel="score by TFLite", title=f"{found.normals} normals")
    for axes in (curve, scatter):
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    try:
        figure.savefig(path, format="png", dpi=120, metadata={"Software": None})
    except OSError as error:
        raise ResultsError(
            f"cannot write the picture {path}: {error.strerror or error}. The bundle is complete."
        ) from error


__all__ = ["plot"]
