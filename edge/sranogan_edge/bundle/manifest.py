"""What a bundle's manifest says: its step budgets, the members that follow from them, the calibrations."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from sranogan_edge.bundle.archive import Manifest
from sranogan_edge.scoring.conformal import Calibration

GRAPHS = ("search", "reconstruct", "features", "head")
GOLDEN = "golden.npz"
MODEL_CARD = "MODEL_CARD.md"
REFERENCE = "reference.npz"
MAX_STEPS = 10_000
MAX_BUDGETS = 32


def signature(graph: str, steps: int) -> str:
    """Return the name by which ``graph`` is called when the search takes ``steps`` steps."""
    return f"steps_{steps}" if graph == "search" else "serving_default"


def member_names(budgets: Iterable[int]) -> tuple[str, ...]:
    """Return the members that a bundle of these step budgets must have, besides its manifest."""
    densities = (f"density_{steps}.npz" for steps in sorted(budgets))
    return (*(f"{graph}.tflite" for graph in GRAPHS), *densities, GOLDEN, MODEL_CARD)


def domain_names(budgets: Iterable[int]) -> tuple[str, ...]:
    """Return the members that a bundle of these step budgets may have besides: signs of its normals."""
    return tuple(f"domain_{steps}.npz" for steps in sorted(budgets))


def reference_name(manifest: Manifest) -> tuple[str, ...]:
    """Return the member that holds what images are aligned to, where the manifest says that they are."""
    preprocess = manifest.get("preprocess")
    return (REFERENCE,) if isinstance(preprocess, dict) and preprocess.get("align") else ()


def onnx_names(budgets: Iterable[int]) -> tuple[str, ...]:
    """Return the keys that ``Bundle.onnx`` may have; the members are ``onnx/KEY.onnx``."""
    return (*(f"search_steps_{steps}" for steps in sorted(budgets)), *GRAPHS[1:])


def stated_budgets(manifest: Manifest) -> list[int]:
    """Return the step budgets; raises ValueError unless all that is stated for each goes by them."""
    search = manifest.get("search")
    if not isinstance(search, dict) or not isinstance(search.get("kind"), str):
        raise ValueError(f"search must state the kind, steps and budgets; received {search!r}")
    budgets: Any = search.get("budgets")
    steps = search.get("steps")
    if not _are_budgets(budgets):
        raise ValueError(f"search.budgets must be ascending whole numbers of steps; received {budgets!r}")
    if type(steps) is not int or steps not in budgets:
        raise ValueError(f"search.steps must be one of the budgets {budgets}; received {steps!r}")
    for name in ("calibration", "golden_tolerance"):
        stated = manifest.get(name)
        found = list(stated) if isinstance(stated, dict) else stated
        if found != [str(budget) for budget in budgets]:
            raise ValueError(f"{name} must be stated for each of the budgets {budgets}; received {found!r}")
    return list(budgets)


def _are_budgets(stated: Any) -> bool:
    if not isinstance(stated, list) or not 1 <= len(stated) <= MAX_BUDGETS:
        return False
    return all(type(k) is int and 0 <= k <= MAX_STEPS for k in stated) and stated == sorted(set(stated))


def search_size(stated: Any, size: int) -> int:
    """Return the stated size; raises ValueError unless it is a whole number from 1 to ``size``."""
    if not isinstance(stated, int) or not 1 <= stated <= size:
        raise ValueError(f"search_size must be a whole number from 1 to {size}; received {stated!r}")
    return stated


def read_calibration(stated: dict[str, Any]) -> Calibration:
    """Read the scores and the rate; the stated threshold must be the one that follows from them."""
    calibration = Calibration(tuple(float(score) for score in stated["scores"]), stated["false_alarm_rate"])
    threshold = math.inf if stated["threshold"] is None else float(stated["threshold"])
    if not math.isclose(threshold, calibration.threshold, rel_tol=1e-9):
        raise ValueError(
            f"the threshold {threshold} is not the one that scores and false_alarm_rate give, "
            f"{calibration.threshold}"
        )
    return calibration


def stated_calibration(calibration: Calibration) -> dict[str, Any]:
    """Return scores, rate and threshold (null where it is infinite), ready for JSON."""
    threshold = calibration.threshold
    return {
        "scores": list(calibration.scores),
        "false_alarm_rate": calibration.false_alarm_rate,
        "threshold": threshold if math.isfinite(threshold) else None,
    }
