"""How a backend starts: without its own talk, for a first screen should show the work; and deterministic."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from keras_sranogan.card import check_tensorflow_compiles, unused_card, used_cards
from sranogan_edge.errors import BackendError, SettingsError
from sranogan_edge.extras import needs_extra

__all__ = ["make_deterministic", "require_tensorflow", "start_backend", "start_tensorflow"]

BACKENDS = ("tensorflow", "jax")
_EQUAL_BITS = (
    "--xla_gpu_deterministic_ops=true"  # of XLA: no atomic additions, no timing of which kernel is best
)


def start_backend() -> list[str]:
    """Start the backend that KERAS_BACKEND names, TensorFlow where it names none; return what to say of it.

    Call before anything else imports Keras, TensorFlow or JAX.

    Raises:
        SettingsError: it names another one, or JAX is not installed.
        BackendError: the backend does not start, or cannot compile for the card.
    """
    name = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if name not in BACKENDS:
        raise SettingsError(f"KERAS_BACKEND must be {' or '.join(BACKENDS)}; received {name!r}")
    return _start_jax() if name == "jax" else start_tensorflow()


def start_tensorflow() -> list[str]:
    """Start Keras on TensorFlow, whatever KERAS_BACKEND names; return what to say of it.

    What its libraries write to standard error meanwhile (a CPU without a GPU is three errors to them) is
    shown only where the import fails.

    Raises:
        BackendError: TensorFlow cannot compile for the card, or Keras runs on another backend already.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _held_back():
        import tensorflow as tf

        cards = _tensorflow_cards()
    check_tensorflow_compiles(cards, tf.sysconfig.get_build_info())
    with _held_back():
        tf.constant(0.0)  # makes the devices
    tf.get_logger().setLevel("ERROR")
    require_tensorflow("this command")
    return used_cards("TensorFlow", cards) or unused_card("TensorFlow", "cuda")


def _start_jax() -> list[str]:
    """Start Keras on JAX; TensorFlow, which Keras imports when it saves a network, leaves the card to it."""
    os.environ["KERAS_BACKEND"] = "jax"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    _ask_for_equal_bits()
    with (
        needs_extra("jax", "KERAS_BACKEND=jax", folder=".", instead="leave KERAS_BACKEND unset"),
        _held_back(),
    ):
        import jax
    if find_spec("tensorflow"):
        with _held_back():
            import tensorflow as tf

            tf.config.set_visible_devices([], "GPU")
    try:
        with _held_back():
            found = jax.devices()
    except RuntimeError as error:
        raise BackendError(
            f"JAX does not start ({str(error).splitlines()[0]}). Check what JAX_PLATFORMS and "
            "CUDA_VISIBLE_DEVICES ask for, or unset them."
        ) from error
    cards = [_described(one) for one in found if one.platform == "gpu"]
    return used_cards("JAX", cards) or unused_card("JAX", "jax-cuda")


def _described(device: Any) -> dict[str, Any]:
    """Return what JAX knows of a card, in TensorFlow's words."""
    capability = getattr(device, "compute_capability", None)  # other makers' cards have none
    of_it = {"compute_capability": tuple(map(int, capability.split(".")))} if capability else {}
    return {"device_name": device.device_kind, **of_it}


def require_tensorflow(what: str) -> None:
    """Raise BackendError where Keras runs on another backend: ``what`` needs TensorFlow."""
    import keras

    if keras.backend.backend() != "tensorflow":
        raise BackendError(
            f"{what} needs TensorFlow, and Keras runs on {keras.backend.backend()} in this process. Start "
            "Python with KERAS_BACKEND=tensorflow; a run folder is the same on both."
        )


def make_deterministic() -> None:
    """Let equal work give equal results to the bit, whoever calls it.

    JAX takes this from the environment when it starts, so on a card call it before JAX computes anything.

    Grappler's remapper is switched off: it gives up on graphs with a gradient of leaky ReLU, prints an error
    for each, and gains nothing in training (measured).

    Raises:
        BackendError: TensorFlow cannot compile for the card.
    """
    import keras

    if keras.backend.backend() == "jax":
        _ask_for_equal_bits()
        return
    import tensorflow as tf

    check_tensorflow_compiles(_tensorflow_cards(), tf.sysconfig.get_build_info())
    tf.config.experimental.enable_op_determinism()
    tf.config.optimizer.set_experimental_options({"remapping": False})


def _tensorflow_cards() -> list[dict[str, Any]]:
    """Return TensorFlow's details of its cards, which are not started."""
    import tensorflow as tf

    found = tf.config.list_physical_devices("GPU")
    return [tf.config.experimental.get_device_details(card) for card in found]


def _ask_for_equal_bits() -> None:
    flags = os.environ.get("XLA_FLAGS", "")
    if _EQUAL_BITS.partition("=")[0] not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {_EQUAL_BITS}".strip()


@contextlib.contextmanager
def _held_back() -> Iterator[None]:
    """Keep what is written to the process's standard error, by C++ too; show it where an error ends this."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        except BaseException:
            sys.stderr.flush()
            file.seek(0)
            os.write(kept, file.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
