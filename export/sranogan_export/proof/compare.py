"""Float Keras against float TFLite against the bundle's own graphs: the proof that they compute the same.

Every export ends with it. Past a tolerance nothing is written, and the error names the first tensor that
departs.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.detector.reconstruct import Reconstructions, Reconstructor, downscale_all, predict
from keras_sranogan.networks import Networks
from keras_sranogan.progress import Progress
from keras_sranogan.settings import SearchSettings
from sranogan_edge.bench.graphs import graph_cost
from sranogan_edge.bundle.bundle import GRAPHS, Bundle, signature
from sranogan_edge.errors import BundleError
from sranogan_edge.runtime.graph import Graph
from sranogan_edge.scoring.head import head_input
from sranogan_edge.scoring.measurement import measure
from sranogan_export.proof.compare_steps import step_images
from sranogan_export.proof.compare_tensors import first_departure, partitions
from sranogan_export.proof.equality import FLOAT, KERAS, Equality, GraphRow, ScoreRow, StepRow
from sranogan_export.rebuild.flatbuffer import operators

NORMALS_TO_SCORE = 256  # held-out normals; all there are where there are fewer
NORMALS_TO_FOLLOW = 64  # of these, through every graph and every step
Images = NDArray[np.float32]
Arrays = Mapping[str, Images]


class EqualityError(BundleError):
    """The exported graphs do not compute what the networks do; no bundle was written."""


@dataclass(frozen=True, eq=False)
class _Form:
    """The graphs in one form, set to the bundle's steps."""

    name: str
    models: Mapping[str, bytes]
    bundle: Bundle

    def graph(self, name: str, steps: int) -> Graph:
        return Graph(self.models[name], name=name, signature=signature(name, steps), threads=2)


def prove(
    networks: Networks,
    searches: Mapping[int, SearchSettings],
    bundle: Bundle,
    reference: Mapping[str, bytes],
    x: Images,
    progress: Progress,
) -> Equality:
    """Compare, and return the figures.

    Args:
        networks: as they were trained.
        searches: by step budget, as in the bundle.
        bundle: the draft; its densities, fitted on its own graphs, score all forms.
        reference: the same graphs as TFLite on floats, by the names of ``GRAPHS``, with the same signatures.
        x: ``(N, S, S, C)`` held-out normals in [0, 1], not enhanced, not jittered.
        progress: is told.

    Raises:
        EqualityError: a form is past its tolerance.
    """
    recipe, steps = str(bundle.details["recipe"]), bundle.steps
    forms = [_Form(FLOAT, reference, bundle)]
    if recipe != "float32":
        forms.append(_Form(f"{recipe} TFLite", bundle.graphs, bundle))
    progress.start("proving equality", 4)
    x = x[:NORMALS_TO_SCORE]
    made = Reconstructor(networks, searches[steps], bundle.preprocess)(x)
    progress.advance(1, "Keras")
    scored, distances = _scores(made, forms, x)
    progress.advance(2, "scores")
    followed = made.first(NORMALS_TO_FOLLOW)
    curve, ends = _curve(networks, searches, forms, followed)
    progress.advance(3, "steps")
    graphs = _graphs(networks, forms, followed, x[:NORMALS_TO_FOLLOW], ends)
    progress.advance(4, "graphs")
    rows = tuple(_score_row(form.name, scored, distances) for form in forms)
    found = Equality(recipe, steps, len(x), len(followed.x), graphs, curve, rows, scored)
    failed, past = found.failure()
    if failed:
        form = next(form for form in forms if form.name == failed)
        inputs = _inputs(followed, x[:1], bundle, networks.head.input_shape[1])
        raise EqualityError(_message(forms[0], form, past, found, inputs))
    return found


def _scores(
    made: Reconstructions, forms: list[_Form], x: Images
) -> tuple[dict[str, NDArray[np.float64]], dict[str, float]]:
    """Score by each form; all by the bundle's densities. Also return mean |x - reconstruction|."""
    bundle = forms[0].bundle
    rows = [{name: part[i] for name, part in made.measured.items()} for i in range(len(x))]
    scored = {KERAS: np.array([bundle.density.score(row) for row in rows])}
    distances = {KERAS: float(np.abs(made.x - made.resolved).mean())}
    for form in forms:
        graphs = {name: form.graph(name, bundle.steps) for name in GRAPHS}
        found = [measure(one, bundle.preprocess, bundle.search_size, graphs) for one in x]
        scored[form.name] = np.array([bundle.density.score(one.measured) for one in found])
        distances[form.name] = float(np.mean([np.abs(one.x - one.resolved).mean() for one in found]))
    return scored, distances


def _score_row(
    form: str, scored: Mapping[str, NDArray[np.float64]], distances: Mapping[str, float]
) -> ScoreRow:
    exact, found = scored[KERAS], scored[form]
    apart = np.abs(found - exact)
    varied = len(exact) > 1 and exact.std() > 0 and found.std() > 0
    correlation = float(np.corrcoef(exact, found)[0, 1]) if varied else float("nan")
    growth = distances[form] / distances[KERAS] - 1
    return ScoreRow(form, correlation, float(apart.mean()), float(apart.max()), distances[form], growth)


