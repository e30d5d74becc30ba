"""Which files of a folder are learned from: the list that scoring and calibration go by, too."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from sranogan_edge.errors import DataError
from sranogan_edge.image.files import entries_in, list_images
from sranogan_edge.image.image_list import PassedOver, Reason
from sranogan_edge.image.own_outputs import is_default_out

__all__ = ["entries", "images_under", "passed_over_below", "subfolders"]


def images_under(folder: Path) -> list[Path]:
    """The image files below ``folder`` at any depth, sorted, and what is unreadable there.

    See :func:`sranogan_edge.image.files.list_images`. What is unreadable is skipped, named and counted when
    it is read.
    """
    found = list_images([folder])
    return sorted([*found.taken, *(one.path for one in found.unreadable)])


def passed_over_below(root: Path) -> tuple[PassedOver, ...]:
    """All that is no image below ``root``, or cannot be looked at, with its reason."""
    return list_images([root]).passed_over


def subfolders(folder: Path) -> list[Path]:
    """The folders in ``folder`` that images may lie in, sorted; not those that hold our own outputs alone.

    Raises:
        DataError: it may not be read.
    """
    return [path for path in entries(folder) if os.path.isdir(path) and not _holds_outputs_alone(path)]


def entries(folder: Path) -> list[Path]:
    """The files and folders in ``folder``, sorted, but those whose names say that they hold no images.

    Raises:
        DataError: it may not be read.
    """
    try:
        return entries_in(folder)
    except OSError as error:
        raise DataError(
            f"{error.filename}: cannot be read ({error.strerror}). Check its permissions."
        ) from error


def _holds_outputs_alone(folder: Path) -> bool:
    with contextlib.suppress(OSError):  # told where it is listed
        if is_default_out(folder.name, set(os.listdir(folder))):
            return True
    found = list_images([folder])
    return not found.taken and any(one.reason is Reason.OWN for one in found.passed_over)
