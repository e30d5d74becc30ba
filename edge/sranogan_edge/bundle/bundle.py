"""The bundle: one file that holds all that a device needs, and proves itself before it is used.

``NAME.sranogan`` is a zip archive (stored, not compressed) of

- ``manifest.json``: schema version, preprocessing, search, calibration, provenance, and the size and
  SHA-256 of every other member;
- ``search.tflite``, with one signature ``steps_K`` for each step budget K, and ``reconstruct.tflite``,
  ``features.tflite``, ``head.tflite``;
- ``density_K.npz`` for each budget: the densities of :class:`sranogan_edge.scoring.density.Density`,
  of tiles and of whole images where ``preprocess.tile_whole`` says that both are judged;
- ``domain_K.npz``, where enough normals were held out: their signs
  (:mod:`sranogan_edge.scoring.fingerprint`), by which an image is "not like the training data" where no
  site's calibration says so;
- ``reference.npz``, where ``preprocess.align`` says that images are aligned: what they are aligned to, the
  mean of training normals (:class:`sranogan_edge.image.align.Aligner`);
- ``golden.npz``: synthetic inputs with the scores that each budget must give them;
- ``onnx/``, only where asked for: the graphs once more (:func:`onnx_names`);
- ``MODEL_CARD.md``;
- ``signature.json``, only where asked for: of the manifest (:mod:`sranogan_edge.bundle.signature`).

Reading verifies schema, sizes and hashes; scoring also re-scores the golden inputs on the backend
in use (:mod:`sranogan_edge.detector.detector`). Threshold and calibration stand in the manifest, outside the
graphs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sranogan_edge.arrays import arrays_from_bytes, arrays_to_bytes
from sranogan_edge.bundle.archive import MANIFEST, SCHEMA_VERSION, Manifest, read_archive, write_archive
from sranogan_edge.bundle.manifest import (
    GOLDEN,
    GRAPHS,
    MODEL_CARD,
    REFERENCE,
    domain_names,
    member_names,
    onnx_names,
    read_calibration,
    reference_name,
    search_size,
    signature,
    stated_budgets,
    stated_calibration,
)
from sranogan_edge.errors import BundleFormatError, SettingsError
from sranogan_edge.image.align import Aligner
from sranogan_edge.image.preprocess import PreprocessSpec
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.scoring.density import Density
from sranogan_edge.scoring.fingerprint import Signs, signs_from_bytes, signs_to_bytes

__all__ = [
    "GRAPHS",
    "MANIFEST",
    "SCHEMA_VERSION",
    "Budget",
    "Bundle",
    "Golden",
    "member_names",
    "onnx_names",
    "read_bundle",
    "signature",
    "write_bundle",
]


@dataclass(frozen=True, eq=False)
class Golden:
    """Inputs with known scores.

    Attributes:
        x: ``(N, S, S, channels)`` float32 in [0, 1], synthetic: made by the model itself, no patient's image.
        scores: ``(N,)`` float64, what the exporting machine scored.
        tolerance: largest accepted absolute difference of a score.
    """

    x: NDArray[np.float32]
    scores: NDArray[np.float64]
    tolerance: float


@dataclass(frozen=True, eq=False)
class Budget:
    """What belongs to one number of search steps: another number measures otherwise.

    Attributes:
        density: of what held-out normals measure.
        calibration: scores of held-out normals and the false-alarm rate.
        golden_scores: ``(N,)`` float64, of the golden inputs.
        tolerance: largest accepted absolute difference of a golden score.
        signs: of held-out normals and jittered copies of them; None says nothing of foreign images.
    """

    density: Density
    calibration: Calibration
    golden_scores: NDArray[np.float64]
    tolerance: float
    signs: Signs | None = None


@dataclass(frozen=True, eq=False)
class Bundle:
    """A verified bundle's contents.

    Attributes:
        preprocess: how frames become x.
        search_size: side in pixels of the search graph's input.
        graphs: TFLite models by name (:data:`GRAPHS`).
        steps: the search steps in use; one of ``budgets``.
        budgets: all that the bundle can be set to, by number of steps.
        golden_x: ``(N, S, S, channels)`` float32, inputs of the proof cases; where images are aligned the
            last is what comes of the reference, turned
            (:meth:`sranogan_edge.image.align.Aligner.golden_x`).
        model_card: Markdown.
        details: the rest of the manifest: ``search`` (its ``steps`` and ``budgets`` are written from the
            fields above), ``recipe``, ``provenance``, ``operators``.
        aligner: what images are aligned by; None where ``preprocess`` aligns none.
        onnx: ONNX models by name (:func:`onnx_names`); empty where they were not exported.
        sha256: of the whole file; empty for a bundle that was not read from one.

    Raises:
        SettingsError: ``steps`` is none of the budgets, an ONNX model has an unknown name, or there is an
            aligner where none is called for, or none where one is.
    """

    preprocess: PreprocessSpec
    search_size: int
    graphs: Mapping[str, bytes]
    steps: int
    budgets: Mapping[int, Budget]
    golden_x: NDArray[np.float32]
    model_card: str
    details: Mapping[str, Any] = field(default_factory=dict)
    aligner: Aligner | None = None
    onnx: Mapping[str, bytes] = field(default_factory=dict)
    sha256: str = ""

    def __post_init__(self) -> None:
        if self.steps not in self.budgets:
            has = ", ".join(map(str, sorted(self.budgets)))
            raise SettingsError(
                f"this bundle has no budget of {self.steps} search steps; it has {has}. Choose one of "
                "these with --steps, or export another with sranogan-export --budgets."
            )
        if self.preprocess.align is (self.aligner is None):
            raise SettingsError(
                "a bundle has an aligner where its preprocessing aligns images, and there alone; "
                f"received align {self.preprocess.align} and {self.aligner}. Export it again."
            )
        unknown = sorted(set(self.onnx) - set(onnx_names(self.budgets)))
        if unknown:
            raise SettingsError(
                f"a bundle of these budgets has no ONNX graph {unknown[0]!r}; it may have "
                f"{', '.join(onnx_names(self.budgets))}."
            )

    @property
    def size(self) -> int:
        """Side in pixels of x."""
        return self.preprocess.size

    @property
    def density(self) -> Density:
        """Of the steps in use."""
        return self.budgets[self.steps].density

    @property
    def calibration(self) -> Calibration:
        """Of the steps in use."""
        return self.budgets[self.steps].calibration

    @property
    def signs(self) -> Signs | None:
        """Of the steps in use."""
        return self.budgets[self.steps].signs

    @property
    def golden(self) -> Golden:
        """Proof cases of the steps in use."""
        budget = self.budgets[self.steps]
        return Golden(self.golden_x, budget.golden_scores, budget.tolerance)

    def with_steps(self, steps: int) -> Bundle:
        """Return the bundle set to another budget; raises SettingsError naming those that it has."""
        return replace(self, steps=steps)


def write_bundle(bundle: Bundle, path: Path, key: Path | None = None) -> None:
    """Write ``bundle`` to ``path``, signed with ``key``: whole or not at all.

    Equal contents give equal bytes.

    Raises:
        ResultsError: the file cannot be written.
        SettingsError: the key cannot sign.
    """
    budgets = dict(sorted(bundle.budgets.items()))
    scores = {f"scores_{steps}": budget.golden_scores for steps, budget in budgets.items()}
    members = {
        **{f"{name}.tflite": bundle.graphs[name] for name in GRAPHS},
        **{f"density_{steps}.npz": budget.density.to_bytes() for steps, budget in budgets.items()},
        **{
            f"domain_{steps}.npz": signs_to_bytes(budget.signs)
            for steps, budget in budgets.items()
            if budget.signs is not None
        },
        **({REFERENCE: bundle.aligner.to_bytes()} if bundle.aligner else {}),
        GOLDEN: arrays_to_bytes({"x": bundle.golden_x, **scores}),
        MODEL_CARD: bundle.model_card.encode(),
        **{f"onnx/{n}.onnx": bundle.onnx[n] for n in onnx_names(budgets) if n in bundle.onnx},
    }
    manifest = {
        "preprocess": bundle.preprocess.to_dict(),
        "search_size": bundle.search_size,
        "calibration": {
            str(steps): stated_calibration(budget.calibration) for steps, budget in budgets.items()
        },
        "golden_tolerance": {str(steps): budget.tolerance for steps, budget in budgets.items()},
        **bundle.details,
        "search": {**bundle.details.get("search", {}), "steps": bundle.steps, "budgets": list(budgets)},
    }
    write_archive(manifest, members, path, key)


def read_bundle(path: Path, key: Path | None = None) -> Bundle:
    """Read and verify a bundle; with a ``key``, only one that is signed with it.

    Raises:
        BundleSignatureError: not signed with ``key``.
        BundleFormatError: no such file, not a bundle, or a member is missing, malformed or unknown.
        BundleSchemaError: written for another schema version.
        BundleLimitError: it, or a member, is larger than ``MAX_MEMBER_BYTES`` allows.
        BundleIntegrityError: a member's bytes are not those that were exported.
    """
    manifest, members, sha256 = read_archive(
        path,
        lambda stated: (*member_names(stated_budgets(stated)), *reference_name(stated)),
        _optional_members,
        key,
    )
    try:
        return _assemble(manifest, members, sha256)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, SettingsError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else error
        raise BundleFormatError(
            f"{path}: the manifest or a member cannot be understood: {reason}. Export the bundle again."
        ) from error


def _optional_members(manifest: Manifest) -> tuple[str, ...]:
    budgets = stated_budgets(manifest)
    return (*domain_names(budgets), *(f"onnx/{name}.onnx" for name in onnx_names(budgets)))


def _assemble(manifest: Manifest, members: Mapping[str, bytes], sha256: str) -> Bundle:
    preprocess = PreprocessSpec.from_dict(manifest.pop("preprocess"))
    calibration, tolerance = manifest.pop("calibration"), manifest.pop("golden_tolerance")
    numbers = stated_budgets({**manifest, "calibration": calibration, "golden_tolerance": tolerance})
    golden = arrays_from_bytes(members[GOLDEN], ["x", *(f"scores_{steps}" for steps in numbers)])
    budgets = {
        steps: Budget(
            Density.from_bytes(members[f"density_{steps}.npz"]),
            read_calibration(calibration[str(steps)]),
            golden[f"scores_{steps}"],
            float(tolerance[str(steps)]),
            signs_from_bytes(members[name]) if (name := f"domain_{steps}.npz") in members else None,
        )
        for steps in numbers
    }
    bundle = Bundle(
        preprocess=preprocess,
        search_size=search_size(manifest.pop("search_size"), preprocess.size),
        graphs={name: members[f"{name}.tflite"] for name in GRAPHS},
        steps=manifest["search"]["steps"],
        budgets=budgets,
        golden_x=golden["x"],
        model_card=members[MODEL_CARD].decode(),
        details=manifest,
        aligner=Aligner.from_bytes(members[REFERENCE]) if REFERENCE in members else None,
        onnx={n: members[f"onnx/{n}.onnx"] for n in onnx_names(numbers) if f"onnx/{n}.onnx" in members},
        sha256=sha256,
    )
    for steps in numbers:
        _check_golden_cases(bundle.with_steps(steps).golden, preprocess)
    return bundle


def _check_golden_cases(golden: Golden, spec: PreprocessSpec) -> None:
    x, scores = golden.x, golden.scores
    shape = (len(x), spec.size, spec.size, spec.channels)
    if not len(x) or x.shape != shape or x.dtype != np.float32 or scores.shape != (len(x),):
        raise ValueError(f"golden inputs {x.dtype}{x.shape} with scores {scores.shape}")
    if not 0 <= golden.tolerance < math.inf:
        raise ValueError(f"golden_tolerance must be finite, from 0 up; received {golden.tolerance}")
