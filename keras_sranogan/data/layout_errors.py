"""What is said where the layout of a folder is not understood: what was found, and what settles it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from keras_sranogan.data.listing import entries
from keras_sranogan.data.names import folded, means_abnormal
from keras_sranogan.data.tree import tree_text
from sranogan_edge.errors import DataError
from sranogan_edge.image.formats import IMAGE_SUFFIXES

_ALIKE = 0.6  # difflib ratio from which a class name is taken for a misspelt other
LAYOUTS = (
    "Known layouts: images alone (all normal), {train,val,test}/CLASS, CLASS alone (for testing), MVTec's "
    "train/good, test/DEFECT, VisA's Data/Images and Data/Masks."
)


def no_images(root: Path) -> DataError:
    """Nothing to learn from at any depth."""
    names = [path.name for path in entries(root)]
    found = ", ".join(names[:5]) + (" ..." if len(names) > 5 else "") if names else "an empty folder"
    return DataError(
        f"{root}: no images. Looked at any depth for {_suffixes()}; found {found}. "
        "Name a folder of images of normals, or one with train/NORMAL."
    )


def no_normals(folder: Path) -> DataError:
    """The folder of the normal class is empty."""
    return DataError(
        f"{folder}: no images: the folder of the normal class {folder.name!r} holds no images. Looked at any "
        f"depth for {_suffixes()}. Put the normals there."
    )


def no_normal_class(where: Path, wanted: str, found: Sequence[str]) -> DataError:
    """No class is called as asked for, and none by a name that usually means normal."""
    nearest = _nearest(wanted, found)
    hint = (
        f"Did you mean {nearest!r}? Pass --normal-class {nearest}"
        if nearest
        else "Name the folder of the normals with --normal-class"
    )
    listed = ", ".join(found[:8]) + (" ..." if len(found) > 8 else "")
    return _with_tree(
        where,
        f"no class {wanted!r}; found {listed}. {hint}, or rename the folder; or name the folder of the "
        "normals itself. Where all of it is normal, as with a folder for each patient, pass "
        "--normal-class '*'.",
    )


def several_normal_classes(where: Path, names: Sequence[str]) -> DataError:
    """Two classes that both sound normal."""
    return _with_tree(
        where, f"{' and '.join(names)} may both be the normal class. Say which with --normal-class."
    )


def several_sets(where: Path, sets: Sequence[Path]) -> DataError:
    """A parent of several data sets, such as MVTec's products."""
    names = ", ".join(path.name for path in sets[:20]) + (" ..." if len(sets) > 20 else "")
    return _with_tree(
        where,
        f"holds {len(sets)} sets, each with splits of its own: {names}. One model learns one kind of image: "
        f"name one of them, such as {sets[0]}.",
    )


def classes_before_splits(where: Path, names: Sequence[str]) -> DataError:
    """Splits in the folders of classes, the wrong way round."""
    return _with_tree(
        where,
        f"the classes {', '.join(names)} have splits in them. Splits go first: move the images to "
        "{train,val,test}/CLASS, or name a folder of normals to learn from it alone.",
    )


def loose_beside_folders(where: Path, count: int) -> DataError:
    """Images, and folders of images beside them."""
    return _with_tree(
        where,
        f"{count} image{'s' * (count != 1)} beside folders that hold images too: what is normal cannot be "
        f"told. Name the folder of the normals, put them under train/NORMAL, or, where all is normal at any "
        f"depth, pass --normal-class '*'. {LAYOUTS}",
    )


def loose_in_split(place: Path, loose: Sequence[Path]) -> DataError:
    """Images in a split's folder, outside of any class."""
    return DataError(
        f"{place}: {len(loose)} image(s) such as {loose[0].name} lie outside of any class folder. Move the "
        f"normals to {place.name}/NORMAL and name it with --normal-class."
    )


def no_class_folders(place: Path) -> DataError:
    """A split's folder without classes."""
    return DataError(f"{place}: no class folders. Expected such as {place.name}/NORMAL.")


def twice(where: Path, split: str, names: Sequence[str]) -> DataError:
    """Two folders that both sound like one split."""
    return _with_tree(where, f"{' and '.join(names)} may both be the split {split}. Move one of them away.")


def class_of_abnormals(folder: Path) -> DataError:
    """The only folder with images has the name of a class that is not normal."""
    return _with_tree(
        folder.parent,
        f"holds {folder.name} alone, which does not sound normal. If it is, pass "
        f"--normal-class {folder.name}; else name the folder of the normals.",
    )


def below_a_class(folder: Path, name: str) -> DataError:
    """A folder below a class that is of another kind."""
    return _with_tree(
        folder,
        f"a folder {name} inside of the class {folder.name}: its images may not be of this class. Move "
        f"{name} away, or name the folder of the images alone.",
    )


def _with_tree(where: Path, text: str) -> DataError:
    return DataError(f"{where}: {text}\nFound:\n{tree_text(where)}")


def _suffixes() -> str:
    return ", ".join(sorted(IMAGE_SUFFIXES))


def _nearest(wanted: str, found: Sequence[str]) -> str | None:
    names = {folded(name): name for name in found if not means_abnormal(name)}
    close = difflib.get_close_matches(folded(wanted), names, n=1, cutoff=_ALIKE)
    return names[close[0]] if close else None
