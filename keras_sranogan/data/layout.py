"""Which folders are splits and which are classes; what cannot be told is refused, never guessed.

Nothing here looks at an image: names of folders decide, and where images lie.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from keras_sranogan.data.layout_errors import (
    below_a_class,
    class_of_abnormals,
    classes_before_splits,
    loose_beside_folders,
    loose_in_split,
    no_class_folders,
    no_images,
    no_normal_class,
    no_normals,
    several_normal_classes,
    several_sets,
    twice,
)
from keras_sranogan.data.listing import images_under, subfolders
from keras_sranogan.data.names import Split, folded, means_abnormal, means_masks, means_normal, means_split

__all__ = ["ALL", "Layout", "LeftOut", "is_unclear", "normal_names", "read_layout"]

ALL = "*"
"""The ``normal_class`` that says: every image at any depth is a normal."""

Classes = Mapping[str, Sequence[Path]]


@dataclass(frozen=True)
class LeftOut:
    """Images below the folder that no split takes.

    Attributes:
        where: the path below the folder.
        images: how many.
        why: in words.
    """

    where: str
    images: int
    why: str


@dataclass(frozen=True)
class Layout:
    """What a folder of images holds.

    Attributes:
        root: the folder that was named.
        inner: where the splits or classes lie: ``root``, or what single folders wrap.
        classes: images by split and class; ``train`` has the normal ones alone.
        normal: the classes taken for normal, by split.
        folders: the folders of the splits; empty where there are none.
        named: whether the classes are names of folders.
        left_out: images that are not used.
    """

    root: Path
    inner: Path
    classes: Mapping[Split, Classes]
    normal: Mapping[Split, frozenset[str]]
    folders: Mapping[Split, Path] = field(default_factory=dict)
    named: bool = True
    left_out: tuple[LeftOut, ...] = ()


def read_layout(root: Path, normal_class: str) -> Layout:
    """Tell the layout of ``root``; a single wrapping folder is looked through.

    Raises:
        DataError: no images, no class of normals, or a layout that could mean several things.
    """
    if normal_class == ALL:
        images = images_under(root)
        if not images:
            raise no_images(root)
        return _all_normal(root, root, "NORMAL", images)
    here = root
    while True:
        folders = subfolders(here)
        if any(means_split(path.name) for path in folders):
            return _with_splits(root, here, folders, normal_class)
        holding = [path for path in folders if images_under(path)]
        loose = [path for path in images_under(here) if path.parent == here]
        if not holding:
            if not loose:
                raise no_images(root)
            return _all_normal(root, here, normal_class, loose)
        if loose:
            raise loose_beside_folders(here, len(loose))
        if len(holding) > 1:
            return _classes_alone(root, here, holding, normal_class)
        here = holding[0]
        if _normal_of([here.name], normal_class, here):
            return _all_normal(root, here.parent, normal_class, _checked(here, is_normal=True))
        if means_abnormal(here.name):
            raise class_of_abnormals(here)


def _all_normal(root: Path, inner: Path, label: str, images: list[Path]) -> Layout:
    return Layout(root, inner, {"train": {label: images}}, {"train": frozenset({label})}, named=False)


def _with_splits(root: Path, inner: Path, folders: list[Path], wanted: str) -> Layout:
    places = _split_folders(inner, folders)
    by_split = {split: _class_folders(inner, place) for split, place in places.items()}
    normal = {
        split: _normal_of([path.name for path in found], wanted, places[split])
        for split, found in by_split.items()
    }
    _check_normals(inner, places, by_split, normal, wanted)
    classes: dict[Split, Classes] = {}
    left_out = [
        LeftOut(path.name, count, "no split")
        for path in folders
        if not (means_split(path.name) or means_masks(path.name)) and (count := len(images_under(path)))
    ]
    for split, found in by_split.items():
        learned = [path for path in found if split != "train" or path.name in normal[split]]
        classes[split] = {path.name: _checked(path, path.name in normal[split]) for path in learned}
        left_out += [
            LeftOut(path.relative_to(inner).as_posix(), len(images_under(path)), "not normal")
            for path in found
            if path not in learned
        ]
    return Layout(root, inner, classes, normal, places, left_out=tuple(left_out))


def _split_folders(inner: Path, folders: Iterable[Path]) -> dict[Split, Path]:
    found: dict[Split, Path] = {}
    for path in folders:
        split = means_split(path.name)
        if split and split in found:
            raise twice(inner, split, [found[split].name, path.name])
        if split:
            found[split] = path
    return {split: found[split] for split in ("train", "val", "test") if split in found}


def _class_folders(inner: Path, place: Path) -> list[Path]:
    """The folders of classes of one split, through a single folder that wraps them."""
    loose = [path for path in images_under(place) if path.parent == place]
    if loose:
        raise loose_in_split(place, loose)
    found = subfolders(place)
    if not found:
        raise no_class_folders(place)
    if len(found) == 1 and not means_normal(found[0].name) and not means_abnormal(found[0].name):
        below = subfolders(found[0])
        if any(means_normal(path.name) for path in below):
            return below
    return found


def _classes_alone(root: Path, inner: Path, holding: list[Path], wanted: str) -> Layout:
    """Classes without splits, all of them to test on."""
    sets = [path for path in holding if any(means_split(one.name) for one in subfolders(path))]
    names = [path.name for path in holding]
    if sets and any(means_normal(path.name) or means_abnormal(path.name) for path in sets):
        raise classes_before_splits(inner, names)
    if sets:
        raise several_sets(inner, sets)
    normal = _normal_of(names, wanted, inner)
    if not normal:
        raise no_normal_class(inner, wanted, names)
    classes = {path.name: _checked(path, path.name in normal) for path in holding}
    return Layout(root, inner, {"test": classes}, {"test": normal})


def _normal_of(names: Sequence[str], wanted: str, where: Path) -> frozenset[str]:
    """As :func:`normal_names`; raises DataError where several names usually mean normal."""
    found = normal_names(names, wanted)
    if is_unclear(found, wanted):
        raise several_normal_classes(where, sorted(found))
    return found


def normal_names(names: Sequence[str], wanted: str) -> frozenset[str]:
    """Which of the classes is ``wanted``: itself, or the same in another case.

    Where there is none and ``wanted`` means normal, as ``NORMAL`` does: those whose names usually do too.
    """
    exact = {wanted} & set(names) or {name for name in names if folded(name) == folded(wanted)}
    if exact or not means_normal(wanted):
        return frozenset(exact)
    return frozenset(name for name in names if means_normal(name))


def is_unclear(found: frozenset[str], wanted: str) -> bool:
    """Whether :func:`normal_names` found several that only usually mean normal."""
    return len(found) > 1 and any(folded(name) != folded(wanted) for name in found)


def _check_normals(
    inner: Path,
    places: Mapping[Split, Path],
    by_split: Mapping[Split, list[Path]],
    normal: Mapping[Split, frozenset[str]],
    wanted: str,
) -> None:
    """Refuse where nothing is normal in train, or anywhere if there is no train."""
    needed: list[Split] = ["train"] if "train" in places else list(places)
    found = [path for split in needed for path in by_split[split] if path.name in normal[split]]
    if not found:
        names = sorted({path.name for split in needed for path in by_split[split]})
        raise no_normal_class(places.get("train", inner), wanted, names)
    if not any(images_under(path) for path in found):
        raise no_normals(found[0])


def _checked(folder: Path, is_normal: bool) -> list[Path]:
    """The images below a class folder; refuses where its inner folders say that they are of another kind."""
    images = images_under(folder)
    names = {name for path in images for name in path.parent.relative_to(folder).parts}
    for name in sorted(names):
        if means_masks(name) or (is_normal and (means_split(name) or means_abnormal(name))):
            raise below_a_class(folder, name)
    return images
