"""The networks after the search rebuilt from plain operators: any batch, folded, all through taps."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from sranogan_edge.scoring.head import CELLS, LIMIT
from sranogan_export.rebuild.taps import IMAGE_RANGE, Tap
from sranogan_export.rebuild.unrolled import Convolution, UnrolledFeatures, convolution_of

CLIPPED = (0.0, 1.0)
STANDARDISED = (-LIMIT, LIMIT)


def convolved(layer: Convolution, x: tf.Tensor, tap: Tap, stride: int = 1) -> tf.Tensor:
    """Apply a convolution and its bias, at any stride; the result has passed no tap yet."""
    kernel = tap.weights(layer.kernel, per_channel=True)
    return tf.nn.bias_add(tf.nn.conv2d(x, kernel, stride, "SAME"), layer.bias)


class UnrolledRefiner:
    """c."""

    def __init__(self, refiner: keras.Model) -> None:
        """Take over the weights of ``keras_sranogan.refiner.network``."""
        self.layers = [convolution_of(refiner, name) for name in ("layer_1", "layer_2")]

    def forward(self, generated: tf.Tensor, tap: Tap) -> list[tf.Tensor]:
        """Return the hidden activation and c(g(x)) ``(B, S, S, 1)``, from g(x) that has passed a tap."""
        first, second = self.layers
        hidden = tap.activation(first.name, tf.nn.relu(convolved(first, generated, tap)))
        correction = tap.activation(second.name, convolved(second, hidden, tap))
        return [hidden, _clipped("refiner/image", generated + correction, tap)]


class UnrolledResolver:
    """SR."""

    def __init__(self, resolver: keras.Model) -> None:
        """Take over the weights of ``keras_sranogan.srgan.generator``."""

        def taken(name: str) -> Convolution:
            return convolution_of(resolver, name)

        names = [layer.name for layer in resolver.layers]
        blocks = sorted({name[:-2] for name in names if name.startswith("block_")}, key=_number)
        self.first, self.last = taken("first"), taken("last")
        self.blocks_a = [taken(f"{block}_a") for block in blocks]
        self.blocks_b = [taken(f"{block}_b") for block in blocks]
        self.upsample, self.detail = taken("upsample"), taken("detail")

    def forward(self, low: tf.Tensor, tap: Tap) -> list[tf.Tensor]:
        """Return each block's activation and SR(c(g(x))) ``(B, 2S, 2S, 1)``, from c(g(x))."""
        h = first = tap.activation(self.first.name, tf.nn.relu(convolved(self.first, low, tap)))
        activations = [first]
        for a, b in zip(self.blocks_a, self.blocks_b, strict=True):
            inner = tap.activation(a.name, tf.nn.relu(convolved(a, h, tap)))
            inner = tap.activation(b.name, convolved(b, inner, tap))
            h = tap.activation(f"{b.name}/sum", h + inner)
            activations.append(h)
        last = tap.activation(self.last.name, convolved(self.last, h, tap))
        h = tap.activation(f"{self.last.name}/sum", first + last)
        h = tap.activation(self.upsample.name, tf.nn.relu(convolved(self.upsample, h, tap)))
        detail = convolved(self.detail, tf.nn.depth_to_space(h, 2), tap)
        detail = tap.activation(self.detail.name, detail)
        enlarged = tf.image.resize(low, (2 * low.shape[1], 2 * low.shape[2]), "bilinear")
        return [*activations, _clipped("super_resolver/image", enlarged + detail, tap)]


