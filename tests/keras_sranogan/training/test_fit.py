"""Which fit is taken where nobody names one: tiles of surfaces of fine detail, the whole of all else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from keras_sranogan.data.choose_fit import usual_fit
from keras_sranogan.data.choose_whole import whole_tells
from keras_sranogan.presets import preset
from keras_sranogan.run import Run
from keras_sranogan.settings import TrainSettings
from keras_sranogan.training.fit import fit_to
from sranogan_edge.errors import UnreadableImageError
from sranogan_edge.image.frame import Frame
from sranogan_edge.image.preprocess import PreprocessSpec
from tests.support.drawn_boards import Boards

USUAL = preset("standard")
TILES = ("residual", "head", "peak")
WHOLE = ("residual", "head", "map")


def surface(number: int, side: int = 512) -> NDArray[np.uint8]:
    """Blocks of 8 px, another pattern in each image: nothing lies where it lay before."""
    rng = np.random.default_rng(number)
    blocks = (rng.random((side // 8 + 1, side // 8 + 1)) > 0.5).astype(np.uint8) * 200
    return np.kron(blocks, np.ones((8, 8), np.uint8))[:side, :side]


def part(number: int) -> NDArray[np.uint8]:
    """One part in all images, its fine blocks with it."""
    shape = cv2.ellipse(np.zeros((512, 512), np.uint8), (256, 256), (200, 120), 0, 0, 360, 255, -1)
    return np.where(shape > 0, surface(number) // 2 + 100, 20).astype(np.uint8)


def clouds(number: int) -> NDArray[np.uint8]:
    """No detail."""
    small = np.random.default_rng(number).integers(0, 256, (16, 16), np.uint8)
    return np.asarray(cv2.resize(small, (512, 512), interpolation=cv2.INTER_CUBIC), np.uint8)


def long(number: int) -> NDArray[np.uint8]:
    """A long image without detail."""
    return np.asarray(cv2.resize(clouds(number), (900, 300), interpolation=cv2.INTER_AREA), np.uint8)


def mixed(number: int) -> NDArray[np.uint8]:
    """Surfaces that need large tiles, and some that these hardly fit into."""
    return surface(number, 2500 if number % 3 else 300)


def fitted(
    source: Boards, in_file: dict[str, Any] | None = None, resumed: Path | None = None, **said: Any
) -> tuple[TrainSettings, list[str]]:
    """Return what is chosen, beginning with the usual settings."""
    return fit_to(source, USUAL, said, in_file or {}, resumed)


def test_surfaces_are_tiled_and_it_is_said() -> None:
    """Without an option: their size, what they would lose, the tiles, and how to have it otherwise."""
    chosen, (why,) = fitted(Boards(6, surface))
    assert (chosen.preprocess.fit, chosen.preprocess.tile_px) == ("tile", 128)
    assert (chosen.head.anomalies, chosen.detector.parts) == ("flaws", TILES)
    assert why.startswith("fit tile: images of 512 x 512 pixels (median of 6) lose ")
    assert why.endswith("25 tiles of 128 px each (--fit stretch: the whole image in one)")


def test_surfaces_of_several_sizes_are_tiled_if_tiles_fit_into_all() -> None:
    """With room to spare: 128 of 256 and of 512 pixels."""
    chosen, _ = fitted(Boards(6, lambda number: surface(number, 512 if number % 3 else 256)))
    assert (chosen.preprocess.fit, chosen.preprocess.tile_px) == ("tile", 128)


@pytest.mark.parametrize("draw", [clouds, long])
def test_what_loses_no_detail_stays_whole_without_a_word(draw: Any) -> None:
    """Films do; a long image is not letterboxed unasked."""
    assert fitted(Boards(6, draw)) == (USUAL, [])


@pytest.mark.parametrize(
    ("draw", "reason"), [(part, "look alike as a whole"), (mixed, "the smallest has 300 pixels")]
)
def test_what_might_be_better_in_tiles_is_told(draw: Any, reason: str) -> None:
    """Parts that lie in place, and images of several sizes, stay whole; one line says what tiles do."""
    chosen, (why,) = fitted(Boards(12, draw))
    assert chosen == USUAL
    assert f"of their detail at 128 px, and {reason} (--fit tile finds smaller defects)" in why


@pytest.mark.parametrize("fit", ["stretch", "letterbox", "crop"])
def test_who_names_a_fit_gets_it(fit: str) -> None:
    """By the option, or by a file."""
    asked = replace(USUAL, preprocess=replace(USUAL.preprocess, fit=fit))  # type: ignore[arg-type]
    for said, in_file in (({"fit": fit}, {}), ({}, {"preprocess": {"fit": fit}})):
        assert fit_to(Boards(6, surface), asked, said, in_file, None) == (asked, [])


def test_the_paper_judges_whole_images() -> None:
    """Its images are 128 x 128, whatever they show."""
    paper = preset("paper")
    assert fit_to(Boards(6, surface), paper, {}, {}, None) == (paper, [])


def test_aligned_images_stay_whole() -> None:
    """Tiles do not go with it."""
    aligned = replace(USUAL, preprocess=replace(USUAL.preprocess, align=True))
    assert fit_to(Boards(6, surface), aligned, {}, {}, None) == (aligned, [])


@pytest.mark.parametrize("fit", ["stretch", "tile"])
def test_a_run_goes_on_as_it_was_begun(tmp_path: Path, fit: str) -> None:
    """Without an option, whatever its images would be begun with now."""
    whole = PreprocessSpec(fit="stretch")
    tiled = PreprocessSpec(fit="tile", tile_px=192, tile_overlap=0.5, tile_whole=True)
    spec = tiled if fit == "tile" else whole
    begun = replace(USUAL, preprocess=spec)
    run = Run.create(tmp_path / "run", begun, resume=False)
    run.begin(begun, {"data": "x"})
    chosen, lines = fitted(Boards(6, surface), resumed=run.folder)
    assert (chosen.preprocess, lines) == (spec, [])
    assert (chosen.detector, chosen.head.anomalies) == (begun.detector, begun.head.anomalies)
    with_file, _ = fitted(Boards(6, surface), {"preprocess": {"tile_px": 0}}, resumed=run.folder)
    assert with_file.preprocess.tile_px == 0  # which the run refuses, where it was begun with another
    new, _ = fitted(Boards(6, surface), resumed=tmp_path / "new")  # nothing was begun
    assert (new.preprocess.tile_px, new.detector.parts) == (128, TILES)


def test_images_that_cannot_be_read_decide_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong with them is told where all are read."""

    def broken(item: Any) -> Frame:
        raise UnreadableImageError(f"{item.key}: not an image")

    source = Boards(6, surface)
    monkeypatch.setattr(source, "frame", broken)
    assert usual_fit(source, PreprocessSpec()) == (PreprocessSpec(), "")


def test_one_larger_image_changes_nothing() -> None:
    """What is larger can be judged in the same tiles."""
    chosen, _ = fitted(Boards(12, lambda number: surface(number, 1024 if number == 5 else 512)))
    assert chosen.preprocess.fit == "tile"


@pytest.mark.parametrize(("draw", "takes"), [(surface, False), (part, True)])
def test_a_normal_is_compared_with_the_others_alone(draw: Any, takes: bool) -> None:
    """Of three that have nothing in common each has much in common with the mean of all."""
    spec = PreprocessSpec(fit="tile", tile_px=128)
    found, said = whole_tells(Boards(3, draw), spec)
    assert (found, said.partition(": ")[0]) == (takes, f"tile-whole {'on' if takes else 'off'}")
    assert "3 normals, as a whole, correlate with the mean of the others by " in said
