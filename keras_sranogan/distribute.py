"""``--distribute``: which devices train; told before a backend starts what cannot be."""

from __future__ import annotations

import os
from typing import Annotated, Literal, get_args

import typer

from sranogan_edge.errors import SettingsError
from sranogan_edge.extras import how_to_install

__all__ = ["Distribute", "DistributeOption", "check_distribute"]

Distribute = Literal["auto", "none", "devices"]
DistributeOption = Annotated[
    str,
    typer.Option(
        help="What trains: none: one device; devices: all of this machine (on JAX); auto: devices where "
        "there are several cards. The losses are the same."
    ),
]


def check_distribute(asked: str, backend: str | None = None) -> None:
    """Raise SettingsError where ``asked`` is no value, or not what ``backend`` can do.

    Without ``backend`` it is the one that KERAS_BACKEND names.
    """
    from keras_sranogan.settings import check_choice  # a typing error is answered without it

    check_choice("--distribute", asked, get_args(Distribute))
    backend = backend or os.environ.get("KERAS_BACKEND") or "tensorflow"
    if asked == "devices" and backend == "tensorflow":
        raise SettingsError(
            "--distribute devices: on TensorFlow a training runs on one device; on several it runs on JAX. "
            f"Run: {how_to_install('jax', folder='.')}, then train with KERAS_BACKEND=jax. A run folder is "
            "the same on both."
        )
