"""The names that backends are asked for by: read by commands, which load no runtime to know them."""

from __future__ import annotations

from sranogan_edge.errors import SettingsError
from sranogan_edge.runtime.providers import PROVIDERS
from sranogan_edge.text import meant

__all__ = ["BACKENDS", "DELEGATE", "ONNX", "TENSORRT", "check_backend", "reads_onnx"]

DELEGATE, ONNX, TENSORRT = "delegate:", "onnx", "tensorrt"
BACKENDS = (
    *("auto", "xnnpack", "gpu", "tflite-runtime", "delegate:PATH"),
    *(ONNX, *(f"{ONNX}:{provider}" for provider in PROVIDERS), TENSORRT),
)


def check_backend(name: str) -> None:
    """Raise SettingsError unless ``name`` is a backend's."""
    if name not in set(BACKENDS) - {"delegate:PATH"} and not (name.startswith(DELEGATE) and name != DELEGATE):
        near = meant(name, BACKENDS)
        raise SettingsError(f"there is no backend {name!r}{near}; choose one of {', '.join(BACKENDS)}")


def reads_onnx(backend: str) -> bool:
    """Whether a backend takes a bundle's ONNX graphs, not its TFLite graphs."""
    return backend == TENSORRT or backend.partition(":")[0] == ONNX
