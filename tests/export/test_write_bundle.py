"""From a run to a bundle: it proves itself, repeats itself, and refuses early."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from keras_sranogan.detector.normals import HeldOutNormals
from keras_sranogan.progress import Silent
from keras_sranogan.run import Run
from sranogan_edge.bundle.bundle import Bundle, read_bundle
from sranogan_edge.detector.open import open_detector
from sranogan_edge.errors import ResultsError, RunError, SettingsError
from sranogan_edge.image.frame import Frame
from sranogan_edge.scoring.density import WHOLE_PARTS
from sranogan_edge.scoring.fingerprint import SIGNS
from sranogan_edge.scoring.foreign import told_by
from sranogan_edge.scoring.statistics import statistics_of
from sranogan_export.fit.fingerprint import signs_of_normals
from sranogan_export.fit.golden import GOLDEN_CASES, golden_inputs, proven
from sranogan_export.rebuild.convert import RECIPES
from sranogan_export.recipe import ExportOptions
from sranogan_export.write_bundle import export_run
from tests.support.quick_export import PTQ, Told


def copied(run: Run, folder: Path) -> Run:
    """A copy of a finished run that a test may damage."""
    kept = shutil.ignore_patterns("checkpoints", "logs", "*.png")
    return Run(Path(shutil.copytree(run.folder, folder, ignore=kept)))


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    """Give the tiny int8 bundle."""
    return read_bundle(tiny_bundle)


@pytest.mark.parametrize("recipe", RECIPES)
def test_bundle_of_each_recipe_proves_itself(export_tiny: Callable[[str], Path], recipe: str) -> None:
    """Each recipe's bundle loads, passes its golden cases and says which recipe it is."""
    bundle = read_bundle(export_tiny(recipe))
    open_detector(bundle)
    assert bundle.details["recipe"] == recipe
    assert f"Graphs in {recipe}" in bundle.model_card
    assert len(bundle.golden.scores) == GOLDEN_CASES


def test_smaller_recipes_are_smaller(export_tiny: Callable[[str], Path]) -> None:
    """Half-size and 8-bit weights make smaller graphs than full ones."""
    sizes = {recipe: len(read_bundle(export_tiny(recipe)).graphs["search"]) for recipe in RECIPES}
    assert sizes["float32"] > max(sizes["float16"], sizes["dynamic"], sizes["int8"])


def test_golden_inputs_are_nobodys_images(tiny_run: Run, bundle: Bundle) -> None:
    """Golden inputs are the model's own: far from every training and held-out normal, and reproducible."""
    real = np.concatenate([tiny_run.representative(), tiny_run.held_out_normals().x])
    for image in bundle.golden.x:
        assert np.abs(real - image).mean(axis=(1, 2, 3)).min() > 0.02
    again = golden_inputs(tiny_run.networks(), tiny_run.settings)
    np.testing.assert_allclose(again, bundle.golden.x, atol=1.5 / 255)


def test_golden_inputs_are_8_bit_images(bundle: Bundle) -> None:
    """Golden inputs are 8-bit images, half of them with a bright disc."""
    np.testing.assert_allclose(bundle.golden.x * 255, np.rint(bundle.golden.x * 255), atol=1e-4)
    highest = bundle.golden.x.max(axis=(1, 2, 3))
    assert highest[::2].min() > 0.8 > highest[1::2].mean()


def test_golden_tolerance_is_a_quarter_of_the_normals_spread(bundle: Bundle) -> None:
    """Normals' scores spread by 1, so a runtime that is off by more than 0.25 is refused."""
    assert bundle.golden.tolerance == pytest.approx(0.25, rel=1e-3)
    assert proven(bundle, bundle.steps).tolerance == pytest.approx(0.25, rel=1e-3)


def test_a_draft_is_proven_budget_by_budget(knowing_bundle: Path) -> None:
    """Each has the scores of its own search, and keeps its density, calibration and signs."""
    made = read_bundle(knowing_bundle)
    for steps, budget in made.budgets.items():
        again = proven(made, steps)
        np.testing.assert_allclose(again.golden_scores, budget.golden_scores, atol=budget.tolerance / 1000)
        assert again.density is budget.density
        assert (again.calibration, again.signs) == (budget.calibration, budget.signs)
        assert again.signs is not None
    assert not np.allclose(made.budgets[0].golden_scores, made.budgets[1].golden_scores, atol=1e-6)


