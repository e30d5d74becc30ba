"""TensorFlow starts without its own talk, and errors are still seen."""

from __future__ import annotations

import os
import subprocess
import sys


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
