"""Whether the graphs of a bundle and its densities fit each other, told before an image is scored."""

from __future__ import annotations

from collections.abc import Mapping

from sranogan_edge.bundle.bundle import Bundle
from sranogan_edge.errors import BundleFormatError
from sranogan_edge.runtime.graph import LoadedGraph
from sranogan_edge.scoring.head import CELLS, CHANNELS, OUTPUTS, POOLED_CELLS
from sranogan_edge.scoring.heat import HEAT_SHAPES
from sranogan_edge.scoring.residual import FEATURES, FEATURES_WITH_IMAGE, FIRST_FEATURES

__all__ = ["check_fit"]


def check_fit(bundle: Bundle, graphs: Mapping[str, LoadedGraph]) -> None:
    """Raise BundleFormatError unless the graphs take and give what manifest and densities need."""
    low, high = (1, bundle.search_size, bundle.search_size, 1), (1, bundle.size, bundle.size, 1)
    side = _side_of_head(graphs["head"], bundle.size)
    said, channels = graphs["head"].outputs, CHANNELS * bundle.preprocess.channels
    cells = bundle.density.cells
    of_head = (*OUTPUTS, CELLS) if cells else OUTPUTS
    expected: dict[str, tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]] = {
        "search": ({"x": low}, {"generated": low}),
        "reconstruct": ({"generated": low}, {"refined": low, "resolved": high}),
        "features": ({"image": high}, {"features": graphs["features"].outputs.get("features", ())}),
        "head": ({"image": (1, side, side, channels)}, {name: said.get(name, ()) for name in of_head}),
    }
    for name, (inputs, outputs) in expected.items():
        found = graphs[name].inputs, graphs[name].outputs
        if found != (inputs, outputs):
            raise BundleFormatError(
                f"graph {name!r} maps {found[0]} to {found[1]}; the manifest needs {inputs} to {outputs}. "
                "Export the bundle again."
            )
    planes = len(bundle.density.heat_center)
    if planes != HEAT_SHAPES[cells is not None][0] or (cells and said[CELLS][-1] != len(cells.center)):
        known = f"cells of {len(cells.center)} features" if cells else "no cells"
        raise BundleFormatError(
            f"the density knows {known} and a heat of {planes} planes, graph 'head' gives "
            f"{said.get(CELLS, 'none')}. Export the bundle again."
        )
    pooled = POOLED_CELLS**2 * said["features"][-1]
    of_residual = (FEATURES, FIRST_FEATURES, FEATURES_WITH_IMAGE)
    made = {"residual": of_residual, "head": (pooled,), "map": (1,), "peak": (1,)}
    whole = bundle.density.whole
    if (whole is not None) is not bundle.preprocess.tile_whole:
        raise BundleFormatError(
            f"preprocess.tile_whole is {bundle.preprocess.tile_whole}, and the density of whole images is "
            f"{'there' if whole else 'not there'}. Export the bundle again."
        )
    parts = [*bundle.density.parts.items(), *(whole.density.parts.items() if whole else ())]
    for name, part in parts:
        if len(part.center) not in made[name]:
            raise BundleFormatError(
                f"the density of part {name!r} has {len(part.center)} features, this runner makes "
                f"{' or '.join(map(str, made[name]))}. Export the bundle again."
            )


def _side_of_head(head: LoadedGraph, size: int) -> int:
    """Return it, or the image's where the head looks at nothing that could be one."""
    shape = head.inputs.get("image", ())
    return shape[1] if len(shape) == 4 and shape[1] <= size else size
