"""A finished run to a bundle: graphs, densities refitted on the graphs' own output, golden cases, card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from keras_sranogan.networks import Networks
from keras_sranogan.progress import Progress, Silent
from keras_sranogan.run import Run
from keras_sranogan.settings import SearchSettings
from keras_sranogan.startup import make_deterministic, require_tensorflow
from sranogan_edge.bundle.bundle import GRAPHS, Bundle, signature, write_bundle
from sranogan_edge.bundle.signature import sign
from sranogan_edge.runtime.graph import backend_name
from sranogan_edge.scoring.foreign import told_by
from sranogan_export.finetune.quantize_aware import FineTune, Gain, fine_tune
from sranogan_export.finetune.set_aside import set_aside
from sranogan_export.finetune.students import Examples, examples, students
from sranogan_export.fit.densities import fit_on_device_graphs
from sranogan_export.fit.golden import golden_inputs, proven, unproven
from sranogan_export.graphs import Unrolled, build_graphs
from sranogan_export.model_card import model_card
from sranogan_export.place import check_place
from sranogan_export.proof.compare import prove
from sranogan_export.proof.compare_table import markdown
from sranogan_export.proof.equality import Equality
from sranogan_export.rebuild.convert import operators
from sranogan_export.rebuild.search_graph import check_search
from sranogan_export.recipe import ExportOptions, float_islands

Counts = dict[str, dict[str, dict[str, int]]]


@dataclass(frozen=True)
class ExportResult:
    """What was written.

    Attributes:
        path: the bundle.
        graph_bytes: size of each graph.
        operators: per graph, the search's by step budget (``search_steps_K``), see
            :func:`sranogan_export.rebuild.flatbuffer.operators`.
        gains: what fine-tuning gave each network; empty where nothing was fine-tuned.
        reconstruction_l1: mean |x - x_hat| over held-out normals, by step budget.
        threshold: of the bundle's calibration; infinite when too few normals were held out.
        equality: Keras against the graphs.
        foreign_by: see :attr:`sranogan_edge.detector.judge.Judge.foreign_by`.
    """

    path: Path
    graph_bytes: Mapping[str, int]
    operators: Mapping[str, dict[str, dict[str, int]]]
    gains: Sequence[Gain]
    reconstruction_l1: Mapping[int, float]
    threshold: float
    equality: Equality
    foreign_by: str = ""


def export_run(
    run: Run,
    options: ExportOptions,
    out: Path,
    progress: Progress | None = None,
    *,
    audit: str = "",
    key: Path | None = None,
) -> ExportResult:
    """Export ``run`` to ``out``, signed with ``key``. ``audit`` is a section that the model card ends with.

    Without ``progress`` nothing is told on the way.

    Raises:
        RunError: the run is unfinished or damaged, or has no network for that kind of search.
        BackendError: Keras runs on another backend than TensorFlow in this process.
        SettingsError: the search cannot be a fixed graph, an extra is missing, or the key cannot sign.
        EqualityError: the graphs do not compute what the networks do.
        ResultsError: the bundle cannot be written.
    """
    require_tensorflow("an export")
    make_deterministic()  # equal runs shall give equal bundles
    progress = progress or Silent()
    check_place(out)
    check_extras(options)
    if key:
        sign(b"", key)  # a key that cannot sign is told now, not after minutes of work
    settings = run.settings
    searches = options.searches(settings)
    steps = settings.search_of(options.search, options.steps).steps
    for search in searches.values():
        check_search(search)
    networks, normals, aligner = run.networks(), run.held_out_normals(), run.aligner()
    unrolled = Unrolled.of(networks, searches)
    lessons, gains = _prepared(run, networks, unrolled, searches[steps], options, progress)
    cells = settings.detector.cells > 0
    models = _built(unrolled, options, lessons, progress, cells)
    fitted = fit_on_device_graphs(models, searches, normals, run.seen(), settings, progress)
    draft = Bundle(
        preprocess=settings.preprocess,
        search_size=settings.search_size,
        graphs=models,
        steps=steps,
        budgets={budget: unproven(one) for budget, one in fitted.items()},
        golden_x=golden_inputs(networks, settings, aligner),
        model_card="",
        details=_details(run, searches[steps], options, counted(models, searches), gains),
        aligner=aligner,
    )
    if options.onnx:
        draft = _with_onnx(draft, options)
    exact = models
    if options.recipe != "float32":  # as they were trained, on floats
        exact = build_graphs(Unrolled.of(networks, searches), "float32", lessons, cells=cells)
    unseen = normals.x[normals.original][: options.proof_normals]
    equality = prove(networks, searches, draft, exact, unseen, progress)
    bundle = _finished(draft, equality, audit)
    write_bundle(bundle, out, key)
    return ExportResult(
        path=out,
        graph_bytes={name: len(model) for name, model in models.items()},
        operators=bundle.details["operators"],
        gains=gains,
        reconstruction_l1={steps: one.reconstruction_l1 for steps, one in fitted.items()},
        threshold=bundle.calibration.threshold,
        equality=equality,
        foreign_by=told_by(bundle),
    )


def _finished(draft: Bundle, equality: Equality, audit: str) -> Bundle:
    """Return the bundle with golden scores, the proof of equality and the card."""
    budgets = {budget: proven(draft, budget) for budget in draft.budgets}
    card = "\n".join(filter(None, (markdown(equality), audit)))
    details = {**draft.details, "equality": equality.to_dict()}
    return replace(draft, budgets=budgets, details=details, model_card=model_card(draft, card))


def check_extras(options: ExportOptions) -> None:
    """Raise SettingsError, before any work, where an option needs a package that is missing."""
    if options.recipe == "int8" and options.engine == "tfmot":
        from sranogan_export.finetune.tfmot_engine import check_tfmot

        check_tfmot()
    if options.onnx:
        from sranogan_export.onnx.write import check_onnx

        check_onnx(options.recipe)


def _prepared(
    run: Run,
    networks: Networks,
    unrolled: Unrolled,
    search: SearchSettings,
    options: ExportOptions,
    progress: Progress,
) -> tuple[Examples, list[Gain]]:
    """Fine-tune the networks where asked for; return what gives the ranges, and the gains.

    Held-out normals have no part in it: they judge what comes of it.
    """
    spec, kept, seen = run.settings.preprocess, run.representative(), run.seen()
    kind = run.settings.head.anomalies
    if options.recipe != "int8" or options.engine == "none":
        return examples(networks, search, spec, kept, seen, kind), []
    taught = set_aside(kept, seen, run.provenance["normals_to_train"])
    lessons = examples(networks, search, spec, taught.plain, taught.small, kind)
    exam = examples(networks, search, spec, taught.exam, seen[:0], kind)
    seed = run.settings.seed if options.seed is None else options.seed
    pupils = students(unrolled.networks(), lessons, exam, symmetric=options.symmetric)
    learned, gains = _engine(options)(pupils, options.qat, seed, progress)
    unrolled.replace(learned)
    return lessons, gains


def _engine(options: ExportOptions) -> FineTune:
    if options.engine == "keras":
        return fine_tune
    from sranogan_export.finetune.tfmot_engine import fine_tune_with_tfmot

    return fine_tune_with_tfmot


def _built(
    unrolled: Unrolled, options: ExportOptions, lessons: Examples, progress: Progress, cells: bool
) -> dict[str, bytes]:
    progress.start("exporting graphs", len(GRAPHS))
    finished: list[str] = []

    def graph_done(name: str) -> None:
        finished.append(name)
        progress.advance(len(finished), name)

    kind = {"symmetric": options.symmetric, "cells": cells}
    return build_graphs(unrolled, options.recipe, lessons, graph_done, **kind)


def counted(models: Mapping[str, bytes], budgets: Mapping[int, Any]) -> Counts:
    """Return the operators of each graph, the search's by step budget (``search_steps_K``)."""
    searches = {
        f"search_steps_{steps}": operators(models["search"], signature("search", steps)) for steps in budgets
    }
    return searches | {name: operators(models[name]) for name in GRAPHS if name != "search"}


