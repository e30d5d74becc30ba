"""All that LiteRT and the Vulkan loader say while the smallest graph of a bundle is compiled for the GPU.

``python -m benchmarks.gpu.why BUNDLE``: for a GPU that refuses; the runner shows the decisive lines alone.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sranogan_edge.bundle.bundle import read_bundle
from sranogan_edge.errors import BackendError
from sranogan_edge.runtime.gpu import GpuGraph, raw_log
from sranogan_edge.runtime.one_signature import only_signature

GRAPH = "features"


def main(bundle: Path) -> int:
    """Compile it; 0 where it runs."""
    os.environ.setdefault("VK_LOADER_DEBUG", "error,warn,driver")
    model = read_bundle(bundle).graphs[GRAPH]
    with raw_log():
        try:
            graph = GpuGraph(only_signature(model, "serving_default"), name=GRAPH)
        except BackendError as error:
            print(error, flush=True)
            return 1
    print(f"runs on {graph.backend}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
