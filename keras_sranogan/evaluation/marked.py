"""Where the images of an evaluation are marked: looked at before they are scored, and read again then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.item import DataSource, Item
from keras_sranogan.data.marks import regions_of, unused_masks_of
from keras_sranogan.evaluation.metrics import fit_mask
from keras_sranogan.evaluation.own_size import Shape, at_own_size, judged_shape
from keras_sranogan.evaluation.pixels import ImagePixels
from keras_sranogan.evaluation.scored_tiles import as_heat
from sranogan_edge.errors import DataError
from sranogan_edge.image.align import Alignment
from sranogan_edge.image.preprocess import PreprocessSpec

if TYPE_CHECKING:
    from keras_sranogan.progress import Progress

__all__ = ["Marked", "read_marked"]

_NAMED = 3  # masks that a message shows


@dataclass(frozen=True, eq=False)
class Marked:
    """The masks of N images.

    Attributes:
        source: where the masks are read from.
        items: the N images.
        shapes: height and width of each.
        spec: how images came to their heat maps.
        small: ``(N, S, S)`` masks at the size of heat maps, for pictures.
        areas: ``(N,)`` what share of each image is marked.
        notes: what a person should know of these masks.
    """

    source: DataSource
    items: Sequence[Item]
    shapes: Sequence[Shape]
    spec: PreprocessSpec
    small: NDArray[np.bool_]
    areas: NDArray[np.float64]
    notes: tuple[str, ...]

    def pixels(self, number: int, heat: NDArray[np.float32]) -> ImagePixels:
        """Keep what pixel figures need of the heat map of image ``number``, at the image's own size."""
        item = self.items[number]
        whole = at_own_size(heat, self.spec, judged_shape(self.shapes[number]))
        return ImagePixels.of(whole, self.source.mask(item), regions_of(self.source, item))

    def as_judged(self, alignments: Sequence[Alignment] | None) -> NDArray[np.bool_]:
        """Return :attr:`small` as it lies on the images as they were judged."""
        if alignments is None:
            return self.small
        pairs = zip(alignments, self.small, strict=True)
        return np.stack([one.as_judged(mask, as_heat(self.spec)) for one, mask in pairs])


def read_marked(
    source: DataSource,
    items: Sequence[Item],
    shapes: Sequence[Shape],
    spec: PreprocessSpec,
    progress: Progress,
) -> Marked | None:
    """Look at the masks of all images. An unmarked normal is so nowhere; an unmarked abnormal ends it.

    Returns:
        None where an abnormal image is not marked, or nothing is.

    Raises:
        DataError: masks are missing, cannot be used, mark nothing, or are of another shape than their images:
            all of them, some by name.
    """
    seen_as = as_heat(spec)
    small = np.zeros((len(items), seen_as.size, seen_as.size), np.bool_)
    areas, resized = np.zeros(len(items)), 0
    faults: list[str] = []
    progress.start("reading masks", len(items))
    for number, (item, shape) in enumerate(zip(items, shapes, strict=True)):
        try:
            mask = source.mask(item)
            if mask is not None:
                _check_shape(mask.shape, shape, item)
                regions_of(source, item)
        except DataError as error:
            faults.append(str(error))
            continue
        if mask is not None:
            small[number], areas[number] = fit_mask(mask, seen_as), float(mask.mean())
            resized += mask.shape != shape
        elif not item.is_normal:
            progress.advance(len(items), "not marked")
            return None
        progress.advance(number + 1)
    if faults:
        raise _not_usable(source.name, faults)
    notes = tuple(_notes(resized, unused_masks_of(source)))
    return Marked(source, items, shapes, spec, small, areas, notes) if areas.any() else None


def _check_shape(mask: tuple[int, ...], image: Shape, item: Item) -> None:
    """A mask may be larger or smaller than its image; not longer, and not on its side."""
    (rows, columns), (height, width) = mask, image
    if abs(rows - height * columns / width) > 1 or abs(columns - width * rows / height) > 1:
        raise DataError(
            f"{item.key}: its mask has {columns} x {rows} pixels and the image {width} x {height}, which is "
            "another shape: where the defect is cannot be told. Draw the mask over the image."
        )


def _not_usable(name: str, faults: list[str]) -> DataError:
    if len(faults) == 1:
        return DataError(faults[0])
    first = "\n".join(f"  {fault}" for fault in faults[:_NAMED])
    more = f"\n  ... and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
    return DataError(f"{name}: {len(faults)} masks cannot be used.\n{first}{more}")


def _notes(resized: int, unused: tuple[str, ...]) -> list[str]:
    found = []
    if resized:
        found.append(
            f"{resized} masks are smaller or larger than their images, of the same shape: they were resized."
        )
    if unused:
        some = ", ".join(unused[:_NAMED]) + (" and others" if len(unused) > _NAMED else "")
        found.append(f"{len(unused)} masks belong to no image and count nowhere: {some}.")
    return found
