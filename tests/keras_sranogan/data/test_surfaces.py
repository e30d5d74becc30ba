"""Sets of surfaces in the layouts of their authors: splits, labels and masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from keras_sranogan.data.item import DataSource
from keras_sranogan.data.marks import regions_of, unused_masks_of
from keras_sranogan.data.open import open_source
from keras_sranogan.data.overview import overview
from sranogan_edge.errors import DataError
from tests.support import surfaces
from tests.support.surfaces import LARGE, SMALL, marked


def counted(source: DataSource) -> dict[str, tuple[int, int]]:
    """How many normals and others each split has."""
    return {
        split: (
            sum(one.is_normal for one in source.items(split)),
            sum(not one.is_normal for one in source.items(split)),
        )
        for split in source.splits()
    }


def masks_of(source: DataSource) -> list[int]:
    """The pixels that the masks of the test split's images mark, those that are not normal, in order."""
    found = [source.mask(item) for item in source.items("test") if not item.is_normal]
    there = [mask for mask in found if mask is not None]
    assert [mask.shape for mask in there] == [(surfaces.HEIGHT, surfaces.WIDTH)] * len(found)
    return [int(np.count_nonzero(mask)) for mask in there]


def area(box: surfaces.Box) -> int:
    """Pixels in a box."""
    return box[2] * box[3]


def test_mvtec_ad(tmp_path: Path) -> None:
    """Two kinds of defect, each image with the mask of its own name; a product is the data's name."""
    source = open_source(str(surfaces.mvtec(tmp_path / "bottle")))
    assert (source.name, source.anomalies) == ("bottle", "mixture")
    assert counted(source) == {"train": (2, 0), "test": (2, 3)}
    assert {item.label for item in source.items("test")} == {"good", "crack", "stain"}
    assert masks_of(source) == [area(SMALL), area(surfaces.MEDIUM), area(LARGE)]
    assert unused_masks_of(source) == ()
    assert regions_of(source, source.items("test")[0]) == ()


def test_mvtec_loco(tmp_path: Path) -> None:
    """The validation split is read, masks are joined; each is a region that saturates as its value says."""
    source = open_source(str(surfaces.loco(tmp_path / "juice_bottle")))
    assert counted(source) == {"train": (2, 0), "val": (2, 0), "test": (2, 2)}
    logical, structural = (item for item in source.items("test") if not item.is_normal)
    assert (logical.label, structural.label) == ("logical_anomalies", "structural_anomalies")
    assert masks_of(source) == [area(LARGE) + area(SMALL), area(SMALL)]
    found = [(int(one.mask.sum()), one.enough_px) for one in regions_of(source, logical)]
    assert found == [(600, 100.0), (20, 10.0)]  # 100 pixels of the large, half of the small one
    assert [one.enough_px for one in regions_of(source, structural)] == [20.0]
    assert regions_of(source, source.items("train")[0]) == ()
    assert unused_masks_of(source) == ()


def test_a_threshold_of_more_pixels_than_a_defect_has_is_all_of_it(tmp_path: Path) -> None:
    """As in LOCO's own evaluation; and a share so small that it is no pixel is one."""
    root = surfaces.loco(tmp_path)
    config = root / "defects_config.json"
    config.write_text(config.read_text().replace("100,", "5000,").replace("0.5,", "0.001,"))
    source = open_source(str(root))
    logical = next(item for item in source.items("test") if not item.is_normal)
    assert [one.enough_px for one in regions_of(source, logical)] == [600.0, 1.0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[", "cannot be read"),
        ("{}", "is no list of defects"),
        ("[]", "is no list of defects"),
        ('[{"pixel_value": 255}]', "entry 1 lacks 'saturation_threshold'"),
        ("[3]", "entry 1 lacks"),
        (
            '[{"pixel_value": 255, "saturation_threshold": 0, "relative_saturation": true}]',
            "entry 1 must have",
        ),
        (
            '[{"pixel_value": 255, "saturation_threshold": 1, "relative_saturation": 1}]',
            "entry 1 must have",
        ),
        (
            '[{"pixel_value": 7, "saturation_threshold": 1, "relative_saturation": true}]',
            "has the value 255, which defects_config.json does not; it has 7",
        ),
    ],
)
def test_thresholds_that_cannot_be_used_are_refused(tmp_path: Path, text: str, said: str) -> None:
    """What is wrong with ``defects_config.json`` is told with its path; masks are read without it."""
    root = surfaces.loco(tmp_path)
    (root / "defects_config.json").write_text(text)
    source = open_source(str(root))
    logical = next(item for item in source.items("test") if not item.is_normal)
    with pytest.raises(DataError, match=said) as raised:
        regions_of(source, logical)
    assert "defects_config.json" in str(raised.value)
    assert masks_of(source) == [620, 20]
    (root / "defects_config.json").unlink()
    assert regions_of(source, logical) == ()


