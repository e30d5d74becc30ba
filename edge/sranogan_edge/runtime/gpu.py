"""LiteRT's compiled models on a GPU (WebGPU, on Vulkan where there is no Metal and no Direct3D).

The GPU is asked for alone: asked for together with the CPU, LiteRT falls back without a word and
still calls the model fully accelerated. A driver can hang on a graph, so nothing here is called in
the scoring process before it went well in another one (:mod:`sranogan_edge.detector.probe`).
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from sranogan_edge.errors import BackendError
from sranogan_edge.runtime.one_signature import only_signature
from sranogan_edge.runtime.ports import Array, Port, Ported

STDERR = 2
ADAPTER = re.compile(r"Selected adapter: ([^,\n]+)")
REASON = re.compile(r"Warning: |ERROR: ")  # of Dawn, and of LiteRT; its own WARNINGs are about plug-ins
SHOWN_CHARACTERS = 400  # of the runtime's own log, in an error
_LET_THROUGH: ContextVar[bool] = ContextVar("log let through", default=False)


class GpuGraph(Ported):
    """A loaded graph of batch 1 on the GPU. Not safe to share between threads."""

    def __init__(self, model: bytes, *, name: str, signature: str = "serving_default") -> None:
        """Compile one signature of ``model`` for the GPU, in float32.

        Raises:
            BackendError: LiteRT is not installed, there is no GPU, or it does not take every operator.
        """
        self.name = name
        self._signature = signature
        gpu = _gpu()
        try:
            content = only_signature(model, signature)
            self._read_ports(_runner(content, signature))
            with gpu.keeping_the_log():
                self._compiled = gpu.compile(content)
                create = self._compiled.create_input_buffer_by_name
                self._in = {name: create(signature, name) for name in self._inputs}
                create = self._compiled.create_output_buffer_by_name
                self._out = {name: create(signature, name) for name in self._outputs}
                self({name: np.zeros(shape, np.float32) for name, shape in self.inputs.items()})
        except (ValueError, RuntimeError) as error:
            raise BackendError(
                f"graph {name!r} cannot be loaded on the GPU: {error}. Check the driver (`vulkaninfo "
                "--summary`), or use --backend xnnpack."
            ) from error
        if not self._compiled.is_fully_accelerated():
            raise BackendError(
                f"the GPU takes only a part of graph {name!r}; the CPU would run the rest. "
                "Use --backend xnnpack."
            )
        self.backend = f"ai-edge-litert {version('ai-edge-litert')} (GPU: {gpu.adapter})"

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run once. Takes and returns float32 arrays of the graph's shapes, by name."""
        for name, port in self._inputs.items():
            self._in[name].write(port.quantise(inputs[name].reshape(port.shape)))
        self._compiled.run_by_name(self._signature, self._in, self._out)
        return {name: _read(port, self._out[name]) for name, port in self._outputs.items()}

    def close(self) -> None:
        """Free the GPU's memory; the graph cannot be called again."""
        for buffer in (*self._in.values(), *self._out.values()):
            buffer.destroy()
        self._compiled.close()


def _read(port: Port, buffer: Any) -> Array:
    values = buffer.read(int(np.prod(port.shape)), port.dtype)
    return port.dequantise(values.reshape(port.shape))


class _Gpu:
    """The driver's one environment for all graphs, and the name of what it runs on."""

    def __init__(self, litert: Any) -> None:
        self._litert = litert
        self.adapter = "unknown adapter"
        runtime = litert.EnvironmentOptions(runtime_path=str(Path(litert.__file__).parent))
        with _standard_error_kept():
            self._environment = litert.Environment.create(options=runtime)

    def compile(self, model: bytes) -> Any:
        """Return the compiled model; raises RuntimeError."""
        options = self._litert.Options(
            hardware_accelerators=self._litert.HardwareAccelerator.GPU,
            gpu_options=self._litert.GpuOptions(enforce_f32=True),  # half floats drift over a search's steps
        )
        return self._litert.CompiledModel.from_buffer(model, environment=self._environment, options=options)

    @contextmanager
    def keeping_the_log(self) -> Iterator[None]:
        """Take the adapter's name from the runtime's log; add to a RuntimeError what the log says."""
        with _standard_error_kept() as read_log:
            try:
                yield
            except RuntimeError as error:
                raise RuntimeError(_reason(read_log()) or str(error)) from error
            finally:
                named = ADAPTER.findall(read_log())
                self.adapter = named[-1] if named else self.adapter


@cache
def _gpu() -> _Gpu:
    try:
        from ai_edge_litert import compiled_model
    except ImportError as error:
        raise BackendError(
            f"the GPU is reached through LiteRT, which cannot be imported ({error}); run "
            "`pip install ai-edge-litert`, or use --backend tflite-runtime."
        ) from error
    return _Gpu(compiled_model)


def _runner(model: bytes, signature: str) -> Any:
    """Return what knows the scales of inputs and outputs, which compiled models do not tell."""
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter(model_content=model).get_signature_runner(signature)


@contextmanager
def raw_log() -> Iterator[None]:
    """Let all that native code writes to standard error through, for whoever looks for a driver's fault."""
    before = _LET_THROUGH.set(True)
    try:
        yield
    finally:
        _LET_THROUGH.reset(before)


@contextmanager
def _standard_error_kept() -> Iterator[Callable[[], str]]:
    """Keep what native code writes to it, thirty lines a graph; gives a function to read that."""
    if _LET_THROUGH.get():
        yield lambda: ""
        return
    sys.stderr.flush()
    terminal = os.dup(STDERR)
    with tempfile.TemporaryFile() as file:

        def read() -> str:
            file.seek(0)
            return file.read().decode(errors="replace")

        os.dup2(file.fileno(), STDERR)
        try:
            yield read
        finally:
            os.dup2(terminal, STDERR)
            os.close(terminal)


def _reason(log: str) -> str:
    """Return the lines of a log that tell a failure."""
    return "; ".join(line.strip() for line in log.splitlines() if REASON.match(line))[:SHOWN_CHARACTERS]
