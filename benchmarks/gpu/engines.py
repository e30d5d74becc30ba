"""Engines of every ONNX graph of bundles, built by TensorRT for RTX, which needs no card to parse and build.

::

    pip install --target build/rtx tensorrt-rtx-cu12
    PYTHONPATH=build/rtx python -m benchmarks.gpu.engines --out FILE.json BUNDLE [BUNDLE ...]

It has the parser of TensorRT and takes the same calls, so what the runner does on a device up to an engine is
done here. It runs none: that needs a card. What it refuses is compared with what the bundle's manifest says
would be refused (``sranogan_export.onnx.tensorrt``).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.record import Record
from sranogan_edge.bundle.bundle import Bundle, read_bundle
from sranogan_edge.errors import BackendError
from sranogan_edge.runtime.tensorrt import build_engine, error_log


def built(trt: Any, bundle: Bundle) -> dict[str, dict[str, Any]]:
    """Build each ONNX graph of ``bundle`` with the module ``trt``; return what came of it, by graph."""
    expected = bundle.details["tensorrt"]["refused"]
    found = {}
    for name, model in sorted(bundle.onnx.items()):
        started = time.monotonic()
        try:
            made = {"engine_bytes": len(build_engine(trt, error_log(trt), model, name))}
        except BackendError as error:
            made = {"refused": str(error)}
        took = {"seconds": round(time.monotonic() - started, 1)}
        found[name] = {"onnx_bytes": len(model), **made, **took, "as_expected": agrees(made, name, expected)}
    return found


def agrees(made: Mapping[str, Any], name: str, expected: Mapping[str, str]) -> bool:
    """Whether a graph was refused where the manifest says so, and nowhere else."""
    return ("refused" in made) == (name in expected)


def main(
    bundles: Annotated[list[Path], typer.Argument(help="Bundles exported with --onnx.")],
    out: Annotated[Path, typer.Option(help="The JSON file to write.")],
) -> None:
    """Build an engine of every graph; exit 1 where one is refused against what its manifest says."""
    import tensorrt_rtx as trt

    record, results = Record("gpu.engines", seed=0), []
    for path in bundles:
        graphs = built(trt, read_bundle(path))
        results.append({"bundle": path.stem, "graphs": graphs})
        for name, one in graphs.items():
            said = one.get("refused") or f"engine of {one['engine_bytes']:,} bytes in {one['seconds']} s"
            typer.echo(f"{path.stem}, {name}: {said}{'' if one['as_expected'] else ': NOT AS EXPECTED'}")
    record.write(out, tensorrt_rtx=trt.__version__, results=results)
    as_expected = [one["as_expected"] for result in results for one in result["graphs"].values()]
    raise typer.Exit(0 if as_expected and all(as_expected) else 1)


if __name__ == "__main__":
    typer.run(main)