@pytest.mark.parametrize(("image", "mask"), [(".bmp", ".png"), (".png", ".png"), (".bmp", ".bmp")])
def test_btad(tmp_path: Path, image: str, mask: str) -> None:
    """``ok`` is normal and ``ko`` is not, with masks of either kind of file."""
    source = open_source(str(surfaces.btad(tmp_path / "03", image, mask)))
    assert (source.name, source.anomalies) == ("03", "mixture")
    assert counted(source) == {"train": (2, 0), "test": (2, 2)}
    assert masks_of(source) == [area(SMALL), area(LARGE)]


@pytest.mark.parametrize("named", ["VisA/candle", "VisA/candle/Data", "VisA"])
def test_visa_by_its_list(tmp_path: Path, named: str) -> None:
    """The split is the list's, a mask any value above 0, the types of defects those of the annotations."""
    surfaces.visa(tmp_path / "VisA", "candle")
    source = open_source(str(tmp_path / named))
    assert (source.name, source.anomalies) == ("candle", "mixture")
    assert counted(source) == {"train": (8, 0), "test": (2, 2)}
    tested = [item.key for item in source.items("test") if item.is_normal]
    assert tested == ["Data/Images/Normal/0003.JPG", "Data/Images/Normal/0007.JPG"]
    assert masks_of(source) == [area(SMALL), area(LARGE)]
    found = {item.key: item.kinds for item in source.items("test") if not item.is_normal}
    assert found == {
        "Data/Images/Anomaly/000.JPG": ("melt",),
        "Data/Images/Anomaly/001.JPG": ("melt", "bent"),
    }
    assert source.frame(source.items("test")[0]).pixels.shape == (surfaces.HEIGHT, surfaces.WIDTH)
    assert unused_masks_of(source) == ()
    assert f"split by {tmp_path / 'VisA' / 'split_csv' / '1cls.csv'}" in "\n".join(overview(source))


def test_visa_without_its_list(tmp_path: Path) -> None:
    """Folders alone do: every tenth normal is tested on, none stands in both splits, and that is told."""
    surfaces.visa(tmp_path / "VisA", "candle", listed=False)
    source = open_source(str(tmp_path / "VisA" / "candle"))
    assert counted(source) == {"train": (9, 0), "test": (1, 2)}
    keys = [item.key for split in source.splits() for item in source.items(split)]
    assert len(set(keys)) == len(keys) == 12
    assert masks_of(source) == [area(SMALL), area(LARGE)]
    assert "every 10th normal, from the first" in "\n".join(overview(source))


def test_several_objects_are_not_one_set(tmp_path: Path) -> None:
    """The folder of all objects names them, and so does --normal-class with a name that is not there."""
    surfaces.visa(tmp_path / "VisA", "candle", "pcb1")
    with pytest.raises(DataError, match="holds 2 sets, each with splits of its own: candle, pcb1"):
        open_source(str(tmp_path / "VisA"))
    with pytest.raises(DataError, match="no class 'melt'; found anomaly, normal"):
        open_source(str(tmp_path / "VisA" / "pcb1"), normal_class="melt")
    source = open_source(str(tmp_path / "VisA" / "pcb1"), normal_class="*")
    assert counted(source) == {"train": (14, 0)}  # all images at any depth, masks as well: as it was told


