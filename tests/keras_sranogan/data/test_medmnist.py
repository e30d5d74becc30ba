"""MedMNIST archives: read from a folder, fetched once, refused when damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pooch
import pytest

from keras_sranogan.data.medmnist import MedmnistSource, parse_spec, registry
from keras_sranogan.data.open import open_source
from sranogan_edge.errors import DataError, SettingsError
from sranogan_edge.image.frame import Frame, Photometric


def archive(path: Path, labels: list[Any], *shape: int) -> Path:
    """An archive with the same few images in every split; image n has the value n."""
    rows = np.array(labels, np.uint8).reshape(len(labels), -1)
    images = np.arange(len(rows), dtype=np.uint8).reshape(-1, *(1 for _ in shape)) * np.ones(shape, np.uint8)
    arrays: dict[str, Any] = {f"{split}_{kind}": value for split in ("train", "val", "test")
              for kind, value in (("images", images), ("labels", rows))}  # fmt: skip
    np.savez_compressed(path, **arrays)
    return path


def test_pneumonia_from_a_folder(tmp_path: Path) -> None:
    """Images and labels come from the archive of the asked size; train lists normals only."""
    archive(tmp_path / "pneumoniamnist_224.npz", [0, 1, 0], 224, 224)
    source = open_source(f"medmnist:pneumoniamnist?size=224&root={tmp_path}")
    assert (source.name, source.splits()) == ("pneumoniamnist_224", ("train", "val", "test"))
    assert [item.key for item in source.items("train")] == ["train/000000", "train/000002"]
    val = source.items("val")
    assert [(item.label, item.is_normal) for item in val] == [
        ("normal", True), ("pneumonia", False), ("normal", True),
    ]  # fmt: skip
    assert len({item.group for item in val}) == 3
    frame = source.frame(val[2])
    assert (frame.pixels.shape, int(frame.pixels[0, 0]), frame.bit_depth) == ((224, 224), 2, 8)
    assert (frame.photometric, frame.source) == (Photometric.MONOCHROME2, "pneumoniamnist_224/val/000002")
    assert source.mask(val[1]) is None


def test_folder_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MEDMNIST_ROOT names the folder, 128 is the size, and 28 has no suffix."""
    monkeypatch.setenv("MEDMNIST_ROOT", str(tmp_path))
    archive(tmp_path / "breastmnist_128.npz", [0, 1], 128, 128)
    archive(tmp_path / "breastmnist.npz", [0, 1], 28, 28)
    assert [item.is_normal for item in open_source("medmnist:breastmnist").items("test")] == [False, True]
    assert open_source("medmnist:breastmnist?size=28").name == "breastmnist"


def test_colour_and_chosen_normal_class(tmp_path: Path) -> None:
    """A set without a normal class takes the index in the spec; colour comes as RGB."""
    archive(tmp_path / "bloodmnist_64.npz", [6, 1], 64, 64, 3)
    source = open_source(f"medmnist:bloodmnist?size=64&normal=6&root={tmp_path}")
    neutrophil, eosinophil = source.items("val")
    assert (neutrophil.label, neutrophil.is_normal, eosinophil.is_normal) == ("neutrophil", True, False)
    assert source.frame(neutrophil).photometric is Photometric.RGB


def test_many_labels(tmp_path: Path) -> None:
    """In chestmnist, normal is who has none of the findings; others are named by theirs."""
    rows = [[0] * 14, [1, 0, 1] + [0] * 11]
    archive(tmp_path / "chestmnist_128.npz", rows, 128, 128)
    items = open_source(f"medmnist:chestmnist?root={tmp_path}").items("test")
    assert [(item.label, item.is_normal) for item in items] == [
        ("no finding", True), ("atelectasis + effusion", False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("medmnist:pneumonia", "No MedMNIST set 'pneumonia'; there are pathmnist"),
        ("medmnist:pneumoniamnist?size=100", r"no option size=100.*size=28\|64\|128\|224"),
        ("medmnist:pneumoniamnist?normal=2", r"no option normal=2.*normal=0\|1"),
        ("medmnist:pneumoniamnist?sise=28", "no option sise=28"),
        ("medmnist:organamnist", r"organamnist\?normal=0\. Classes: 0 bladder, 1 femur-left"),
        ("medmnist:chestmnist?normal=3", "many labels an image"),
    ],
)
def test_specs_that_cannot_work(spec: str, reason: str) -> None:
    """Unknown sets and options are refused with what there is."""
    with pytest.raises(SettingsError, match=reason):
        open_source(spec)


def test_missing_archive_is_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is fetched by the published address and checksum into the folder, then read from there."""
    calls = []

    def retrieve(url: str, known_hash: str, fname: str, path: Path) -> None:
        calls.append((url, known_hash))
        archive(path / fname, [0, 1], 224, 224)

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    for _ in range(2):
        open_source(f"medmnist:pneumoniamnist?size=224&root={tmp_path}")
    url = "https://zenodo.org/records/10519652/files/pneumoniamnist_224.npz?download=1"
    assert calls == [(url, "md5:d6a3c71de1b945ea11211b03746c1fe1")]


def test_failed_fetch_says_how_to_do_it_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network, the message gives address, checksum and where to put the file."""

    def retrieve(*_: object, **__: object) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    reason = (
        r"pneumoniamnist_128\.npz: not there.*no route to host.*zenodo\.org.*"
        r"05b46931834c231683c68f40c47b2971.*save it as.*root=.*MEDMNIST_ROOT"
    )
    with pytest.raises(DataError, match=reason):
        open_source(f"medmnist:pneumoniamnist?root={tmp_path}")


def test_damaged_archives_are_refused(tmp_path: Path) -> None:
    """Text, half a file, a single array, missing members, labels or images that do not fit: all DataError."""
    path = tmp_path / "pneumoniamnist_128.npz"
    spec = f"medmnist:pneumoniamnist?root={tmp_path}"

    def first_frame() -> Frame:
        source = open_source(spec)
        return source.frame(source.items("val")[0])

    def refused() -> None:
        with pytest.raises(DataError, match=r"_128\.npz: not a whole MedMNIST archive.*fetch it again"):
            first_frame()

    path.write_text("<html>404</html>")
    refused()
    whole = archive(path, [0, 1], 128, 128).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused()
    with path.open("wb") as stream:
        np.save(stream, np.zeros(3))
    refused()
    np.savez(path, train_images=np.zeros((1, 8, 8), np.uint8))
    refused()
    archive(path, [0, 7], 128, 128)
    refused()
    archive(path, [0, 1], 128)
    refused()


def test_unknown_split(tmp_path: Path) -> None:
    """A split that MedMNIST does not have is refused."""
    archive(tmp_path / "pneumoniamnist_128.npz", [0, 1], 128, 128)
    with pytest.raises(DataError, match="no split 'dev'; there is train, val, test"):
        MedmnistSource.from_spec(f"medmnist:pneumoniamnist?root={tmp_path}").items("dev")


def test_registry_is_complete() -> None:
    """All twelve 2D sets are there, each with a checksum for every size."""
    sets = registry()["sets"]
    assert len(sets) == 12
    assert all(set(entry["md5"]) == {"28", "64", "128", "224"} for entry in sets.values())
    assert len({md5 for entry in sets.values() for md5 in entry["md5"].values()}) == 48
    assert parse_spec("medmnist:octmnist").file == "octmnist_128.npz"
