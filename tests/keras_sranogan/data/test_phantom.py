import hashlib
import subprocess
import sys

import cv2
import numpy as np
import pytest

from keras_sranogan.data.item import Item
from keras_sranogan.data.open import open_source
from keras_sranogan.data.phantom import (
    DEFECTS,
    KINDS,
    LESIONS,
    PhantomOptions,
    PhantomSource,
    render_abnormal,
    render_normal,
    render_texture_defect,
    render_texture_normal,
)
from keras_sranogan.data.phantom.chest import attenuation, build_chest
from sranogan_edge.errors import SettingsError
from sranogan_edge.image.frame import Photometric

SEED = 11
SUBJECTS = range(4)


def change(index: int, lesion: str) -> tuple[np.ndarray, np.ndarray]:
    """The signed difference to the healthy twin, and the lesion's mask."""
    ill, twin = render_abnormal(SEED, index, lesion), render_normal(SEED, index)
    return ill.pixels.astype(int) - twin.pixels, ill.mask


def test_normal_film_has_the_stated_form() -> None:
    """A normal is 8 bits of the asked size, without a mask or a lesion, and uses the grey scale."""
    image = render_normal(SEED, 0, size=128)
    assert image.pixels.shape == image.mask.shape == (128, 128)
    assert image.pixels.dtype == np.uint8
    assert image.mask.dtype == np.bool_
    assert not image.mask.any()
    assert image.lesion is None
    assert np.percentile(image.pixels, 95) - np.percentile(image.pixels, 5) > 100


@pytest.mark.parametrize("size", [64, 100, 512])
def test_other_sizes_show_the_same_anatomy(size: int) -> None:
    """The film of another size is the 256-pixel film but for noise: nothing is measured in pixels."""
    films = [render_normal(SEED, 5, size).pixels, render_normal(SEED, 5, 256).pixels]
    small, reference = (cv2.resize(film, (32, 32), interpolation=cv2.INTER_AREA).ravel() for film in films)
    assert np.corrcoef(small, reference)[0, 1] > 0.97


@pytest.mark.parametrize("lesion", LESIONS)
def test_rendering_is_a_pure_function(lesion: str) -> None:
    """The same arguments give the same bytes, whatever was drawn in between."""
    first = render_abnormal(SEED, 3, lesion, 128)
    render_normal(SEED + 1, 9, 64)
    again = render_abnormal(SEED, 3, lesion, 128)
    np.testing.assert_array_equal(first.pixels, again.pixels)
    np.testing.assert_array_equal(first.mask, again.mask)


