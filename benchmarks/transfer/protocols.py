"""What designs are judged by: sets of images, each with normals to learn from and images to judge."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from keras_sranogan.audit.controls import DETAIL
from keras_sranogan.data.item import DataSource, Item
from keras_sranogan.data.load import LoadedImages, load_images
from keras_sranogan.data.open import open_source
from keras_sranogan.data.split import split_by_group
from keras_sranogan.data.tiles import TileReader, Transform
from keras_sranogan.detector.jitter import jitter_frame
from keras_sranogan.detector.normals import to_bytes
from keras_sranogan.evaluation.metrics import fit_mask
from sranogan_edge.errors import DataError
from sranogan_edge.image.frame import Frame
from sranogan_edge.image.preprocess import PreprocessSpec
from sranogan_edge.image.tiles import judged_tiles

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
VIEWS = ("plain", "low_pass")
HELD_SHARE = 0.2
COPIES = 2  # jittered, of each held-out normal
FORMAT = 2  # of what is kept of the images
FIT_TILES = 1600  # drawn from the normals that are learned from
Bytes = NDArray[np.uint8]
Scores = NDArray[np.float64]


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

    def learns_from(self, item: Item) -> bool:
        """Whether it is a normal to learn from."""
        return item.is_normal and _named(item, self.learned)

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
LARGE = Protocol("large texture", "phantom:texture?train=100&val=10&test=100&size=384")
ALL = {**PROTOCOLS, LARGE.name: LARGE}
IN_TILES = ("brick", "pcb", LARGE.name)  # what designs in tiles are judged by


@dataclass(frozen=True, eq=False)
class Images:
    """The images of a protocol, preprocessed, ``(N, S, S, C)`` uint8.

    Attributes:
        fit: normals that networks learn from.
        again: the same, jittered.
        held: normals that densities are fitted to: as they came, then jittered copies.
        groups: ``(N,)`` of ``held``: whose image it is.
        original: ``(N,)`` of ``held``: true where it is as it came.
        judged: images to judge, by view (:data:`VIEWS`).
        abnormal: ``(M,)`` of ``judged``.
        people: ``(M,)`` of ``judged``: whose image it is.
        masks: ``(M, S, S)`` where they are abnormal; None where nobody marked it.
        tiles: ``(R, 4)``, where images are covered with tiles: of each row of ``judged`` its image, left, top
            and side in pixels; masks have the images' own size then.
        held_image: ``(N,)`` of ``held``, where these are tiles: which image's.
    """

    fit: Bytes
    again: Bytes
    held: Bytes
    groups: NDArray[np.int64]
    original: NDArray[np.bool_]
    judged: dict[str, Bytes]
    abnormal: NDArray[np.bool_]
    people: NDArray[np.int64]
    masks: NDArray[np.bool_] | None
    tiles: NDArray[np.int64] | None = None
    held_image: NDArray[np.int64] | None = None

    @property
    def tiled(self) -> bool:
        """Whether images are covered with tiles."""
        return self.tiles is not None

    @property
    def counted(self) -> dict[str, int]:
        """How many images, or tiles of them, are learned from, and how many images are held out."""
        return {"fit": len(self.fit), "held_out": len(self.worst_held(np.zeros(len(self.held))))}

    def worst(self, scores: Scores) -> Scores:
        """Return the scores of images that are judged: of those in tiles, each image's highest."""
        return scores if self.tiles is None else _highest(scores, self.tiles[:, 0])

    def worst_held(self, scores: Scores) -> Scores:
        """Return the scores of held-out images as they came."""
        scores = scores[self.original]
        return scores if self.held_image is None else _highest(scores, self.held_image[self.original])

    def save(self, path: Path) -> None:
        """Write an ``.npz`` file."""
        arrays = {name: value for name, value in vars(self).items() if name != "judged" and value is not None}
        arrays |= {f"judged_{view}": images for view, images in self.judged.items()}
        np.savez(path, **arrays)

    @classmethod
    def load(cls, path: Path) -> Images:
        """Read :meth:`save`."""
        with np.load(path, allow_pickle=False) as stored:
            judged = {view: stored[f"judged_{view}"] for view in VIEWS}
            plain = ("fit", "again", "held", "groups", "original", "abnormal", "people")
            perhaps = {name: stored.get(name) for name in ("masks", "tiles", "held_image")}
            return cls(judged=judged, **perhaps, **{name: stored[name] for name in plain})


def read_images(protocol: Protocol, spec: PreprocessSpec, copies: int, cache: Path) -> Images:
    """Read the images of ``protocol``, or take them from the folder ``cache``, where they are kept.

    They are known there by name, size, colour and copies: remove the folder where a set itself has changed.

    Raises:
        DataError: its images are not here.
    """
    form = (
        f"{spec.size}{'_colour' * spec.colour}{f'_tiles{spec.tile_side_px}' * spec.tiled}_{copies}_{FORMAT}"
    )
    path = cache / f"{protocol.name.replace(' ', '_')}_{form}.npz"
    if not path.exists():
        if not protocol.present:
            raise DataError(f"{protocol.name}: no {DATA / protocol.data} here")
        cache.mkdir(parents=True, exist_ok=True)
        (_read_tiles if spec.tiled else _read)(protocol, spec, copies).save(path)
    return Images.load(path)


