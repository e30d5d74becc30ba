"""What designs are judged by: sets of images, each with normals to learn from and images to judge."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.audit.controls import DETAIL
from keras_sranogan.data.item import DataSource, Item
from keras_sranogan.data.load import LoadedImages, load_images
from keras_sranogan.data.open import open_source
from keras_sranogan.data.split import split_by_group
from keras_sranogan.detector.jitter import jitter_frame
from keras_sranogan.detector.normals import to_bytes
from keras_sranogan.evaluation.metrics import fit_mask
from sranogan_edge.errors import DataError
from sranogan_edge.image.frame import Frame
from sranogan_edge.image.preprocess import PreprocessSpec

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
VIEWS = ("plain", "low_pass")
HELD_SHARE = 0.2
Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Protocol:
    """Which images of a source are learned from, and which are judged.

    Attributes:
        name: in tables.
        data: a folder of ``DATA``, or phantoms.
        learned: what the file name of a normal to learn from begins with.
        judged: splits whose images are judged.
        normals: what the file name of a normal to judge begins with.
        left_out: labels that are not judged.
    """

    name: str
    data: str
    learned: str = ""
    judged: tuple[str, ...] = ("test",)
    normals: str = ""
    left_out: tuple[str, ...] = ()

    @property
    def source(self) -> DataSource:
        """The images: phantoms, or a folder below the data's."""
        return open_source(self.data if self.data.startswith("phantom") else str(DATA / self.data))

    @property
    def present(self) -> bool:
        """Whether its images are here."""
        return self.data.startswith("phantom") or (DATA / self.data).is_dir()


SOURCES = ("train", "val")
PROTOCOLS = {
    one.name: one
    for one in (
        Protocol("chest", "chest_xray", judged=("val",)),
        Protocol("chest IM to NORMAL2", "chest_xray", "IM-", SOURCES, "NORMAL2-"),
        Protocol("chest NORMAL2 to IM", "chest_xray", "NORMAL2-", SOURCES, "IM-"),
        Protocol("covid", "covid-radiography"),
        Protocol("malaria", "malaria-cells"),
        Protocol("solar", "solar-mono", left_out=("probably_defective",)),
        Protocol("brick", "brick"),
        Protocol("pcb", "pcb"),
        Protocol("phantom", "phantom?train=400&val=10&test=300"),
        Protocol("phantom texture", "phantom:texture?train=400&val=10&test=300"),
    )
}


@dataclass(frozen=True, eq=False)
class Images:
    """The images of a protocol, preprocessed, ``(N, S, S, 1)`` uint8.

    Attributes:
        fit: normals that networks learn from.
        again: the same, jittered.
        held: normals that densities are fitted to: as they came, then jittered copies.
        groups: ``(N,)`` of ``held``: whose image it is.
        original: ``(N,)`` of ``held``: true where it is as it came.
        judged: images to judge, by view (:data:`VIEWS`).
        abnormal: ``(M,)`` of ``judged``.
        masks: ``(M, S, S)`` where they are abnormal; None where nobody marked it.
    """

    fit: Bytes
    again: Bytes
    held: Bytes
    groups: NDArray[np.int64]
    original: NDArray[np.bool_]
    judged: dict[str, Bytes]
    abnormal: NDArray[np.bool_]
    masks: NDArray[np.bool_] | None

    def save(self, path: Path) -> None:
        """Write an ``.npz`` file."""
        arrays = {name: value for name, value in vars(self).items() if name not in ("judged", "masks")}
        arrays |= {f"judged_{view}": images for view, images in self.judged.items()}
        if self.masks is not None:
            arrays["masks"] = self.masks
        np.savez(path, **arrays)

    @classmethod
    def load(cls, path: Path) -> Images:
        """Read :meth:`save`."""
        with np.load(path, allow_pickle=False) as stored:
            judged = {view: stored[f"judged_{view}"] for view in VIEWS}
            plain = ("fit", "again", "held", "groups", "original", "abnormal")
            masks = stored.get("masks")
            return cls(judged=judged, masks=masks, **{name: stored[name] for name in plain})


def read_images(protocol: Protocol, spec: PreprocessSpec, copies: int, cache: Path) -> Images:
    """Read the images of ``protocol``, or take them from the folder ``cache``, where they are kept.

    They are known there by name, size and copies: remove the folder where a set itself has changed.

    Raises:
        DataError: its images are not here.
    """
    path = cache / f"{protocol.name.replace(' ', '_')}_{spec.size}_{copies}.npz"
    if not path.exists():
        if not protocol.present:
            raise DataError(f"{protocol.name}: no {DATA / protocol.data} here")
        cache.mkdir(parents=True, exist_ok=True)
        _read(protocol, spec, copies).save(path)
    return Images.load(path)


def _read(protocol: Protocol, spec: PreprocessSpec, copies: int) -> Images:
    source = protocol.source
    learned = [item for item in source.items("train") if item.is_normal and _named(item, protocol.learned)]
    fit, held = split_by_group(learned, HELD_SHARE, seed=0)
    everything = [load_images(source, held, spec), *(_jittered(source, held, spec, n) for n in range(copies))]
    _, groups = np.unique([item.group for part in everything for item in part.items], return_inverse=True)
    judged = list(_judged(protocol, source))
    low_pass = next(control for control in DETAIL if control.name == "low_pass")

    def lowered(frame: Frame, item: Item) -> Frame:
        return low_pass.apply(frame, item, 0).frame

    views = {
        "plain": load_images(source, judged, spec),
        "low_pass": load_images(source, judged, spec, transform=lowered),
    }
    return Images(
        to_bytes(load_images(source, fit, spec).x),
        to_bytes(_jittered(source, fit, spec, copies).x),
        to_bytes(np.concatenate([part.x for part in everything])),
        np.asarray(groups, np.int64),
        np.arange(len(groups)) < len(held),
        {view: to_bytes(loaded.x) for view, loaded in views.items()},
        np.array([not item.is_normal for item in judged]),
        _masks(source, judged, spec),
    )


def _named(item: Item, beginning: str) -> bool:
    return Path(item.key).name.startswith(beginning)


def _judged(protocol: Protocol, source: DataSource) -> Iterator[Item]:
    for split in protocol.judged:
        for item in source.items(split):
            if item.label not in protocol.left_out and (not item.is_normal or _named(item, protocol.normals)):
                yield item


def _jittered(source: DataSource, items: list[Item], spec: PreprocessSpec, copy: int) -> LoadedImages:
    place = {item.key: number for number, item in enumerate(items)}

    def distort(frame: Frame, item: Item) -> Frame:
        return jitter_frame(frame, np.random.default_rng((0, copy, place[item.key])))

    return load_images(source, items, spec, transform=distort)


def _masks(source: DataSource, items: list[Item], spec: PreprocessSpec) -> NDArray[np.bool_] | None:
    found = [source.mask(item) for item in items]
    if all(mask is None for mask, item in zip(found, items, strict=True) if not item.is_normal):
        return None
    nothing = np.zeros((spec.size, spec.size), np.bool_)
    return np.stack([nothing if mask is None else fit_mask(mask, spec) for mask in found])
