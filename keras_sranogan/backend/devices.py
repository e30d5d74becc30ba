"""The devices that steps of training run on: one, or several of this machine.

On JAX a step is one program of whole batches. Spread over devices it stays that program: each device holds
all variables and a part of each batch, and the compiler adds what they have to tell one another. So batch
normalisation, penalties and losses are of the whole batch; only the order in which numbers are added differs.
On TensorFlow a step runs on one device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras

from keras_sranogan.backend.random import Tensor

__all__ = ["has_cards", "in_parts", "is_spread", "present", "spread_over"]

if keras.backend.backend() == "jax":
    import jax
    import numpy as np
    from jax.sharding import Mesh, NamedSharding

    AXIS = "batch"
    _axes: Any = jax.sharding.PartitionSpec  # JAX does not say of what types
    _constrained: Any = jax.lax.with_sharding_constraint

    class Devices:
        """Some devices as one: what each of them holds, whole or in parts.

        Attributes:
            whole: of arrays that all hold.
            parts: of arrays whose rows they share out, equally many to each.
        """

        def __init__(self, devices: Sequence[Any]) -> None:
            """Take JAX's devices, in their order."""
            mesh = Mesh(np.array(devices), (AXIS,))
            self.whole = NamedSharding(mesh, _axes())
            self.parts = NamedSharding(mesh, _axes(AXIS))

        def hold(self, variables: Sequence[keras.Variable]) -> list[Any]:
            """Return the values of ``variables``, which all devices hold from now on."""
            for one in variables:
                if one.value.sharding != self.whole:
                    one.assign(jax.device_put(one.value, self.whole))
            return [one.value for one in variables]

        @contextmanager
        def sharing(self) -> Iterator[None]:
            """Let :func:`in_parts` share rows out to these devices, while a program is traced."""
            _sharing.append(self)
            try:
                yield
            finally:
                _sharing.pop()

    _spread: list[Devices] = []
    _sharing: list[Devices] = []

    def present() -> int:
        """Return how many devices there are."""
        return len(jax.local_devices())

    def has_cards() -> bool:
        """Whether the devices are accelerators, not a CPU."""
        return jax.local_devices()[0].platform != "cpu"

    @contextmanager
    def spread_over(count: int) -> Iterator[None]:
        """Let the steps that are made meanwhile run on the first ``count`` devices."""
        if count == 1:
            yield
            return
        _spread.append(Devices(jax.local_devices()[:count]))
        try:
            yield
        finally:
            _spread.pop()

    def spread() -> Devices | None:
        """Return the devices of :func:`spread_over`; None where it is one."""
        return _spread[-1] if _spread else None

    def on_this(variables: Sequence[keras.Variable]) -> list[Any]:
        """Return the values of ``variables`` for a program on one device."""
        return [_nearest(one.value) for one in variables]

    def in_parts(batch: Tensor) -> Tensor:
        """Return ``batch``; where a step runs on several devices, each has an equal share of its rows."""
        return _constrained(batch, _sharing[-1].parts) if _sharing else batch

    def is_spread() -> bool:
        """Whether the step that is traced runs on several devices."""
        return bool(_sharing)

    def each_its_part(function: Callable[[Any], Any], rows: Any) -> Any:
        """Return ``function(rows)``, of which each device asks for its rows alone."""
        if not _sharing:
            return function(rows)
        parts = _sharing[-1].parts
        return jax.shard_map(function, mesh=parts.mesh, in_specs=parts.spec, out_specs=parts.spec)(rows)

    def _nearest(value: Any) -> Any:
        if isinstance(value, jax.core.Tracer) or len(value.sharding.device_set) == 1:
            return value
        return value.addressable_data(0)

else:

    def present() -> int:
        """Return how many devices a step can run on."""
        return 1

    def has_cards() -> bool:
        """Whether several accelerators could be used: none."""
        return False

    @contextmanager
    def spread_over(count: int) -> Iterator[None]:
        """Do nothing: steps run on one device."""
        yield

    def in_parts(batch: Tensor) -> Tensor:
        """Return ``batch``."""
        return batch

    def is_spread() -> bool:
        """Whether a step runs on several devices: none does."""
        return False