def test_rendering_does_not_depend_on_the_process() -> None:
    """A fresh interpreter draws the same film: no hidden state, no hash order."""
    code = (
        "import hashlib; from keras_sranogan.data.phantom import render_abnormal; "
        f"print(hashlib.sha256(render_abnormal({SEED}, 2, 'device', 64).pixels.tobytes()).hexdigest())"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = hashlib.sha256(render_abnormal(SEED, 2, "device", 64).pixels.tobytes()).hexdigest()
    assert told.stdout.strip() == here


def test_package_needs_no_tensorflow() -> None:
    """Drawing a film does not load TensorFlow, so that the phantom is cheap wherever it is used."""
    code = (
        "import sys; from keras_sranogan.data.phantom import PhantomSource; "
        "s = PhantomSource.from_spec('phantom?train=1&size=64'); s.frame(s.items('train')[0]); "
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_seed_and_index_each_draw_another_subject() -> None:
    """Another seed, or another index, is another person."""
    films = [render_normal(seed, index, 64).pixels for seed in (0, 1) for index in range(4)]
    assert len({film.tobytes() for film in films}) == len(films)


def test_lungs_are_darker_than_the_mediastinum_and_free_air_is_darkest() -> None:
    """Brightness follows what the rays crossed: mediastinum, then lungs, then the air around."""
    for index in SUBJECTS:
        chest, film = build_chest(SEED, index, 256), render_normal(SEED, index).pixels
        lungs = (chest.soft.lungs[0] + chest.soft.lungs[1] > 0.5) & (chest.soft.heart < 0.5)
        heart = (chest.soft.heart > 0.5) & (chest.soft.body > 0.5)
        air = chest.soft.body == 0
        assert film[lungs].mean() + 50 < film[heart].mean()
        if air.sum() > 500:
            assert np.median(film[air]) < film[lungs].mean()


def test_film_holds_two_lungs_and_the_right_diaphragm_mostly_stands_higher() -> None:
    """Each lung covers a believable share of the film, and the liver lifts the right dome."""
    chests = [build_chest(SEED, index, 64) for index in range(12)]
    for chest in chests:
        for lung in chest.soft.lungs:
            assert 0.06 < lung.mean() < 0.25
    higher = [chest.subject.right.dome < chest.subject.left.dome for chest in chests]
    assert np.mean(higher) > 0.7


def test_attenuation_is_never_negative() -> None:
    """Air and gas take away no more than there is."""
    for index in SUBJECTS:
        total = attenuation(build_chest(SEED, index, 64))
        assert np.isfinite(total).all()
        assert total.min() >= 0


@pytest.mark.parametrize("lesion", LESIONS)
def test_lesion_changes_the_film_inside_its_mask_and_hardly_outside(lesion: str) -> None:
    """The mask is where the film differs from its healthy twin; elsewhere only scatter and noise do."""
    for index in SUBJECTS:
        difference, mask = change(index, lesion)
        assert 0.0005 < mask.mean() < 0.5
        inside, outside = np.abs(difference[mask]).mean(), np.abs(difference[~mask]).mean()
        assert inside > 8
        assert outside < 2.5
        assert inside > 5 * outside
        assert np.abs(difference[~mask]).max() < 30


@pytest.mark.parametrize("lesion", LESIONS)
def test_mask_lies_inside_the_body(lesion: str) -> None:
    """No lesion is marked in the air around the patient."""
    for index in SUBJECTS:
        body = build_chest(SEED, index, 256).soft.body
        assert not (change(index, lesion)[1] & (body == 0)).any()


@pytest.mark.parametrize("lesion", LESIONS)
def test_lesion_has_the_sign_of_its_physics(lesion: str) -> None:
    """Fluid, cells and metal brighten the film; air outside the lung darkens it."""
    sign = -1 if lesion == "pneumothorax" else 1
    for index in SUBJECTS:
        difference, mask = change(index, lesion)
        assert sign * difference[mask].mean() > 8


@pytest.mark.parametrize("lesion", ["consolidation", "interstitial", "nodule", "pneumothorax"])
def test_lung_lesion_stays_in_the_lung(lesion: str) -> None:
    """What is a disease of the lung is marked over the lungs, up to the blur of the film."""
    for index in SUBJECTS:
        soft = build_chest(SEED, index, 256).soft
        whole = ((soft.air > 0) | (soft.lungs[0] + soft.lungs[1] > 0)).astype(np.uint8)
        near = cv2.dilate(whole, np.ones((9, 9), np.uint8)) > 0
        _, mask = change(index, lesion)
        assert (mask & near).sum() > 0.97 * mask.sum()


@pytest.mark.parametrize("lesion", LESIONS)
def test_lesions_vary(lesion: str) -> None:
    """Subjects get a lesion of different places and sizes, some twice as large as others."""
    masks = [render_abnormal(SEED, index, lesion, 128).mask for index in range(10)]
    assert len({mask.tobytes() for mask in masks}) == len(masks)
    areas = np.array([mask.sum() for mask in masks])
    assert areas.max() > 1.5 * areas.min()


def test_unknown_lesion_is_refused_with_the_known_ones() -> None:
    """A misspelt lesion is answered with the list to choose from."""
    with pytest.raises(SettingsError, match=r"'fracture'.*consolidation.*device"):
        render_abnormal(0, 0, "fracture")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("defect", DEFECTS)
def test_texture_defect_changes_the_surface_inside_its_mask_only(defect: str, kind: str) -> None:
    """A flawed surface is its flawless twin, pixel for pixel, but for the masked defect."""
    for index in SUBJECTS:
        flawed = render_texture_defect(SEED, index, defect, kind, 128)
        twin = render_texture_normal(SEED, index, kind, 128)
        difference = np.abs(flawed.pixels.astype(int) - twin.pixels)
        assert 0.0005 < flawed.mask.mean() < 0.3
        assert difference[flawed.mask].mean() > 12
        assert difference[~flawed.mask].mean() < 0.2
        assert flawed.lesion == defect


def test_texture_names_are_checked() -> None:
    """An unknown surface or defect is answered with the known ones."""
    with pytest.raises(SettingsError, match=r"'paper'.*weave"):
        render_texture_normal(0, 0, "paper")
    with pytest.raises(SettingsError, match=r"'dent'.*scratch"):
        render_texture_defect(0, 0, "dent")


def test_spec_without_options_takes_the_defaults() -> None:
    """``phantom`` alone is the chest with the documented numbers."""
    source = PhantomSource.from_spec("phantom")
    assert source.options == PhantomOptions(train=320, val=60, test=60, seed=0, size=256)
    assert source.name == "phantom"


def test_spec_options_are_read() -> None:
    """Every option of the spec arrives, and ``phantom:texture`` is the other family."""
    source = PhantomSource.from_spec("phantom:texture?train=5&val=6&test=7&seed=8&size=64")
    assert source.options == PhantomOptions(train=5, val=6, test=7, seed=8, size=64)
    assert source.name == "phantom:texture"


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("phantom?trian=3", "'trian'.*train, val, test, seed, size"),
        ("phantom?train=-1", "'train'.*'-1'"),
        ("phantom?train=many", "'train'.*'many'"),
        ("phantom?train=", "'train'.*''"),
        ("phantom?size=32", "'size'.*64.*'32'"),
        ("phantom?seed=1&seed=2", "'seed'.*twice"),
        ("phantom:brain", "'brain'.*phantom:texture"),
        ("phantom:", "''.*phantom:texture"),
        ("ghost", "'ghost'"),
    ],
)
def test_bad_spec_is_refused_by_name(spec: str, told: str) -> None:
    """What is wrong with a spec is named, with what would be right."""
    with pytest.raises(SettingsError, match=told):
        PhantomSource.from_spec(spec)


