"""What the runner begins with: a good bundle and calibration, the ones in use before, or a refusal."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sranogan_edge.alarms import Alarms
from sranogan_edge.bundle.bundle import Bundle, read_bundle
from sranogan_edge.detector.load import CalibrationSettings, Loader
from sranogan_edge.errors import BundleError, BundleFormatError, CalibrationError, GoldenMismatchError
from sranogan_edge.service.bundles import KeptBundles
from sranogan_edge.service.swap import Swap
from tests.support.service_bench import wait_for
from tests.support.swap_place import XNNPACK, Place


def test_only_so_many_are_kept(tmp_path: Path) -> None:
    """The oldest goes; the same bundle again is no other one."""
    file = tmp_path / "a.sranogan"
    kept = KeptBundles(tmp_path / "spool", file, keep=2)
    for content in (b"1", b"2", b"2", b"3", b"4"):
        file.write_bytes(content)
        kept.stage()
        kept.promote()
    found = {p.name: p.read_bytes() for p in kept.in_use.parent.iterdir()}
    assert found == {"a.sranogan": b"4", "a.sranogan.1": b"3", "a.sranogan.2": b"2"}


def test_the_start_goes_on_with_the_last_one_that_was_good(
    place: Place, others: Path, bundle: Bundle
) -> None:
    """Garbage that was put there while the power was off is refused with an alarm, not with a standstill."""
    place.swap().first()
    place.put(others / "garbage")
    swap = place.swap()
    assert swap.first().scorer.bundle == bundle.sha256
    assert "The one that was in use before goes on." in place.alarms.now[0]


def test_the_start_goes_on_with_the_last_calibration_that_was_good(
    place: Place, others: Path, calibration: Path, tiny_bundle: Path
) -> None:
    """As with bundles, whether it is garbage, gone, or there is garbage for a bundle as well."""
    shutil.copy(calibration, place.site)
    first = place.swap().first()
    for spoil in (lambda: place.site.write_text("garbage"), lambda: place.put(others / "garbage")):
        spoil()
        swap = place.swap()
        judge = swap.first()
        assert judge.scorer == first.scorer
        assert judge.site is not None
        refused = [alarm for alarm in place.alarms.now if str(place.site) in alarm]
        assert len(refused) == 1
        assert refused[0].endswith("The one that was in use before goes on.")
    swap.start()
    shutil.copy(calibration, place.site)
    place.put(tiny_bundle)
    swap.look()
    wait_for(lambda: not any(str(place.site) in alarm for alarm in place.alarms.now))
    swap.close()


def test_a_kept_calibration_is_proven_like_any_other(place: Place, others: Path, calibration: Path) -> None:
    """Unsigned where a signature is asked for, it is refused; of another bundle, that goes on with it."""
    shutil.copy(calibration, place.site)
    first = place.swap().first()
    place.site.write_text("garbage")
    key = place.root / "key"
    key.write_bytes(b"a secret of more than thirty-two bytes")
    kept = KeptBundles(place.root / "spool", place.file)
    asked = Loader(XNNPACK, CalibrationSettings(place.site, key))
    with pytest.raises(CalibrationError, match="not a calibration"):
        Swap(place.file, asked, kept, place.alarms).first()
    place.put(others / "second")
    assert place.swap().first().scorer == first.scorer


@pytest.mark.parametrize(("name", "error"), [("garbage", BundleFormatError), ("wrong", GoldenMismatchError)])
def test_the_first_start_refuses(place: Place, others: Path, name: str, error: type[BundleError]) -> None:
    """With nothing to go on with, the runner does not start, and says why in the file's own name."""
    place.put(others / name)
    with pytest.raises(error) as refused:
        place.swap().first()
    assert "incoming" not in str(refused.value)


def test_the_first_start_refuses_the_calibration_of_another_bundle(
    place: Place, others: Path, calibration: Path
) -> None:
    """It was named for this bundle by a person who is there to correct it."""
    shutil.copy(calibration, place.site)
    place.put(others / "second")
    with pytest.raises(CalibrationError, match="not with this one"):
        place.swap().first()


def test_no_room_for_a_copy(small_disk: Path, tiny_bundle: Path) -> None:
    """The runner starts all the same; a bundle that comes later is refused until there is room."""
    spool = small_disk / "spool"
    alarms = Alarms()
    folder = small_disk.parent / f"{small_disk.name}-bundles"
    folder.mkdir()
    file = Path(shutil.copy(tiny_bundle, folder / "chest.sranogan"))
    try:
        swap = Swap(file, Loader(XNNPACK), KeptBundles(spool, file), alarms, every_s=None, settle_s=0)
        assert swap.first().scorer.bundle == read_bundle(tiny_bundle).sha256
        swap.start()
        swap.look()
        wait_for(lambda: bool(alarms.now))
        assert "No space left on device" in alarms.now[0]
        swap.close()
        assert not list((spool / "bundles").glob("incoming"))
    finally:
        shutil.rmtree(folder)
