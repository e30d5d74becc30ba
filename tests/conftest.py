"""Fixtures that train and export a real, very small model once for all processes of the tests."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from keras_sranogan.run import Run
    from keras_sranogan.settings import TrainSettings

from tests.support.made_once import kept_of, made_by
from tests.support.tiny import TINY_DATA, UNSEEN_DATA

if os.environ.get("SRANOGAN_FUZZ_EXAMPLES"):  # make fuzz; Hypothesis is not imported for the other tests
    from tests.support.fuzz import keep_what_fails

    keep_what_fails()

ROOT = Path(__file__).resolve().parents[1]
MadeOnce = Callable[[str, Callable[[Path], object]], Path]


def tiny_settings(seed: int = 0) -> TrainSettings:
    """Return settings that train every stage for a few steps at 32 px: seconds, not minutes."""
    from keras_sranogan.settings import (
        AnoganSettings,
        CorrectorSettings,
        DetectorSettings,
        HeadSettings,
        RefinerSettings,
        SearchSettings,
        SrganSettings,
        TrainSettings,
    )
    from sranogan_edge.image.preprocess import PreprocessSpec

    return TrainSettings(
        preset="demo",
        seed=seed,
        precision="float32",
        checkpoint_every_steps=5,
        preprocess=PreprocessSpec(size=32),
        anogan=AnoganSettings(latent_dim=16, base_width=8, max_width=16, steps=40, batch=8, encoder_steps=10),
        search=SearchSettings(steps=3),
        refiner=RefinerSettings(filters=8, steps=10, batch=8),
        srgan=SrganSettings(filters=8, blocks=1, discriminator_width=8, steps=12, batch=8),
        head=HeadSettings(width=8, steps=20, pairs=8),
        corrector=CorrectorSettings(search_steps=2, steps=10, batch=8),
        detector=DetectorSettings(jitter_copies=1),
    )


@pytest.fixture(autouse=True, scope="module")
def drawn_by_the_module(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """Give what a test file draws by, its ``RNG``, and how that stands before the first of its tests."""
    rng = getattr(request.module, "RNG", None)
    return rng, rng.bit_generator.state if rng is not None else None


@pytest.fixture(autouse=True)
def draws_of_its_own(drawn_by_the_module: tuple[Any, Any]) -> Iterator[None]:
    """Each test draws the same, whatever ran before it."""
    yield
    rng, state = drawn_by_the_module
    if rng is not None:
        rng.bit_generator.state = state


@pytest.fixture(autouse=True)
def a_log_of_its_own() -> Iterator[None]:
    """Take away a log handler that a command left in this process: its stream ends with the test."""
    root, ours = logging.getLogger(), logging.getLogger("sranogan_edge")
    levels = root.level, ours.level
    yield
    for handler in [one for one in root.handlers if one.get_name() == "sranogan"]:
        root.removeHandler(handler)
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


@pytest.fixture(scope="session")
def settings() -> TrainSettings:
    """Give the tiny settings."""
    return tiny_settings()


@pytest.fixture(scope="session")
def made_once() -> MadeOnce:
    """Give a function that has a named file or folder made by the first process of the tests that needs it.

    They are kept for later tests of the same code (``build/made-once``), or in the folder that
    SRANOGAN_TEST_BUNDLES names, whatever the code: a device's environment, which has no TensorFlow, takes the
    bundles that another one has made, and skips what is not there.
    """
    folder = Path(os.environ.get("SRANOGAN_TEST_BUNDLES") or kept_of(made_by(ROOT)))
    folder.mkdir(parents=True, exist_ok=True)

    def once(name: str, make: Callable[[Path], object]) -> Path:
        path, making = folder / name, folder / f"{name}.making"
        with (folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                pytest.importorskip("tensorflow", reason=f"no TensorFlow here, and no {path}")
                shutil.rmtree(making, ignore_errors=True)  # of a process that was killed
                make(making)
                making.replace(path)
        return path

    return once


@pytest.fixture(scope="session")
def tiny_run(made_once: MadeOnce) -> Run:
    """Train the tiny model on phantoms, once."""

    def make(folder: Path) -> None:
        from keras_sranogan.data.open import open_source
        from keras_sranogan.progress import Silent
        from keras_sranogan.training.train import train

        train(open_source(TINY_DATA), folder, tiny_settings(), Silent())

    folder = made_once("tiny.run", make)
    from keras_sranogan.run import Run

    return Run(folder)


@pytest.fixture(scope="session")
def bundle_of(request: pytest.FixtureRequest, made_once: MadeOnce) -> Callable[..., Path]:
    """Give a function that exports a run (a fixture's name) with options, once for each name."""

    def export(name: str, run: str = "tiny_run", **options: Any) -> Path:
        def make(path: Path) -> None:
            from keras_sranogan.progress import Silent
            from sranogan_export.recipe import ExportOptions
            from sranogan_export.write_bundle import export_run

            export_run(request.getfixturevalue(run), ExportOptions(**options), path, Silent())

        return made_once(f"{name}.sranogan", make)

    return export


@pytest.fixture(scope="session")
def export_tiny(bundle_of: Callable[..., Path]) -> Callable[[str], Path]:
    """Give a function that exports the tiny run in a recipe, once per recipe."""
    return lambda recipe: bundle_of(recipe, recipe=recipe, engine="none")


@pytest.fixture(scope="session")
def knowing_run(tiny_run: Run, made_once: MadeOnce) -> Run:
    """Give the tiny run with 60 held-out normals and a jittered copy of each: these tell what is foreign."""
    from keras_sranogan.run import Run

    def make(folder: Path) -> None:
        import numpy as np

        from keras_sranogan.data.open import open_source
        from keras_sranogan.detector.jitter import jitter_frame
        from keras_sranogan.detector.normals import HeldOutNormals
        from sranogan_edge.image.preprocess import preprocess

        kept = shutil.ignore_patterns("checkpoints", "logs", "*.png")
        run = Run(Path(shutil.copytree(tiny_run.folder, folder, ignore=kept)))
        source, rng, spec = open_source(UNSEEN_DATA), np.random.default_rng(0), run.settings.preprocess
        frames = [source.frame(item) for item in source.items("train")[60:]]
        x = np.stack([preprocess(one, spec) for f in frames for one in (f, jitter_frame(f, rng))])
        number = np.arange(len(x))
        HeldOutNormals(x, number // 2, number % 2 == 0).save(run.folder / "detector" / "normals.npz")

    return Run(made_once("knowing.run", make))


@pytest.fixture(scope="session")
def knowing_bundle(bundle_of: Callable[..., Path]) -> Path:
    """Give a bundle that knows the signs of its normals, its start alone and one step."""
    return bundle_of("knowing", "knowing_run", recipe="float32", steps=0, budgets=(1,))


@pytest.fixture(scope="session")
def colour_run(tiny_run: Run, made_once: MadeOnce) -> Run:
    """Give the tiny run with a head that sees colours, not trained, and orange plates for its normals."""
    from keras_sranogan.run import Run

    def make(folder: Path) -> None:
        import json

        import keras
        import numpy as np

        from keras_sranogan.detector.jitter import jitter_frame
        from keras_sranogan.detector.normals import HeldOutNormals
        from keras_sranogan.head.network import build_head
        from sranogan_edge.image.preprocess import preprocess
        from tests.support.plates import plate

        kept = shutil.ignore_patterns("checkpoints", "logs", "*.png")
        run = Run(Path(shutil.copytree(tiny_run.folder, folder, ignore=kept)))
        values = run.settings.to_dict()
        values["preprocess"]["colour"] = True
        (folder / "settings.json").write_text(json.dumps(values), encoding="utf-8")
        settings, rng = run.settings, np.random.default_rng(0)
        keras.utils.set_random_seed(0)
        run.save_model("head", build_head(settings.head_side, settings.head, channels=3))
        frames = [plate(number) for number in range(100)]
        spec = settings.preprocess
        x = np.stack([preprocess(one, spec) for f in frames[:60] for one in (f, jitter_frame(f, rng))])
        fit = np.stack([preprocess(one, spec) for one in frames[60:]])
        number = np.arange(len(x))
        run.save_normals(HeldOutNormals(x, number // 2, number % 2 == 0), fit[::4], fit)

    return Run(made_once("colour.run", make))


@pytest.fixture(scope="session")
def colour_bundle(bundle_of: Callable[..., Path]) -> Path:
    """Give an int8 bundle of the run in colour."""
    return bundle_of("colour", "colour_run", recipe="int8", engine="none", steps=0, budgets=())


@pytest.fixture(scope="session")
def budgets_bundle(bundle_of: Callable[..., Path]) -> Path:
    """Give an int8 bundle of the tiny run with two step budgets."""
    return bundle_of("budgets", recipe="int8", engine="none", budgets=(1,))


@pytest.fixture(scope="session")
def tiny_bundle(export_tiny: Callable[[str], Path]) -> Path:
    """Give the tiny run's int8 bundle."""
    return export_tiny("int8")