def test_the_tolerance_is_wide_where_normals_scores_are(bundle: Bundle) -> None:
    """Three times the spread is three times the tolerance: 0.25 is of a spread of 1."""
    own = bundle.calibration
    wide = replace(own, scores=tuple(3 * score for score in own.scores))
    budget = replace(bundle.budgets[bundle.steps], calibration=wide)
    made = proven(replace(bundle, budgets={**bundle.budgets, bundle.steps: budget}), bundle.steps)
    assert made.tolerance == pytest.approx(0.75, rel=1e-3)


def test_golden_inputs_made_anew_are_8_bit_images_with_discs(tiny_run: Run) -> None:
    """As written: whole numbers of 255, in every second image a disc that is brighter than all else."""
    made = golden_inputs(tiny_run.networks(), tiny_run.settings)
    assert made.dtype == np.float32
    assert len(made) == GOLDEN_CASES
    np.testing.assert_allclose(made * 255, np.rint(made * 255), atol=1e-4)
    bright = (made > 0.85).mean(axis=(1, 2, 3))
    assert bright[::2].min() > 0.01 > bright[1::2].mean()


def test_calibration_covers_each_held_out_normal(tiny_run: Run, bundle: Bundle) -> None:
    """There is one calibration score for each held-out normal as it came, none for jittered copies."""
    assert len(bundle.calibration.scores) == tiny_run.held_out_normals().original.sum()
    assert bundle.calibration.false_alarm_rate == tiny_run.settings.detector.false_alarm_rate


def test_signs_of_the_normals(knowing_run: Run, knowing_bundle: Path, tmp_path: Path) -> None:
    """They are what the runner measures of each held-out normal and its copy, and equal in every export."""
    made = read_bundle(knowing_bundle)
    normals = knowing_run.held_out_normals()
    for steps in (0, 1):
        set_to = made.with_steps(steps)
        assert set_to.signs is not None
        assert tuple(set_to.signs) == SIGNS
        assert {len(values) for values in set_to.signs.values()} == {len(normals.x)} == {120}
        verdict = open_detector(set_to).score_x(normals.x[7])
        frame = Frame.of(normals.x[7])  # not looked at: the verdict holds it
        found = statistics_of(frame, verdict, set_to.density, set_to.preprocess)
        for name, values in set_to.signs.items():
            assert values[7] == pytest.approx(found[name], rel=1e-3, abs=1e-3)
    again = export_run(
        knowing_run, ExportOptions("float32", steps=0, budgets=(1,)), tmp_path / "b", Silent()
    ).path
    assert again.read_bytes() == knowing_bundle.read_bytes()
    assert "not like the training data" in made.model_card


def test_no_signs_of_few_normals(tiny_run: Run, bundle: Bundle) -> None:
    """Twelve held-out normals do not say what is foreign; nor do normals without other takes of them."""
    assert bundle.signs is None
    assert "not like the training data" not in bundle.model_card
    x = np.zeros((60, 4, 4, 1), np.float32)
    alone = HeldOutNormals(x, np.arange(60), np.ones(60, np.bool_))
    assert signs_of_normals(alone, [], [], bundle.density, 0.0) is None
    assert "are not told from others: fewer than 20 normals" in bundle.model_card
    assert told_by(bundle).startswith("off: the bundle lacks its normals' signs")


@pytest.mark.parametrize(
    ("count", "contamination", "told"), [(20, 0.0, True), (19, 0.0, False), (20, 0.3, False)]
)
def test_twenty_normals_are_enough(
    knowing_run: Run, knowing_bundle: Path, count: int, contamination: float, told: bool
) -> None:
    """From 20 held-out normals on, suspects not counted, there are signs; of one fewer there are none."""
    made, all_of_them = read_bundle(knowing_bundle), knowing_run.held_out_normals()
    rows = 2 * count  # each with a copy
    few = HeldOutNormals(all_of_them.x[:rows], all_of_them.groups[:rows], all_of_them.original[:rows])
    detector = open_detector(made)
    found = [detector.score_x(x).reconstruction for x in few.x]
    measured, heat = [one.measured for one in found], [one.heat for one in found]
    signs = signs_of_normals(few, measured, heat, made.density, contamination)
    assert (signs is not None) == told