def _with_onnx(draft: Bundle, options: ExportOptions) -> Bundle:
    """Return the bundle with its graphs as ONNX, and with what TensorRT would make of them.

    Raises:
        BackendError: a graph cannot be written, or TensorRT would refuse what was meant for it.
    """
    from sranogan_export.onnx.tensorrt import TENSORRT, check_tensorrt, violations
    from sranogan_export.onnx.write import onnx_graphs

    made = onnx_graphs(draft.graphs, draft.budgets, half=options.recipe == "float16")
    if options.recipe != "int8" or options.symmetric:
        check_tensorrt(made)
    refused = {name: found[0] for name, model in made.items() if (found := violations(model))}
    details = {**draft.details, "tensorrt": {"version": TENSORRT, "refused": refused}}
    return replace(draft, onnx=made, details=details)


def _details(
    run: Run, search: SearchSettings, options: ExportOptions, counts: Counts, gains: Sequence[Gain]
) -> dict[str, Any]:
    return {
        "recipe": options.recipe,
        "search": asdict(search),
        "operators": counts,
        "float_islands": float_islands(options.recipe, counts),
        "quantisation": {
            "engine": options.engine if options.recipe == "int8" else "none",
            "symmetric": options.symmetric,
            "networks": [asdict(gain) for gain in gains],
        },
        "exporter": backend_name(),
        "settings": run.settings.to_dict(),
        "provenance": run.provenance,
    }
