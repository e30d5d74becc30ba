"""``sranogan-calibrate --adapt``: densities adapted to a site, in force, taken back, and refused."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from sranogan_edge.bundle.bundle import read_bundle
from sranogan_edge.commands import calibrate as calibrate_cli
from sranogan_edge.detector.detector import Detector, check_golden
from sranogan_edge.detector.judge import calibrated
from sranogan_edge.detector.open import open_detector
from sranogan_edge.errors import CalibrationError, ExitCode
from sranogan_edge.image.frame import Frame
from sranogan_edge.scoring.density import Gaussian
from sranogan_edge.service.report import about
from sranogan_edge.site.calibrate import read_calibration
from sranogan_edge.spool.lock import FolderLock
from tests.support.swap_place import Place, successor

SECRET = b"a secret of more than thirty-two bytes"


def site_normal(number: int) -> np.ndarray:
    """A phantom as another machine shows it: softer, and darker in the middle tones."""
    from keras_sranogan.data.phantom import render_normal

    pixels = cv2.GaussianBlur(render_normal(7, number, 96).pixels, (0, 0), 0.6)
    return np.asarray((pixels / 255) ** 1.15 * 255, np.uint8)


def folder_of(folder: Path, count: int, first: int = 0) -> Path:
    """A folder of a site's normals."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        cv2.imwrite(str(folder / f"{number:03}.png"), site_normal(number))
    return folder


def run(bundle: Path, folder: Path, out: Path, *words: str) -> Any:
    """Run the command."""
    command = [str(bundle), str(folder), "--out", str(out), "--adapt", *words]
    return CliRunner().invoke(calibrate_cli.app, command)


