"""What is exported, and in which numbers.

==========  ========  ============  ================================================================
recipe      weights   activations   in words
==========  ========  ============  ================================================================
float32     float32   float32       what was trained
float16     float16   float32       half the size; a CPU widens the weights when it loads them
dynamic     int8      float32       a quarter of the size; large products are rounded as they run
int8        int8      int8          everything, border included, but for the islands named below
==========  ========  ============  ================================================================

It means the same for each graph, with one exception: of an int8 gradient search, the latent vector, its
optimiser and the signs stay on floats. They are 128 numbers a step, and rounded they would stop the search.
The manifest counts these operators (``float_islands``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from keras_sranogan.settings import SearchKind, SearchSettings, TrainSettings, check_choice
from sranogan_edge.errors import SettingsError

Recipe = Literal["float32", "float16", "dynamic", "int8"]
Engine = Literal["keras", "tfmot", "none"]
RECIPES: tuple[str, ...] = get_args(Recipe)
ENGINES: tuple[str, ...] = get_args(Engine)
Counts = Mapping[str, Mapping[str, Mapping[str, int]]]


@dataclass(frozen=True)
class QatSettings:
    """How long each network is fine-tuned: together 4 minutes on 2 quiet cores for the standard run."""

    steps: int = 240
    batch: int = 16
    learning_rate: float = 1e-4


@dataclass(frozen=True)
class ExportOptions:
    """What to export.

    Attributes:
        recipe: the numbers of all graphs.
        engine: of the fine-tuning of int8 graphs; ``none`` is post-training quantisation.
        search: its kind; None is the run's.
        steps: the search steps that a device takes unless told otherwise; None is the run's for that kind.
        budgets: further numbers of steps that a device may choose.
        symmetric: whether all zero points of ``int8`` are 0, as TensorRT wants them.
        onnx: whether the graphs are also written as ONNX.
        seed: of the fine-tuning; None is the run's.
        qat: how long to fine-tune.
        proof_normals: how many held-out normals the proof of equality scores at most; None is the usual.
    """

    recipe: Recipe = "int8"
    engine: Engine = "keras"
    search: SearchKind | None = None
    steps: int | None = None
    budgets: tuple[int, ...] = ()
    symmetric: bool = False
    onnx: bool = False
    seed: int | None = None
    qat: QatSettings = field(default_factory=QatSettings)
    proof_normals: int | None = None

    def __post_init__(self) -> None:
        check_recipe(self.recipe)
        check_choice("--qat", self.engine, ENGINES)
        if self.symmetric and self.recipe != "int8":
            raise SettingsError(
                f"--symmetric sets the zero points of int8; the recipe {self.recipe} has none. Leave it out, "
                "or export --int8."
            )

    def searches(self, settings: TrainSettings) -> dict[int, SearchSettings]:
        """Return the search of each step budget, ascending."""
        usual = settings.search_of(self.search, self.steps)
        budgets = sorted({usual.steps, *self.budgets})
        return {steps: settings.search_of(self.search, steps) for steps in budgets}


def check_recipe(recipe: str) -> None:
    """Raise SettingsError unless ``recipe`` is one of :data:`RECIPES`."""
    if recipe not in RECIPES:
        raise SettingsError(f"the recipe must be one of {', '.join(RECIPES)}; received {recipe!r}")


def float_islands(recipe: Recipe, operators: Counts) -> dict[str, dict[str, int]]:
    """Return the operators of int8 graphs that compute on floats, by graph; empty for other recipes."""
    if recipe != "int8":
        return {}
    return {name: dict(counts["float32"]) for name, counts in operators.items() if counts["float32"]}