def test_other_classes_beside_normal_are_not_visa(tmp_path: Path) -> None:
    """A third class is not lost: the layout is then classes without splits."""
    surfaces.visa(tmp_path / "VisA", "candle", listed=False)
    images = tmp_path / "VisA" / "candle" / "Data" / "Images"
    surfaces.write(images / "Other" / "0.png", surfaces.surface(1))
    assert {item.label for item in open_source(str(images)).items("test")} == {"Normal", "Anomaly", "Other"}
    with pytest.raises(DataError, match="no class 'NORMAL'; found Images, Masks"):
        open_source(str(tmp_path / "VisA" / "candle"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("object,split", "thing,split", "no column object in its first line; found thing, split"),
        ("candle,", "lamp,", "has no line of the object 'candle'; found lamp"),
        ("Normal/0003", "Normal/0303", "names 1 images that are not there, such as candle/Data"),
        ("Normal/0003", "Normal/0004", r"names Data/Images/Normal/0004\.JPG more than once"),
        ("candle,test,anomaly", "candle,maybe,anomaly", "must have the split train or test .* 'maybe'"),
        ("candle,test,anomaly", "candle,test,odd", "must have the split train or test .* 'odd'"),
    ],
)
def test_a_list_that_does_not_go_with_the_images_is_refused(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    """A split that cannot be trusted is no split: the list's path, what is wrong, and the cure."""
    root = surfaces.visa(tmp_path / "VisA", "candle")
    listing = root / "split_csv" / "1cls.csv"
    listing.write_text(listing.read_text().replace(old, new))
    with pytest.raises(DataError, match=said) as raised:
        open_source(str(root / "candle"))
    assert "1cls.csv" in str(raised.value)


def test_anomalies_of_train_and_images_without_a_line_are_told(tmp_path: Path) -> None:
    """The lists of few shots have anomalies to learn from: here nobody learns from them."""
    root = surfaces.visa(tmp_path / "VisA", "candle")
    listing = root / "split_csv" / "1cls.csv"
    lines = listing.read_text().replace("candle,test,anomaly", "candle,train,anomaly", 1).splitlines()
    listing.write_text("\ufeff" + "\r\n".join(line for line in lines if "Normal/0005" not in line))
    source = open_source(str(root / "candle"))
    assert counted(source) == {"train": (7, 0), "test": (2, 1)}
    told = "\n".join(overview(source))
    assert "not used: 1 images that the list does not name" in told
    assert "not used: 1 images of the split train, which are not normal" in told


FAULTS = ("missing", "nothing", "damaged")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("layout", ["mvtec", "loco", "visa", "btad"])
def test_a_mask_that_cannot_be_used_is_named(tmp_path: Path, layout: str, fault: str) -> None:
    """A missing mask, one that marks nothing and one that is no image are errors that name their image."""
    root = (
        surfaces.visa(tmp_path, "candle") / "candle"
        if layout == "visa"
        else getattr(surfaces, layout)(tmp_path)
    )
    source = open_source(str(root))
    item = [one for one in source.items("test") if not one.is_normal][-1]
    folders = [root / "Data" / "Masks"] if layout == "visa" else [root / "ground_truth" / item.label]
    files = [
        path for path in folders[0].rglob("*.*") if item.path and path.parts[-1].startswith(item.path.stem)
    ]
    assert len(files) == 1
    if fault == "missing":
        files[0].unlink()
    elif fault == "nothing":
        surfaces.write(files[0], marked(SMALL, 0))
    else:
        files[0].write_bytes(files[0].read_bytes()[:40])
    said = {"missing": "no mask of", "nothing": "marks nothing", "damaged": "the mask of"}[fault]
    with pytest.raises(DataError, match=said) as raised:
        source.mask(item)
    assert item.key in str(raised.value)
    assert source.mask(next(one for one in source.items("test") if one.is_normal)) is None


@pytest.mark.parametrize(
    ("layout", "orphan"),
    [
        ("mvtec", "ground_truth/crack/007_mask.png"),
        ("mvtec", "ground_truth/hole/000_mask.png"),
        ("loco", "ground_truth/logical_anomalies/009/000.png"),
        ("btad", "ground_truth/ko/0000_old.png"),
        ("visa", "Data/Masks/Anomaly/044.png"),
    ],
)
def test_a_mask_of_no_image_is_told(tmp_path: Path, layout: str, orphan: str) -> None:
    """It is named by its path; a mask of a good part, as some ship, is none of these."""
    root = (
        surfaces.visa(tmp_path, "candle") / "candle"
        if layout == "visa"
        else getattr(surfaces, layout)(tmp_path)
    )
    surfaces.write(root / orphan, marked(SMALL))
    if layout == "btad":
        surfaces.write(root / "ground_truth" / "ok" / "0000.png", marked(SMALL, 0))
    assert unused_masks_of(open_source(str(root))) == (orphan,)


def test_a_set_without_masks_has_none_to_lack(tmp_path: Path) -> None:
    """Without the folder of masks nothing is marked, and that is no error."""
    for root, folder in (
        (surfaces.mvtec(tmp_path / "bottle"), "ground_truth"),
        (surfaces.visa(tmp_path / "VisA", "candle") / "candle", "Data/Masks"),
    ):
        (root / folder).rename(tmp_path / f"away {root.name}")
        source = open_source(str(root))
        assert [source.mask(item) for item in source.items("test")] == [None] * len(source.items("test"))
        assert unused_masks_of(source) == ()