def test_suspect_normals_set_no_limits(knowing_run: Run, tmp_path: Path) -> None:
    """With --contamination, the share of the highest scores is left out of the signs."""
    run = copied(knowing_run, tmp_path / "run")
    values = json.loads((run.folder / "settings.json").read_text())
    values["detector"]["contamination"] = 0.1
    (run.folder / "settings.json").write_text(json.dumps(values))
    made = read_bundle(export_run(run, ExportOptions("float32", steps=0), tmp_path / "b", Silent()).path)
    assert made.signs is not None
    assert {len(one) for one in made.signs.values()} == {108}


def test_every_part_is_fitted_on_the_graphs_output(tiny_run: Run, bundle: Bundle) -> None:
    """The bundle has all parts of the settings, each near to the run's own but of its graphs' numbers."""
    assert tuple(bundle.density.parts) == tiny_run.settings.detector.parts == WHOLE_PARTS
    fitted, _ = tiny_run.detector()
    for name, part in bundle.density.parts.items():
        assert part.center.shape == fitted.parts[name].center.shape
        assert np.abs(part.center - fitted.parts[name].center).max() > 0


def test_part_switched_off(tiny_run: Run, tmp_path: Path) -> None:
    """A run whose settings leave a part out gives a bundle without it, that proves itself and scores."""
    run = copied(tiny_run, tmp_path / "run")
    values = json.loads((run.folder / "settings.json").read_text())
    values["detector"]["parts"] = ["residual", "map"]
    (run.folder / "settings.json").write_text(json.dumps(values))
    made = read_bundle(
        export_run(run, ExportOptions("float32", steps=0), tmp_path / "b.sranogan", Silent()).path
    )
    assert tuple(made.density.parts) == ("residual", "map")
    verdict = open_detector(made).score_x(made.golden.x[0])
    assert tuple(verdict.parts) == ("residual", "map")
    assert verdict.score == made.density.score_of(verdict.parts)


def test_bundle_tells_where_it_comes_from(tiny_run: Run, bundle: Bundle) -> None:
    """Provenance, settings and search of the run stand in the manifest."""
    assert bundle.details["provenance"] == tiny_run.provenance
    assert bundle.details["settings"]["seed"] == tiny_run.settings.seed
    assert bundle.details["search"]["steps"] == 3
    assert "48 normal images, and 12 more" in bundle.model_card
    assert "3 gradient steps" in bundle.model_card


def test_unknown_recipe_is_refused_at_once() -> None:
    """A recipe that does not exist is refused before anything else is asked."""
    with pytest.raises(SettingsError, match="the recipe must be one of"):
        ExportOptions("int4")  # type: ignore[arg-type]  # the point


@pytest.mark.parametrize("place", ["file/b.sranogan", "missing/b.sranogan", "folder"])
def test_unwritable_place_is_refused_at_once(tiny_run: Run, tmp_path: Path, place: str) -> None:
    """A place where no bundle can be written is refused before minutes of work, with the cure."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    told = Told()
    with pytest.raises(ResultsError, match="--out"):
        export_run(tiny_run, PTQ, tmp_path / place, told)
    assert not told.tasks


@pytest.mark.parametrize(
    "missing",
    [
        "settings.json",
        "models/averaged.keras",
        "models/judge.keras",
        "models/head.keras",
        "detector/normals.npz",
        "detector/seen.npy",
    ],
)
def test_unfinished_run(tiny_run: Run, tmp_path: Path, missing: str) -> None:
    """A run that lacks a piece is a run error that names it, and no bundle is written."""
    run = copied(tiny_run, tmp_path / "run")
    (run.folder / missing).unlink()
    with pytest.raises(RunError, match=Path(missing).name):
        export_run(run, PTQ, tmp_path / "b.sranogan", Silent())
    assert not (tmp_path / "b.sranogan").exists()


@pytest.mark.parametrize("name", ["normals.npz", "representative.npy", "seen.npy"])
@pytest.mark.parametrize("data", [b"", b"PK\3\4 damaged"])
def test_damaged_run(tiny_run: Run, tmp_path: Path, name: str, data: bytes) -> None:
    """Kept normals that cannot be read are a run error with the cure, not a traceback."""
    run = copied(tiny_run, tmp_path / "run")
    (run.folder / "detector" / name).write_bytes(data)
    with pytest.raises(RunError, match=f"{name} is damaged"):
        export_run(run, PTQ, tmp_path / "b.sranogan", Silent())
