"""Trains SR-AnoGAN on normal images alone, and measures it: Keras 3 on TensorFlow or JAX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sranogan_edge.lazy import lazy_face

if TYPE_CHECKING:
    from keras_sranogan.data.open import open_source
    from keras_sranogan.evaluation.evaluate import EvaluationOptions
    from keras_sranogan.evaluation.evaluate import evaluate_model as evaluate
    from keras_sranogan.presets import preset
    from keras_sranogan.run import Run
    from keras_sranogan.settings import TrainSettings
    from keras_sranogan.training.train import train

__all__ = ["EvaluationOptions", "Run", "TrainSettings", "evaluate", "open_source", "preset", "train"]

_PLACES = {  # loaded when first asked for: TensorFlow takes seconds
    "EvaluationOptions": "evaluation.evaluate",
    "Run": "run",
    "TrainSettings": "settings",
    "evaluate": "evaluation.evaluate:evaluate_model",
    "open_source": "data.open",
    "preset": "presets",
    "train": "training.train",
}

__getattr__, __dir__ = lazy_face(__name__, _PLACES)