def _curve(
    networks: Networks, searches: Mapping[int, SearchSettings], forms: list[_Form], made: Reconstructions
) -> tuple[tuple[StepRow, ...], dict[str, dict[int, Images]]]:
    """Follow the searches step by step; return also the images, by form and number of steps."""
    bundle = forms[0].bundle
    longest = max(searches)
    low = downscale_all(made.x, bundle.search_size)
    powers = [2**k for k in range(longest.bit_length())]
    points = sorted({k for k in (0, *powers, *searches) if k <= longest})
    images: dict[str, dict[int, Images]] = {KERAS: {}}
    for k in points:
        search = replace(searches[longest], steps=k, kind=searches[longest].kind if k else "encoder")
        with _without_advice():
            images[KERAS][k] = Reconstructor(networks, search, bundle.preprocess).search(low).generated
    for form in forms:
        inside = step_images(form.models["search"], signature("search", longest), longest, low) or {}
        own = {k: _run(form.graph("search", k), {"x": low})["generated"] for k in searches}
        images[form.name] = {k: one for k, one in {**inside, **own}.items() if k in points}
    rows = []
    for k in points:
        errors = {n: np.abs(low - of[k]).mean(axis=(1, 2, 3)) for n, of in images.items() if k in of}
        means = {name: float(one.mean()) for name, one in errors.items()}
        rows.append(StepRow(k, means, {name: float(one.max()) for name, one in errors.items()}))
    return tuple(rows), images


@contextmanager
def _without_advice() -> Iterator[None]:
    """Keep TensorFlow from telling users that functions are traced anew: each number of steps is another."""
    logger = logging.getLogger("tensorflow")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _graphs(
    networks: Networks,
    forms: list[_Form],
    made: Reconstructions,
    plain: Images,
    ends: Mapping[str, Mapping[int, Images]],
) -> tuple[GraphRow, ...]:
    bundle = forms[0].bundle
    inputs = _inputs(made, plain, bundle, networks.head.input_shape[1])
    said = networks.head(inputs["head"]["image"], training=False)
    expected: dict[str, Arrays] = {
        "reconstruct": {
            "refined": predict(networks.refiner, made.generated),
            "resolved": predict(networks.resolver, predict(networks.refiner, made.generated)),
        },
        "features": {"features": predict(networks.judge, made.x)},
        "head": {name: np.asarray(said[name]) for name in forms[0].graph("head", bundle.steps).outputs},
    }
    rows = []
    for form in forms:
        for k in sorted(bundle.budgets):
            errors = _errors({"": ends[KERAS][k]}, {"": ends[form.name][k]})
            rows.append(_graph_row(form, "search", k, errors))
        for name, outputs in expected.items():
            found = _run(form.graph(name, bundle.steps), inputs[name])
            rows.append(_graph_row(form, name, bundle.steps, _errors(outputs, found)))
    return tuple(rows)


def _inputs(made: Reconstructions, plain: Images, bundle: Bundle, side: int) -> dict[str, Arrays]:
    """What Keras gives each graph to work on; ``side`` is that of the head's input."""
    return {
        "search": {"x": downscale_all(made.x, bundle.search_size)},
        "reconstruct": {"generated": made.generated},
        "features": {"image": made.x},
        "head": {"image": np.stack([head_input(one, side) for one in plain])},
    }


def _run(graph: Graph, inputs: Arrays) -> dict[str, Images]:
    """Run a graph of batch 1 on each of several inputs."""
    count = len(next(iter(inputs.values())))
    made = [graph({name: rows[i : i + 1] for name, rows in inputs.items()}) for i in range(count)]
    return {name: np.concatenate([one[name] for one in made]) for name in made[0]}


def _errors(expected: Arrays, found: Arrays) -> tuple[float, float]:
    """Mean and largest error over all outputs, in standard deviations of what is expected."""
    pairs = [(found[name] - one, max(float(one.std()), 1e-6)) for name, one in expected.items()]
    means = [float(np.abs(apart).mean()) / spread for apart, spread in pairs]
    return max(means), max(float(np.abs(apart).max()) / spread for apart, spread in pairs)


def _graph_row(form: _Form, name: str, steps: int, errors: tuple[float, float]) -> GraphRow:
    model, called = form.models[name], signature(name, steps)
    counts, cost = operators(model, called), graph_cost(model, called)
    return GraphRow(
        graph=f"{name}_{called}" if name == "search" else name,
        form=form.name,
        operators=sum(counts["all"].values()),
        float_operators=sum(counts["float32"].values()),
        partitions=partitions(model, called),
        file_bytes=len(model),
        macs=None if cost is None else cost.total_macs,
        mean_error=errors[0],
        max_error=errors[1],
    )


def _message(exact: _Form, form: _Form, failure: str, found: Equality, inputs: Mapping[str, Arrays]) -> str:
    said = f"the {form.name} graphs do not compute what the networks do: {failure}. "
    cure = (
        "Fine-tune (leave out --ptq), or export --float16. No bundle was written."
        if form is not exact
        else "Report this with the versions of tensorflow and ai-edge-litert. No bundle was written."
    )
    if form is not exact:
        for name in GRAPHS:
            called = signature(name, found.steps)
            first = {port: rows[:1] for port, rows in inputs[name].items()}
            departure = first_departure(exact.models[name], form.models[name], first, called)
            if departure:
                return f"{said}The first tensor to depart is in graph {name!r}: {departure}. {cure}"
    worst = max((row for row in found.graphs if row.form == form.name), key=lambda row: row.mean_error)
    return f"{said}No single tensor departs; graph {worst.graph!r} is the furthest off. {cure}"


__all__ = ["NORMALS_TO_FOLLOW", "NORMALS_TO_SCORE", "EqualityError", "prove"]
