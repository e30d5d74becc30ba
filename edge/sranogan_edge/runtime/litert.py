"""The TFLite runtimes for CPUs: LiteRT and its predecessor, with XNNPACK or with a delegate of one's own."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from sranogan_edge.errors import BackendError
from sranogan_edge.extras import how_to_install, installed
from sranogan_edge.runtime.one_signature import only_signature
from sranogan_edge.runtime.ports import Array, Ported

Runtime = Literal["ai-edge-litert", "tflite-runtime"]
RUNTIMES: tuple[Runtime, ...] = ("ai-edge-litert", "tflite-runtime")
CURES: dict[str, str] = {
    "ai-edge-litert": (
        "Update the runtime with `pip install --upgrade ai-edge-litert`, or export the bundle again."
    ),
    "tflite-runtime": (
        "Its last release is of 2023 and lacks newer versions of some operators, those of the recipe "
        "`dynamic` among them: export the bundle again as int8, float16 or float32, or use ai-edge-litert "
        "where it has a wheel (`pip install ai-edge-litert`)."
    ),
}


class Graph(Ported):
    """A loaded graph of batch 1. Not safe to share between threads."""

    def __init__(
        self,
        model: bytes,
        *,
        name: str,
        signature: str = "serving_default",
        threads: int = 1,
        runtime: Runtime | None = None,
        delegate: Path | None = None,
    ) -> None:
        """Load one signature of ``model`` (a ``.tflite`` file's bytes) on the CPU with ``threads`` threads.

        Args:
            model: the file; what its other signatures alone need is left out.
            name: of the graph, for messages.
            signature: which one to run.
            threads: of the CPU.
            runtime: the package to load; None takes the first of :data:`RUNTIMES` that is installed.
            delegate: the library of a TFLite external delegate that takes XNNPACK's place.

        Raises:
            BackendError: no runtime is installed, or it cannot load the graph or the delegate.
        """
        module, found = _runtime(runtime)
        self.name = name
        self.backend = _label(found, f"delegate {delegate.name}" if delegate else "XNNPACK")
        try:
            options = _delegated(module, delegate) if delegate else {}
            content = only_signature(model, signature)
            self._interpreter = module.Interpreter(model_content=content, num_threads=threads, **options)
            self._interpreter.allocate_tensors()
            runner = self._interpreter.get_signature_runner(signature)
        except (ValueError, RuntimeError) as error:
            raise BackendError(
                f"graph {name!r} cannot be loaded by {self.backend}: {' '.join(str(error).split())}. "
                f"{CURES[found]}"
            ) from error
        if delegate:
            _check_taken(self._interpreter, name, delegate)
        self._read_ports(runner)

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run once. Takes and returns float32 arrays of the graph's shapes, by name."""
        for name, port in self._inputs.items():
            self._interpreter.set_tensor(port.index, port.quantise(inputs[name].reshape(port.shape)))
        self._interpreter.invoke()
        return {
            name: port.dequantise(self._interpreter.get_tensor(port.index))
            for name, port in self._outputs.items()
        }

    def close(self) -> None:
        """Free the runtime's memory; the graph cannot be called again."""
        del self._interpreter


def _runtime(wanted: Runtime | None) -> tuple[Any, Runtime]:
    """Return the module that has the interpreter, and the package's name."""
    reasons = []
    for name in (wanted,) if wanted else RUNTIMES:
        try:
            return import_module(f"{name.replace('-', '_')}.interpreter"), name
        except ImportError as error:
            reasons.append(str(error))
    if wanted == "tflite-runtime":
        cure = f"on Python 3.10 or 3.11 with numpy<2, run {how_to_install('tflite-runtime')}"
    else:
        cure = (
            "run `pip install ai-edge-litert` (or, on Python 3.10 or 3.11 with numpy<2, "
            "`pip install tflite-runtime`)"
        )
    raise BackendError(f"no TFLite runtime can be imported ({'; '.join(reasons)}); {cure}")


def _delegated(module: Any, path: Path) -> dict[str, Any]:
    """Options that put the delegate of a library in XNNPACK's place."""
    try:
        ctypes.CDLL(str(path)).tflite_plugin_create_delegate  # noqa: B018  # the runtime's own look-up leaves a traceback
        loaded = module.load_delegate(str(path))
    except (ValueError, OSError, AttributeError) as error:
        raise BackendError(
            f"the delegate {path} cannot be loaded: {error}. Name a library that exports "
            "tflite_plugin_create_delegate, built for this machine and this version of TFLite."
        ) from error
    plain = module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    return {"experimental_delegates": [loaded], "experimental_op_resolver_type": plain}


def _check_taken(interpreter: Any, name: str, delegate: Path) -> None:
    """Refuse a delegate that took nothing: the CPU alone would run, and pass for it."""
    operators = interpreter._get_ops_details()
    if not any(operator["op_name"] == "DELEGATE" for operator in operators):
        raise BackendError(
            f"the delegate {delegate} took none of the {len(operators)} operators of graph {name!r}; all of "
            "it would run on the CPU. Use --backend xnnpack for that."
        )


def _label(runtime: str, with_what: str) -> str:
    return " ".join((runtime, *installed([runtime]).values(), f"({with_what})"))


def backend_name() -> str:
    """Name and version of the default runtime, e.g. ``ai-edge-litert 2.3.0 (XNNPACK)``, or ``none``."""
    try:
        return _label(_runtime(None)[1], "XNNPACK")
    except BackendError:
        return "none"
