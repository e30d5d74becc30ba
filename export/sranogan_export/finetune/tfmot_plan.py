"""Unrolled networks as plans: lists of layers that another Keras can build again.

tensorflow-model-optimization works on models of tf_keras, which knows nothing of this package. What
crosses over is a list of steps (plain types) and the weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sranogan_export.rebuild.unrolled import Convolution, UnrolledEncoder, UnrolledFeatures, UnrolledGenerator
from sranogan_export.rebuild.unrolled_stages import UnrolledHead, UnrolledRefiner, UnrolledResolver

Array = NDArray[np.float32]
INPUT = 0


class Plan:
    """Steps that each take earlier steps' results; step 0 is the input.

    Attributes:
        steps: plain types; ``of`` are the steps taken as inputs, ``weights`` the index of kernel and bias.
        weights: kernel and bias of each convolution or matrix.
        outputs: the steps whose results are the network's.
    """

    def __init__(self) -> None:
        """Start with the input alone."""
        self.steps: list[dict[str, Any]] = [{"op": "input", "of": []}]
        self.weights: list[tuple[Array, Array]] = []
        self.outputs: list[int] = []

    def add(self, op: str, *of: int, **values: Any) -> int:
        """Append a step and return its number."""
        self.steps.append({"op": op, "of": list(of), **values})
        return len(self.steps) - 1

    def convolve(self, layer: Convolution, of: int, activation: str = "linear", stride: int = 1) -> int:
        """Append a convolution of the output of step ``of``; returns the number of its own step."""
        self.weights.append((layer.kernel, layer.bias))
        return self.add("convolve", of, weights=len(self.weights) - 1, activation=activation, stride=stride)

    def multiply(self, matrix: Array, bias: Array, of: int, activation: str = "linear") -> int:
        """Append a dense layer."""
        self.weights.append((matrix, bias))
        return self.add("multiply", of, weights=len(self.weights) - 1, activation=activation)


def plan_of(name: str, network: Any) -> Plan | None:
    """Return the plan of a network by its name; None where tensorflow-model-optimization cannot take it."""
    draw = _DRAWN.get(name)
    if draw is None:
        return None
    plan = Plan()
    plan.outputs = draw(plan, network)
    return plan


def _encoder(plan: Plan, encoder: UnrolledEncoder) -> list[int]:
    h = INPUT
    for down in encoder.downs:
        h = plan.convolve(down, plan.add("space_to_depth", h), "relu")
    return [plan.multiply(encoder.matrix, encoder.bias, plan.add("flatten", h))]


def _generator(plan: Plan, generator: UnrolledGenerator) -> list[int]:
    h = plan.multiply(generator.matrix, generator.bias, INPUT, "relu")
    h = plan.add("reshape", h, shape=list(generator.start[1:]))
    for up in generator.ups:
        h = plan.add("depth_to_space", plan.convolve(up, h, "relu"))
    return [plan.add("sigmoid", plan.convolve(generator.to_image, h))]


def _features(plan: Plan, features: UnrolledFeatures) -> list[int]:
    h = INPUT
    for down in features.downs:
        h = plan.add("leaky_relu", plan.convolve(down, plan.add("space_to_depth", h)))
    return [h]


def _refiner(plan: Plan, refiner: UnrolledRefiner) -> list[int]:
    first, second = refiner.layers
    return [plan.add("add", INPUT, plan.convolve(second, plan.convolve(first, INPUT, "relu")))]


def _resolver(plan: Plan, resolver: UnrolledResolver) -> list[int]:
    h = first = plan.convolve(resolver.first, INPUT, "relu")
    for a, b in zip(resolver.blocks_a, resolver.blocks_b, strict=True):
        h = plan.add("add", h, plan.convolve(b, plan.convolve(a, h, "relu")))
    h = plan.add("add", first, plan.convolve(resolver.last, h))
    h = plan.add("depth_to_space", plan.convolve(resolver.upsample, h, "relu"))
    return [plan.convolve(resolver.detail, h)]  # the enlarged input has no weights: it is added outside


def _head(plan: Plan, head: UnrolledHead) -> list[int]:
    h, blocks = plan.add("space_to_depth", INPUT), []
    for block, stride in zip(head.blocks, head.strides, strict=True):
        h = plan.convolve(block, h, "relu", stride)
        blocks.append(h)
    coarse = plan.add("depth_to_space", plan.convolve(head.coarse, h))
    both = plan.add("add", plan.convolve(head.skip, blocks[head.middle - 1]), coarse)
    return [h, plan.convolve(head.places, plan.add("relu", both))]


_DRAWN: dict[str, Callable[[Plan, Any], list[int]]] = {
    "encoder": _encoder,
    "generator": _generator,
    "features": _features,
    "refiner": _refiner,
    "resolver": _resolver,
    "judge": _features,
    "head": _head,
}
