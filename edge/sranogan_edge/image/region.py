"""The region of interest: a polygon in shares of width and height; what lies outside is not judged."""

from __future__ import annotations

from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from sranogan_edge.errors import SettingsError

__all__ = ["Region", "checked_region", "inside"]

Region: TypeAlias = tuple[tuple[float, float], ...]

MOST_CORNERS = 1000
_SMALLEST_AREA = 1e-4  # of the image
_CURE = (
    "Name at least three corners, each by its shares of width and height from 0 to 1, such as "
    "0.1,0.2 0.9,0.2 0.5,0.9."
)


def checked_region(given: Any) -> Region:
    """Return ``given``, corners as ``(x, y)``, as tuples; nothing is the whole image.

    Raises:
        SettingsError: it is no polygon, leaves the image, or encloses next to nothing.
    """
    try:
        corners = tuple((float(x), float(y)) for x, y in given)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"preprocess: region must be corners. Received: {given!r}. {_CURE}") from error
    if not corners:
        return ()
    if not 3 <= len(corners) <= MOST_CORNERS:
        raise SettingsError(f"preprocess: region has {len(corners)} corners. {_CURE}")
    for x, y in corners:
        if not (0 <= x <= 1 and 0 <= y <= 1):
            raise SettingsError(f"preprocess: region has a corner at {x:g},{y:g}, outside the image. {_CURE}")
    points = np.array(corners)
    following = np.roll(points, -1, axis=0)
    area = abs(float((points[:, 0] * following[:, 1] - following[:, 0] * points[:, 1]).sum())) / 2
    if area < _SMALLEST_AREA:
        raise SettingsError(f"preprocess: region encloses {area:.2g} of the image, next to nothing. {_CURE}")
    return corners


def inside(
    region: Region, image: tuple[int, int], left: int, top: int, shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Return which pixels of a part lie in the region.

    Args:
        region: at least three corners.
        image: height and width of the whole.
        left: of the part, in pixels.
        top: of the part.
        shape: height and width of the part.
    """
    height, width = image
    corners = np.array(region) * (width, height) - 0.5 - (left, top)  # a pixel's middle is its place
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.rint(corners).astype(np.int32)], (1,))
    return mask.astype(np.bool_)
