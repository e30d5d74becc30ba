"""Batch normalisation of an averaged network: means and variances that are of its own weights.

A running mean of weights has, for each batch normalisation, a running mean of what other networks saw: those
on the way. They are left behind where weights have moved, and do not add up where they have turned. So they
are taken again, by the averaged weights (Izmailov et al. 2018, section 3.3).
"""

from __future__ import annotations

from collections.abc import Iterable

import keras

from keras_sranogan.backend.graph import as_one
from keras_sranogan.backend.random import Tensor

__all__ = ["BATCHES", "recompute"]

BATCHES = 64  # that means and variances are taken over


def recompute(network: keras.Model, batches: Iterable[Tensor]) -> None:
    """Set every batch normalisation of ``network`` to the mean over ``batches``, each as in training.

    A function of weights and batches alone: what was there before leaves no trace.
    """
    norms = [one for one in network.layers if isinstance(one, keras.layers.BatchNormalization)]
    usual = [norm.momentum for norm in norms]

    def see(batch: Tensor, momentum: float) -> None:
        for norm in norms:
            norm.momentum = momentum
        network(batch, training=True)

    see_one = as_one(see, network)
    for seen, batch in enumerate(batches):
        see_one(batch, seen / (seen + 1))  # the mean of all so far
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum
