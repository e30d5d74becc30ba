"""JAX's side of :mod:`keras_sranogan.backend.graph`.

JAX differentiates and compiles functions without side effects. So what a step assigns to variables is kept in
a scope, handed out of each traced function as one more result, and assigned again outside it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, ClassVar, TypeVar

import jax
import keras
import numpy as np

from keras_sranogan.backend.devices import Devices, each_its_part, on_this, spread

T = TypeVar("T")
Values = dict[int, Any]  # by place in a list of variables
REMEMBERED = 16  # models: a run has nine


class Scope(keras.StatelessScope):
    """What variables are while a function is traced: as around it, but for what was assigned inside.

    As in TensorFlow, what is assigned is a number: no gradient passes through it. ``offsets``, zeros by the
    variable's ``id``, are what a gradient is taken by, instead of the variables themselves: each stands for
    all reads of its variable, before and after an assignment (spectral normalisation assigns to a kernel
    before it uses it).
    """

    _open: ClassVar[list[Scope]] = []

    def __init__(self, values: Mapping[int, Any], offsets: Mapping[int, Any] | None = None) -> None:
        """Start from ``values`` by the variable's ``id``; others are as they are around this scope."""
        super().__init__()
        self.written: dict[int, keras.Variable] = {}
        self._offsets = offsets or {}
        self._around = Scope._open[-1] if Scope._open else None
        self._values = {key: self._anchored(key, value) for key, value in values.items()}

    def __enter__(self) -> Scope:
        Scope._open.append(self)
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        Scope._open.pop()

    def add_update(self, update: tuple[keras.Variable, Any]) -> None:
        """Keep what is assigned to a variable."""
        variable, value = update
        self.written[id(variable)] = variable
        value = jax.lax.stop_gradient(value)
        for scope in self._outwards():
            value = scope._anchored(id(variable), value)
        self._values[id(variable)] = value

    def get_current_value(self, variable: keras.Variable) -> Any:
        """Return what a variable is here; None where it is what it is outside every scope."""
        if id(variable) in self._values:
            return self._values[id(variable)]
        return self._around.get_current_value(variable) if self._around else None

    def updates(self, variables: Sequence[keras.Variable]) -> Values:
        """Return, by place in ``variables``, those that were assigned to."""
        return {k: self._values[id(one)] for k, one in enumerate(variables) if id(one) in self.written}

    def _anchored(self, key: int, value: Any) -> Any:
        return value + self._offsets[key] if key in self._offsets else value

    def _outwards(self) -> Iterator[Scope]:
        scope: Scope | None = self
        while scope:
            yield scope
            scope = scope._around


class Compiled:
    """A function of arguments and variables as one program; calling it assigns what the function assigns.

    Attributes:
        variables: all that the function may read or assign to.
    """

    def __init__(
        self, function: Callable[..., Any], holders: Sequence[Any], devices: Devices | None = None
    ) -> None:
        """Compile at the first call; ``holders`` are models, optimisers and variables.

        It runs on all of ``devices``, or on one device.
        """
        self._function, self._devices = function, devices
        self._program = jax.jit(self._traced, out_shardings=devices.whole if devices else None)
        found = [one for holder in holders for one in getattr(holder, "variables", [holder])]
        self.variables: list[keras.Variable] = list({id(one): one for one in found}.values())

    def __call__(self, *arguments: Any) -> Any:
        """Run the program on the variables as they are, and assign to them."""
        values = self._devices.hold(self.variables) if self._devices else on_this(self.variables)
        result, updates = self._program(values, *arguments)
        for place, value in updates.items():
            self.variables[place].assign(value)
        return result

    def pure(self, values: Sequence[Any], *arguments: Any) -> tuple[Any, list[Any]]:
        """Return the result and what all ``variables`` are then, given their ``values``: no side effects.

        It can be compiled, and repeated inside one program (``jax.lax.scan``).
        """
        result, updates = self._traced(values, *arguments)
        return result, [updates.get(place, value) for place, value in enumerate(values)]

    def _traced(self, values: Sequence[Any], *arguments: Any) -> tuple[Any, Values]:
        known = {id(one): value for one, value in zip(self.variables, values, strict=True)}
        with self._devices.sharing() if self._devices else nullcontext(), Scope(known) as scope:
            result = self._function(*arguments)
        missed = scope.written.keys() - known.keys()
        if missed:
            names = ", ".join(scope.written[key].path for key in missed)
            raise ValueError(f"assigned to, but not of what this was compiled with: {names}")
        return result, scope.updates(self.variables)