class UnrolledHead:
    """Stage 4's network, without the logit that only its training needs."""

    def __init__(self, head: keras.Model) -> None:
        """Take over the weights of ``keras_sranogan.head.network``."""
        convolutions = [one for one in head.layers if isinstance(one, keras.layers.Conv2D)]
        norms = [one for one in head.layers if isinstance(one, keras.layers.BatchNormalization)]
        blocks = [one for one in convolutions if not one.use_bias]  # a chain, so in their order
        self.strides = [int(one.strides[0]) for one in blocks]
        self.blocks = [
            _folded(f"head/block_{k}", conv, norm)
            for k, (conv, norm) in enumerate(zip(blocks, norms, strict=True), start=1)
        ]
        width = blocks[-1].filters // 3
        by_filters = {one.filters: one for one in convolutions if one.use_bias}
        self.coarse = _plain("head/coarse", by_filters[4 * width])
        self.skip = _plain("head/skip", by_filters[width])
        self.places = _plain("head/places", by_filters[1])
        self.middle = len(blocks) - 2  # the map also sees what enters the last two blocks
        self.early = self.middle - 2  # cells see what enters the two before

    def forward(self, image: tf.Tensor, tap: Tap) -> list[tf.Tensor]:
        """Return every block's activation and then the map's logits, from an image that passed a tap."""
        h = tf.nn.space_to_depth(image, 2)
        activations = []
        for block, stride in zip(self.blocks, self.strides, strict=True):
            h = tap.activation(block.name, tf.nn.relu(convolved(block, h, tap, stride)))
            activations.append(h)
        coarse = tap.activation(self.coarse.name, convolved(self.coarse, h, tap))
        skip = tap.activation(self.skip.name, convolved(self.skip, activations[self.middle - 1], tap))
        both = tap.activation("head/sum", tf.nn.relu(skip + tf.nn.depth_to_space(coarse, 2)))
        places = tap.activation(self.places.name, convolved(self.places, both, tap))
        return [*activations, places]


class Stages:
    """The three graphs after the search; each is called with its input and a tap, and gives named outputs."""

    def __init__(
        self,
        refiner: UnrolledRefiner,
        resolver: UnrolledResolver,
        judge: UnrolledFeatures,
        head: UnrolledHead,
    ) -> None:
        self.refiner, self.resolver, self.judge, self.head = refiner, resolver, judge, head

    def reconstruct(self, generated: tf.Tensor, tap: Tap) -> dict[str, tf.Tensor]:
        """Return c(g(x)) and its super-resolution."""
        generated = tap.activation("generated", generated, IMAGE_RANGE)
        refined = self.refiner.forward(generated, tap)[-1]
        return {"refined": refined, "resolved": self.resolver.forward(refined, tap)[-1]}

    def features(self, image: tf.Tensor, tap: Tap) -> dict[str, tf.Tensor]:
        """Return f of the detector."""
        image = tap.activation("image", image, CLIPPED)
        return {"features": self.judge.forward(image, tap, "judge")[-1]}

    def see(self, image: tf.Tensor, tap: Tap) -> dict[str, tf.Tensor]:
        """Return the head's features and its map."""
        return {name: one for name, one in self.see_cells(image, tap).items() if name != CELLS}

    def see_cells(self, image: tf.Tensor, tap: Tap) -> dict[str, tf.Tensor]:
        """Return the head's features and its map, and what cells are made of."""
        *blocks, places = self.head.forward(tap.activation("image", image, STANDARDISED), tap)
        return {CELLS: blocks[self.head.early - 1], "features": blocks[-1], "map": places}


def _clipped(name: str, x: tf.Tensor, tap: Tap) -> tf.Tensor:
    return tap.activation(name, tf.minimum(tf.nn.relu(x), 1.0), CLIPPED)


def _number(block: str) -> int:
    return int(block.rpartition("_")[2])


def _plain(name: str, layer: keras.layers.Conv2D) -> Convolution:
    return Convolution(name, layer.kernel.numpy(), layer.bias.numpy())


def _folded(name: str, layer: keras.layers.Conv2D, norm: keras.layers.BatchNormalization) -> Convolution:
    gain = norm.gamma.numpy() / np.sqrt(norm.moving_variance.numpy() + norm.epsilon)
    return Convolution(name, layer.kernel.numpy() * gain, norm.beta.numpy() - norm.moving_mean.numpy() * gain)


def stages_of(refiner: keras.Model, resolver: keras.Model, judge: keras.Model, head: keras.Model) -> Stages:
    """Rebuild the networks after the search."""
    return Stages(
        UnrolledRefiner(refiner), UnrolledResolver(resolver), UnrolledFeatures(judge), UnrolledHead(head)
    )


__all__ = [
    "Stages",
    "UnrolledHead",
    "UnrolledRefiner",
    "UnrolledResolver",
    "convolved",
    "stages_of",
]
