"""What processes that train one model together tell one another, besides what their steps do.

They are those that trainings are spread over (:func:`keras_sranogan.backend.devices.spread_over`); a process
that trains alone hears itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import keras

from sranogan_edge.errors import RunError

__all__ = ["as_the_first_has", "said_by_all", "with_the_others"]

if keras.backend.backend() == "jax":
    import jax
    import numpy as np
    from jax.experimental import multihost_utils

    from keras_sranogan.backend.devices import processes

    def said_by_all(text: str) -> list[str]:
        """Return what each process says, in their order, once all have said something.

        Raises:
            RunError: another process ended.
        """
        if processes() == 1:
            return [text]
        said = np.frombuffer(text.encode(), np.uint8)
        with with_the_others():
            lengths = multihost_utils.process_allgather(np.int32(len(said)))
            padded = np.pad(said, (0, int(lengths.max()) - len(said)))
            found = multihost_utils.process_allgather(padded)
        return [bytes(row[:count]).decode() for row, count in zip(found, lengths, strict=True)]

    def as_the_first_has(variables: Sequence[keras.Variable]) -> None:
        """Give ``variables`` the values that they have in process 0.

        Raises:
            RunError: another process ended.
        """
        if processes() == 1:
            return
        with with_the_others():
            own = [np.asarray(one.value) for one in variables]
            for variable, value in zip(variables, multihost_utils.broadcast_one_to_all(own), strict=True):
                variable.assign(value)

    @contextmanager
    def with_the_others() -> Iterator[None]:
        """Raise RunError where something that all processes do fails: another one ended."""
        try:
            yield
        except jax.errors.JaxRuntimeError as error:
            if processes() == 1:
                raise
            reason = next(iter(str(error).splitlines()), "")
            raise RunError(
                f"another host of this training has ended, or cannot be reached ({reason}). See what it "
                "said, then repeat the command on all hosts with --resume."
            ) from error

else:

    def said_by_all(text: str) -> list[str]:
        """Return what each process says: this one's alone."""
        return [text]

    def as_the_first_has(variables: Sequence[keras.Variable]) -> None:
        """Do nothing: there is one process."""

    @contextmanager
    def with_the_others() -> Iterator[None]:
        """Do nothing: there is one process."""
        yield
