"""Large images in tiles, on real graphs of a tiny model."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from sranogan_edge.bundle.bundle import Bundle, read_bundle
from sranogan_edge.detector.detector import Detector
from sranogan_edge.detector.in_force import with_regions
from sranogan_edge.detector.judge import Judge
from sranogan_edge.errors import (
    BundleFormatError,
    DegenerateImageError,
    OversizedImageError,
    SettingsError,
)
from sranogan_edge.image.frame import Frame, Photometric
from sranogan_edge.image.preprocess import PreprocessSpec, preprocess
from sranogan_edge.image.tiles import plan_tiles
from sranogan_edge.page.entry import Picture
from sranogan_edge.results.line import Scorer, result_line
from sranogan_edge.runtime.graphs import open_graphs
from sranogan_edge.scoring.density import Whole
from sranogan_edge.scoring.overlay import overlay_of
from sranogan_edge.scoring.rule import Verdict
from sranogan_edge.scoring.statistics import grid_of, statistics_of
from sranogan_edge.site.calibrate import fit

TILE = 64


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    """Give the tiny bundle, set to tiles."""
    read = read_bundle(tiny_bundle)
    return replace(read, preprocess=replace(read.preprocess, fit="tile", tile_px=TILE))


@pytest.fixture(scope="module")
def detector(bundle: Bundle) -> Detector:
    """Give a detector of tiles."""
    return Detector(bundle, open_graphs(bundle))


def surface(height: int, width: int, seed: int = 0) -> Frame:
    """A frame with something on it everywhere."""
    rows, columns = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(seed).normal(0, 6, (height, width))
    pixels = 120 + 60 * np.sin(rows / 11) * np.cos(columns / 9) + noise
    return Frame(pixels.clip(0, 255).astype(np.uint8), 8, Photometric.MONOCHROME2, source="surface")


def test_the_highest_tile_is_the_score_of_the_image(detector: Detector, bundle: Bundle) -> None:
    """Score, parts and box are those of the worst tile, as it would be scored alone."""
    frame = surface(150, 200)
    boxes = plan_tiles(150, 200, bundle.preprocess)
    alone = []
    for box in boxes:
        part = frame.pixels[box.top : box.top + TILE, box.left : box.left + TILE].copy()
        x = preprocess(Frame(part, 8, Photometric.MONOCHROME2), PreprocessSpec(size=bundle.size))
        alone.append(detector.measure_x(x))
    made = detector.measure(frame)
    worst = int(np.argmax([one.score for one in alone]))
    assert made.score == alone[worst].score
    assert made.parts == alone[worst].parts
    assert made.tiles is not None
    assert (made.tiles.count, made.tiles.blank) == (len(boxes), 0)
    assert list(made.tiles.worst) == [boxes[worst].left, boxes[worst].top, TILE, TILE]


def test_the_map_has_the_size_of_the_image_and_so_has_its_picture(detector: Detector) -> None:
    """Heat and overlay of a rectangular image are as large as it is, and the image is seen in them."""
    frame = surface(96, 231)
    verdict = detector.score(frame)
    assert verdict.heat.shape == (96, 231)
    assert (verdict.heat >= 0).all()
    drawn = overlay_of(verdict, heat_limit=1e9)
    assert drawn.shape == (96, 231, 3)
    assert np.abs(drawn[..., 0].astype(int) - frame.pixels).max() <= 1  # nothing is tinted
    assert (overlay_of(verdict, heat_limit=1e-3) != drawn).any()


def test_a_result_says_how_many_tiles_and_where_the_worst_one_is(detector: Detector, bundle: Bundle) -> None:
    """The line of an image in tiles has them; the line of any other has no such field."""
    scorer = Scorer("ab", 3, "here")
    verdict = detector.score(surface(64, 160))
    told = result_line("a.png", verdict, scorer, None).to_dict()["tiles"]
    assert told["count"] == 3
    assert told["worst"][1:] == [0, TILE, TILE]
    assert (told["blank"], told["heat_map_scale"]) == (0, 1.0)
    whole = Detector(replace(bundle, preprocess=PreprocessSpec(size=bundle.size)), detector.graphs)
    assert "tiles" not in result_line("a.png", whole.score(surface(64, 160)), scorer, None).to_dict()


def test_background_is_passed_over_and_counted(detector: Detector) -> None:
    """Constant tiles take no part in score and heat; an image of nothing else is refused."""
    frame = surface(64, 256)
    alone = detector.score(Frame(frame.pixels[:, :64].copy(), 8, Photometric.MONOCHROME2))
    frame.pixels[:, 64:] = 0
    made = detector.measure(frame)
    assert made.tiles is not None
    assert made.tiles.blank >= 2
    assert not made.heat[:, 160:].any()
    assert made.score >= alone.score
    frame.pixels[:] = 7
    with pytest.raises(DegenerateImageError, match="constant brightness"):
        detector.score(frame)


def test_a_sign_of_life_comes_with_every_tile(bundle: Bundle, detector: Detector) -> None:
    """A long image does not look like a runner that hangs: each tile beats, and the frame at its end."""
    beats: list[None] = []
    Judge.of(detector).answer([surface(64, 160)], pulse=lambda: beats.append(None))
    assert len(beats) == 3 + 1


def test_signs_are_means_over_tiles_and_the_grid_is_of_the_image(detector: Detector, bundle: Bundle) -> None:
    """What tells foreign images and repeated ones is of the whole image, not of its worst tile."""
    frame = surface(128, 128)
    frame.pixels[:64] //= 2
    made = detector.measure(frame)
    found = statistics_of(frame, made, bundle.density, bundle.preprocess)
    assert found["brightness"] == pytest.approx(frame.pixels.mean() / 255, abs=0.03)
    assert found["score"] == made.score
    assert set(found) == {"brightness", "contrast", "sharpness", "likeness", "residual", "head", "score"}
    grid = grid_of(made)
    assert grid.shape == (32, 32)
    assert grid[:16].mean() < -0.5 < 0.5 < grid[16:].mean()


def test_the_steps_of_all_tiles_are_added_up(detector: Detector) -> None:
    """Milliseconds name the steps of every image and the stitching, with their total."""
    taken = dict(detector.measure(surface(64, 160)).milliseconds)
    assert next(iter(taken)) == "preprocess"
    assert list(taken)[-2:] == ["stitch", "total"]
    total = taken.pop("total")
    assert 0 < sum(taken.values()) <= total * 1.01


def test_memory_does_not_grow_with_the_number_of_tiles(detector: Detector, bundle: Bundle) -> None:
    """Nine times the tiles of an image take no more memory than a few of them do, the map apart."""

    def peak(overlap: float) -> tuple[int, int]:
        spec = replace(bundle.preprocess, tile_overlap=overlap)
        other = Detector(replace(bundle, preprocess=spec), detector.graphs)
        frame = surface(512, 512)
        other.measure(frame)
        tracemalloc.start()
        made = other.measure(frame)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert made.tiles is not None
        return made.tiles.count, most

    (few, of_few), (many, of_many) = peak(0.0), peak(0.66)
    assert (few, many) == (64, 23 * 23)
    assert of_many < 1.2 * of_few


def test_a_photograph_on_its_side_is_turned_first(detector: Detector, tmp_path: Path) -> None:
    """EXIF's orientation is followed before tiles are cut: score, box and map are of the upright image."""
    pixels, exif = surface(80, 200).pixels, Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    upright = np.ascontiguousarray(np.rot90(pixels, -1))
    found, expected = detector.score(tmp_path / "a.png"), detector.score(upright)
    assert found.tiles is not None
    assert expected.tiles is not None
    assert found.score == expected.score
    assert list(found.tiles.worst) == list(expected.tiles.worst)
    assert found.heat.shape == (200, 80)


