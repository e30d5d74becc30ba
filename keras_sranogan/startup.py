"""How TensorFlow starts: without its own talk, for a first screen should show the work; and deterministic."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

__all__ = ["make_deterministic", "start_tensorflow"]


def start_tensorflow() -> None:
    """Import TensorFlow and look for its devices, quietly; call before anything else imports it.

    What its libraries write to standard error meanwhile (a CPU without a GPU is three errors to them) is
    shown only where the import fails.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _held_back():
        import tensorflow as tf

        tf.config.list_physical_devices()
        tf.constant(0.0)  # makes the devices
    tf.get_logger().setLevel("ERROR")


def make_deterministic() -> None:
    """Let equal work give equal results to the bit, whoever calls it.

    Grappler's remapper is switched off: it gives up on graphs with a gradient of leaky ReLU, prints an error
    for each, and gains nothing in training (measured).
    """
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
    tf.config.optimizer.set_experimental_options({"remapping": False})


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
