"""Batch normalisation of an averaged network: means and variances that are of its own weights.

A running mean of weights has, for each batch normalisation, a running mean of what other networks saw: those
on the way. They are left behind where weights have moved, and do not add up where they have turned. So they
are taken again, by the averaged weights (Izmailov et al. 2018, section 3.3).
"""

from __future__ import annotations

from collections.abc import Iterable

import keras
import tensorflow as tf

__all__ = ["BATCHES", "recompute"]

BATCHES = 64  # that means and variances are taken over


def recompute(network: keras.Model, batches: Iterable[tf.Tensor]) -> None:
    """Set every batch normalisation of ``network`` to the mean over ``batches``, each as in training.

    A function of weights and batches alone: what was there before leaves no trace.
    """
    norms = [one for one in network.layers if isinstance(one, keras.layers.BatchNormalization)]
    usual = [norm.momentum for norm in norms]
    for seen, batch in enumerate(batches):
        for norm in norms:
            norm.momentum = seen / (seen + 1)  # the mean of all so far
        network(batch, training=True)
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum
