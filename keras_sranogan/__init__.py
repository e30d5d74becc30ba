"""Trains SR-AnoGAN on normal images alone, and measures it: TensorFlow and Keras 3."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_sranogan.data.open import open_source
    from keras_sranogan.evaluation.evaluate import EvaluationOptions
    from keras_sranogan.evaluation.evaluate import evaluate_model as evaluate
    from keras_sranogan.run import Run
    from keras_sranogan.settings import TrainSettings, preset
    from keras_sranogan.training.train import train

__all__ = ["EvaluationOptions", "Run", "TrainSettings", "evaluate", "open_source", "preset", "train"]

_PLACES = {  # loaded when first asked for: TensorFlow takes seconds
    "EvaluationOptions": ("evaluation.evaluate", "EvaluationOptions"),
    "Run": ("run", "Run"),
    "TrainSettings": ("settings", "TrainSettings"),
    "evaluate": ("evaluation.evaluate", "evaluate_model"),
    "open_source": ("data.open", "open_source"),
    "preset": ("settings", "preset"),
    "train": ("training.train", "train"),
}


def __getattr__(name: str) -> Any:
    """Load what is exported (PEP 562)."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, found = _PLACES[name]
    return getattr(importlib.import_module(f"{__name__}.{module}"), found)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