def test_what_is_far_too_large_is_refused_by_its_header(detector: Detector, tmp_path: Path) -> None:
    """20,000 x 20,000 pixels are that image's error, told before they are decoded; the next one is judged."""
    Image.new("1", (20_000, 20_000)).save(tmp_path / "big.png")
    cv2.imwrite(str(tmp_path / "good.png"), surface(80, 200).pixels)
    big, good = detector.score_many([tmp_path / "big.png", tmp_path / "good.png"])
    assert isinstance(big, OversizedImageError)
    assert "20000 x 20000" in str(big)
    assert isinstance(good, Verdict)


def test_a_region_lies_where_the_tiles_are_hot(bundle: Bundle, detector: Detector) -> None:
    """Regions of a long image have boxes in its own pixels, inside it, each above the threshold of heat."""
    frame = surface(96, 500)
    frame.pixels[30:60, 300:340] = 255
    rule = with_regions(detector.rule, bundle, heat_threshold=1.0)
    verdict = rule.decide(detector.measure(frame), frame)
    assert verdict.regions is not None
    mask = verdict.regions.full_mask()
    assert mask.shape == (96, 500)
    assert verdict.regions.found
    hot = np.zeros(mask.shape, np.bool_)
    for one in verdict.regions.found:
        box = (slice(one.y, one.y + one.height), slice(one.x, one.x + one.width))
        assert np.isclose(verdict.heat[box], one.peak).any()  # beside what reaches into its box from others
        hot[box] = True
    assert max(one.peak for one in verdict.regions.found) == pytest.approx(verdict.heat[mask > 0].max())
    assert not mask[~hot].any()
    assert (verdict.heat[mask > 0] > 1).all()