@pytest.mark.parametrize(("family", "defects"), [("phantom", LESIONS), ("phantom:texture", DEFECTS)])
def test_items_count_and_go_round_the_defects(family: str, defects: tuple[str, ...]) -> None:
    """Train holds normals only; val and test hold as many abnormals, each kind in turn."""
    source = PhantomSource.from_spec(f"{family}?train=5&val=3&test=8")
    assert source.splits() == ("train", "val", "test")
    assert [item.label for item in source.items("train")] == ["NORMAL"] * 5
    test = source.items("test")
    assert [item.is_normal for item in test] == [True] * 8 + [False] * 8
    assert [item.label for item in test[8:]] == [defects[number % len(defects)] for number in range(8)]
    assert len(source.items("val")) == 6


def test_items_are_stable_and_no_subject_stands_twice() -> None:
    """Keys and groups are unique over all splits and classes, and the same in every listing."""
    source = PhantomSource.from_spec("phantom?train=50&val=20&test=20")
    items = [item for split in source.splits() for item in source.items(split)]
    assert items == [item for split in source.splits() for item in source.items(split)]
    assert len({item.key for item in items}) == len({item.group for item in items}) == len(items) == 130


def test_splits_never_share_a_film() -> None:
    """The first films of every split and class are different pictures."""
    source = PhantomSource.from_spec("phantom?train=3&val=3&test=3&size=64")
    films = [source.frame(item).pixels for split in source.splits() for item in source.items(split)]
    assert len({film.tobytes() for film in films}) == len(films) == 15


def test_more_images_do_not_change_the_first_ones() -> None:
    """Growing a split keeps the films that it had."""
    small, large = (PhantomSource.from_spec(f"phantom?train={count}&size=64") for count in (2, 9))
    for few, many in zip(small.items("train"), large.items("train"), strict=False):
        np.testing.assert_array_equal(small.frame(few).pixels, large.frame(many).pixels)


def test_empty_split_is_not_offered() -> None:
    """A split without images is not among the splits."""
    assert PhantomSource.from_spec("phantom?val=0").splits() == ("train", "test")


def test_unknown_split_is_refused() -> None:
    """A misspelt split is answered with those that there are."""
    with pytest.raises(SettingsError, match=r"'tets'.*train, val, test"):
        PhantomSource.from_spec("phantom").items("tets")


@pytest.mark.parametrize("family", ["phantom", "phantom:texture"])
def test_frame_and_mask_belong_together(family: str) -> None:
    """An item's frame is 8-bit monochrome under its own name, and its mask marks abnormals only."""
    source = open_source(f"{family}?test=2&size=96", seed=4)
    for item in source.items("test"):
        frame, mask = source.frame(item), source.mask(item)
        assert frame.pixels.shape == (96, 96)
        assert (frame.bit_depth, frame.photometric) == (8, Photometric.MONOCHROME2)
        assert frame.source.endswith(item.key)
        assert mask is not None
        assert mask.shape == (96, 96)
        assert mask.any() != item.is_normal


def test_frame_shows_the_lesion_that_the_label_names() -> None:
    """The source draws exactly what the rendering functions draw for the item's subject."""
    source = PhantomSource.from_spec("phantom?test=2&size=64&seed=3")
    item: Item = source.items("test")[-1]
    subject = int(item.group.removeprefix("subject-"))
    expected = render_abnormal(3, subject, item.label, 64)
    np.testing.assert_array_equal(source.frame(item).pixels, expected.pixels)
    assert item.path is None
