"""Draw ``search_graph.png``: one step of the gradient search, one of the learned search."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

INT8, FLOAT, DATA = "#cfe3f7", "#f9d9b8", "#f1f1f1"
EDGE, TEXT_PT = "#444444", 8.5
Place = tuple[float, float]
WIDE, HIGH = 1.72, 0.62


def box(axes: Axes, at: Place, text: str, colour: str) -> Place:
    """Draw a box with ``text`` around ``at`` and return its middle."""
    x, y = at
    style = "round,pad=0.02,rounding_size=0.08"
    corner = (x - WIDE / 2, y - HIGH / 2)
    axes.add_patch(FancyBboxPatch(corner, WIDE, HIGH, boxstyle=style, facecolor=colour, edgecolor=EDGE))
    axes.text(x, y, text, ha="center", va="center", fontsize=TEXT_PT)
    return at


def arrow(axes: Axes, start: Place, end: Place) -> None:
    """Draw an arrow between the borders of two boxes."""
    (x, y), (u, v) = start, end
    if abs(u - x) > abs(v - y):
        x, u = (x + WIDE / 2, u - WIDE / 2) if u > x else (x - WIDE / 2, u + WIDE / 2)
    else:
        y, v = (y + HIGH / 2, v - HIGH / 2) if v > y else (y - HIGH / 2, v + HIGH / 2)
    how = {"arrowstyle": "-|>", "color": EDGE, "linewidth": 1.1}
    axes.annotate("", xy=(u, v), xytext=(x, y), arrowprops=how)


def chain(axes: Axes, *places: Place) -> None:
    """Draw arrows from each place to the next."""
    for start, end in pairwise(places):
        arrow(axes, start, end)


def row(axes: Axes, text: str, y: float) -> None:
    """Name a row at the left."""
    axes.text(-0.55, y, text, ha="right", va="center", fontsize=TEXT_PT, style="italic", color=EDGE)


def gradient_step(axes: Axes) -> None:
    """Forward, backward, update."""
    z = box(axes, (0.5, 4.0), "z", DATA)
    forward = [
        box(axes, (2.6 + 2.1 * k, 4.0), text, INT8)
        for k, text in enumerate(("G: dense, ReLU", "conv, ReLU,\ndepth-to-space", "G(z)", "f: conv, leaky"))
    ]
    x = box(axes, (2.6 + 2.1 * 4, 3.0), "x, f(x)", DATA)
    sign_f = box(axes, (2.6 + 2.1 * 3, 2.0), "sign(f(G(z)) -\nf(x))", INT8)
    sign_x = box(axes, (2.6 + 2.1 * 2, 3.0), "sign(G(z) - x)", INT8)
    back_f = box(axes, (2.6 + 2.1 * 3, 1.0), "f back: flipped conv", INT8)
    total = box(axes, (2.6 + 2.1 * 2, 1.0), "sum · G(1 - G)", INT8)
    back_g = box(axes, (2.6 + 2.1, 1.0), "flipped conv,\nmask, space-to-d.", INT8)
    dense = box(axes, (2.6, 1.0), "dense, transposed", INT8)
    adam = box(axes, (0.5, 1.0), "Adam on\n128 numbers", FLOAT)
    chain(axes, z, *forward)
    arrow(axes, forward[3], sign_f)
    arrow(axes, forward[2], sign_x)
    arrow(axes, x, sign_x)
    arrow(axes, x, sign_f)
    arrow(axes, sign_f, back_f)
    chain(axes, back_f, total, back_g, dense, adam, z)
    arrow(axes, sign_x, total)
    row(axes, "forward", 4.0)
    row(axes, "loss", 3.0)
    row(axes, "update,\nbackward", 1.0)
    axes.set_title("One gradient step, K of them in the graph", fontsize=10, loc="left")


def learned_step(axes: Axes) -> None:
    """Forward, and R."""
    z = box(axes, (0.5, 2.0), "z", DATA)
    made = box(axes, (2.6, 2.0), "G(z)", INT8)
    look = box(axes, (4.7, 2.0), "t(G(z))", INT8)
    once = box(axes, (4.7, 1.0), "t(x), once", INT8)
    apart = box(axes, (6.8, 2.0), "t(x) - t(G(z))", INT8)
    step = box(axes, (8.9, 2.0), "dense: dz", INT8)
    add = box(axes, (11.0, 2.0), "z + dz", INT8)
    chain(axes, z, made, look, apart, step, add)
    arrow(axes, once, apart)
    axes.text(11.0, 1.45, "the next step's z", ha="center", va="center", fontsize=TEXT_PT, style="italic")
    axes.set_title("One learned step, K of them in the graph: z + R(x, G(z))", fontsize=10, loc="left")
    for k, (colour, text) in enumerate(((INT8, "int8"), (FLOAT, "float32"), (DATA, "given"))):
        box(axes, (7.2 + 1.9 * k, 0.3), text, colour)


def main() -> None:
    """Write the picture beside this file."""
    mpl.rcParams["font.family"] = "DejaVu Sans"
    figure = Figure(figsize=(10.5, 5.6), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=[4.6, 2.9])
    for axes, top in ((above, 4.6), (below, 2.6)):
        axes.set(xlim=(-1.5, 12.1), ylim=(-0.1 if axes is below else 0.5, top))
        axes.axis("off")
    gradient_step(above)
    learned_step(below)
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=110)


if __name__ == "__main__":
    main()