def out_of_memory(error: Exception) -> bool:
    """Whether it says that memory, of the card or the machine, was too small."""
    exhausted = isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" in str(error)
    return exhausted or isinstance(error, MemoryError)


def compute_capabilities() -> list[tuple[int, ...]]:
    """Return CUDA's compute capability of each card that is used."""
    found = [getattr(card, "compute_capability", None) for card in jax.devices()]
    return [tuple(map(int, one.split("."))) for one in found if one]


def compiled(function: Callable[..., Any], *holders: Any) -> Callable[..., Any]:
    """Return ``function`` as one program; ``holders`` have all variables that it reads or assigns to."""
    return Compiled(function, holders)


def compiled_step(function: Callable[..., Any], *holders: Any) -> Callable[..., Any]:
    """Return a step of training as one program, on all devices that trainings are spread over."""
    return Compiled(function, holders, spread())


def as_one(function: Callable[..., Any], *holders: Any) -> Callable[..., Any]:
    """Return ``function`` as one program: single operations are slow to start here."""
    return Compiled(function, holders)


def inference(model: keras.Model) -> Callable[[Any], Any]:
    """Return ``model`` in inference mode, compiled once however often this is asked for."""
    return _inference(model)


@functools.lru_cache(maxsize=REMEMBERED)
def _inference(model: keras.Model) -> Compiled:
    return Compiled(lambda x: model(x, training=False), [model])


def gradients(
    compute: Callable[[], tuple[Sequence[Any], T]], *models: keras.Model
) -> tuple[list[list[Any]], T]:
    """Return the gradient of one loss a model by its trainable variables, and what else was computed.

    ``compute`` returns the losses, in the order of ``models``, and arrays. A variable that is assigned to on
    the way counts as a number from then on: what it was before has no share in the gradient.
    """
    groups = [model.trainable_variables for model in models]
    base = {id(one): one.value for group in groups for one in group}
    written: dict[int, keras.Variable] = {}

    def traced(offsets: Mapping[int, Any]) -> tuple[Any, Any]:
        with Scope(base, offsets) as scope:
            losses, rest = compute()
        written.update(scope.written)
        return tuple(losses), (rest, scope.updates(list(written.values())))

    zeros = {key: jax.numpy.zeros_like(value) for key, value in base.items()}
    losses, pulled_back, (rest, updates) = jax.vjp(traced, zeros, has_aux=True)
    _assign(written, updates)
    found = []
    for place, group in enumerate(groups):
        weights = [jax.numpy.full_like(loss, float(k == place)) for k, loss in enumerate(losses)]
        (slopes,) = pulled_back(tuple(weights))
        found.append([slopes[id(one)] for one in group])
    return found, rest


def from_host(read: Callable[[Any], Any], rows: Any, shape: tuple[int, ...]) -> Any:
    """Return what ``read`` makes of the array ``rows`` ``(n,)`` on the host: ``(n, *shape)`` float32."""

    def ask(rows: Any) -> Any:
        made: Any = jax.eval_shape(lambda: jax.numpy.zeros((*rows.shape, *shape)))
        return jax.pure_callback(lambda asked: read(np.asarray(asked)), made, rows)

    return each_its_part(ask, rows)


def slope(function: Callable[[Any], Any], x: Any) -> Any:
    """Return the gradient of the scalar ``function(x)`` by ``x``, of its shape."""
    written: dict[int, keras.Variable] = {}

    def traced(x: Any) -> tuple[Any, Values]:
        with Scope({}) as scope:
            value = function(x)
        written.update(scope.written)
        return value, scope.updates(list(written.values()))

    found, updates = jax.grad(traced, has_aux=True)(x)
    _assign(written, updates)
    return found


def branch(condition: Any, if_so: Callable[[], T], otherwise: Callable[[], T]) -> T:
    """Run one of two functions of the same results; both may assign to variables."""
    written: dict[int, keras.Variable] = {}

    def traced(function: Callable[[], T]) -> Callable[[], tuple[T, Values]]:
        def run() -> tuple[T, Values]:
            with Scope({}) as scope:
                result = function()
                written.update(scope.written)
                return result, {place: one.value for place, one in enumerate(written.values())}

        return run

    for function in (if_so, otherwise):  # what either assigns to, both have to give
        jax.eval_shape(traced(function))
    result, updates = jax.lax.cond(condition, traced(if_so), traced(otherwise))
    _assign(written, updates)
    return result


def _assign(written: Mapping[int, keras.Variable], updates: Values) -> None:
    variables = list(written.values())
    for place, value in updates.items():
        variables[place].assign(value)
