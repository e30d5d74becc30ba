"""Regions as COCO: where polygons lie, for each way that an image comes to the square."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from sranogan_edge.errors import ExitCode, SettingsError
from sranogan_edge.image.frame import Frame, Photometric
from sranogan_edge.image.preprocess import PreprocessSpec
from sranogan_edge.results.coco import CocoRegions, check_regions, polygons_of
from sranogan_edge.results.line import Scorer, result_line
from sranogan_edge.scoring.measurement import Measurement, Reconstruction, Tiles
from sranogan_edge.scoring.regions import RegionRule, find_regions
from sranogan_edge.scoring.rule import Verdict
from tests.support.cli_runs import lines_in, score

FLAT = np.zeros((64, 64, 1), np.float32)
SCORER = Scorer("0" * 64, 3, "here")
LIMIT = 3.0
SPEC = PreprocessSpec(size=64)


def heat_at(*boxes: tuple[int, int, int, int], shape: tuple[int, int] = (64, 64)) -> NDArray[np.float32]:
    """Give a heat map that is hot in boxes of left, top, width and height."""
    heat = np.zeros(shape, np.float32)
    for left, top, width, height in boxes:
        heat[top : top + height, left : left + width] = 9.0
    return heat


def verdict(
    heat: NDArray[np.float32],
    height: int = 64,
    width: int = 64,
    spec: PreprocessSpec = SPEC,
    tiles: Tiles | None = None,
    **changes: Any,
) -> Verdict:
    """Give the verdict of an image with this heat, whatever is above the limit a region."""
    made = Reconstruction(FLAT, FLAT, FLAT, FLAT, {}, FLAT, 0.0, {})
    measured = Measurement(2.5, {}, heat, made, {"total": 1.0}, tiles=tiles)
    frame = Frame(np.zeros((height, width), np.uint8), 8, Photometric.MONOCHROME2)
    regions = find_regions(frame, measured, RegionRule(LIMIT, 0.0, None), spec)
    found = Verdict(2.5, {}, 0.02, True, 1.5, heat, made, {"total": 1.0}, tiles=tiles, regions=regions)
    return replace(found, **changes)


@pytest.mark.parametrize(
    ("spec", "size", "expected"),
    [
        (PreprocessSpec(size=64), (640, 320), (160, 80, 320, 160)),
        (PreprocessSpec(size=64, fit="letterbox"), (640, 320), (160, 0, 320, 320)),
        (PreprocessSpec(size=64, fit="pad"), (320, 640), (0, 160, 320, 320)),
        (PreprocessSpec(size=64, fit="crop"), (640, 320), (240, 80, 160, 160)),
        (PreprocessSpec(size=64), (64, 64), (16, 16, 32, 32)),
    ],
)
def test_a_place_lies_where_it_is_in_the_image(
    spec: PreprocessSpec, size: tuple[int, int], expected: tuple[int, int, int, int]
) -> None:
    """The middle of the square, 32 of 64 cells, is found in pixels of the image, within a cell of it."""
    width, height = size
    (found,) = polygons_of(verdict(heat_at((16, 16, 32, 32)), height, width, spec))
    cell = max(width, height) / 64
    assert found.box == pytest.approx(expected, abs=1.5 * cell)
    assert found.heat == 9.0
    assert found.area == pytest.approx(expected[2] * expected[3], rel=0.15)


def test_heat_beside_the_image_is_no_region() -> None:
    """What letterboxing left black belongs to no image; what touches it ends at the image's edge."""
    spec = PreprocessSpec(size=64, fit="letterbox")
    assert polygons_of(verdict(heat_at((20, 2, 8, 8)), 320, 640, spec)) == []
    (found,) = polygons_of(verdict(heat_at((0, 0, 64, 64)), 320, 640, spec))
    left, top, width, height = found.box
    assert left >= 0
    assert top >= 0
    assert left + width <= 640
    assert top + height <= 320


def test_of_tiles_the_map_is_of_the_whole_image() -> None:
    """Its cells are shares of the image, whatever the scale."""
    heat = heat_at((100, 50, 40, 20), shape=(100, 200))
    tiles = Tiles(4, 0, [0, 0, 64, 64], 0.25, np.zeros((100, 200, 1), np.float32), FLAT, {})
    spec = PreprocessSpec(size=64, fit="tile", tile_px=64)
    (found,) = polygons_of(verdict(heat, 400, 800, spec, tiles))
    assert found.box == pytest.approx((400, 200, 160, 80), abs=6)


@pytest.mark.parametrize("box", [(5, 5, 1, 1), (5, 5, 20, 1), (5, 5, 1, 20), (0, 0, 1, 1), (63, 63, 1, 1)])
def test_the_smallest_places_are_polygons(box: tuple[int, int, int, int]) -> None:
    """A point or a line of cells has three corners or more, and an area, also in tiny images."""
    for height, width in ((8, 8), (64, 64), (2000, 3000)):
        for one in polygons_of(verdict(heat_at(box), height, width)):
            assert len(one.corners) >= 3
            assert one.area > 0
            assert one.heat > LIMIT


