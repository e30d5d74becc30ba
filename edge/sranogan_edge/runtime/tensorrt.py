"""TensorRT: engines built on this card from a bundle's ONNX graphs, kept, and run. It was never run: no card.

Nothing is approximated on the way: TensorRT builds what the file says (a strongly typed network), float32,
half or int8 as the bundle was exported. Every engine is proven by the golden cases like any other backend.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from sranogan_edge.errors import BackendError
from sranogan_edge.extras import installed
from sranogan_edge.runtime.cuda import Card, CudaDriver, contiguous
from sranogan_edge.runtime.engine_cache import EngineCache, EngineKey, cache_folder
from sranogan_edge.runtime.ports import Array

__all__ = ["TensorRtGraph", "build_engine", "check_card", "error_log"]

OLDEST = (10, 0)  # the first with execute_async_v3 alone, and strongly typed networks from ONNX
MIB = 2**20
BASE_MIB = 512  # of a card's memory, for CUDA, TensorRT's kernels, and their trials
TIMES_MODEL = 12  # how much more than the file building takes at most: weights in several layouts
WORKSPACE_MIB = 256
SHOWN = 3  # messages of TensorRT in an error


class TensorRtGraph:
    """A loaded engine of batch 1. Not safe to share between threads."""

    def __init__(
        self, model: bytes, *, name: str, origin: str = "", cache: EngineCache | None = None
    ) -> None:
        """Take the engine of ``model`` (an ``.onnx`` file's bytes) from the cache, or build it.

        Args:
            model: the file.
            name: of the graph, for messages and the cache.
            origin: SHA-256 of the bundle.
            cache: None is :func:`sranogan_edge.runtime.engine_cache.cache_folder`'s.

        Raises:
            BackendError: TensorRT, a driver or a card is missing, too old or too small, or refuses the graph.
        """
        trt = _tensorrt()
        self.name, self._driver = name, CudaDriver()
        card = self._driver.card()
        check_card(card, trt.__version__, installed(("tensorrt-cu12", "tensorrt-cu13")), len(model))
        self.backend = f"TensorRT {trt.__version__} ({card.name})"
        logger = error_log(trt)
        digest = hashlib.sha256(model).hexdigest()
        key = EngineKey(origin, name, digest, f"{card.name}-{card.capability}", trt.__version__)
        cache = cache or EngineCache(cache_folder())
        engine = cache.engine(key, lambda: build_engine(trt, logger, model, name))
        self._runtime, self._logger = trt.Runtime(logger), logger  # an engine does not keep them
        self._engine = self._runtime.deserialize_cuda_engine(engine)
        if self._engine is None:
            raise BackendError(
                f"TensorRT {trt.__version__} does not load its engine of graph {name!r}: {_said(logger)}. "
                f"Remove {cache.folder / key.path.parent} and start again, or use --backend xnnpack."
            )
        self._context = self._engine.create_execution_context()
        self._allocate(trt)

    def _allocate(self, trt: Any) -> None:
        """Give every input and output its place on the card and here."""
        self._stream = self._driver.stream()
        self._host: dict[str, Array] = {}
        self._places: dict[str, int] = {}
        self._inputs: dict[str, tuple[int, ...]] = {}
        self._outputs: dict[str, tuple[int, ...]] = {}
        for number in range(self._engine.num_io_tensors):
            port = self._engine.get_tensor_name(number)
            shape = tuple(int(side) for side in self._engine.get_tensor_shape(port))
            taken = self._engine.get_tensor_mode(port) == trt.TensorIOMode.INPUT
            (self._inputs if taken else self._outputs)[port] = shape
            self._host[port] = np.zeros(shape, np.float32)
            self._places[port] = self._driver.allocate(self._host[port].nbytes)
            self._context.set_tensor_address(port, self._places[port])

    @property
    def inputs(self) -> dict[str, tuple[int, ...]]:
        """Shape of each input, by name."""
        return dict(self._inputs)

    @property
    def outputs(self) -> dict[str, tuple[int, ...]]:
        """Shape of each output, by name."""
        return dict(self._outputs)

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run once. Takes and returns float32 arrays of the graph's shapes, by name."""
        self._driver.enter()
        given = {name: contiguous(inputs[name], shape) for name, shape in self._inputs.items()}
        for name, array in given.items():
            self._driver.put(self._places[name], array, self._stream)
        if not self._context.execute_async_v3(self._stream):
            raise BackendError(f"TensorRT could not run graph {self.name!r}; use --backend xnnpack.")
        for name in self._outputs:
            self._driver.get(self._host[name], self._places[name], self._stream)
        self._driver.wait(self._stream)
        return {name: self._host[name].copy() for name in self._outputs}

    def close(self) -> None:
        """Free the card's memory; the graph cannot be called again."""
        self._driver.enter()
        for place in self._places.values():
            self._driver.free(place)
        self._driver.end_stream(self._stream)
        self._places = {}
        del self._context, self._engine


def check_card(card: Card, version: str, packages: Mapping[str, str], model_bytes: int) -> None:
    """Raise BackendError where TensorRT or the driver is too old, or the card's free memory too small.

    Args:
        card: as found.
        version: of TensorRT.
        packages: versions of ``tensorrt-cu12`` and ``tensorrt-cu13``, those that are installed by pip.
        model_bytes: of the ONNX file.
    """
    numbers = tuple(int(part) for part in version.split(".")[:2])
    if numbers < OLDEST:
        raise BackendError(
            f"TensorRT {version} is too old: {'.'.join(map(str, OLDEST))} or newer is needed, as "
            "JetPack 6 brings. Update it, or use --backend gpu or xnnpack."
        )
    needed = 13 if "tensorrt-cu13" in packages and "tensorrt-cu12" not in packages else 12
    if card.cuda < (needed, 0):
        raise BackendError(
            f"the driver of {card.name} speaks CUDA {card.cuda[0]}.{card.cuda[1]}, and TensorRT {version} "
            f"needs {needed}.0 or newer. Update the driver (on a Jetson: JetPack), or use --backend xnnpack."
        )
    wanted = BASE_MIB * MIB + TIMES_MODEL * model_bytes
    if card.free < wanted:
        raise BackendError(
            f"{card.name} has {card.free // MIB} of {card.total // MIB} MiB free, and building an engine "
            f"may need {wanted // MIB}. End other programs that use the card, or use --backend xnnpack."
        )


def _tensorrt() -> Any:
    try:
        import tensorrt
    except ImportError as error:
        raise BackendError(
            f"TensorRT cannot be imported ({error}). JetPack has it: make the environment with "
            "`python3 -m venv --system-site-packages`; on a PC run `pip install tensorrt-cu12` or "
            "`tensorrt-cu13`, by the driver's CUDA. Or use another --backend."
        ) from error
    return tensorrt


def error_log(trt: Any) -> Any:
    """Return a logger of the module ``tensorrt`` that keeps its errors, in ``said``, and prints nothing."""

    class Logger(trt.ILogger):  # type: ignore[misc]  # TensorRT ships no types
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.said: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR):
                self.said.append(message)

    return Logger()


