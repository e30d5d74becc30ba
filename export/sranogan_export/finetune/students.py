"""What each network is asked while it learns to work on integers: normals, and what becomes of them.

Ranges of the head reach to normals with self-made anomalies, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from keras_sranogan.detector.reconstruct import Reconstructor, downscale_all, enhance_all, predict
from keras_sranogan.head.anomalies import paste
from keras_sranogan.networks import Networks
from keras_sranogan.settings import Anomalies, SearchSettings
from keras_sranogan.training.stage import step_seed
from sranogan_edge.image.preprocess import PreprocessSpec
from sranogan_edge.scoring.head import head_input
from sranogan_export.finetune.quantize_aware import Ask, Student
from sranogan_export.rebuild.taps import IMAGE_RANGE, Tap
from sranogan_export.rebuild.unrolled import (
    UnrolledCorrector,
    UnrolledGenerator,
)
from sranogan_export.rebuild.unrolled_stages import (
    CLIPPED,
    STANDARDISED,
)

Images = NDArray[np.float32]
MAX_LESSONS = 256  # images for each network
BATCH = 32


@dataclass(frozen=True, eq=False)
class Examples:
    """What the float stages make of normals.

    Attributes:
        x: ``(N, S, S, 1)``, contrast enhanced.
        low: ``(M, S/2, S/2, 1)``, M at least N: what the search sees.
        codes: ``(T, latent_dim)``, z at the start and the end of the searches of ``low``.
        targets: ``(T,)`` which image of ``low`` each code was on the way to.
        generated, refined: ``(T, S/2, S/2, 1)``.
        resolved: ``(min(T, MAX_LESSONS), S, S, 1)``.
        seen: ``(K, side, side, CHANNELS * C)``, the head's input.
        anomalous: ``(L, side, side, CHANNELS * C)``, the same of normals with a self-made anomaly each.
    """

    x: Images
    low: Images
    codes: Images
    targets: NDArray[np.int64]
    generated: Images
    refined: Images
    resolved: Images
    seen: Images
    anomalous: Images


def examples(
    networks: Networks,
    search: SearchSettings,
    spec: PreprocessSpec,
    plain: Images,
    small: Images,
    anomalies: Anomalies,
) -> Examples:
    """Run the float stages over normals; what the head is given is also of normals with self-made anomalies.

    Args:
        networks: trained.
        search: the search to follow.
        spec: how images are enhanced.
        plain: ``(N, S, S, C)`` normals in [0, 1].
        small: ``(K, side, side, C)`` more of them, as large as the head sees them; used for the search too
            where they are large enough.
        anomalies: what the head has learned to find.
    """
    size = int(networks.encoder.input_shape[1])
    x, small = enhance_all(plain, spec), _some(small)
    low = downscale_all(x, size)
    if len(small) and small.shape[1] >= size:
        low = np.concatenate([low, downscale_all(enhance_all(small, spec), size)])[:MAX_LESSONS]
    codes, targets = _trajectories(networks, search, spec, low)
    generated = predict(networks.generator, codes)
    refined = predict(networks.refiner, generated)
    resolved = predict(networks.resolver, _some(refined))
    side = int(networks.head.input_shape[1])
    looked_at = [head_input(one, side) for one in (*plain, *small)][:MAX_LESSONS]
    found = [head_input(one, side) for one in with_anomalies(plain[:MAX_LESSONS], anomalies)]
    seen, anomalous = np.stack(looked_at), np.stack(found)
    return Examples(x, low, codes, targets, generated, refined, resolved, seen, anomalous)


def with_anomalies(images: Images, kind: Anomalies) -> Images:
    """Return ``images`` ``(N, S, S, C)`` in [0, 1] with a self-made anomaly each.

    Ranges that are of normals alone end where an anomaly begins: on integers the head's map would say no
    more of one than of the most unusual normal.
    """
    changed = [
        np.asarray(paste(tf.constant(images[i : i + BATCH]), step_seed(0, "export/anomalies", i), kind)[0])
        for i in range(0, len(images), BATCH)
    ]
    return np.concatenate(changed)


def _some(images: Images) -> Images:
    """Return at most :data:`MAX_LESSONS` of them, from all along."""
    chosen = np.linspace(0, len(images) - 1, min(len(images), MAX_LESSONS)).astype(int)
    return images[chosen]


def _quarters(images: Images) -> Images:
    """Return one quarter of each image, another of the next: what is costly to learn from as a whole."""
    half = images.shape[1] // 2
    corners = [(0, 0), (0, half), (half, 0), (half, half)]
    return np.stack([one[a : a + half, b : b + half] for one, (a, b) in zip(images, cycle(corners))])


def _trajectories(
    networks: Networks, search: SearchSettings, spec: PreprocessSpec, low: Images
) -> tuple[Images, NDArray[np.int64]]:
    """Return z ``(T, latent_dim)`` at the start and at the end of each search, and whose each is."""
    start = predict(networks.encoder, low)
    end = Reconstructor(networks, search, spec).search(low, batch=BATCH).z if search.steps else start[:0]
    codes = np.concatenate([start, end])
    return codes, np.arange(len(codes)) % len(low)


def students(
    networks: Mapping[str, Any], lessons: Examples, exam: Examples, *, symmetric: bool = False
) -> list[Student]:
    """Return each of the unrolled ``networks``, by name, with its lessons and its exam.

    ``symmetric``: they learn with every zero point at 0.
    """
    asked = {name: (network, *_ASKED[name]) for name, network in networks.items()}
    return [
        Student(
            name,
            network,
            run,
            ask(lessons),
            ask(exam),
            outputs,
            symmetric,
            (lessons.anomalous,) if name == "head" else (),
        )
        for name, (network, run, outputs, ask) in asked.items()
    ]


def _asks(tensor: str, values: Any, *more: str) -> Ask:
    """Return what asks a network of one input, which passes the tap ``tensor``."""

    def ask(network: Any, asked: tuple[tf.Tensor, ...], tap: Tap) -> list[tf.Tensor]:
        found = network.forward(tap.activation(tensor, asked[0], values), tap, *more)
        return found if isinstance(found, list) else [found]

    return ask


def _generate(generator: UnrolledGenerator, asked: tuple[tf.Tensor, ...], tap: Tap) -> list[tf.Tensor]:
    return generator.forward(asked[0], tap, "end")


def _correct(corrector: UnrolledCorrector, asked: tuple[tf.Tensor, ...], tap: Tap) -> list[tf.Tensor]:
    x, generated = (tap.activation("image", one, IMAGE_RANGE) for one in asked)
    return [corrector.forward(x, generated, tap, "end")]


_ASKED: dict[str, tuple[Ask, int, Callable[[Examples], tuple[Images, ...]]]] = {
    "encoder": (_asks("x", IMAGE_RANGE), 1, lambda seen: (seen.low,)),
    "generator": (_generate, 1, lambda seen: (seen.codes,)),
    "corrector": (_correct, 1, lambda seen: (seen.low[seen.targets], seen.generated)),
    "features": (_asks("image", IMAGE_RANGE, "target"), 1, lambda seen: (seen.generated,)),
    "refiner": (_asks("generated", IMAGE_RANGE), 1, lambda seen: (seen.generated,)),
    "resolver": (_asks("refiner/image", CLIPPED), 1, lambda seen: (_quarters(seen.refined),)),
    "judge": (_asks("image", CLIPPED, "judge"), 1, lambda seen: (seen.resolved,)),
    "head": (_asks("image", STANDARDISED), 2, lambda seen: (seen.seen,)),
}
