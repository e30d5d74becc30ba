"""TensorFlow starts without its own talk, and errors are still seen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.backends import on


def run(script: str) -> subprocess.CompletedProcess[str]:
    """Run ``script`` in a process of its own."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=False, env=bare
    )


def test_nothing_is_said_and_what_follows_is() -> None:
    """No library writes while TensorFlow starts; afterwards standard error is what it was."""
    done = run(
        "import os, sys\n"
        "from keras_sranogan.startup import start_tensorflow\n"
        "start_tensorflow()\n"
        "import tensorflow as tf\n"
        "assert tf.constant(1).numpy() == 1\n"
        "os.write(2, b'from C\\n'); print('from Python', file=sys.stderr)\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == ["from C", "from Python"]


def test_what_a_failing_import_says_is_shown() -> None:
    """Where the import ends with an error, all that was written before is shown with it."""
    done = run(
        "import os, sys\n"
        "from keras_sranogan import startup\n"
        "with startup._held_back():\n"
        "    os.write(2, b'libfoo.so: cannot open\\n'); raise ImportError('no tensorflow')\n"
    )
    assert done.returncode == 1
    assert "libfoo.so: cannot open" in done.stderr
    assert "ImportError: no tensorflow" in done.stderr


def test_jax_starts_as_quietly() -> None:
    """With KERAS_BACKEND=jax Keras runs on JAX, nothing is written, and a network is saved without talk."""
    done = on(
        "jax",
        "-c",
        "from keras_sranogan.startup import start_backend\n"
        "assert start_backend() == []\n"
        "import keras, tempfile\n"
        "assert keras.backend.backend() == 'jax'\n"
        "model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])\n"
        "model.save(tempfile.mkdtemp() + '/model.keras')\n",
        CUDA_VISIBLE_DEVICES="-1",
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_jax_has_the_card_for_itself() -> None:
    """TensorFlow, which Keras imports to save a network, is told to leave every card alone."""
    done = on(
        "jax",
        "-c",
        "import tensorflow as tf\n"
        "asked, real = [], tf.config.set_visible_devices\n"
        "def noted(devices, kind=None):\n"
        "    asked.append((devices, kind)); real(devices, kind)\n"
        "tf.config.set_visible_devices = noted\n"
        "from keras_sranogan.startup import start_backend\n"
        "start_backend()\n"
        "assert asked == [([], 'GPU')], asked\n"
        "assert tf.config.list_logical_devices('GPU') == []\n",
    )
    assert done.returncode == 0, done.stderr


START = "from keras_sranogan.cli import train_main; train_main()"


@pytest.mark.parametrize(
    ("before", "backend", "variables", "code", "message"),
    [
        ("", "torch", {}, 2, "KERAS_BACKEND must be tensorflow or jax; received 'torch'"),
        ("import sys; sys.modules['jax'] = None; ", "jax", {}, 2, '".[jax]"'),
        ("", "jax", {"JAX_PLATFORMS": "tpu"}, 8, "JAX does not start"),
    ],
    ids=["another", "not installed", "no such device"],
)
def test_a_backend_that_cannot_start(
    before: str, backend: str, variables: dict[str, str], code: int, message: str, tmp_path: Path
) -> None:
    """A command ends with what is wrong and the cure, before it reads or makes anything."""
    done = on(backend, "-c", before + START, "phantom", "--out", tmp_path / "run", **variables)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_what_converts_runs_on_tensorflow() -> None:
    """An export sets Keras to TensorFlow whatever KERAS_BACKEND says; in a process of JAX's it is refused."""
    chosen = on(
        "jax",
        "-c",
        "from keras_sranogan.startup import start_tensorflow\n"
        "start_tensorflow()\n"
        "import keras; assert keras.backend.backend() == 'tensorflow'\n",
    )
    assert chosen.returncode == 0, chosen.stderr
    refused = on(
        "jax",
        "-c",
        "import keras\n"
        "from keras_sranogan.startup import require_tensorflow\n"
        "from sranogan_edge.errors import BackendError\n"
        "try: require_tensorflow('an export')\n"
        "except BackendError as error: print(error)\n",
    )
    assert "an export needs TensorFlow, and Keras runs on jax" in refused.stdout
