"""Gradients, branches and compiled functions, for whichever backend Keras runs on.

A step of training is one function for both: it reads variables, assigns to them, and draws by the step's
number. TensorFlow records that in a tape and a graph; JAX traces it as a function of all variables.
"""

from __future__ import annotations

import keras

from sranogan_edge.errors import SettingsError

__all__ = [
    "BACKEND",
    "as_one",
    "branch",
    "compiled",
    "compiled_step",
    "compute_capabilities",
    "from_host",
    "gradients",
    "inference",
    "out_of_memory",
    "slope",
]

BACKEND: str = keras.backend.backend()

if BACKEND == "jax":
    from keras_sranogan.backend.on_jax import (
        as_one,
        branch,
        compiled,
        compiled_step,
        compute_capabilities,
        from_host,
        gradients,
        inference,
        out_of_memory,
        slope,
    )
elif BACKEND == "tensorflow":
    from keras_sranogan.backend.on_tensorflow import (
        as_one,
        branch,
        compiled,
        compiled_step,
        compute_capabilities,
        from_host,
        gradients,
        inference,
        out_of_memory,
        slope,
    )
else:
    raise SettingsError(
        f"keras-sranogan runs on TensorFlow or JAX; Keras was started on {BACKEND!r}. Set KERAS_BACKEND to "
        "tensorflow or jax before Python starts."
    )
