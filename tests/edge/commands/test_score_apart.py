"""``sranogan-score``: masks, overlays and copies in folders of their own, and the regions in the lines."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from keras_sranogan.data.phantom import render_normal
from sranogan_edge.detector.load import Loader, ScoringSettings
from sranogan_edge.detector.open import open_detector
from sranogan_edge.errors import ExitCode, SettingsError
from sranogan_edge.image.reading import read_frames
from tests.support.cli_runs import lines_in, score

SIZES = {"wide": (96, 150), "high": (140, 100)}


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Give a folder of two films of two sizes, one of them with a white bar."""
    folder = tmp_path / "films"
    folder.mkdir()
    for name, (height, width) in SIZES.items():
        film = cv2.resize(render_normal(5, 0, 96).pixels, (width, height))
        if name == "high":
            film[20:60, 20:80] = 255
        cv2.imwrite(str(folder / f"{name}.png"), film)
    return folder


def test_masks_overlays_and_copies_are_kept_apart(tiny_bundle: Path, films: Path, tmp_path: Path) -> None:
    """Masks are grey and as large as the images, 255 where the lines' regions lie; overlays have colours."""
    masks, overlays, copies, out = (tmp_path / name for name in ("m", "deep/o", "c", "out"))
    done = score(
        tiny_bundle, films, "--out", out, "--masks", masks, "--overlays", overlays, "--anomalous", copies,
        "--heat-threshold", 0.5, "--no-domain",
    )  # fmt: skip
    assert done.exit_code == ExitCode.OK, done.output
    lines = {Path(line["file"]).stem: line for line in lines_in(out)}
    for name, size in SIZES.items():
        (mask_file,) = masks.glob(f"{name}-*.png")
        mask = cv2.imread(str(mask_file), cv2.IMREAD_UNCHANGED)
        assert mask is not None
        assert mask.shape == size
        assert mask.dtype == np.dtype("uint8")
        assert set(np.unique(mask)) <= {0, 255}
        told = lines[name]["regions"]
        inside = np.zeros(size, np.bool_)
        for one in told:
            assert one["peak"] >= one["mean"] > 0.5
            inside[one["y"] : one["y"] + one["height"], one["x"] : one["x"] + one["width"]] = True
        assert not mask[~inside].any()
        assert (mask > 0).sum() == pytest.approx(sum(one["area"] for one in told), rel=0.15)
        assert lines[name]["heat"]["threshold"] == 0.5
        (drawn_file,) = overlays.glob(f"{name}-*.png")
        drawn = cv2.imread(str(drawn_file), cv2.IMREAD_UNCHANGED)
        assert drawn is not None
        assert drawn.shape == (*size, 3)
    assert lines["high"]["regions"]
    anomalous = {name for name, line in lines.items() if line["verdict"] == "anomalous"}
    assert {path.name.rpartition("-")[0] for path in copies.iterdir()} == anomalous
    assert "heat maps: " in done.output


def test_folders_beside_the_images_are_no_input(tiny_bundle: Path, films: Path, tmp_path: Path) -> None:
    """Masks below the folder that is scored are not scored by the next call; earlier ones are replaced."""
    for _ in range(2):
        done = score(tiny_bundle, films, "--out", tmp_path / "out", "--masks", films / "masks")
        assert done.exit_code == ExitCode.OK, done.output
        assert len(lines_in(tmp_path / "out")) == len(list((films / "masks").iterdir())) == 2


def test_what_cannot_be_kept_is_told_before_images_are_scored(
    tiny_bundle: Path, films: Path, tmp_path: Path
) -> None:
    """A file in the place of a folder: exit code 6, and no line was written; a service takes none."""
    (tmp_path / "file").write_text("in the way")
    done = score(tiny_bundle, films, "--out", tmp_path / "out", "--masks", tmp_path / "file")
    assert done.exit_code == ExitCode.CANNOT_WRITE
    assert str(tmp_path / "file") in done.output
    assert not (tmp_path / "out" / "results.jsonl").exists()
    done = score(tiny_bundle, films, "--spool", tmp_path / "spool", "--masks", tmp_path / "m")
    assert done.exit_code == ExitCode.USAGE
    assert "--masks" in done.output
    for wrong in ("0", "-1", "nan"):
        assert score(tiny_bundle, films, "--heat-threshold", wrong).exit_code == ExitCode.USAGE


def test_the_summary_says_how_many_normals_have_a_region(
    tiny_bundle: Path, films: Path, tmp_path: Path
) -> None:
    """Figures and page say the threshold of heat, the smallest area and the share of normals with one."""
    out, page = tmp_path / "out", tmp_path / "page.html"
    done = score(tiny_bundle, films, "--out", out, "--report", page)
    assert done.exit_code == ExitCode.OK, done.output
    told = json.loads((out / "summary.json").read_text())["regions"]
    assert 0 < told["normals_share"] <= 0.5
    assert told["threshold"] > 0
    areas = sorted(line["heat"]["least_area"] for line in lines_in(out))
    assert told["least_area"] == [areas[0], areas[-1]]
    assert "of normals&#x27; images at most" in page.read_text()


def test_a_threshold_of_heat_holds_for_services_and_from_python(tiny_bundle: Path, films: Path) -> None:
    """What settings say scales heat maps and tells regions; without it the bundle's own limit does."""
    frames = read_frames(films / "high.png")
    for said in (None, 1.5):
        loader = Loader(ScoringSettings("xnnpack", heat_threshold=said))
        detector = loader.detector(tiny_bundle)
        limit = detector.bundle.density.heat_limit if said is None else said
        answer = loader.judge(detector).answer(frames)
        assert loader.judge(detector).heat_limit == limit
        assert answer.verdict.regions is not None
        assert answer.verdict.regions.rule.threshold == limit
        opened = open_detector(tiny_bundle, heat_threshold=said).score(films / "high.png")
        assert opened.regions is not None
        assert opened.regions.to_dict() == answer.verdict.regions.to_dict()
    with pytest.raises(SettingsError, match="heat_threshold must be above 0"):
        open_detector(tiny_bundle, heat_threshold=0.0)
