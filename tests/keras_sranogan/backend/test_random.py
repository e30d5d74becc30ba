"""Random numbers of seeds: repeatable, apart, in their range; on the backend that the tests run on."""

from __future__ import annotations

import numpy as np

from keras_sranogan.backend import random


def test_a_seed_decides_and_seeds_differ() -> None:
    """The same seed draws the same; base, number and each part of a split draw something else."""
    seeds = [
        random.seed(2**32 - 1, 0),
        random.seed(1, 0),
        random.seed(1, 1),
        *random.split(random.seed(1, 0), 3),
    ]
    draws = [np.asarray(random.uniform((50,), seed)) for seed in seeds]
    for k, seed in enumerate(seeds):
        np.testing.assert_array_equal(np.asarray(random.uniform((50,), seed)), draws[k])
        assert all(np.abs(draws[k] - other).max() > 0.1 for other in draws[:k])


def test_numbers_are_of_their_distributions() -> None:
    """Of 20,000: uniform and whole numbers fill their range evenly, normal ones are N(0, 1)."""
    seed = random.seed(3, 4)
    even = np.asarray(random.uniform((20_000,), seed, -2.0, 3.0))
    assert even.dtype == np.float32
    assert (even.min() >= -2) & (even.max() < 3)
    assert abs(even.mean() - 0.5) < 0.05
    whole = np.asarray(random.integers((20_000,), seed, -1, 3))
    assert whole.dtype == np.int32
    assert np.abs(np.bincount(whole + 1, minlength=4) / 20_000 - 0.25).max() < 0.02
    normal = np.asarray(random.normal((20_000,), seed))
    assert abs(normal.mean()) < 0.03
    assert abs(normal.std() - 1) < 0.03
