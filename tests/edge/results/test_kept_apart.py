"""What is kept of an image in a folder of its own."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from sranogan_edge.errors import ResultsError, SettingsError
from sranogan_edge.image.frame import Frame, Photometric
from sranogan_edge.image.preprocess import PreprocessSpec
from sranogan_edge.results.kept_apart import KeptApart
from sranogan_edge.results.line import Scorer, result_line
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.scoring.heat import HEAT_SHAPE
from sranogan_edge.scoring.measurement import Measurement, Reconstruction
from sranogan_edge.scoring.regions import RegionRule, Regions, find_regions
from sranogan_edge.scoring.rule import Rule

SIZE = 32
SPEC = PreprocessSpec(size=SIZE)
ORANGE = (230, 140, 30)  # R, G, B
FRAME = Frame(np.full((60, 90, 3), ORANGE, np.uint8), 8, Photometric.RGB)


def regions(frame: Frame, made: Measurement) -> Regions:
    """Those of heat above 2."""
    return find_regions(frame, made, RegionRule(2.0, 0.0, None), SPEC)


def kept(apart: KeptApart, file: Path, score: float) -> None:
    """Keep an orange image with a hot upper left quarter; scores above 5 are anomalous."""
    x, heat = np.zeros((SIZE, SIZE, 1), np.float32), np.zeros((SIZE, SIZE), np.float32)
    heat[: SIZE // 2, : SIZE // 2] = 9
    made = Reconstruction(x, x, x, x, {}, np.zeros(HEAT_SHAPE, np.float32), 0.0, {})
    rule = Rule(Calibration((5.0,), 0.5), regions=regions)
    verdict = rule.decide(Measurement(score, {}, heat, made, {"total": 1.0}), FRAME)
    line = result_line(str(file), verdict, Scorer("ab", 1, "here"), None)
    apart.make()
    apart.keep("name", file, FRAME, verdict, line, 2.0)


def test_only_anomalous_files_are_copied(tmp_path: Path) -> None:
    """The copy has the bytes and the suffix of the file; of a normal one there is none."""
    file, copies = tmp_path / "a.JPG", tmp_path / "copies"
    file.write_bytes(b"as it was sent")
    kept(KeptApart(anomalous=copies), file, 4.0)
    assert list(copies.iterdir()) == []
    kept(KeptApart(anomalous=copies), file, 6.0)
    assert [(one.name, one.read_bytes()) for one in copies.iterdir()] == [("name.JPG", b"as it was sent")]
    file.unlink()
    with pytest.raises(ResultsError, match="do not move files"):
        kept(KeptApart(anomalous=copies), file, 6.0)


def test_folders_that_would_mix_files_are_refused(tmp_path: Path) -> None:
    """One folder for two kinds, the heat maps' own, or one that holds the images: refused."""
    here, out, images = tmp_path / "here", tmp_path / "out", tmp_path / "images"
    with pytest.raises(SettingsError, match=r"--overlays .*here is the folder of --masks too"):
        KeptApart(masks=here, overlays=tmp_path / "x" / ".." / "here").check(out, [images])
    with pytest.raises(SettingsError, match=r"--masks .*heat_maps is the folder of the heat maps too"):
        KeptApart(masks=out / "heat_maps").check(out, [images])
    for place, given in ((images, images), (images, images / "a.png"), (tmp_path, images)):
        with pytest.raises(SettingsError, match=r"--anomalous .* which is to be scored"):
            KeptApart(anomalous=place).check(out, [given])
    KeptApart(masks=images / "masks", overlays=here, anomalous=out / "anomalous").check(out, [images])


def test_each_is_kept_alone(tmp_path: Path) -> None:
    """A mask alone makes no other folder; it is 8 bits, as large as the image."""
    kept(KeptApart(masks=tmp_path / "m"), tmp_path / "a.png", 1.0)
    assert [one.name for one in tmp_path.iterdir()] == ["m"]
    mask = cv2.imread(str(tmp_path / "m" / "name.png"), cv2.IMREAD_UNCHANGED)
    assert mask is not None
    assert mask.shape == (60, 90)
    assert mask.dtype == np.dtype("uint8")
    expected = np.zeros((60, 90), np.uint8)
    expected[:30, :45] = 255
    np.testing.assert_array_equal(mask, expected)


def test_an_overlay_is_in_the_colours_of_the_image(tmp_path: Path) -> None:
    """Where nothing is hot the image is as it came; where it is, it is tinted."""
    kept(KeptApart(overlays=tmp_path / "o"), tmp_path / "a.png", 1.0)
    drawn = cv2.imread(str(tmp_path / "o" / "name.png"), cv2.IMREAD_UNCHANGED)
    assert drawn is not None
    assert drawn.shape == (60, 90, 3)
    off = np.abs(drawn.astype(int) - np.array(ORANGE[::-1]))
    assert off[35:, 50:].max() <= 1
    assert off[:25, :40].max(axis=2).min() > 20
