"""What an image source is to the rest of the package, and how a spec on the command line opens one."""

from __future__ import annotations

import stat
from pathlib import Path

from keras_sranogan.data.item import DataSource
from sranogan_edge.errors import DataError
from sranogan_edge.image.files import check_place
from sranogan_edge.image.guard import DEFAULT_MAX_PIXELS
from sranogan_edge.image.image_list import PassedOver
from sranogan_edge.text import meant

__all__ = ["open_source", "passed_over_by"]


def passed_over_by(source: DataSource) -> tuple[PassedOver, ...]:
    """What is no image in the folder of ``source``, or cannot be looked at; nothing where it is no folder."""
    found: tuple[PassedOver, ...] = getattr(source, "passed_over", ())
    return found


def open_source(
    spec: str, *, normal_class: str = "NORMAL", seed: int = 0, max_pixels: int = DEFAULT_MAX_PIXELS
) -> DataSource:
    """Open the images that ``spec`` names.

    Args:
        spec: ``phantom[:texture][?train=..&val=..]`` drawn images; ``medmnist:FLAG[?size=..&root=..]``
            a MedMNIST set; otherwise a folder: of normals only, ``{train,val,test}/CLASS``, ``CLASS``
            alone (all of it split ``test``), MVTec (``train/good``, ``test/DEFECT``; BTAD, too), in any case
            and by other usual names, or an object of VisA; what is not understood is refused.
        normal_class: the folder name of the normals, where there are classes; as long as it says no more
            than ``NORMAL``, other usual names of normals do too. ``*``: every image at any depth is normal.
        seed: draws other phantoms, unless the spec states its own; nothing else here is random.
        max_pixels: files that declare more pixels than this are refused, one by one.

    Raises:
        DataError: missing, empty, in no known layout, or without the normal class.
        SettingsError: an option in the spec is unknown or cannot work.
    """
    if spec == "phantom" or spec.startswith(("phantom:", "phantom?")):
        from keras_sranogan.data.phantom.source import PhantomSource

        return PhantomSource.from_spec(_with_seed(spec, seed))
    if spec.startswith("medmnist:"):
        from keras_sranogan.data.medmnist import MedmnistSource

        return MedmnistSource.from_spec(spec)
    return _open_folder(Path(spec).expanduser(), normal_class, max_pixels)


def _with_seed(spec: str, seed: int) -> str:
    path, _, query = spec.partition("?")
    options = [option for option in query.split("&") if option]
    if not any(option.startswith("seed=") for option in options):
        options.append(f"seed={seed}")
    return f"{path}?{'&'.join(options)}"


def _open_folder(root: Path, normal_class: str, max_pixels: int) -> DataSource:
    from keras_sranogan.data.folder_source import FolderSource
    from keras_sranogan.data.layout import read_layout
    from keras_sranogan.data.mvtec import MvtecSource, is_mvtec
    from keras_sranogan.data.visa import VisaSource, find_visa

    try:
        found = "" if stat.S_ISDIR(root.stat().st_mode) else "is a file, not a folder"
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a zero byte
        found = "no such folder"
    except OSError as error:
        found = f"cannot be read ({error.strerror or error})"
    if found:
        near = meant(str(root), ("phantom", "phantom:texture"))
        raise DataError(
            f"{root}: {found}{near}. Name a folder of images, 'phantom' for drawn images, "
            "or 'medmnist:pneumoniamnist'."
        )
    check_place(root)
    if visa := find_visa(root, normal_class):
        return VisaSource(visa, max_pixels=max_pixels)
    layout = read_layout(root, normal_class)
    kind = MvtecSource if is_mvtec(layout) else FolderSource
    return kind(layout, max_pixels=max_pixels)