def test_the_picture_of_a_colour_bundle_has_the_colours_of_the_image(colour_bundle: Path) -> None:
    """Overlays of tiles, large and on the page, show an orange plate in orange where nothing is hot."""
    read = read_bundle(colour_bundle)
    read = replace(read, preprocess=replace(read.preprocess, fit="tile", tile_px=TILE))
    grey = surface(96, 160).pixels.astype(np.uint8)
    pixels = np.stack([grey, grey, grey // np.uint8(4)], axis=-1)
    verdict = Detector(read, open_graphs(read)).score(Frame(pixels, 8, Photometric.RGB))
    assert verdict.picture.shape == (96, 160, 3)
    drawn = overlay_of(verdict, heat_limit=1e9)
    assert np.abs(drawn[..., ::-1].astype(int) - pixels).max() <= 2
    small = cv2.imdecode(np.frombuffer(Picture.of(verdict, 1e9).png(), np.uint8), cv2.IMREAD_COLOR)
    assert small is not None
    blue, green, red = small.reshape(-1, 3).mean(axis=0)
    assert blue < 0.5 * min(green, red)


def with_whole(bundle: Bundle) -> Bundle:
    """The bundle, judging the whole beside its tiles by the same density."""
    both = replace(bundle.density, whole=Whole(bundle.density, (1.0, 2.0)))
    budget = replace(bundle.budgets[bundle.steps], density=both)
    spec = replace(bundle.preprocess, tile_whole=True)
    return replace(bundle, preprocess=spec, budgets={**bundle.budgets, bundle.steps: budget})


def test_densities_of_tiles_and_whole_are_not_adapted(bundle: Bundle, detector: Detector) -> None:
    """--adapt is refused of such a bundle before an image is looked at."""
    both = Detector(with_whole(bundle), detector.graphs)
    with pytest.raises(SettingsError, match="in tiles and as a whole"):
        fit(both, [], false_alarm_rate=0.05, source="here", adapt=True)


def test_the_whole_is_judged_beside_the_tiles(bundle: Bundle, detector: Detector) -> None:
    """Its score is that of the stretched image by its own density; an image without either is as it was."""
    frame = surface(150, 200)
    before = detector.measure(frame)
    changed = with_whole(bundle)
    beats: list[None] = []
    made = Detector(changed, detector.graphs).measure(frame, lambda: beats.append(None))
    alone = detector.measure_x(preprocess(frame, PreprocessSpec(size=bundle.size))).score
    assert made.tiles is not None
    assert made.tiles.whole == alone
    assert made.score == (max(before.score, alone) - 1) / 2
    assert len(beats) == made.tiles.count + 1
    taken = dict(made.milliseconds)
    assert 0 < taken["whole"] < taken["total"]
    line = result_line(
        "a.png", Detector(changed, detector.graphs).score(frame), Scorer("ab", 3, "here"), None
    )
    assert line.to_dict()["tiles"]["whole"] == round(alone, 4)
    with pytest.raises(BundleFormatError, match="tile_whole"):
        Detector(replace(bundle, preprocess=changed.preprocess), detector.graphs)
