"""Whether the graphs of a bundle and its densities fit each other, told before an image is scored."""

from __future__ import annotations

from collections.abc import Mapping

from sranogan_edge.bundle import Bundle
from sranogan_edge.errors import BundleFormatError
from sranogan_edge.head import CHANNELS, FIRST_OUTPUTS, OUTPUTS, POOLED, POOLED_CELLS
from sranogan_edge.interpreter import LoadedGraph
from sranogan_edge.score import FEATURES

__all__ = ["check_fit"]


def check_fit(bundle: Bundle, graphs: Mapping[str, LoadedGraph]) -> None:
    """Raise BundleFormatError unless the graphs take and give what manifest and densities need."""
    low, high = (1, bundle.search_size, bundle.search_size, 1), (1, bundle.size, bundle.size, 1)
    side = _side_of_head(graphs["head"], bundle.size)
    said = graphs["head"].outputs
    expected: dict[str, tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]] = {
        "search": ({"x": low}, {"generated": low}),
        "reconstruct": ({"generated": low}, {"refined": low, "resolved": high}),
        "features": ({"image": high}, {"features": graphs["features"].outputs.get("features", ())}),
        "head": ({"image": (1, side, side, CHANNELS)}, {name: said.get(name, ()) for name in _said(said)}),
    }
    for name, (inputs, outputs) in expected.items():
        found = graphs[name].inputs, graphs[name].outputs
        if found != (inputs, outputs):
            raise BundleFormatError(
                f"graph {name!r} maps {found[0]} to {found[1]}; the manifest needs {inputs} to {outputs}. "
                "Export the bundle again."
            )
    made = {"residual": FEATURES, "map": 1}
    made |= {part: POOLED_CELLS**2 * said[output][-1] for part, output in POOLED.items() if output in said}
    for name, part in bundle.density.parts.items():
        if len(part.center) != made.get(name, 0):
            raise BundleFormatError(
                f"the density of part {name!r} has {len(part.center)} features, this runner makes "
                f"{made.get(name, 0)}. Export the bundle again."
            )


def _said(outputs: Mapping[str, object]) -> tuple[str, ...]:
    """Return the head's outputs by name: the first bundles had two, and no features on the way."""
    return OUTPUTS if set(outputs) - set(FIRST_OUTPUTS) else FIRST_OUTPUTS


def _side_of_head(head: LoadedGraph, size: int) -> int:
    """Return it, or the image's where the head looks at nothing that could be one."""
    shape = head.inputs.get("image", ())
    return shape[1] if len(shape) == 4 and shape[1] <= size else size