def test_each_place_is_one_and_holes_are_filled() -> None:
    """Two apart are two; a ring is one with all that is inside."""
    assert len(polygons_of(verdict(heat_at((2, 2, 8, 8), (40, 40, 8, 8))))) == 2
    ring = heat_at((10, 10, 40, 40))
    ring[20:40, 20:40] = 0
    (found,) = polygons_of(verdict(ring))
    assert found.area == pytest.approx(1600, rel=0.1)


def test_what_is_cool_or_unknown_has_no_place() -> None:
    """At the limit is not above it, and where nobody looked for regions there are none."""
    assert polygons_of(verdict(np.full((64, 64), LIMIT, np.float32))) == []
    assert polygons_of(verdict(heat_at((5, 5, 9, 9)), regions=None)) == []


def gathered(root: Path | None = Path("images")) -> CocoRegions:
    """Give the regions of two images, the second foreign."""
    regions = CocoRegions(root, {"bundle": "0" * 64})
    for name, foreign in (("images/sub/a.png", ""), ("images/b.png", "far off")):
        found = verdict(heat_at((2, 2, 8, 8), (40, 40, 8, 8)), 128, 256, out_of_domain=foreign)
        regions.add(result_line(name, found, SCORER, None, out_of_domain=foreign), found, 128, 256)
    return regions


def test_cocos_own_reader_takes_it(tmp_path: Path) -> None:
    """Images, annotations and categories are found by pycocotools, and its masks are the regions."""
    coco = pytest.importorskip("pycocotools.coco", reason="of development")
    gathered().write(tmp_path / "regions.json")
    read = coco.COCO(str(tmp_path / "regions.json"))
    assert [one["file_name"] for one in read.loadImgs(read.getImgIds())] == ["sub/a.png", "b.png"]
    assert [one["name"] for one in read.loadCats(read.getCatIds())] == ["anomaly"]
    found = read.loadAnns(read.getAnnIds(imgIds=[1]))
    assert len(found) == 2
    assert read.getAnnIds(imgIds=[2]) == []
    for one in found:
        mask = read.annToMask(one)
        assert mask.shape == (128, 256)
        assert mask.sum() == pytest.approx(one["area"], rel=0.1)
        left, top, width, height = map(round, one["bbox"])
        assert mask[top : top + height, left : left + width].sum() == pytest.approx(mask.sum(), rel=0.1)
        assert one["score"] == one["attributes"]["score"] == 2.5
        assert one["attributes"]["heat"] == 9.0


def test_the_file_has_what_coco_asks_for() -> None:
    """Without its reader: the fields, their types, and references that lead somewhere."""
    values = json.loads(json.dumps(gathered().to_dict(), allow_nan=False))
    assert {"info", "licenses", "categories", "images", "annotations"} == set(values)
    images = {one["id"]: one for one in values["images"]}
    assert len({one["id"] for one in values["annotations"]}) == len(values["annotations"]) == 2
    for one in values["annotations"]:
        image = images[one["image_id"]]
        (corners,) = one["segmentation"]
        assert len(corners) >= 6
        assert len(corners) % 2 == 0
        assert all(0 <= x <= image["width"] for x in corners[::2])
        assert all(0 <= y <= image["height"] for y in corners[1::2])
        assert one["iscrowd"] == 0
        assert one["area"] > 0
    assert images[2]["verdict"] == "out of domain"


def test_names_are_told_as_they_were_named_without_a_folder() -> None:
    """Several places, or single files, have no root to be told below."""
    assert gathered(None).to_dict()["images"][0]["file_name"] == "images/sub/a.png"


@pytest.mark.parametrize("kind", ["cocoa", "COCO", "yolo", ""])
def test_what_is_not_written_is_refused(kind: str) -> None:
    """With the one that is."""
    with pytest.raises(SettingsError, match="--regions must be coco; received"):
        check_regions(kind)


def test_the_command_writes_one_file_beside_its_lines(tiny_bundle: Path, tmp_path: Path) -> None:
    """An entry for each image that was judged, told below the folder; the next run sets it aside."""
    folder, out = tmp_path / "new", tmp_path / "out"
    (folder / "deep").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, size in (("a.png", (80, 60)), ("deep/b.png", (60, 80))):
        Image.fromarray(rng.integers(0, 256, size[::-1], np.uint8)).save(folder / name)
    (folder / "text.png").write_text("no image")
    for _ in range(2):
        done = score(tiny_bundle, folder, "--out", out, "--regions", "coco")
        assert done.exit_code == ExitCode.SOME_FAILED, done.output
    values = json.loads((out / "regions.json").read_text())
    sizes = {one["file_name"]: (one["width"], one["height"]) for one in values["images"]}
    assert sizes == {"a.png": (80, 60), "deep/b.png": (60, 80)}
    assert values["info"]["bundle"] == lines_in(out)[0]["bundle"]
    assert len(list(out.glob("regions*.json"))) == 2
    plain = score(tiny_bundle, folder / "a.png", "--out", tmp_path / "plain")
    assert plain.exit_code == ExitCode.OK
    assert not (tmp_path / "plain" / "regions.json").exists()