def _parts(protocol: Protocol, source: DataSource) -> tuple[list[Item], list[Item]]:
    """Return normals to learn from, and to hold out."""
    learned = [item for item in source.items("train") if protocol.learns_from(item)]
    return split_by_group(learned, HELD_SHARE, seed=0)


def _read(protocol: Protocol, spec: PreprocessSpec, copies: int) -> Images:
    source = protocol.source
    fit, held = _parts(protocol, source)
    everything = [load_images(source, held, spec), *(_jittered(source, held, spec, n) for n in range(copies))]
    _, groups = np.unique([item.group for part in everything for item in part.items], return_inverse=True)
    judged = list(judged_items(protocol, source))
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
        np.unique([item.group for item in judged], return_inverse=True)[1].astype(np.int64),
        _masks(source, judged, spec),
    )


def _read_tiles(protocol: Protocol, spec: PreprocessSpec, copies: int) -> Images:
    """Tiles as the product takes them: drawn from normals to learn from, and all that cover the others."""
    source = protocol.source
    fit, held = _parts(protocol, source)
    reader = TileReader(source, spec, max_bad_share=0.05)
    everything = [_covered(source, held, spec), *(_covered(source, held, spec, n) for n in range(copies))]
    number = np.concatenate([tiles[:, 0] for _, tiles in everything])
    judged = list(judged_items(protocol, source))
    plain, tiles = _covered(source, judged, spec)
    masks = [source.mask(item) for item in judged]
    shapes = {mask.shape for mask in masks if mask is not None}
    whole = None
    if len(shapes) == 1:
        nothing = np.zeros(shapes.pop(), np.bool_)
        whole = np.stack([nothing if mask is None else mask for mask in masks])
    return Images(
        to_bytes(reader.draw(fit, FIT_TILES, seed=0).x),
        to_bytes(reader.draw(fit, FIT_TILES, seed=1, transform=_jitter(fit, copies)).x),
        np.concatenate([rows for rows, _ in everything]),
        np.unique([item.group for item in held], return_inverse=True)[1].astype(np.int64)[number],
        np.arange(len(number)) < len(everything[0][0]),
        {"plain": plain, "low_pass": np.stack([_low_pass(one) for one in plain])},
        np.array([not item.is_normal for item in judged]),
        np.unique([item.group for item in judged], return_inverse=True)[1].astype(np.int64),
        whole,
        tiles,
        number,
    )


def _covered(
    source: DataSource, items: list[Item], spec: PreprocessSpec, copy: int | None = None
) -> tuple[Bytes, NDArray[np.int64]]:
    """Return all tiles of images, ``(R, S, S, C)``, and image, left, top and side of each."""
    change = None if copy is None else _jitter(items, copy)
    rows, tiles = [], []
    for number, item in enumerate(items):
        frame = source.frame(item)
        for box, x in judged_tiles(change(frame, item) if change else frame, spec):
            if x is not None:
                rows.append(to_bytes(x[None])[0])
                tiles.append((number, box.left, box.top, box.side))
    return np.stack(rows), np.array(tiles, np.int64)


def _low_pass(tile: Bytes) -> Bytes:
    """Return a tile ``(S, S, C)`` without the detail that half of its side does not show."""
    small = cv2.resize(tile, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    back = cv2.resize(small, tile.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(back.reshape(tile.shape), np.uint8)


def _highest(scores: Scores, image: NDArray[np.int64]) -> Scores:
    """Return the highest score of each image, in order of their numbers."""
    found = np.full(int(image.max()) + 1, -np.inf)
    np.maximum.at(found, image, scores)
    return found[np.unique(image)]


def _named(item: Item, beginning: str) -> bool:
    return Path(item.key).name.startswith(beginning)


def judged_items(protocol: Protocol, source: DataSource) -> Iterator[Item]:
    """Yield the images that a protocol judges."""
    for split in protocol.judged:
        for item in source.items(split):
            if item.label not in protocol.left_out and (not item.is_normal or _named(item, protocol.normals)):
                yield item


def _jittered(source: DataSource, items: list[Item], spec: PreprocessSpec, copy: int) -> LoadedImages:
    return load_images(source, items, spec, transform=_jitter(items, copy))


def _jitter(items: list[Item], copy: int) -> Transform:
    place = {item.key: number for number, item in enumerate(items)}

    def distort(frame: Frame, item: Item) -> Frame:
        return jitter_frame(frame, np.random.default_rng((0, copy, place[item.key])))

    return distort


def lowered(frame: Frame, item: Item) -> Frame:
    """Return the low-pass view of an image."""
    low_pass = next(control for control in DETAIL if control.name == "low_pass")
    return low_pass.apply(frame, item, 0).frame


def _masks(source: DataSource, items: list[Item], spec: PreprocessSpec) -> NDArray[np.bool_] | None:
    found = [source.mask(item) for item in items]
    if all(mask is None for mask, item in zip(found, items, strict=True) if not item.is_normal):
        return None
    nothing = np.zeros((spec.size, spec.size), np.bool_)
    return np.stack([nothing if mask is None else fit_mask(mask, spec) for mask in found])
