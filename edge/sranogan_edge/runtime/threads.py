"""How many threads NumPy's linear algebra takes; to be said before NumPy is imported.

The products here are small: on one thread they take half a millisecond an image; on more, where something
else wants the processor, tens of them, for each thread waits for the others.
"""

from __future__ import annotations

import os

__all__ = ["THREAD_VARIABLES", "of_numpy", "one_for_numpy"]

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def of_numpy() -> dict[str, str]:
    """Return what an environment has in which NumPy works on one thread."""
    return dict.fromkeys(THREAD_VARIABLES, "1")


def one_for_numpy() -> None:
    """Let NumPy, not yet imported, work on one thread, unless the environment says otherwise."""
    os.environ.update({**of_numpy(), **os.environ})
