"""Where an object says what the values of one of its frames mean: the frame's own groups come first."""

from __future__ import annotations

from pydicom.dataset import Dataset

from sranogan_edge.image.dicom_numbers import texts_of

__all__ = ["items_of", "of_all_frames", "rescale_of", "table_in", "voi_of"]

_PER_FRAME, _SHARED = "PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"
_RESCALE = ("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence")
_VOI = ("WindowCenter", "WindowWidth", "VOILUTSequence")


def rescale_of(dataset: Dataset, frame: int) -> Dataset:
    """Return the data set whose rescale or modality table holds for ``frame``, counted from 0.

    PS3.3, C.7.6.16: the frame's own functional groups, else the shared ones, else the object itself.
    """
    return _holder(dataset, frame, "PixelValueTransformationSequence", _RESCALE)


def voi_of(dataset: Dataset, frame: int) -> Dataset:
    """Return the data set whose window or VOI table holds for ``frame``: as for :func:`rescale_of`."""
    return _holder(dataset, frame, "FrameVOILUTSequence", _VOI)


def table_in(holder: Dataset, sequence: str) -> Dataset | None:
    """Return the first table of ``sequence``; None where there is none."""
    return next(iter(items_of(holder, sequence)), None)


def of_all_frames(dataset: Dataset) -> list[Dataset]:
    """The groups that hold for all frames, and those of the first."""
    return [each for each in (_item(dataset, _SHARED, 0), _item(dataset, _PER_FRAME, 0)) if each is not None]


def _holder(dataset: Dataset, frame: int, macro: str, keywords: tuple[str, ...]) -> Dataset:
    for groups in (_item(dataset, _PER_FRAME, frame), _item(dataset, _SHARED, 0)):
        for held in items_of(groups, macro):
            if any(items_of(held, keyword) or texts_of(held, keyword) for keyword in keywords):
                return held
    return dataset


def _item(dataset: Dataset, sequence: str, number: int) -> Dataset | None:
    items = items_of(dataset, sequence)
    return items[number] if number < len(items) else None


def items_of(dataset: Dataset | None, keyword: str) -> list[Dataset]:
    """The items of a sequence; none where it is not there, is damaged, or is no sequence."""
    try:
        found = dataset.get(keyword) if dataset is not None else None
        return [item for item in found or () if isinstance(item, Dataset)]
    except Exception:  # a damaged sequence says nothing: the object itself may
        return []