def _at(error: Any) -> str:
    """One of the parser's errors, with the node that it is of: some say nothing but "false"."""
    return f"{error.node_name()} ({error.node_operator()}): {' '.join(str(error.desc()).split())}"


def _said(logger: Any) -> str:
    return "; ".join(logger.said[:SHOWN]) or "it does not say why"


def build_engine(trt: Any, logger: Any, model: bytes, name: str) -> bytes:
    """Return a new engine.

    Args:
        trt: the module ``tensorrt``, or ``tensorrt_rtx``, which has the same face and builds without a card.
        logger: of :func:`error_log`.
        model: an ``.onnx`` file's bytes.
        name: of the graph, for messages.

    Raises:
        BackendError: its parser refuses the file, or no engine comes of it.
    """
    builder = trt.Builder(logger)
    typed = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)  # since 11 all networks are
    network = builder.create_network(0 if typed is None else 1 << int(typed))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(model):
        errors = [_at(parser.get_error(number)) for number in range(min(parser.num_errors, SHOWN))]
        raise BackendError(
            f"TensorRT {trt.__version__} refuses graph {name!r}: {'; '.join(errors) or _said(logger)}. "
            "Export the bundle again: --float32, --float16 or --int8 --symmetric, each with --onnx."
        )
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)  # its 10 bits of a number drift over a search's steps
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE_MIB * MIB)
    made = builder.build_serialized_network(network, config)
    if made is None:
        raise BackendError(
            f"TensorRT {trt.__version__} builds no engine of graph {name!r}: {_said(logger)}. End other "
            "programs that use the card, or use --backend xnnpack."
        )
    return bytes(made)