@pytest.fixture(scope="module")
def normals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder of 24 normals of a site."""
    return folder_of(tmp_path_factory.mktemp("site") / "normals", 24)


@pytest.fixture(scope="module")
def site_file(knowing_bundle: Path, normals: Path) -> Path:
    """Give a site file, signed."""
    out, key = normals.parent / "site.json", normals.parent / "key"
    key.write_bytes(SECRET)
    done = run(knowing_bundle, normals, out, "--sign", str(key))
    assert done.exit_code == ExitCode.OK, done.output
    assert re.search(r"densities adapted to 2[234] images", " ".join(done.output.split()))
    return out


@pytest.fixture(scope="module")
def detector(knowing_bundle: Path) -> Detector:
    """Give a detector of the bundle alone."""
    return open_detector(knowing_bundle)


def test_in_force_and_taken_back(
    knowing_bundle: Path, site_file: Path, detector: Detector, normals: Path
) -> None:
    """Adapted, images score by the site; golden cases prove the bundle; without the file all is as it was."""
    image = folder_of(normals.parent / "new", 1, first=50) / "050.png"
    before = detector.score(image)
    judge = calibrated(detector, site_file, site_file.with_name("key"))
    judge.prove()
    site = judge.site
    assert site is not None
    stored = site.calibration.density
    assert stored is not None
    with_file = open_detector(knowing_bundle, calibration=site_file)
    found = with_file.score(image)
    assert found.score == stored.score(before.reconstruction.measured) != before.score
    assert found.threshold == site.calibration.calibration.threshold != before.threshold
    assert judge.scorer.calibration == site.digest
    told = about(judge, knowing_bundle)["calibration"]
    made = site.calibration
    assert told.startswith(f"{made.images} normals of this site, densities adapted to {made.fitted}, ")
    assert 22 <= made.fitted <= made.images <= 24
    check_golden(with_file, with_file.bundle.golden)
    again = open_detector(knowing_bundle).score(image)
    assert (again.score, again.parts, again.threshold) == (before.score, before.parts, before.threshold)


def test_scores_of_the_site_are_in_its_unit(site_file: Path, detector: Detector) -> None:
    """Out of fold, the normals are at 0 with deviation 1, whatever the bundle says; new ones about so."""
    site = read_calibration(site_file)
    scores = np.array(site.statistics["score"])
    assert (scores.mean(), scores.std()) == pytest.approx((0, 1), abs=1e-3)
    own = detector.scoring_by(site.density)
    frames = [Frame.of(site_normal(number)) for number in range(60, 84)]
    assert abs(np.median([own.measure(frame).score for frame in frames])) < 0.6
    assert set(site.statistics) == {
        "brightness",
        "contrast",
        "sharpness",
        "likeness",
        "residual",
        "head",
        "score",
    }


def test_the_files_schema(site_file: Path, normals: Path, knowing_bundle: Path) -> None:
    """A runner that knows no densities refuses the file by its version; a plain calibration is as it was."""
    assert json.loads(site_file.read_text())["schema_version"] == 2
    plain = normals.parent / "plain.json"
    done = CliRunner().invoke(calibrate_cli.app, [str(knowing_bundle), str(normals), "--out", str(plain)])
    assert done.exit_code == ExitCode.OK
    document = json.loads(plain.read_text())
    assert document["schema_version"] == 1
    assert not {"density", "fitted"} & set(document["body"])


@pytest.mark.parametrize("place", [0.0, 0.2, 0.5, 0.8])
def test_a_changed_byte_is_refused(site_file: Path, detector: Detector, tmp_path: Path, place: float) -> None:
    """One byte, in the densities or anywhere else, and the file is not taken."""
    data = bytearray(site_file.read_bytes())
    data[int(place * len(data))] ^= 1
    (tmp_path / "changed.json").write_bytes(data)
    with pytest.raises(CalibrationError):
        calibrated(detector, tmp_path / "changed.json")


def test_another_bundles_file_is_refused(site_file: Path, tiny_bundle: Path) -> None:
    """A site file goes with the bundle that it was made with, and with no other."""
    with pytest.raises(CalibrationError, match="made with the bundle"):
        calibrated(open_detector(tiny_bundle), site_file)


def test_densities_of_other_shapes_are_refused(site_file: Path, detector: Detector, tmp_path: Path) -> None:
    """A file that names this bundle, and holds the densities of another, is told, not scored with."""
    from sranogan_edge.site.calibrate import write_calibration

    site = read_calibration(site_file)
    assert site.density
    small = Gaussian(np.zeros(2, np.float32), np.eye(2, dtype=np.float32))
    other = replace(site, density=replace(site.density, parts={**site.density.parts, "head": small}))
    write_calibration(other, tmp_path / "other.json")
    with pytest.raises(CalibrationError, match="other measurements than the bundle's"):
        calibrated(detector, tmp_path / "other.json")


def test_too_few_and_copies_are_refused(knowing_bundle: Path, normals: Path, tmp_path: Path) -> None:
    """The refusal says how many distinct images there are; a copy is known however it was saved."""
    few = folder_of(tmp_path / "few", 5)
    done = run(knowing_bundle, few, tmp_path / "o.json")
    assert (done.exit_code, "5 images that can be used" in done.output) == (ExitCode.BAD_DATA, True)
    copies = folder_of(tmp_path / "copies", 15)
    for number in range(10):
        pixels = site_normal(number)
        brighter = np.clip(pixels * 1.05, 0, 255).astype(np.uint8)
        cv2.imwrite(str(copies / f"copy{number}.{'jpg' if number % 2 else 'png'}"), brighter)
    done = run(knowing_bundle, copies, tmp_path / "o.json")
    told = " ".join(done.output.split())
    assert done.exit_code == ExitCode.BAD_DATA
    assert (
        "15 distinct images, 25 with those that are nearly the same picture, and --adapt needs at least 20"
        in told
    )
    assert "copy3.jpg is nearly the same picture as" in told
    assert not (tmp_path / "o.json").exists()


def test_foreign_images_are_refused(knowing_bundle: Path, tmp_path: Path) -> None:
    """Pictures of something else are named, with the reason; ``--anyway`` takes them."""
    rng = np.random.default_rng(0)
    for number in range(24):
        cv2.imwrite(str(tmp_path / f"{number}.png"), rng.integers(0, 255, (96, 96), dtype=np.uint8))
    done = run(knowing_bundle, tmp_path, tmp_path / "o.json")
    assert done.exit_code == ExitCode.BAD_DATA
    assert "24 of 24 images are not like the bundle's training data" in " ".join(done.output.split())
    assert not (tmp_path / "o.json").exists()
    done = run(knowing_bundle, tmp_path, tmp_path / "o.json", "--anyway")
    assert done.exit_code == ExitCode.OK, done.output
    assert "used anyway" in done.output


def test_anyway_goes_with_adapt(knowing_bundle: Path, normals: Path) -> None:
    """Without --adapt there is nothing to do anyway."""
    done = CliRunner().invoke(calibrate_cli.app, [str(knowing_bundle), str(normals), "--anyway"])
    assert (done.exit_code, "goes with --adapt" in done.output) == (ExitCode.USAGE, True)


def test_two_at_once(knowing_bundle: Path, normals: Path, tmp_path: Path) -> None:
    """A second command for the same file is refused, and the file stays; a leftover lock hinders nobody."""
    out = tmp_path / "site.json"
    out.write_text("what was there")
    held = FolderLock(tmp_path, "wait", "site.json.lock", "sranogan-calibrate")
    done = run(knowing_bundle, normals, out)
    assert done.exit_code == ExitCode.CANNOT_WRITE
    assert "in use by another sranogan-calibrate" in " ".join(done.output.split())
    assert out.read_text() == "what was there"
    held.close()
    assert run(knowing_bundle, normals, out).exit_code == ExitCode.OK
    assert [one.name for one in tmp_path.iterdir()] == ["site.json"]


def test_a_full_disk_keeps_what_was_there(knowing_bundle: Path, normals: Path, small_disk: Path) -> None:
    """Densities that find no room leave the file from before whole, and nothing half-written."""
    out = small_disk / "site.json"
    out.write_text("what was there")
    (small_disk / "others").write_bytes(bytes(48 * 1024))
    done = run(knowing_bundle, normals, out)
    assert done.exit_code == ExitCode.CANNOT_WRITE, done.output
    assert "No space left" in done.output
    assert out.read_text() == "what was there"
    assert sorted(one.name for one in small_disk.iterdir()) == ["others", "site.json"]


def test_killed_while_writing(
    knowing_bundle: Path, normals: Path, site_file: Path, detector: Detector, tmp_path: Path
) -> None:
    """Killed with the file half on its way, the device goes on with what it had; the next run works."""
    out = Path(shutil.copy(site_file, tmp_path / "site.json"))
    before = out.read_bytes()
    code = (
        "import os, signal, sys\n"
        "from sranogan_edge import files\n"
        "from sranogan_edge.commands.calibrate import calibrate_main\n"
        "files.os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)\n"
        "calibrate_main()\n"
    )
    command = [sys.executable, "-c", code, str(knowing_bundle), str(normals), "--adapt", "--out", str(out)]
    assert subprocess.run(command, check=False, capture_output=True).returncode == -9
    assert out.read_bytes() == before
    assert out.with_name("site.json.part").exists()
    calibrated(detector, out)
    assert run(knowing_bundle, normals, out).exit_code == ExitCode.OK
    assert [one.name for one in tmp_path.iterdir()] == ["site.json"]
    calibrated(detector, out)


def test_it_takes_over_while_the_service_runs(knowing_bundle: Path, site_file: Path, tmp_path: Path) -> None:
    """A site file in the place of a plain one takes over between two images; one that is damaged does not."""
    place = Place(tmp_path, knowing_bundle)
    done = CliRunner().invoke(
        calibrate_cli.app,
        [str(knowing_bundle), str(site_file.with_name("normals")), "--out", str(place.site)],
    )
    assert done.exit_code == ExitCode.OK
    swap = place.swap()
    first = swap.first()
    swap.start()
    try:
        shutil.copy(site_file, tmp_path / "new")
        (tmp_path / "new").replace(place.site)
        second = successor(swap)
        frame = Frame.of(site_normal(90))
        one, other = first.detector.measure(frame), second.detector.measure(frame)
        stored = read_calibration(site_file).density
        assert stored
        assert other.score == stored.score(one.reconstruction.measured) != one.score
        second.prove()
        place.site.write_bytes(site_file.read_bytes()[:-40])
        assert any("not a calibration" in reason for reason in _alarms(place))
        assert swap.successor() is None
    finally:
        swap.close()


def _alarms(place: Place) -> tuple[str, ...]:
    from tests.support.service_bench import wait_for

    wait_for(lambda: bool(place.alarms.now))
    return place.alarms.now


def test_usual_images_are_scored_by_the_adapted_densities(
    knowing_bundle: Path, normals: Path, tmp_path: Path
) -> None:
    """What the drift monitor compares with is in the unit that images are scored in."""
    usual, out = folder_of(tmp_path / "usual", 3, first=40), tmp_path / "site.json"
    assert run(knowing_bundle, normals, out, "--usual", str(usual)).exit_code == ExitCode.OK
    found, own = read_calibration(out), open_detector(knowing_bundle, calibration=out)
    expected = [own.score(file).score for file in sorted(usual.iterdir())]
    assert list(found.usual["score"]) == pytest.approx(expected)


def test_the_bundle_is_never_written_to(knowing_bundle: Path, site_file: Path) -> None:
    """The site file names the bundle by its digest, which is still that of the file."""
    assert read_calibration(site_file).bundle == read_bundle(knowing_bundle).sha256
