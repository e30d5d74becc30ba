"""The first steps of training stages, from weights and draws that no backend made: to compare backends by.

::

    KERAS_BACKEND=jax python -m tests.support.first_steps OUT.npz STAGE...

``OUT.npz`` gets STAGE.metric.NAME ``(STEPS,)`` and STAGE.NETWORK.PLACE, the weights afterwards.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_sranogan.backend import random
from keras_sranogan.data.rows import Images
from keras_sranogan.settings import (
    AnoganSettings,
    CorrectorSettings,
    HeadSettings,
    RefinerSettings,
    SrganSettings,
    TrainSettings,
)
from sranogan_edge.image.preprocess import PreprocessSpec

STEPS = 20
SETTINGS = TrainSettings(
    precision="float32",
    preprocess=PreprocessSpec(size=32),
    anogan=AnoganSettings(latent_dim=8, base_width=4, max_width=8, batch=8, steps=40, encoder_steps=40),
    corrector=CorrectorSettings(search_steps=2, steps=40, batch=8),
    refiner=RefinerSettings(filters=4, steps=40, batch=8),
    srgan=SrganSettings(
        filters=4, blocks=1, discriminator_width=4, steps=40, batch=8, warmup_share=0.125
    ),  # the adversary joins at step 5
    head=HeadSettings(width=8, steps=40, pairs=8, anomalies="mixture"),
)


def draw_with_numpy() -> None:
    """Let all numbers that a step draws be NumPy's: of a seed's path, the same at every step.

    They become constants of the compiled step; before what draws is imported.
    """

    def generator(seed: int) -> np.random.Generator:
        return np.random.default_rng(seed)

    def floats(drawn: Any) -> Any:
        return keras.ops.convert_to_tensor(np.asarray(drawn, np.float32))

    changes: dict[str, Callable[..., Any]] = {
        "seed": lambda base, number: base,
        "split": lambda seed, count: [zlib.crc32(f"{seed}/{k}".encode()) for k in range(count)],
        "uniform": lambda shape, seed, low=0.0, high=1.0: floats(generator(seed).uniform(low, high, shape)),
        "normal": lambda shape, seed: floats(generator(seed).normal(size=shape)),
        "integers": lambda shape, seed, low, high: keras.ops.convert_to_tensor(
            generator(seed).integers(low, high, shape), "int32"
        ),
    }
    for name, change in changes.items():
        setattr(random, name, change)


def weigh(*models: keras.Model) -> None:
    """Give networks weights of NumPy's: kernels by their fan-in, biases and gains near to what they begin as.

    No bias is 0, as all begin: under a cut-out leaky ReLU would be at its kink, where TensorFlow takes the
    lower slope and JAX the upper one.
    """
    rng = np.random.default_rng(3)
    for model in models:
        for variable in model.trainable_variables:
            scale = float(np.prod(variable.shape[:-1])) ** -0.5 if len(variable.shape) > 1 else 0.05
            begins = np.ones(()) if variable.name == "gamma" else np.zeros(())
            variable.assign((begins + rng.normal(0, scale, variable.shape)).astype(np.float32))
        for variable in model.non_trainable_variables:
            if variable.name == "vector_u":
                variable.assign(rng.normal(0, 1, variable.shape).astype(np.float32))


def normals() -> NDArray[np.float32]:
    """``(24, 32, 32, 1)``: waves and grain."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:32, 0:32] / 32
    waves = np.sin(7 * rows)[None] * np.cos(6 * columns)[None] * rng.uniform(0.2, 0.3, (24, 1, 1))
    grain = 0.02 * rng.normal(size=waves.shape)
    return np.clip(0.5 + waves + grain, 0, 1).astype(np.float32)[..., None]


def stages(
    settings: TrainSettings = SETTINGS, put: Callable[[Images], Images] = lambda images: images
) -> dict[str, Callable[[], Any]]:
    """What makes each stage; ``put`` puts its images where it shall take them from."""
    from keras_sranogan.anogan.corrector import build_corrector
    from keras_sranogan.anogan.networks import GanParts, build_gan
    from keras_sranogan.anogan.train_corrector import corrector_stage
    from keras_sranogan.anogan.train_gan import encoder_stage, gan_stage
    from keras_sranogan.head.network import build_head
    from keras_sranogan.head.train import head_stage
    from keras_sranogan.networks import build_judge
    from keras_sranogan.refiner.network import build_refiner
    from keras_sranogan.refiner.train import refiner_stage
    from keras_sranogan.srgan.generator import build_super_resolver
    from keras_sranogan.srgan.train import srgan_stage

    drawn = normals()
    smaller = drawn.reshape(24, 16, 2, 16, 2, 1).mean((2, 4)).astype(np.float32)
    x, low, turned = put(drawn), put(smaller), put(smaller[::-1].copy())

    def gan() -> GanParts:
        parts = build_gan(settings)
        weigh(parts.generator, parts.encoder, parts.discriminator)
        parts.averaged.set_weights(parts.generator.get_weights())
        return parts

    def encoder() -> Any:
        parts = gan()
        return encoder_stage(parts.encoder, parts, low, settings)

    def corrector() -> Any:
        network = build_corrector(16, settings.anogan)
        weigh(network)
        return corrector_stage(network, gan(), low, settings)

    def refiner() -> Any:
        network = build_refiner(16, settings.refiner)
        weigh(network)
        return refiner_stage(network, turned, low, settings)

    def srgan() -> Any:
        resolver, judge = build_super_resolver(16, settings.srgan), build_judge(settings)
        weigh(resolver, judge)
        return srgan_stage(resolver, judge, low, x, settings)

    def head() -> Any:
        head, averaged = (build_head(32, settings.head) for _ in range(2))
        weigh(head)
        averaged.set_weights(head.get_weights())
        return head_stage(head, averaged, x, settings)

    made: Sequence[Callable[[], Any]] = (encoder, corrector, refiner, srgan, head)
    return {"gan": lambda: gan_stage(gan(), low, settings), **{one.__name__: one for one in made}}


def main(out: str, names: Sequence[str]) -> None:
    """Take the steps of each named stage, and write what came of them."""
    draw_with_numpy()
    found: dict[str, Any] = {}
    for name in names:
        found |= taken(stages()[name](), STEPS)
    np.savez(out, **found)


def taken(stage: Any, steps: int) -> dict[str, Any]:
    """Take steps of a stage; return its metrics and weights by name."""
    told = [stage.step(number) for number in range(steps)]
    found = {f"{stage.name}.metric.{name}": np.array([float(one[name]) for one in told]) for name in told[0]}
    for part, holder in stage.state.items():
        if isinstance(holder, keras.Model):
            for place, variable in enumerate(holder.variables):
                found[f"{stage.name}.{part}.{place}.{variable.name}"] = np.asarray(variable.value)
    return found


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
